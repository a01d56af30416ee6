//! Attention of each sequence to itself (Vaswani et al. 2017, arXiv:1706.03762), a head at a time, from the tiles of the linear layers.
//!
//! Scores are computed as keys × queries: 32 queries lie side by side in the lanes of a vector, so that the softmax needs no sums across
//! lanes, and what it gives is already packed for the product with the values. Memory grows with the length of a sequence, not its square.

use crate::{
    Precision,
    kernels::{COLUMNS, ColumnWords, Level, Multiplier, ROWS, RowWords, Tile, Work, pack, real},
};

/// The shape of the attention of a model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attention {
    pub level: Level,
    /// F32 or Bf16.
    pub precision: Precision,
    pub heads: usize,
    /// Numbers in a head.
    pub head: usize,
}

/// Packed parts of one head of one sequence.
#[derive(Default)]
pub(crate) struct Buffers {
    queries: Vec<ColumnWords>,
    keys: Vec<RowWords>,
    values: Vec<RowWords>,
    scores: Vec<Tile>,
    chances: Vec<ColumnWords>,
    line: Vec<u32>,
    scaled: Vec<f32>,
}

/// Tokens of a batch, sequence after sequence, and those whose result is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tokens<'a> {
    /// Where each sequence ends.
    pub ends: &'a [usize],
    /// Tokens whose result is wanted, in order.
    pub wanted: &'a [usize],
    /// Where the wanted tokens of each sequence end.
    pub wanted_ends: &'a [usize],
}

impl Attention {
    /// From rows of queries, keys and values side by side (3 × width numbers a token) to rows of results (width numbers a wanted token).
    pub fn apply(self, buffers: &mut Buffers, rows: &[f32], tokens: Tokens<'_>, out: &mut [f32]) {
        self.level.run(Apply {
            shape: self,
            buffers,
            rows,
            tokens,
            out,
        });
    }
}

struct Apply<'a> {
    shape: Attention,
    buffers: &'a mut Buffers,
    rows: &'a [f32],
    tokens: Tokens<'a>,
    out: &'a mut [f32],
}

impl Work for Apply<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(mut self) {
        let (mut start, mut wanted_start) = (0, 0);
        for (end, wanted_end) in self.tokens.ends.iter().zip(self.tokens.wanted_ends) {
            let wanted = &self.tokens.wanted[wanted_start..*wanted_end];
            for head in 0..self.shape.heads {
                self.one_head::<FMA>(start..*end, wanted, wanted_start, head);
            }
            (start, wanted_start) = (*end, *wanted_end);
        }
    }
}

