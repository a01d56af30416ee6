//! What the name of a germline gene says: its locus and segment, the gene, subgroup and allele, and the isotype.
//!
//! A call is one name or several tied ones, as tools write them: `IGHV4-31*03`, `IGHV1-2*01,IGHV1-3*01`,
//! `Homsap IGHV3-30*03 F, or Homsap IGHV3-30*18 F` (IMGT/HighV-QUEST), `IGHV3-30*03 or IGHV3-30*18`. Of ties every answer is
//! the shared value if all agree, else the sorted list without repeats, joined by commas.

use crate::locus::Locus;

/// The segment that a gene belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// Variable.
    V,
    /// Diversity.
    D,
    /// Joining.
    J,
    /// Constant.
    C,
}

/// The locus of a call (`IGHV4-31*03`, `Homsap IGHV1-2*02 F`, `IGHV1-2*01,IGHV1-3*01`): of its first gene.
pub fn locus(call: &str) -> Option<Locus> {
    names(call).find_map(|name| parse(name).map(|(locus, _)| locus))
}

/// The segment of a name such as `IGHV4-31*03` or `IGHG1`; `None` if it names no gene.
pub fn segment(name: &str) -> Option<Segment> {
    names(name).find_map(|name| parse(name).map(|(_, segment)| segment))
}

/// The gene, upper case: `IGHV4-31*03` is `IGHV4-31`. `None` if no gene is named.
pub fn gene(call: &str) -> Option<String> {
    agreed(call, |name| Some(gene_of(name)))
}

/// The subgroup of a V, D or J gene: the segment with its first number. `IGHV4-31*03` is `IGHV4`, `IGKV1D-39` is `IGKV1`,
/// `TRAV29/DV5` is `TRAV29`. `None` where no named gene has one: constant genes, and the provisional names of OGRDB
/// (`IGHV0-2QX3*00`, `IGHV-A2B3*00`), whose subgroup is not settled.
pub fn subgroup(call: &str) -> Option<String> {
    agreed(call, |name| {
        let (_, segment) = parse(name)?;
        let gene = gene_of(name);
        let digits = gene[4..].bytes().take_while(u8::is_ascii_digit).count();
        let has_one = segment != Segment::C && digits > 0 && gene.as_bytes()[4] != b'0';
        has_one.then(|| gene[..4 + digits].to_owned())
    })
}

/// The allele with its gene, `IGHV4-31*03`; `None` where no name gives one. OGRDB's and other inferred alleles keep what
/// follows the star as it is written (`IGHV1-69*01_C26G`, `IGHV1-2*i01`).
pub fn allele(call: &str) -> Option<String> {
    agreed(call, |name| {
        let (_, allele) = name.split_once('*')?;
        (!allele.is_empty()).then(|| format!("{}*{allele}", gene_of(name)))
    })
}

/// The isotype of a heavy chain: `IgM`, `IgD`, `IgG`, `IgA` or `IgE`, from a constant gene (`IGHG1*03`, `IGHG`) or its plain
/// name (`IgG1`). The subclass is left to [`gene`]. `None` for light chains, T cell receptors and other segments.
pub fn isotype(c_call: &str) -> Option<String> {
    let classes = tokens(c_call).filter_map(|name| {
        let bytes = name.as_bytes();
        let letter = match parse(name) {
            Some((Locus::Igh, Segment::C)) => bytes.get(3),
            Some(_) => None,
            None if name.get(..2)?.eq_ignore_ascii_case("ig") => {
                let rest = name.get(3..)?;
                rest.bytes()
                    .all(|byte| byte.is_ascii_digit() || b"abcABC".contains(&byte))
                    .then_some(bytes.get(2))?
            }
            None => None,
        }?;
        match letter.to_ascii_uppercase() {
            letter @ (b'M' | b'D' | b'G' | b'A' | b'E') => {
                Some(format!("Ig{}", char::from(letter)))
            }
            _ => None,
        }
    });
    joined(classes)
}

/// The value that all names of a call share, else the list.
fn agreed(call: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    joined(
        names(call)
            .filter(|name| parse(name).is_some())
            .filter_map(value),
    )
}

fn joined(values: impl Iterator<Item = String>) -> Option<String> {
    let mut all: Vec<String> = values.collect();
    all.sort_unstable();
    all.dedup();
    (!all.is_empty()).then(|| all.join(","))
}

/// The part before the star, upper case.
fn gene_of(name: &str) -> String {
    name.split('*').next().unwrap_or(name).to_ascii_uppercase()
}

fn tokens(call: &str) -> impl Iterator<Item = &str> {
    call.split([',', ' ', ';', '|', '\t'])
        .filter(|name| name.is_ascii())
}

fn names(call: &str) -> impl Iterator<Item = &str> {
    tokens(call).filter(|name| name.len() > 3)
}

