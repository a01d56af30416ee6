//! Rows of numbers as panels of words: what the tiles multiply.

use super::{Level, ROWS, RowWords, Work, interleave::interleave, real};
use crate::Precision;

/// Numbers of the inner dimension in a word.
pub(crate) fn numbers_in_word(precision: Precision) -> usize {
    match precision {
        Precision::F32 => 1,
        Precision::Bf16 => 2,
        Precision::Int8 => 4,
    }
}

/// Words for so many numbers of the inner dimension.
pub(crate) fn steps(precision: Precision, inner: usize) -> usize {
    inner.div_ceil(numbers_in_word(precision))
}

/// What 8-bit rows are moved by, to be unsigned.
pub(crate) const MIDDLE: f32 = 128.0;

/// Activations, packed: twelve rows a panel, the last one filled up with zeros.
#[derive(Default)]
pub(crate) struct Panels {
    pub words: Vec<RowWords>,
    pub rows: usize,
    pub steps: usize,
    /// What a step of the 8-bit numbers of each row is worth; empty for other precisions.
    pub scales: Vec<f32>,
    line: Vec<u32>,
}

impl Panels {
    /// Packs rows of `inner` numbers.
    pub fn fill(&mut self, level: Level, precision: Precision, source: &[f32], inner: usize) {
        let rows = source.len() / inner;
        self.rows = rows;
        self.steps = steps(precision, inner);
        // What was there is overwritten but for the rows beyond the last, which are never read out.
        self.words
            .resize(rows.div_ceil(ROWS) * self.steps, [0; ROWS]);
        self.scales.clear();
        if precision == Precision::Int8 {
            self.scales.resize(rows.next_multiple_of(ROWS), 0.0);
        }
        self.line.resize(self.steps * ROWS, 0);
        level.run(Fill {
            level,
            panels: self,
            precision,
            source,
            inner,
        });
    }
}

struct Fill<'a> {
    level: Level,
    panels: &'a mut Panels,
    precision: Precision,
    source: &'a [f32],
    inner: usize,
}

impl Work for Fill<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Panels {
            words,
            steps,
            scales,
            line,
            ..
        } = self.panels;
        let (steps, inner) = (*steps, self.inner);
        let panels = words.chunks_exact_mut(steps);
        for (at, (panel, sources)) in panels.zip(self.source.chunks(inner * ROWS)).enumerate() {
            let count = sources.len() / inner;
            if self.precision == Precision::F32 {
                interleave(self.level, sources, inner, count, panel);
                continue;
            }
            let lines = line.chunks_exact_mut(steps);
            for (r, (source, line)) in sources.chunks_exact(inner).zip(lines).enumerate() {
                if self.precision == Precision::Bf16 {
                    bf16_line(source, line);
                } else {
                    scales[at * ROWS + r] = int8_line::<FMA>(source, line, 0x8080_8080);
                }
            }
            interleave(self.level, line, steps, count, panel);
        }
    }
}

/// Pairs of numbers, the first in the lower half.
#[inline(always)]
pub(crate) fn bf16_line(source: &[f32], line: &mut [u32]) {
    let (pairs, rest) = source.as_chunks::<2>();
    for (word, [low, high]) in line.iter_mut().zip(pairs) {
        *word = real::bf16_bits(*low) >> 16 | real::bf16_bits(*high);
    }
    if let ([last], Some(word)) = (rest, line.last_mut()) {
        *word = real::bf16_bits(*last) >> 16;
    }
}

/// Four numbers a word, as multiples of the returned scale from -127 to 127, each byte exclusive-ored with that of `flip` (0x80 adds 128).
#[inline(always)]
pub(crate) fn int8_line<const FMA: bool>(source: &[f32], line: &mut [u32], flip: u32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 × 2²³: the lower bits of the sum are the rounded number
    let mut greatest = [0f32; 16];
    let (lanes, rest) = source.as_chunks::<16>();
    for lane in lanes {
        for (greatest, number) in greatest.iter_mut().zip(lane) {
            *greatest = greatest.max(number.abs());
        }
    }
    let most = greatest
        .iter()
        .chain(rest)
        .fold(0f32, |most, number| most.max(number.abs()));
    let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
    let byte = |number: f32| real::fused::<FMA>(number, inverse, SHIFT).to_bits() & 0xff;
    let (quads, rest) = source.as_chunks::<4>();
    for (word, [a, b, c, d]) in line.iter_mut().zip(quads) {
        *word = (byte(*a) | byte(*b) << 8 | byte(*c) << 16 | byte(*d) << 24) ^ flip;
    }
    if let (false, Some(word)) = (rest.is_empty(), line.last_mut()) {
        let bytes = rest
            .iter()
            .rev()
            .fold(0, |word, number| word << 8 | byte(*number));
        *word = bytes ^ flip;
    }
    most / 127.0
}
