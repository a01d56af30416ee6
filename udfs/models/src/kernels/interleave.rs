//! Lines of numbers to panels of words, and tiles back to rows: transpositions, sixteen by sixteen where there is AVX-512.
//!
//! Safety: the functions with instructions beyond the baseline are called only where [`Level::detect`] found them; each load and store
//! goes through a slice of at least the vector's (or the mask's) size. Where there is no AVX-512, and for what is left over, a scalar twin
//! does the same; the tests compare them.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::{COLUMNS, Level, Tile};

/// Four bytes that are moved as they are.
pub(crate) trait Word: Copy {
    /// The bits.
    fn bits(self) -> u32;
}

impl Word for u32 {
    #[inline(always)]
    fn bits(self) -> u32 {
        self
    }
}

impl Word for f32 {
    #[inline(always)]
    fn bits(self) -> u32 {
        self.to_bits()
    }
}

/// `panel[step][lane]` = `lines[lane * stride + step]` for the `count` first lanes; zero for the others.
#[inline(always)]
pub(crate) fn interleave<T: Word, const N: usize>(
    level: Level,
    lines: &[T],
    stride: usize,
    count: usize,
    panel: &mut [[u32; N]],
) {
    let mut done = 0;
    #[cfg(target_arch = "x86_64")]
    if level == Level::Avx512 {
        // SAFETY: the level says that the processor has AVX-512.
        done = unsafe { interleave_avx512(lines, stride, count, panel) };
    }
    let _ = level;
    for (step, words) in panel.iter_mut().enumerate().skip(done) {
        for (lane, word) in words.iter_mut().enumerate() {
            *word = if lane < count {
                lines[lane * stride + step].bits()
            } else {
                0
            };
        }
    }
}

/// The steps that fill whole blocks of sixteen; returns their number.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn interleave_avx512<T: Word, const N: usize>(
    lines: &[T],
    stride: usize,
    count: usize,
    panel: &mut [[u32; N]],
) -> usize {
    let (blocks, _) = panel.as_chunks_mut::<16>();
    for (block, words) in blocks.iter_mut().enumerate() {
        for first in (0..N).step_by(16) {
            let mut rows = [_mm512_setzero_si512(); 16];
            for (lane, row) in rows
                .iter_mut()
                .enumerate()
                .take(count.saturating_sub(first))
            {
                let at = (first + lane) * stride + block * 16;
                let line: &[T] = &lines[at..at + 16];
                // SAFETY: the slice has 16 words of 4 bytes (`Word` is u32 or f32).
                *row = unsafe { _mm512_loadu_si512(line.as_ptr().cast()) };
            }
            let lanes = (N - first).min(16);
            let mask = (0xffff_u32 >> (16 - lanes)) as __mmask16;
            for (words, column) in words.iter_mut().zip(transpose(rows)) {
                let words = &mut words[first..first + lanes];
                // SAFETY: the mask lets through as many words as the slice has.
                unsafe { _mm512_mask_storeu_epi32(words.as_mut_ptr().cast(), mask, column) };
            }
        }
    }
    blocks.len() * 16
}

