//! The innermost products: a tile of 12 × 32 results from two packed panels.
//!
//! A panel is a list of steps along the inner dimension; a step holds a 4-byte word for each row (or column) of the panel: one f32, two
//! bf16 or four 8-bit integers that follow each other along the inner dimension. So all precisions share one layout and one loop, and
//! differ in the instruction that multiplies a word with a word: `fma`, `vdpbf16ps`, `vpdpbusd`.
//!
//! Safety: (1) the functions with instructions beyond the baseline are called only through
//! [`Level`], whose values are made by [`Level::detect`] after the processor has been asked; (2) loads and stores go through references
//! to arrays of exactly the vector's size, so the pointers are valid, and the unaligned instructions are used. Each has a scalar twin
//! that the tests compare it with.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use self::x86::{bf16_avx512, f32_avx2, f32_avx512, int8_avx512};
use super::Level;
use crate::Precision;

/// Rows of a tile.
pub(crate) const ROWS: usize = 12;
/// Columns of a tile.
pub(crate) const COLUMNS: usize = 32;

/// A tile of results, row by row.
pub(crate) type Tile = [[f32; COLUMNS]; ROWS];
/// A step of a panel of rows.
pub(crate) type RowWords = [u32; ROWS];
/// A step of a panel of columns.
pub(crate) type ColumnWords = [u32; COLUMNS];

/// A function that computes a tile. The processor must have the instructions of its name.
type Multiply = unsafe fn(&[RowWords], &[ColumnWords], &mut Tile);

/// The tile of a precision on this processor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Multiplier {
    function: Multiply,
}

impl Multiplier {
    /// The fastest that the processor has. Where it has none for a precision, the scalar twin, which is slow.
    pub fn of(level: Level, precision: Precision) -> Self {
        let function: Multiply = match (precision, level) {
            #[cfg(target_arch = "x86_64")]
            (Precision::F32, Level::Avx512) => f32_avx512,
            #[cfg(target_arch = "x86_64")]
            (Precision::F32, Level::Avx2) => f32_avx2,
            #[cfg(target_arch = "x86_64")]
            (Precision::Bf16, level) if level.has(Precision::Bf16) => bf16_avx512,
            #[cfg(target_arch = "x86_64")]
            (Precision::Int8, level) if level.has(Precision::Int8) => int8_avx512,
            (Precision::F32, _) => f32_scalar,
            (Precision::Bf16, _) => bf16_scalar,
            (Precision::Int8, _) => int8_scalar,
        };
        Self { function }
    }

    /// `tile[r][c]` = Σ over the steps of row word r × column word c. For 8-bit integers rows are unsigned, columns signed, and the sum is
    /// exact before it becomes an f32.
    #[inline]
    pub fn multiply(self, rows: &[RowWords], columns: &[ColumnWords], tile: &mut Tile) {
        // SAFETY: `of` chose the function by what the processor was found to have.
        unsafe { (self.function)(rows, columns, tile) }
    }
}

fn f32_scalar(rows: &[RowWords], columns: &[ColumnWords], tile: &mut Tile) {
    for (r, sums) in tile.iter_mut().enumerate() {
        let mut sum = [0f32; COLUMNS];
        for (row, column) in rows.iter().zip(columns) {
            let left = f32::from_bits(row[r]);
            for (sum, right) in sum.iter_mut().zip(column) {
                *sum += left * f32::from_bits(*right);
            }
        }
        *sums = sum;
    }
}

fn bf16_scalar(rows: &[RowWords], columns: &[ColumnWords], tile: &mut Tile) {
    let halves = |word: u32| {
        [
            f32::from_bits(word << 16),
            f32::from_bits(word & 0xffff_0000),
        ]
    };
    *tile = [[0.0; COLUMNS]; ROWS];
    for (row, column) in rows.iter().zip(columns) {
        for (sums, left) in tile.iter_mut().zip(row) {
            let left = halves(*left);
            for (sum, right) in sums.iter_mut().zip(column) {
                let right = halves(*right);
                *sum += left[0] * right[0] + left[1] * right[1];
            }
        }
    }
}

