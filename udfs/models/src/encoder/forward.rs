//! The passes through the layers.

use super::{Encoder, Layer, Order};
use crate::{ModelError, attention::Tokens, matrix::Finish, scratch::Scratch};

/// Rows that go through the feed-forward block at once, so that its wide layer stays in the cache.
const WIDE_ROWS: usize = 96;

/// Copies of a sequence, each with another token masked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copies<'a> {
    /// Tokens of a copy.
    length: usize,
    /// The masked residue of each, 0-based.
    masked: &'a [usize],
}

impl Encoder {
    /// Computes a sequence once for each position, the token there masked, and hands on the rows of the masked tokens, some at a time.
    pub fn masked(
        &self,
        scratch: &mut Scratch,
        ids: &[u32],
        positions: &[usize],
        mask: u32,
        mut result: impl FnMut(&mut Scratch, &[f32]),
    ) -> Result<(), ModelError> {
        let at_once = (self.part_tokens() / ids.len()).max(1);
        let (mut copies, mut ends) = (Vec::new(), Vec::new());
        for positions in positions.chunks(at_once) {
            copies.clear();
            ends.clear();
            scratch.wanted.clear();
            scratch.wanted_ends.clear();
            for position in positions {
                let token = copies.len() + position + 1;
                copies.extend_from_slice(ids);
                copies[token] = mask;
                ends.push(copies.len());
                scratch.wanted.push(token);
                scratch.wanted_ends.push(scratch.wanted.len());
            }
            let shared = Copies {
                length: ids.len(),
                masked: positions,
            };
            self.pass(scratch, &copies, &ends, Some(shared))?;
            let hidden = std::mem::take(&mut scratch.hidden);
            result(scratch, &hidden);
            scratch.hidden = hidden;
        }
        Ok(())
    }

    /// Leaves the wanted rows of the last layer in `scratch.hidden`.
    pub(super) fn pass(
        &self,
        scratch: &mut Scratch,
        ids: &[u32],
        ends: &[usize],
        copies: Option<Copies<'_>>,
    ) -> Result<(), ModelError> {
        self.embedding
            .fill(self.level, ids, ends, &mut scratch.hidden);
        if let Some(accelerator) = &self.accelerator {
            let tokens = Tokens {
                ends,
                wanted: &scratch.wanted,
                wanted_ends: &scratch.wanted_ends,
            };
            scratch.hidden = accelerator.hidden(&scratch.hidden, tokens)?;
            return Ok(());
        }
        let all: Vec<usize> = (0..ids.len()).collect();
        for (index, layer) in self.layers.iter().enumerate() {
            let last = index + 1 == self.layers.len();
            let (wanted, wanted_ends) = (
                std::mem::take(&mut scratch.wanted),
                std::mem::take(&mut scratch.wanted_ends),
            );
            let tokens = Tokens {
                ends,
                wanted: if last { &wanted } else { &all },
                wanted_ends: if last { &wanted_ends } else { ends },
            };
            match copies {
                Some(copies) if index == 0 => self.shared_parts(layer, scratch, copies),
                _ => self.parts(layer, scratch),
            }
            self.attend(layer, scratch, tokens);
            (scratch.wanted, scratch.wanted_ends) = (wanted, wanted_ends);
            self.feed_forward(layer, scratch);
        }
        if let Some(norm) = &self.last_norm {
            norm.apply_in_place(self.level, &mut scratch.hidden);
        }
        Ok(())
    }

    /// Queries, keys and values of all tokens.
    fn parts(&self, layer: &Layer, scratch: &mut Scratch) {
        let (level, width) = (self.level, self.width);
        let Scratch {
            hidden,
            other,
            parts,
            panels,
            ..
        } = scratch;
        if self.order == Order::Before {
            layer.attention_norm.apply(level, hidden, other);
            panels.fill(level, self.precision, other, width);
        } else {
            panels.fill(level, self.precision, hidden, width);
        }
        parts.resize(hidden.len() * 3, 0.0);
        layer.parts.multiply(level, panels, Finish::Store, parts);
    }

