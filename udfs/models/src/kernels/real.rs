//! Functions of single numbers, written so that the compiler turns loops over them into vectors: no branches, no tables.

/// a × b + c, in one instruction where the processor has it.
#[inline(always)]
pub(crate) fn fused<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// e to the power of `x`, for `x` up to 88; relative error below 3e-7. Below -87 it is about 1e-38 rather than less.
///
/// x = n ln 2 + r; e^r is a polynomial (least squares on Chebyshev nodes, relative error 3e-9), 2^n is written into the exponent.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 × 2²³: adding it rounds to a whole number
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = fused::<FMA>(x, std::f32::consts::LOG2_E, SHIFT);
    let n = shifted - SHIFT;
    let r = fused::<FMA>(n, -LN2_LOW, fused::<FMA>(n, -LN2_HIGH, x));
    let mut p = EXP[0];
    p = fused::<FMA>(p, r, EXP[1]);
    p = fused::<FMA>(p, r, EXP[2]);
    p = fused::<FMA>(p, r, EXP[3]);
    p = fused::<FMA>(p, r, EXP[4]);
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    fused::<FMA>(p, r * r, r + 1.0) * power
}

const EXP: [f32; 5] = [
    0.001_375_140_7,
    0.008_368_916,
    0.041_669_533,
    0.166_665_18,
    0.499_999_88,
];

/// The Gaussian error linear unit x Φ(x) (Hendrycks and Gimpel 2016, arXiv:1606.08415); absolute error below 3e-7 |x|.
///
/// Φ(x) = 1/2 + x P(x²) / Q(x²) up to |x| = 5.2, beyond which it is 0 or 1 to the last bit but one. The polynomials are a
/// reweighted least-squares fit to the error function.
#[inline(always)]
pub(crate) fn gelu<const FMA: bool>(x: f32) -> f32 {
    const END: f32 = 5.2;
    let near = if x > END { END } else { x };
    let near = if near < -END { -END } else { near };
    let square = near * near;
    let mut p = P[4];
    p = fused::<FMA>(p, square, P[3]);
    p = fused::<FMA>(p, square, P[2]);
    p = fused::<FMA>(p, square, P[1]);
    p = fused::<FMA>(p, square, P[0]);
    let mut q = Q[4];
    q = fused::<FMA>(q, square, Q[3]);
    q = fused::<FMA>(q, square, Q[2]);
    q = fused::<FMA>(q, square, Q[1]);
    q = fused::<FMA>(q, square, Q[0]);
    q = fused::<FMA>(q, square, 1.0);
    x * fused::<FMA>(near, p / q, 0.5)
}

const P: [f32; 5] = [
    0.398_941_92,
    0.049_593_29,
    0.005_518_719_5,
    0.000_314_261_25,
    5.840_593e-6,
];
const Q: [f32; 5] = [
    0.290_972_7,
    0.037_339_726,
    0.002_703_735_6,
    0.000_112_740_03,
    5.018_977e-7,
];

/// The nearest bf16, ties to even, in the upper half of the bits; the lower half is zero. For finite numbers.
#[inline(always)]
pub(crate) fn bf16_bits(x: f32) -> u32 {
    let bits = x.to_bits();
    bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_agree_with_the_standard_library() {
        let worst = (-87_000..88_000)
            .map(|step| step as f32 / 1000.0)
            .map(|x| (f64::from(exp::<true>(x)) / f64::from(x).exp() - 1.0).abs())
            .fold(0.0, f64::max);
        assert!(worst < 3e-7, "{worst}");
        assert!(exp::<true>(-1000.0) < 1e-37);
    }

    #[test]
    fn gelu_agrees_with_its_published_values() {
        // x Φ(x), from tables of the normal distribution.
        for (x, value) in [
            (0.0, 0.0),
            (1.0, 0.841_344_8),
            (-1.0, -0.158_655_25),
            (2.0, 1.954_499_7),
            (-3.0, -0.004_049_694),
        ] {
            assert!((gelu::<true>(x) - value).abs() < 1e-6, "{x}");
        }
        assert!((gelu::<true>(30.0) - 30.0).abs() < 1e-5 && gelu::<true>(-30.0).abs() < 1e-5);
    }

    #[test]
    fn bf16_is_rounded_to_nearest_even() {
        for x in [1.0, -1.003_906_2, 3.2, 1e-30, 65_504.0, -0.0] {
            assert_eq!(
                bf16_bits(x) >> 16,
                u32::from(half::bf16::from_f32(x).to_bits())
            );
        }
    }
}
