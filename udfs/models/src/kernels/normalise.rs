//! Layer normalisation, and the softmax of a column of scores.

use super::{Level, Work, real};

/// Layer normalisation (Ba et al. 2016, arXiv:1607.06450) of rows: each is moved to mean 0 and variance 1, then scaled and moved by the
/// learned numbers. The sums are f32 in 16 lanes, the variance is that of the differences from the mean.
pub(crate) struct Norm {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub epsilon: f32,
}

impl Norm {
    /// Normalises the rows of `source` into `out`.
    pub fn apply(&self, level: Level, source: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.extend_from_slice(source);
        self.apply_in_place(level, out);
    }

    /// Normalises rows where they are.
    pub fn apply_in_place(&self, level: Level, rows: &mut [f32]) {
        level.run(Apply { norm: self, rows });
    }
}

struct Apply<'a> {
    norm: &'a Norm,
    rows: &'a mut [f32],
}

impl Work for Apply<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Norm {
            weight,
            bias,
            epsilon,
        } = self.norm;
        let share = 1.0 / weight.len() as f32;
        for row in self.rows.chunks_exact_mut(weight.len()) {
            let mean = share * sum(row, |value| value);
            let variance = share * sum(row, |value| (value - mean) * (value - mean));
            let scale = 1.0 / (variance + epsilon).sqrt();
            for ((value, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
                *value = real::fused::<FMA>((*value - mean) * scale, *weight, *bias);
            }
        }
    }
}

#[inline(always)]
fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0f32; 16];
    let (lanes, rest) = row.as_chunks::<16>();
    for lane in lanes {
        for (sum, value) in sums.iter_mut().zip(lane) {
            *sum += term(*value);
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|value| term(*value)).sum::<f32>()
}
