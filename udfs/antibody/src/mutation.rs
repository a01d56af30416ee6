//! Substitutions as people write them: `S31A`, `T28D,N100aQ`.

use std::str::FromStr;

use crate::error::NumberingError;
use crate::numbering::numberer;
use crate::position::Position;
use crate::scheme::Scheme;

/// One substitution: `S31A` is alanine for the serine at 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mutation {
    /// The residue that must be there, upper case.
    pub wild_type: u8,
    /// Where: an index, or the number of a position.
    pub number: usize,
    /// The insertion code of a position, an ASCII capital letter.
    pub insertion: Option<u8>,
    /// What takes its place, upper case.
    pub replacement: u8,
}

/// Why a sequence was not mutated. [`code`](Self::code) begins what SQL shows in the field `error`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MutationError {
    /// Text that is no substitution.
    #[error("'{text}' is no substitution such as S31A")]
    Unreadable {
        /// The part that was not understood.
        text: String,
    },
    /// An insertion letter where an index is meant.
    #[error("{mutation} has an insertion letter, which only a scheme gives meaning")]
    NotAnIndex {
        /// The substitution.
        mutation: Mutation,
    },
    /// Nothing stands at the index or position.
    #[error("{mutation}, but there is no residue at {}", .mutation.place())]
    NoResidue {
        /// The substitution.
        mutation: Mutation,
    },
    /// Another residue stands there.
    #[error("{mutation}, but {} is {}", .mutation.place(), char::from(*.found))]
    WrongWildType {
        /// The substitution.
        mutation: Mutation,
        /// The residue that is there.
        found: u8,
    },
    /// Two substitutions of one residue.
    #[error("{mutation}, but {} is mutated already", .mutation.place())]
    Twice {
        /// The second of them.
        mutation: Mutation,
    },
    /// The scheme cannot number the sequence.
    #[error(transparent)]
    Numbering(#[from] NumberingError),
}

impl MutationError {
    /// A stable snake_case reason, such as `wrong_wild_type`.
    pub const fn code(&self) -> &'static str {
        match self {
            MutationError::Unreadable { .. } | MutationError::NotAnIndex { .. } => "bad_mutation",
            MutationError::NoResidue { .. } => "no_residue",
            MutationError::WrongWildType { .. } => "wrong_wild_type",
            MutationError::Twice { .. } => "mutated_twice",
            MutationError::Numbering(error) => error.code(),
        }
    }
}

impl std::fmt::Display for Mutation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, to) = (char::from(self.wild_type), char::from(self.replacement));
        write!(f, "{from}{}{to}", self.place())
    }
}

impl Mutation {
    /// The index or position, as it is written.
    fn place(&self) -> String {
        let insertion = self.insertion.map(char::from);
        format!(
            "{}{}",
            self.number,
            insertion.map_or_else(String::new, String::from)
        )
    }

    fn is_at(&self, position: Position) -> bool {
        usize::from(position.number) == self.number && position.insertion == self.insertion
    }
}

impl FromStr for Mutation {
    type Err = MutationError;

    /// Either case; white space around it is ignored.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unreadable = || MutationError::Unreadable {
            text: text.trim().to_owned(),
        };
        match text.trim().as_bytes() {
            [wild_type, position @ .., replacement]
                if wild_type.is_ascii_alphabetic() && replacement.is_ascii_alphabetic() =>
            {
                let (digits, insertion) = match position {
                    [digits @ .., letter] if letter.is_ascii_alphabetic() => {
                        (digits, Some(letter.to_ascii_uppercase()))
                    }
                    digits => (digits, None),
                };
                let number = std::str::from_utf8(digits).ok().and_then(|digits| {
                    let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
                    digits
                        .parse()
                        .ok()
                        .filter(|number| are_digits && *number > 0)
                });
                Ok(Self {
                    wild_type: wild_type.to_ascii_uppercase(),
                    number: number.ok_or_else(unreadable)?,
                    insertion,
                    replacement: replacement.to_ascii_uppercase(),
                })
            }
            _ => Err(unreadable()),
        }
    }
}

