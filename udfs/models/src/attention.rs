//! Attention of each sequence to itself (Vaswani et al. 2017, arXiv:1706.03762), a head at a time, from the tiles of the linear layers.
//!
//! Scores are computed as keys × queries: 32 queries lie side by side in the lanes of a vector, so that the softmax needs no sums across
//! lanes, and what it gives is already packed for the product with the values. Memory grows with the length of a sequence, not its square.

use crate::{
    Precision,
    kernels::{
        COLUMNS, ColumnWords, Level, Multiplier, ROWS, RowWords, Tile, Work,
        interleave::{interleave, spread},
        pack, real,
    },
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
    /// From rows of queries (scaled already), keys and values side by side (3 × width numbers a token) to rows of results (width numbers a wanted token).
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
        } = &mut *self.buffers;
        let count = keys.len();
        let (steps, value_steps) = (pack::steps(precision, size), pack::steps(precision, count));
        line.resize(steps * COLUMNS, 0);

        packed_keys.resize(count.div_ceil(ROWS) * steps, [0; ROWS]);
        for (block, panel) in packed_keys.chunks_exact_mut(steps).enumerate() {
            let first = keys.start + block * ROWS;
            let tokens = first..keys.end.min(first + ROWS);
            if precision == Precision::F32 {
                let rows = &rows[first * 3 * width + width + head * size..];
                interleave(level, rows, 3 * width, tokens.len(), panel);
            } else {
                let lines = line.chunks_exact_mut(steps);
                for (token, line) in tokens.clone().zip(lines) {
                    pack::bf16_line(part(token, 1), line);
                }
                interleave(level, line, steps, tokens.len(), panel);
            }
        }
        pack_values(
            precision,
            keys.map(|token| part(token, 2)),
            size,
            value_steps,
            values,
        );

        scores.resize(count.div_ceil(ROWS), [[0.0; COLUMNS]; ROWS]);
        chances.resize(value_steps, [0; COLUMNS]);
        queries.resize(steps, [0; COLUMNS]);
        let mut tile: Tile = [[0.0; COLUMNS]; ROWS];
        for (block, tokens) in wanted.chunks(COLUMNS).enumerate() {
            let lines = line.chunks_exact_mut(steps);
            for (token, line) in tokens.iter().zip(lines) {
                encode(precision, part(*token, 0), line);
            }
            interleave(level, line, steps, tokens.len(), queries);
            for (scores, keys) in scores.iter_mut().zip(packed_keys.chunks_exact(steps)) {
                multiplier.multiply(keys, queries, scores);
            }
            let shares = softmax::<FMA>(precision, &scores.as_flattened()[..count], chances);
            for (panel, values) in values.chunks_exact(value_steps).enumerate() {
                multiplier.multiply(values, chances, &mut tile);
                let valid = ROWS.min(size - panel * ROWS);
                for sums in &mut tile {
                    for (sum, share) in sums.iter_mut().zip(shares) {
                        *sum *= share;
                    }
                }
                let first = (first_out + block * COLUMNS) * width + head * size + panel * ROWS;
                spread(
                    level,
                    &tile,
                    valid,
                    tokens.len(),
                    &mut self.out[first..],
                    width,
                );
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

/// Values as rows of panels: a row for each number of the head, a step for each key (or two).
#[inline(always)]
fn pack_values<'a>(
    precision: Precision,
    mut values: impl Iterator<Item = &'a [f32]>,
    size: usize,
    steps: usize,
    packed: &mut Vec<RowWords>,
) {
    packed.resize(size.div_ceil(ROWS) * steps, [0; ROWS]);
    let none = [0f32; ROWS];
    let mut step = 0;
    while let Some(first) = values.next() {
        let second = if precision == Precision::Bf16 {
            values.next()
        } else {
            None
        };
        for (panel, numbers) in first.chunks(ROWS).enumerate() {
            let words = &mut packed[panel * steps + step];
            if precision == Precision::Bf16 {
                let others = second.map_or(&none[..], |second| &second[panel * ROWS..]);
                for ((word, low), high) in words.iter_mut().zip(numbers).zip(others) {
                    *word = real::bf16_bits(*low) >> 16 | real::bf16_bits(*high);
                }
            } else {
                for (word, number) in words.iter_mut().zip(numbers) {
                    *word = number.to_bits();
                }
            }
        }
        step += 1;
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
