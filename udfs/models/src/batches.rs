//! Which sequences are computed together: sorted by length and filled up to a budget of tokens.

use std::ops::Range;

/// Tokens that fill a micro-batch well: enough for the linear layers to be busy, few enough to stay in the cache and to share work out.
pub const TOKEN_BUDGET: usize = 1024;

/// Sequences in the order in which they are computed, cut into micro-batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batches {
    order: Vec<usize>,
    batches: Vec<Batch>,
}

/// One micro-batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Where its sequences stand in [`Batches::order`].
    pub range: Range<usize>,
    /// Tokens of its sequences.
    pub tokens: usize,
    /// Tokens of its longest sequence.
    pub longest: usize,
}

impl Batches {
    /// Plans batches for sequences of so many tokens each ([`crate::Model::tokens`]): longest first, so that the last batch to end is
    /// a short one; equal lengths stay in their order. A batch has at most `budget` tokens, but always a sequence.
    ///
    /// ```
    /// let plan = models::batches::Batches::plan(&[10, 4, 9, 3], 20);
    /// let batches: Vec<&[usize]> = plan.iter().collect();
    /// assert_eq!(batches, [&[0, 2][..], &[1, 3]]);
    /// ```
    pub fn plan(tokens: &[usize], budget: usize) -> Self {
        let mut order: Vec<usize> = (0..tokens.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(tokens[*index]));
        let mut batches: Vec<Batch> = Vec::new();
        for (place, index) in order.iter().enumerate() {
            let cost = tokens[*index];
            match batches.last_mut() {
                Some(batch) if batch.tokens + cost <= budget => {
                    batch.range.end = place + 1;
                    batch.tokens += cost;
                }
                _ => batches.push(Batch {
                    range: place..place + 1,
                    tokens: cost,
                    longest: cost,
                }),
            }
        }
        Self { order, batches }
    }

    /// Indices of the sequences, in the order in which they are computed.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The batches.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// The indices of the sequences of each batch.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[usize]> {
        self.batches
            .iter()
            .map(|batch| &self.order[batch.range.clone()])
    }

    /// Tokens of all sequences.
    pub fn tokens(&self) -> usize {
        self.batches.iter().map(|batch| batch.tokens).sum()
    }

    /// The share (0 to 1) of computed tokens that are padding where a batch is a rectangle as wide as its longest sequence, as on a
    /// GPU. On the CPU a batch is ragged and nothing is padded: there the share is 0 whatever the lengths.
    pub fn padding_share(&self) -> f64 {
        let padded: usize = self
            .batches
            .iter()
            .map(|batch| batch.range.len() * batch.longest)
            .sum();
        if padded == 0 {
            return 0.0;
        }
        1.0 - self.tokens() as f64 / padded as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sequence_is_in_one_batch_and_the_budget_holds() {
        let tokens: Vec<usize> = (0..500).map(|i| 100 + (i * 7919) % 47).collect();
        let plan = Batches::plan(&tokens, 1000);
        let mut seen: Vec<usize> = plan.iter().flatten().copied().collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
        assert!(plan.batches().iter().all(|batch| batch.tokens <= 1000));
        assert_eq!(plan.tokens(), tokens.iter().sum::<usize>());
        assert!(plan.padding_share() < 0.01, "{}", plan.padding_share());
    }

    #[test]
    fn a_sequence_above_the_budget_is_a_batch_of_its_own() {
        let plan = Batches::plan(&[5, 5000, 6], 100);
        let batches: Vec<&[usize]> = plan.iter().collect();
        assert_eq!(batches, [&[1][..], &[2, 0]]);
    }

    #[test]
    fn padding_is_counted_against_the_longest_of_a_batch() {
        assert_eq!(Batches::plan(&[10, 5], 100).padding_share(), 0.25);
        assert_eq!(Batches::plan(&[], 100).padding_share(), 0.0);
    }
}
