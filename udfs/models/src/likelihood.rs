//! Pseudo-log-likelihoods, and what they are made of: the log-probability of each residue that is there.

use crate::{ALPHABET, Model, ModelError, Reduction, Scoring, SequenceError};

/// Column of a residue (either case) in a row of log-probabilities; None for what is none of the 20 amino acids.
///
/// ```
/// assert_eq!(models::column(b'A'), Some(0));
/// assert_eq!(models::column(b'y'), Some(19));
/// assert_eq!(models::column(b'X'), None);
/// ```
pub fn column(residue: u8) -> Option<usize> {
    let upper = residue.to_ascii_uppercase();
    ALPHABET.bytes().position(|known| known == upper)
}

impl Model {
    /// Pseudo-log-likelihood of each sequence: appends a number a sequence to `out`. It is the mean (or sum) over the residues of the
    /// natural log-probability of the residue that is there, among the 20 amino acids (special tokens are left out before the softmax),
    /// as `pseudo_log_likelihood` of the package `antiberty` has it. At most 0; nearer to 0 is likelier.
    ///
    /// [`Scoring::Exact`] masks one position at a time and costs about a pass over the sequence a residue;
    /// [`Scoring::SinglePass`] costs one.
    ///
    /// # Errors
    /// A sequence that [`Model::check`] refuses, or with a letter (or mask) outside of the 20 amino acids
    /// ([`SequenceError::NotAnAminoAcid`]); then `out` is as it was.
    pub fn pseudo_log_likelihood(
        &self,
        batch: &[&[u8]],
        scoring: Scoring,
        reduction: Reduction,
        out: &mut Vec<f64>,
    ) -> Result<(), ModelError> {
        for (index, sequence) in batch.iter().enumerate() {
            self.check(sequence)
                .and_then(|()| amino_acids_only(sequence))
                .map_err(|source| ModelError::Sequence { index, source })?;
        }
        let mut table = Vec::new();
        match scoring {
            Scoring::Exact => {
                for sequence in batch {
                    let positions: Vec<usize> = (0..sequence.len()).collect();
                    table.clear();
                    self.masked_log_probs(sequence, &positions, &mut table)?;
                    out.push(log_likelihood(sequence, &table, reduction));
                }
            }
            Scoring::SinglePass => {
                self.log_probs(batch, &mut table)?;
                let mut rest = table.as_slice();
                for sequence in batch {
                    let (rows, later) = rest.split_at(sequence.len() * ALPHABET.len());
                    out.push(log_likelihood(sequence, rows, reduction));
                    rest = later;
                }
            }
        }
        Ok(())
    }

    /// Pseudo-perplexity of each sequence: e to the power of minus its mean pseudo-log-likelihood. From 1 (certain) upwards; 20 is a
    /// guess. Appends a number a sequence to `out`.
    ///
    /// # Errors
    /// As [`Model::pseudo_log_likelihood`].
    pub fn pseudo_perplexity(
        &self,
        batch: &[&[u8]],
        scoring: Scoring,
        out: &mut Vec<f64>,
    ) -> Result<(), ModelError> {
        let first = out.len();
        self.pseudo_log_likelihood(batch, scoring, Reduction::Mean, out)?;
        for value in &mut out[first..] {
            *value = (-*value).exp();
        }
        Ok(())
    }
}

/// Mean or sum of the log-probabilities of a sequence's own residues in its table of residues × 20. Residues outside of the 20 amino
/// acids count for nothing; without any other the result is NaN (mean) or 0 (sum).
pub fn log_likelihood(sequence: &[u8], table: &[f32], reduction: Reduction) -> f64 {
    let (mut sum, mut residues) = (0.0, 0usize);
    for (residue, row) in sequence.iter().zip(table.chunks_exact(ALPHABET.len())) {
        if let Some(column) = column(*residue) {
            sum += f64::from(row[column]);
            residues += 1;
        }
    }
    match reduction {
        Reduction::Mean => sum / residues as f64,
        Reduction::Sum => sum,
    }
}

/// Refuses a sequence with a residue that has no likelihood.
fn amino_acids_only(sequence: &[u8]) -> Result<(), SequenceError> {
    match sequence
        .iter()
        .position(|residue| column(*residue).is_none())
    {
        Some(index) => Err(SequenceError::NotAnAminoAcid {
            byte: sequence[index],
            position: index + 1,
        }),
        None => Ok(()),
    }
}

/// The sequence with each way to write a mask (`_`, `*`, `<mask>`, `[MASK]`) as `_`.
pub(crate) fn with_plain_masks(sequence: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(sequence.len());
    let mut rest = sequence;
    while let [first, after @ ..] = rest {
        let long = ["<mask>", "[MASK]"].iter().find(|word| {
            rest.len() >= word.len() && rest[..word.len()].eq_ignore_ascii_case(word.as_bytes())
        });
        if let Some(word) = long {
            plain.push(b'_');
            rest = &rest[word.len()..];
        } else {
            plain.push(if *first == b'*' { b'_' } else { *first });
            rest = after;
        }
    }
    plain
}

/// The amino acid with the greatest log-probability of a row; the first of equals.
pub(crate) fn likeliest(row: &[f32]) -> u8 {
    let mut best = 0;
    for (column, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = column;
        }
    }
    ALPHABET.as_bytes()[best]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_written_in_four_ways() {
        assert_eq!(with_plain_masks(b"EV_*<mask>[MASK]<MASK>L"), b"EV_____L");
        assert_eq!(with_plain_masks(b"<mas"), b"<mas");
    }

    #[test]
    fn a_likelihood_is_the_mean_or_sum_over_the_residues_that_are_there() {
        let mut table = vec![-9.0; 3 * 20];
        table[0] = -1.0; // A
        table[20 + 1] = -2.0; // C
        table[40 + 19] = -4.0; // Y
        assert_eq!(log_likelihood(b"ACy", &table, Reduction::Sum), -7.0);
        assert_eq!(log_likelihood(b"AXY", &table, Reduction::Mean), -2.5);
    }
}
