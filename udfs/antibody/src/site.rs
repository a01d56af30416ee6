//! One position of a V domain: which residue is there, and where it is in the sequence.

use crate::error::NumberingError;
use crate::numbering::numberer;
use crate::position::Position;
use crate::scheme::Scheme;

/// The residue, upper case, at a position of the first V domain; `None` where the position is empty or the scheme has none
/// such.
///
/// # Errors
/// Why the sequence cannot be numbered.
pub fn residue_at(
    seq: &[u8],
    position: Position,
    scheme: Scheme,
) -> Result<Option<u8>, NumberingError> {
    let index = index_at(seq, position, scheme)?;
    Ok(index.and_then(|index| seq.get(index - 1).map(u8::to_ascii_uppercase)))
}

/// The 1-based index in `seq` of the residue at a position of the first V domain, leaders and gaps counted; `None` where
/// there is no residue.
///
/// # Errors
/// Why the sequence cannot be numbered.
pub fn index_at(
    seq: &[u8],
    position: Position,
    scheme: Scheme,
) -> Result<Option<usize>, NumberingError> {
    let numbering = numberer().number(seq, scheme)?;
    let found = numbering
        .indices(seq)
        .find(|(candidate, _)| *candidate == position);
    Ok(found.map(|(_, index)| index))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";

    #[test]
    fn a_position_is_found_whatever_precedes_the_domain() {
        let at = |number| Position::new(number);
        assert_eq!(
            residue_at(VH.as_bytes(), at(105), Scheme::Imgt),
            Ok(Some(b'S'))
        );
        assert_eq!(index_at(VH.as_bytes(), at(105), Scheme::Imgt), Ok(Some(97)));
        let gapped = format!("mk-{}-{}", &VH[..20], VH[20..].to_lowercase());
        assert_eq!(
            index_at(gapped.as_bytes(), at(105), Scheme::Imgt),
            Ok(Some(101))
        );
        assert_eq!(
            residue_at(gapped.as_bytes(), at(105), Scheme::Imgt),
            Ok(Some(b'S'))
        );
        assert_eq!(
            residue_at(
                VH.as_bytes(),
                Position::inserted(52, b'a'.to_ascii_uppercase()),
                Scheme::Kabat
            ),
            Ok(Some(b'P'))
        );
    }

    #[test]
    fn an_empty_position_and_one_that_does_not_exist_have_no_residue() {
        for position in [
            Position::new(10),
            Position::inserted(111, b'A'),
            Position::new(200),
        ] {
            assert_eq!(residue_at(VH.as_bytes(), position, Scheme::Imgt), Ok(None));
            assert_eq!(index_at(VH.as_bytes(), position, Scheme::Imgt), Ok(None));
        }
        let error = residue_at(b"PEPTIDE", Position::new(1), Scheme::Imgt);
        assert_eq!(error, Err(NumberingError::TooShort { residues: 7 }));
    }
}
