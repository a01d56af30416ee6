//! From residues to token ids.

use crate::Family;

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
    /// Id that stands for a residue to be guessed, written `_`.
    mask: u32,
}

impl Vocabulary {
    /// AntiBERTy 0.1.3 (Ruffolo et al. 2021, arXiv:2112.07782):
    /// `[PAD] [UNK] [CLS] [SEP] [MASK] A C D E F G H I K L M N P Q R S T V W Y`.
    pub const ANTIBERTY: Self = Self {
        residues: b"ACDEFGHIKLMNPQRSTVWY",
        first: 5,
        ends: (2, 3),
        unknown: 1,
        mask: 4,
    };

    /// ESM-2 (Lin et al. 2023, doi:10.1126/science.ade2574):
    /// `<cls> <pad> <eos> <unk> L A G V S E R T I D P K Q N F Y M H W C X B U Z O . - <null_1> <mask>`.
    pub const ESM2: Self = Self {
        residues: b"LAGVSERTIDPKQNFYMHWCXBUZO",
        first: 4,
        ends: (0, 2),
        unknown: 3,
        mask: 32,
    };

    /// The vocabulary of a family.
    pub const fn of(family: Family) -> Self {
        match family {
            Family::AntiBerty => Self::ANTIBERTY,
            Family::Esm2 => Self::ESM2,
        }
    }

    /// Token ids of a sequence: start token, one a residue (upper or lower case), end token.
    pub fn encode(&self, sequence: &[u8]) -> Vec<u32> {
        let mut ids = Vec::with_capacity(sequence.len() + 2);
        self.encode_into(sequence, &mut ids);
        ids
    }

    /// Appends what [`Vocabulary::encode`] gives.
    pub fn encode_into(&self, sequence: &[u8], ids: &mut Vec<u32>) {
        ids.push(self.ends.0);
        ids.extend(sequence.iter().map(|residue| self.id(*residue)));
        ids.push(self.ends.1);
    }

    /// Id of one residue; of the mask for `_`.
    pub fn id(&self, residue: u8) -> u32 {
        if residue == b'_' {
            return self.mask;
        }
        let upper = residue.to_ascii_uppercase();
        match self.residues.iter().position(|known| *known == upper) {
            Some(index) => self.first + index as u32,
            None => self.unknown,
        }
    }

    /// Id of the mask.
    pub fn mask(&self) -> u32 {
        self.mask
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
        assert_eq!(
            Vocabulary::ESM2.encode(b"LAGCXO"),
            [0, 4, 5, 6, 23, 24, 28, 2]
        );
    }

    #[test]
    fn what_is_no_residue_is_the_unknown_token() {
        assert_eq!(
            Vocabulary::ANTIBERTY.encode(b"X*-BZJUO"),
            [2, 1, 1, 1, 1, 1, 1, 1, 1, 3]
        );
        assert_eq!(Vocabulary::ESM2.encode(b"J*"), [0, 3, 3, 2]);
    }

    #[test]
    fn an_underscore_is_the_mask() {
        assert_eq!(Vocabulary::ANTIBERTY.encode(b"_"), [2, 4, 3]);
        assert_eq!(Vocabulary::ESM2.encode(b"_"), [0, 32, 2]);
    }

    #[test]
    fn an_empty_sequence_is_its_end_tokens() {
        assert_eq!(Vocabulary::ANTIBERTY.encode(b""), [2, 3]);
    }
}
