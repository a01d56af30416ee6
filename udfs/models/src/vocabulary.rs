//! From residues to token ids.

/// How a model family numbers residues and special tokens.
///
/// Source: the vocabulary files that the model's weights were trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vocabulary {
    /// Residues, in the order of their ids.
    residues: &'static [u8],
    /// Id of the first residue.
    first: u32,
    /// Ids of the tokens put before and after a sequence.
    ends: (u32, u32),
    /// Id of whatever is not a residue of the vocabulary.
    unknown: u32,
}

impl Vocabulary {
    /// AntiBERTy 0.1.3 (Ruffolo et al. 2021, arXiv:2112.07782):
    /// `[PAD] [UNK] [CLS] [SEP] [MASK] A C D E F G H I K L M N P Q R S T V W Y`.
    pub const ANTIBERTY: Self = Self {
        residues: b"ACDEFGHIKLMNPQRSTVWY",
        first: 5,
        ends: (2, 3),
        unknown: 1,
    };

    /// Token ids of a sequence: start token, one a residue (upper or lower case), end token.
    pub fn encode(&self, sequence: &[u8]) -> Vec<u32> {
        let mut ids = Vec::with_capacity(sequence.len() + 2);
        ids.push(self.ends.0);
        ids.extend(sequence.iter().map(|residue| self.id(*residue)));
        ids.push(self.ends.1);
        ids
    }

    /// Id of one residue.
    pub fn id(&self, residue: u8) -> u32 {
        let upper = residue.to_ascii_uppercase();
        match self.residues.iter().position(|known| *known == upper) {
            Some(index) => self.first + index as u32,
            None => self.unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residues_stand_between_the_end_tokens_in_either_case() {
        let ids = [2, 8, 22, 18, 14, 22, 3];
        assert_eq!(Vocabulary::ANTIBERTY.encode(b"EVQLV"), ids);
        assert_eq!(Vocabulary::ANTIBERTY.encode(b"evqlv"), ids);
    }

    #[test]
    fn what_is_no_residue_is_the_unknown_token() {
        assert_eq!(
            Vocabulary::ANTIBERTY.encode(b"X*-BZJUO"),
            [2, 1, 1, 1, 1, 1, 1, 1, 1, 3]
        );
    }

    #[test]
    fn an_empty_sequence_is_its_end_tokens() {
        assert_eq!(Vocabulary::ANTIBERTY.encode(b""), [2, 3]);
    }
}
