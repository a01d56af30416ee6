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

/// The Gaussian error linear unit x Φ(x) (Hendrycks and Gimpel 2016, arXiv:1606.08415), with the error function of Abramowitz and
/// Stegun 7.1.26: absolute error below 3e-7 |x|.
#[inline(always)]
pub(crate) fn gelu<const FMA: bool>(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / fused::<FMA>(0.327_591_1, z, 1.0);
    let mut p = 1.061_405_4;
    p = fused::<FMA>(p, t, -1.453_152);
    p = fused::<FMA>(p, t, 1.421_413_8);
    p = fused::<FMA>(p, t, -0.284_496_74);
    p = fused::<FMA>(p, t, 0.254_829_6);
    // 1 - erf(z), which is twice the tail of the normal distribution beyond |x|.
    let tail = p * t * exp::<FMA>(-z * z);
    let half = 0.5 * x;
    // x ≥ 0: x - x tail / 2; x < 0: x tail / 2.
    let below = half * tail;
    if x < 0.0 { below } else { x - below }
}

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
        assert_eq!(gelu::<true>(30.0), 30.0);
        assert!(gelu::<true>(-30.0).abs() < 1e-30);
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