/// The sequence with the substitutions, a list separated by commas, made in it; everything else stays as it was written.
///
/// Without a scheme numbers are 1-based indices in `seq` (whatever stands before the domain is counted); with one they are
/// positions of the first V domain. All refer to the sequence as given. An empty list changes nothing.
///
/// # Errors
/// The first substitution that cannot be made, and why.
pub fn mutate(
    seq: &[u8],
    mutations: &str,
    scheme: Option<Scheme>,
) -> Result<Vec<u8>, MutationError> {
    let mut mutated = seq.to_vec();
    if mutations.trim().is_empty() {
        return Ok(mutated);
    }
    let indices: Option<Vec<(Position, usize)>> = match scheme {
        None => None,
        Some(scheme) => Some(numberer().number(seq, scheme)?.indices(seq).collect()),
    };
    let mut done: Vec<usize> = Vec::new();
    for text in mutations.split(',') {
        let mutation: Mutation = text.parse()?;
        let index = match &indices {
            None if mutation.insertion.is_some() => {
                return Err(MutationError::NotAnIndex { mutation });
            }
            None => Some(mutation.number),
            Some(indices) => indices
                .iter()
                .find(|(position, _)| mutation.is_at(*position))
                .map(|(_, index)| *index),
        };
        let index = index.filter(|index| (1..=seq.len()).contains(index));
        let index = index.ok_or(MutationError::NoResidue { mutation })?;
        if done.contains(&index) {
            return Err(MutationError::Twice { mutation });
        }
        done.push(index);
        let slot = &mut mutated[index - 1];
        let found = slot.to_ascii_uppercase();
        if found != mutation.wild_type {
            return Err(MutationError::WrongWildType { mutation, found });
        }
        *slot = mutation.replacement;
    }
    Ok(mutated)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";

    fn made(seq: &str, mutations: &str, scheme: Option<Scheme>) -> Result<String, String> {
        mutate(seq.as_bytes(), mutations, scheme)
            .map(|seq| String::from_utf8_lossy(&seq).into_owned())
            .map_err(|error| format!("{}: {error}", error.code()))
    }

    #[test]
    fn indices_count_from_one_and_the_rest_is_untouched() {
        assert_eq!(made("PEPTIDE", "P1A", None).as_deref(), Ok("AEPTIDE"));
        assert_eq!(made("peptide", "e7q, P1A", None).as_deref(), Ok("AeptidQ"));
        assert_eq!(made("PEPTIDE", "", None).as_deref(), Ok("PEPTIDE"));
    }

    #[test]
    fn positions_are_those_of_the_scheme() {
        let mutated = made(VH, "P52aA,D31S", Some(Scheme::Kabat));
        let expected = VH.replace("NIKDTY", "NIKSTY").replace("RIYPT", "RIYAT");
        assert_eq!(mutated, Ok(expected));
        let leader = format!("MKL{VH}");
        let mutated = made(&leader, "S105A", Some(Scheme::Imgt));
        assert_eq!(mutated, Ok(leader.replace("CSRWGG", "CARWGG")));
    }

    #[test]
    fn what_cannot_be_made_says_why() {
        for (mutations, scheme, expected) in [
            ("A1G", None, "wrong_wild_type: A1G, but 1 is P"),
            ("P8A", None, "no_residue: P8A, but there is no residue at 8"),
            (
                "P1A,P1G",
                None,
                "mutated_twice: P1G, but 1 is mutated already",
            ),
            (
                "P1",
                None,
                "bad_mutation: 'P1' is no substitution such as S31A",
            ),
            (
                "P1A,",
                None,
                "bad_mutation: '' is no substitution such as S31A",
            ),
            (
                "PxA",
                None,
                "bad_mutation: 'PxA' is no substitution such as S31A",
            ),
            (
                "P1AA",
                None,
                "bad_mutation: P1AA has an insertion letter, which only a scheme gives meaning",
            ),
            (
                "P1A",
                Some(Scheme::Imgt),
                "too_short: 7 residues are too few for a V domain; at least 60 are needed",
            ),
        ] {
            assert_eq!(
                made("PEPTIDE", mutations, scheme)
                    .as_ref()
                    .map_err(String::as_str),
                Err(expected),
                "{mutations}"
            );
        }
        assert_eq!(
            made(VH, "S10A", Some(Scheme::Imgt)),
            Err("no_residue: S10A, but there is no residue at 10".to_owned())
        );
    }
}