fn int8_scalar(rows: &[RowWords], columns: &[ColumnWords], tile: &mut Tile) {
    let mut sums = [[0i32; COLUMNS]; ROWS];
    for (row, column) in rows.iter().zip(columns) {
        for (sums, left) in sums.iter_mut().zip(row) {
            for (sum, right) in sums.iter_mut().zip(column) {
                for (left, right) in left.to_le_bytes().iter().zip(right.to_le_bytes()) {
                    *sum += i32::from(*left) * i32::from(right as i8);
                }
            }
        }
    }
    for (results, sums) in tile.iter_mut().zip(&sums) {
        *results = sums.map(|sum| sum as f32);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! The same with vectors: twelve rows × two vectors of sums stay in registers.

    use std::arch::x86_64::*;

    use super::{COLUMNS, ColumnWords, ROWS, RowWords, Tile};

    /// Writes a function for vectors of 16 words.
    macro_rules! tile_of_16 {
        ($name:ident, $features:literal, $zero:ident, |$sum:ident, $left:ident, $right:ident| $product:expr, |$total:ident| $real:expr) => {
            #[target_feature(enable = $features)]
            pub(super) fn $name(rows: &[RowWords], columns: &[ColumnWords], tile: &mut Tile) {
                let mut sums = [[$zero(); 2]; ROWS];
                for (row, column) in rows.iter().zip(columns) {
                    let [first, second] = halves(column);
                    for (sums, word) in sums.iter_mut().zip(row) {
                        let $left = _mm512_set1_epi32(*word as i32);
                        for ($sum, $right) in sums.iter_mut().zip([first, second]) {
                            *$sum = $product;
                        }
                    }
                }
                for (results, sums) in tile.iter_mut().zip(sums) {
                    let (results, _) = results.as_chunks_mut::<16>();
                    for (result, $total) in results.iter_mut().zip(sums) {
                        // SAFETY: `result` is 64 writable bytes.
                        unsafe { _mm512_storeu_ps(result.as_mut_ptr(), $real) };
                    }
                }
            }
        };
    }

    tile_of_16!(
        f32_avx512,
        "avx512f",
        _mm512_setzero_ps,
        |sum, left, right| _mm512_fmadd_ps(
            _mm512_castsi512_ps(left),
            _mm512_castsi512_ps(right),
            *sum
        ),
        |total| total
    );
    tile_of_16!(
        bf16_avx512,
        "avx512f,avx512bf16",
        _mm512_setzero_ps,
        |sum, left, right| _mm512_dpbf16_ps(*sum, as_bf16(left), as_bf16(right)),
        |total| total
    );
    tile_of_16!(
        int8_avx512,
        "avx512f,avx512vnni",
        _mm512_setzero_si512,
        |sum, left, right| _mm512_dpbusd_epi32(*sum, left, right),
        |total| _mm512_cvtepi32_ps(total)
    );

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn halves(column: &ColumnWords) -> [__m512i; 2] {
        // SAFETY: a column's words are 128 readable bytes; both loads stay within them.
        unsafe {
            [
                _mm512_loadu_si512(column.as_ptr().cast()),
                _mm512_loadu_si512(column.as_ptr().add(COLUMNS / 2).cast()),
            ]
        }
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn as_bf16(words: __m512i) -> __m512bh {
        // SAFETY: both are 64 bytes without invalid values.
        unsafe { std::mem::transmute::<__m512i, __m512bh>(words) }
    }

    /// Sixteen registers hold sums of six rows × two vectors of eight: four such blocks make the tile.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn f32_avx2(rows: &[RowWords], columns: &[ColumnWords], tile: &mut Tile) {
        const HEIGHT: usize = ROWS / 2;
        for top in [0, HEIGHT] {
            for left in [0, COLUMNS / 2] {
                let mut sums = [[_mm256_setzero_ps(); 2]; HEIGHT];
                for (row, column) in rows.iter().zip(columns) {
                    // SAFETY: `left` is 0 or 16, so both loads stay within the 32 words of the column.
                    let right = unsafe {
                        let first = column.as_ptr().add(left).cast::<f32>();
                        [_mm256_loadu_ps(first), _mm256_loadu_ps(first.add(8))]
                    };
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let word = _mm256_set1_ps(f32::from_bits(row[top + r]));
                        for (sum, right) in sums.iter_mut().zip(right) {
                            *sum = _mm256_fmadd_ps(word, right, *sum);
                        }
                    }
                }
                for (r, sums) in sums.into_iter().enumerate() {
                    let results = &mut tile[top + r][left..left + COLUMNS / 2];
                    let (results, _) = results.as_chunks_mut::<8>();
                    for (result, sum) in results.iter_mut().zip(sums) {
                        // SAFETY: `result` is 32 writable bytes.
                        unsafe { _mm256_storeu_ps(result.as_mut_ptr(), sum) };
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of a small generator (xorshift), as panels.
    fn panels(steps: usize, word: impl Fn(u32) -> u32) -> (Vec<RowWords>, Vec<ColumnWords>) {
        let mut state = 0x9e37_79b9u32;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            word(state)
        };
        let rows = (0..steps)
            .map(|_| std::array::from_fn(|_| next()))
            .collect();
        let columns = (0..steps)
            .map(|_| std::array::from_fn(|_| next()))
            .collect();
        (rows, columns)
    }

    fn greatest_difference(precision: Precision, level: Level, word: impl Fn(u32) -> u32) -> f32 {
        let (rows, columns) = panels(77, word);
        let (mut ours, mut twin) = ([[1.0; COLUMNS]; ROWS], [[2.0; COLUMNS]; ROWS]);
        Multiplier::of(level, precision).multiply(&rows, &columns, &mut ours);
        Multiplier::of(Level::Baseline, precision).multiply(&rows, &columns, &mut twin);
        let pairs = ours.as_flattened().iter().zip(twin.as_flattened());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    fn real(state: u32) -> u32 {
        (state as f32 / u32::MAX as f32 - 0.5).to_bits()
    }

    #[test]
    fn vectors_of_f32_agree_with_the_scalar_twin() {
        assert!(greatest_difference(Precision::F32, Level::detect(), real) < 1e-5);
        #[cfg(target_arch = "x86_64")]
        if Level::detect() >= Level::Avx2 {
            assert!(greatest_difference(Precision::F32, Level::Avx2, real) < 1e-5);
        }
    }

    #[test]
    fn vectors_of_bf16_agree_with_the_scalar_twin() {
        let pair = |state: u32| real(state) & 0xffff_0000 | real(state.rotate_left(9)) >> 16;
        assert!(greatest_difference(Precision::Bf16, Level::detect(), pair) < 1e-5);
    }

    #[test]
    fn vectors_of_8_bit_integers_equal_the_scalar_twin() {
        assert_eq!(
            greatest_difference(Precision::Int8, Level::detect(), |state| state),
            0.0
        );
        assert_eq!(
            greatest_difference(Precision::Int8, Level::detect(), |_| 0x80ff_80ff),
            0.0
        );
    }
}