impl Apply<'_> {
    #[inline(always)]
    fn one_head<const FMA: bool>(
        &mut self,
        keys: std::ops::Range<usize>,
        wanted: &[usize],
        first_out: usize,
        head: usize,
    ) {
        let Attention {
            level,
            precision,
            heads,
            head: size,
        } = self.shape;
        let width = heads * size;
        let multiplier = Multiplier::of(level, precision);
        // A part (0 queries, 1 keys, 2 values) of this head in the row of a token.
        let rows = self.rows;
        let part = |token: usize, which: usize| {
            let first = token * 3 * width + which * width + head * size;
            &rows[first..first + size]
        };
        let Buffers {
            queries,
            keys: packed_keys,
            values,
            scores,
            chances,
            line,
            scaled,
        } = &mut *self.buffers;
        let count = keys.len();
        let (steps, value_steps) = (pack::steps(precision, size), pack::steps(precision, count));
        line.resize(steps, 0);

        packed_keys.resize(count.div_ceil(ROWS) * steps, [0; ROWS]);
        for (key, token) in keys.clone().enumerate() {
            encode(precision, part(token, 1), line);
            scatter(
                &mut packed_keys[key / ROWS * steps..][..steps],
                key % ROWS,
                line,
            );
        }
        pack_values(
            precision,
            keys.map(|token| part(token, 2)),
            size,
            value_steps,
            values,
        );

        let scale = 1.0 / (size as f32).sqrt();
        scores.resize(count.div_ceil(ROWS), [[0.0; COLUMNS]; ROWS]);
        chances.resize(value_steps, [0; COLUMNS]);
        queries.resize(steps, [0; COLUMNS]);
        let mut tile: Tile = [[0.0; COLUMNS]; ROWS];
        for (block, tokens) in wanted.chunks(COLUMNS).enumerate() {
            for (lane, token) in tokens.iter().enumerate() {
                scaled.clear();
                scaled.extend(part(*token, 0).iter().map(|number| number * scale));
                encode(precision, scaled, line);
                scatter(queries, lane, line);
            }
            for (scores, keys) in scores.iter_mut().zip(packed_keys.chunks_exact(steps)) {
                multiplier.multiply(keys, queries, scores);
            }
            let shares = softmax::<FMA>(precision, &scores.as_flattened()[..count], chances);
            for (panel, values) in values.chunks_exact(value_steps).enumerate() {
                multiplier.multiply(values, chances, &mut tile);
                let valid = ROWS.min(size - panel * ROWS);
                for (lane, share) in shares.iter().enumerate().take(tokens.len()) {
                    let first =
                        (first_out + block * COLUMNS + lane) * width + head * size + panel * ROWS;
                    let out = &mut self.out[first..first + valid];
                    for (out, sums) in out.iter_mut().zip(&tile) {
                        *out = sums[lane] * share;
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn encode(precision: Precision, numbers: &[f32], line: &mut [u32]) {
    if precision == Precision::Bf16 {
        return pack::bf16_line(numbers, line);
    }
    for (word, number) in line.iter_mut().zip(numbers) {
        *word = number.to_bits();
    }
}

#[inline(always)]
fn scatter<const N: usize>(panel: &mut [[u32; N]], lane: usize, line: &[u32]) {
    for (step, word) in panel.iter_mut().zip(line) {
        step[lane] = *word;
    }
}

/// Values as rows of panels: a row for each number of the head, a step for each key (or two).
#[inline(always)]
fn pack_values<'a>(
    precision: Precision,
    values: impl Iterator<Item = &'a [f32]>,
    size: usize,
    steps: usize,
    packed: &mut Vec<RowWords>,
) {
    packed.clear();
    packed.resize(size.div_ceil(ROWS) * steps, [0; ROWS]);
    for (key, value) in values.enumerate() {
        for (panel, numbers) in value.chunks(ROWS).enumerate() {
            if precision == Precision::Bf16 {
                let words = &mut packed[panel * steps + key / 2];
                let down = if key % 2 == 0 { 16 } else { 0 };
                for (word, number) in words.iter_mut().zip(numbers) {
                    *word |= real::bf16_bits(*number) >> down;
                }
            } else {
                let words = &mut packed[panel * steps + key];
                for (word, number) in words.iter_mut().zip(numbers) {
                    *word = number.to_bits();
                }
            }
        }
    }
}

/// Turns the scores of 32 queries (a row a key) into packed chances without the division by their sum; returns one over the sum.
#[inline(always)]
fn softmax<const FMA: bool>(
    precision: Precision,
    scores: &[[f32; COLUMNS]],
    chances: &mut [ColumnWords],
) -> [f32; COLUMNS] {
    let mut most = [f32::MIN; COLUMNS];
    for scores in scores {
        for (most, score) in most.iter_mut().zip(scores) {
            *most = if *score > *most { *score } else { *most };
        }
    }
    let mut sums = [0f32; COLUMNS];
    if precision == Precision::Bf16 {
        // What is summed is what the product with the values sees: the rounded chances.
        let (pairs, rest) = scores.as_chunks::<2>();
        for (words, [low, high]) in chances.iter_mut().zip(pairs) {
            for lane in 0..COLUMNS {
                let low = real::bf16_bits(real::exp::<FMA>(low[lane] - most[lane]));
                let high = real::bf16_bits(real::exp::<FMA>(high[lane] - most[lane]));
                sums[lane] += f32::from_bits(low) + f32::from_bits(high);
                words[lane] = low >> 16 | high;
            }
        }
        if let ([last], Some(words)) = (rest, chances.last_mut()) {
            for lane in 0..COLUMNS {
                let low = real::bf16_bits(real::exp::<FMA>(last[lane] - most[lane]));
                sums[lane] += f32::from_bits(low);
                words[lane] = low >> 16;
            }
        }
    } else {
        for (words, scores) in chances.iter_mut().zip(scores) {
            for lane in 0..COLUMNS {
                let chance = real::exp::<FMA>(scores[lane] - most[lane]);
                sums[lane] += chance;
                words[lane] = chance.to_bits();
            }
        }
    }
    sums.map(|sum| 1.0 / sum)
}