    /// The same in the first layer, where copies of a sequence differ in their masked tokens only: what they share is computed once.
    fn shared_parts(&self, layer: &Layer, scratch: &mut Scratch, copies: Copies<'_>) {
        let (level, width) = (self.level, self.width);
        let Scratch {
            hidden,
            other,
            parts,
            context,
            panels,
            ..
        } = scratch;
        let Copies { length, masked } = copies;
        let first = masked.first().copied().unwrap_or(0);
        // All of the first copy, the masked tokens of the others, and what the first copy masks, from one that does not.
        let mut rows: Vec<usize> = (0..length).collect();
        rows.extend(
            masked
                .iter()
                .enumerate()
                .skip(1)
                .map(|(copy, at)| copy * length + at + 1),
        );
        let unmasked = masked.iter().position(|at| *at != first);
        rows.extend(unmasked.map(|copy| copy * length + first + 1));
        other.clear();
        for row in &rows {
            other.extend_from_slice(&hidden[row * width..(row + 1) * width]);
        }
        if self.order == Order::Before {
            layer.attention_norm.apply_in_place(level, other);
        }
        panels.fill(level, self.precision, other, width);
        let wide = 3 * width;
        context.resize(rows.len() * wide, 0.0);
        layer.parts.multiply(level, panels, Finish::Store, context);
        parts.resize(hidden.len() * 3, 0.0);
        let row = |at: usize| &context[at * wide..(at + 1) * wide];
        for ((copy, at), parts) in masked
            .iter()
            .enumerate()
            .zip(parts.chunks_exact_mut(length * wide))
        {
            parts.copy_from_slice(&context[..length * wide]);
            if copy > 0 {
                let mut put = |token: usize, from: usize| {
                    parts[(token + 1) * wide..(token + 2) * wide].copy_from_slice(row(from));
                };
                put(first, rows.len() - 1);
                put(*at, length + copy - 1);
            }
        }
    }

    /// The attention block of a layer; `hidden` then has the wanted rows only.
    fn attend(&self, layer: &Layer, scratch: &mut Scratch, tokens: Tokens<'_>) {
        let (level, width) = (self.level, self.width);
        let Scratch {
            hidden,
            parts,
            context,
            panels,
            attention,
            ..
        } = scratch;
        if let Some(rotary) = &self.rotary {
            rotary.apply(parts, tokens.ends, width);
        }
        context.resize(tokens.wanted.len() * width, 0.0);
        self.attention.apply(attention, parts, tokens, context);
        if tokens.wanted.len() * width != hidden.len() {
            for (place, token) in tokens.wanted.iter().enumerate() {
                hidden.copy_within(token * width..(token + 1) * width, place * width);
            }
            hidden.truncate(tokens.wanted.len() * width);
        }
        panels.fill(level, self.precision, context, width);
        layer
            .attention_output
            .multiply(level, panels, Finish::Add, hidden);
        if self.order == Order::After {
            layer.attention_norm.apply_in_place(level, hidden);
        }
    }

    /// The feed-forward block of a layer.
    fn feed_forward(&self, layer: &Layer, scratch: &mut Scratch) {
        let (level, width) = (self.level, self.width);
        let Scratch {
            hidden,
            other,
            wide,
            panels,
            ..
        } = scratch;
        let inner = layer.intermediate.outputs();
        for hidden in hidden.chunks_mut(WIDE_ROWS * width) {
            if self.order == Order::Before {
                layer.output_norm.apply(level, hidden, other);
                panels.fill(level, self.precision, other, width);
            } else {
                panels.fill(level, self.precision, hidden, width);
            }
            wide.resize(hidden.len() / width * inner, 0.0);
            layer
                .intermediate
                .multiply(level, panels, Finish::Gelu, wide);
            panels.fill(level, self.precision, wide, inner);
            layer.output.multiply(level, panels, Finish::Add, hidden);
            if self.order == Order::After {
                layer.output_norm.apply_in_place(level, hidden);
            }
        }
    }
}