/// `out[lane * stride + r]` = `tile[r][lane]` for the first `rows` rows (at most 12) and `lanes` lanes.
#[inline(always)]
pub(crate) fn spread(
    level: Level,
    tile: &Tile,
    rows: usize,
    lanes: usize,
    out: &mut [f32],
    stride: usize,
) {
    #[cfg(target_arch = "x86_64")]
    if level == Level::Avx512 {
        // SAFETY: the level says that the processor has AVX-512.
        return unsafe { spread_avx512(tile, rows, lanes, out, stride) };
    }
    let _ = level;
    for lane in 0..lanes {
        for (out, sums) in out[lane * stride..][..rows].iter_mut().zip(tile) {
            *out = sums[lane];
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn spread_avx512(tile: &Tile, rows: usize, lanes: usize, out: &mut [f32], stride: usize) {
    for first in (0..COLUMNS.min(lanes)).step_by(16) {
        let mut lines = [_mm512_setzero_si512(); 16];
        for (line, sums) in lines.iter_mut().zip(tile) {
            let half: &[f32] = &sums[first..first + 16];
            // SAFETY: the slice has 16 numbers.
            *line = unsafe { _mm512_loadu_si512(half.as_ptr().cast()) };
        }
        for (lane, column) in transpose(lines).into_iter().enumerate().take(lanes - first) {
            let place = &mut out[(first + lane) * stride..][..rows];
            let mask = (0xffff_u32 >> (16 - place.len().min(16))) as __mmask16;
            // SAFETY: the mask lets through as many numbers as the slice has, or 16 of more.
            unsafe { _mm512_mask_storeu_ps(place.as_mut_ptr(), mask, _mm512_castsi512_ps(column)) };
        }
    }
}

/// Sixteen by sixteen words: pairs, then pairs of pairs, then the four quarters of each vector.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
fn transpose(rows: [__m512i; 16]) -> [__m512i; 16] {
    let mut quads = rows;
    for (quad, rows) in quads
        .as_chunks_mut::<4>()
        .0
        .iter_mut()
        .zip(rows.as_chunks::<4>().0)
    {
        let [a, b, c, d] = *rows;
        let (low, high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (low2, high2) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        *quad = [
            _mm512_unpacklo_epi64(low, low2),
            _mm512_unpackhi_epi64(low, low2),
            _mm512_unpacklo_epi64(high, high2),
            _mm512_unpackhi_epi64(high, high2),
        ];
    }
    let mut columns = rows;
    for j in 0..4 {
        let (a, b) = (quads[j], quads[4 + j]);
        let (c, d) = (quads[8 + j], quads[12 + j]);
        let (even, even2) = (
            _mm512_shuffle_i32x4::<0x88>(a, b),
            _mm512_shuffle_i32x4::<0x88>(c, d),
        );
        let (odd, odd2) = (
            _mm512_shuffle_i32x4::<0xdd>(a, b),
            _mm512_shuffle_i32x4::<0xdd>(c, d),
        );
        columns[j] = _mm512_shuffle_i32x4::<0x88>(even, even2);
        columns[8 + j] = _mm512_shuffle_i32x4::<0xdd>(even, even2);
        columns[4 + j] = _mm512_shuffle_i32x4::<0x88>(odd, odd2);
        columns[12 + j] = _mm512_shuffle_i32x4::<0xdd>(odd, odd2);
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_ways<const N: usize>(steps: usize, count: usize) {
        let stride = steps + 3;
        let lines: Vec<u32> = (0..(stride * N) as u32).collect();
        let mut ours = vec![[7; N]; steps];
        let mut twin = vec![[9; N]; steps];
        interleave(Level::detect(), &lines, stride, count, &mut ours);
        interleave(Level::Baseline, &lines, stride, count, &mut twin);
        assert_eq!(ours, twin, "{N} {steps} {count}");
    }

    #[test]
    fn lines_are_interleaved_as_by_the_scalar_twin() {
        for (steps, count) in [(64, 12), (70, 12), (33, 5), (7, 3), (16, 1)] {
            both_ways::<12>(steps, count);
            both_ways::<32>(steps, count + 20);
            both_ways::<32>(steps, count);
        }
    }

    #[test]
    fn tiles_are_spread_as_by_the_scalar_twin() {
        let tile: Tile = std::array::from_fn(|r| std::array::from_fn(|c| (r * 100 + c) as f32));
        for (rows, lanes) in [(12, 32), (4, 32), (12, 17), (1, 1), (7, 16)] {
            let (mut ours, mut twin) = (vec![-1.0; 32 * 20], vec![-1.0; 32 * 20]);
            spread(Level::detect(), &tile, rows, lanes, &mut ours, 20);
            spread(Level::Baseline, &tile, rows, lanes, &mut twin, 20);
            assert_eq!(ours, twin, "{rows} {lanes}");
        }
    }
}