fn parse(name: &str) -> Option<(Locus, Segment)> {
    let bytes = name.as_bytes();
    let prefix: [u8; 3] = bytes.get(..3)?.try_into().ok()?;
    let locus = match &prefix.map(|byte| byte.to_ascii_uppercase()) {
        b"IGH" => Locus::Igh,
        b"IGK" => Locus::Igk,
        b"IGL" => Locus::Igl,
        b"TRA" => Locus::Tra,
        b"TRB" => Locus::Trb,
        b"TRG" => Locus::Trg,
        b"TRD" => Locus::Trd,
        _ => return None,
    };
    let segment = match bytes.get(3)?.to_ascii_uppercase() {
        b'V' => Segment::V,
        b'J' => Segment::J,
        b'D' if bytes.get(4).is_some_and(u8::is_ascii_digit) => Segment::D,
        b'C' => Segment::C,
        b'D' | b'M' | b'G' | b'A' | b'E' if locus == Locus::Igh => Segment::C,
        _ => return None,
    };
    Some((locus, segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alleles_of_one_gene_are_one_gene() {
        for (call, expected) in [
            ("IGHV4-31*03", "IGHV4-31"),
            ("IGHV3-30*03,IGHV3-30*18", "IGHV3-30"),
            ("IGHV4-31", "IGHV4-31"),
            ("ighv4-31*03", "IGHV4-31"),
            ("IGHV3/OR16-9*01", "IGHV3/OR16-9"),
            ("TRAV29/DV5*01", "TRAV29/DV5"),
            ("IGHV0-2QX3*00", "IGHV0-2QX3"),
            ("IGHG1*03", "IGHG1"),
        ] {
            assert_eq!(gene(call).as_deref(), Some(expected), "{call}");
        }
    }

    #[test]
    fn tied_genes_are_a_sorted_list_without_repeats() {
        assert_eq!(
            gene("IGHV3-33*01, IGHV3-30*03,IGHV3-30*18").as_deref(),
            Some("IGHV3-30,IGHV3-33")
        );
        assert_eq!(
            gene("IGHV3-33*01 or IGHV3-30*03").as_deref(),
            Some("IGHV3-30,IGHV3-33")
        );
        assert_eq!(gene("b IGKV1-9*01,IGKV1-9*02").as_deref(), Some("IGKV1-9"));
    }

    #[test]
    fn the_style_of_high_v_quest_is_read() {
        let call = "Homsap IGHV3-30*03 F, or Homsap IGHV3-30*18 F";
        assert_eq!(gene(call).as_deref(), Some("IGHV3-30"));
        assert_eq!(subgroup(call).as_deref(), Some("IGHV3"));
        assert_eq!(allele(call).as_deref(), Some("IGHV3-30*03,IGHV3-30*18"));
        assert_eq!(locus(call), Some(Locus::Igh));
        assert_eq!(allele("Homsap IGHV1-2*02 F").as_deref(), Some("IGHV1-2*02"));
    }

    #[test]
    fn segments_are_told_apart() {
        for (name, expected) in [
            ("IGHV1-2*01", Some(Segment::V)),
            ("IGHD3-10*01", Some(Segment::D)),
            ("IGHD*01", Some(Segment::C)),
            ("IGHG1*01", Some(Segment::C)),
            ("IGKC*04", Some(Segment::C)),
            ("TRBJ2-7*01", Some(Segment::J)),
            ("5", None),
            ("IGH", None),
            ("TRAP", None),
        ] {
            assert_eq!(segment(name), expected, "{name}");
        }
    }

    #[test]
    fn subgroups_are_the_segment_and_its_first_number() {
        for (call, expected) in [
            ("IGHV4-31*03", Some("IGHV4")),
            ("IGKV1D-39*01", Some("IGKV1")),
            ("IGHV3/OR16-9*01", Some("IGHV3")),
            ("TRAV29/DV5*01", Some("TRAV29")),
            ("IGHV1-2*02,IGHV1-3*01", Some("IGHV1")),
            ("IGHV3-30*18,IGHV1-2*02", Some("IGHV1,IGHV3")),
            ("IGHJ4*02", Some("IGHJ4")),
            ("IGHD3-10*01", Some("IGHD3")),
            ("IGHG1*01", None),
            ("IGHV0-2QX3*00", None),
            ("IGHV-A2B3*00", None),
            ("", None),
        ] {
            assert_eq!(subgroup(call).as_deref(), expected, "{call}");
        }
    }

    #[test]
    fn alleles_keep_what_follows_the_star() {
        for (call, expected) in [
            ("IGHV1-69*01_C26G", Some("IGHV1-69*01_C26G")),
            ("ighv1-2*i01", Some("IGHV1-2*i01")),
            ("IGHV1-2*02,IGHV1-2*02", Some("IGHV1-2*02")),
            ("IGHV1-2", None),
            ("IGHV1-2*", None),
        ] {
            assert_eq!(allele(call).as_deref(), expected, "{call}");
        }
    }

    #[test]
    fn isotypes_are_classes_of_heavy_chains() {
        for (call, expected) in [
            ("IGHG1*01", Some("IgG")),
            ("IGHG1*01,IGHG2*02", Some("IgG")),
            ("IGHM", Some("IgM")),
            ("IGHM*01,IGHD*01", Some("IgD,IgM")),
            ("IGHA2*01", Some("IgA")),
            ("IGHE", Some("IgE")),
            ("IgG2a", Some("IgG")),
            ("IGM", Some("IgM")),
            ("Homsap IGHG4*01 F", Some("IgG")),
            ("IGKC*01", None),
            ("IGHD3-10*01", None),
            ("IGHV1-2*02", None),
            ("TRBC1", None),
            ("Igneous", None),
            ("", None),
        ] {
            assert_eq!(isotype(call).as_deref(), expected, "{call}");
        }
    }

    #[test]
    fn what_names_no_gene_has_none() {
        assert_eq!(gene("5"), None);
        assert_eq!(gene(""), None);
        assert_eq!(locus("unknown é"), None);
        assert_eq!(allele("*01"), None);
    }
}
