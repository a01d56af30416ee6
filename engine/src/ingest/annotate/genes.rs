//! What the name of a germline gene says: its locus, its segment, and the gene without its allele.

use udfs::antibody::Locus;

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
    gene_names(call).find_map(|gene| parse(gene).map(|(locus, _)| locus))
}

/// The segment of a name such as `IGHV4-31*03` or `IGHG1`; `None` if it names no gene.
pub fn segment(name: &str) -> Option<Segment> {
    gene_names(name).find_map(|gene| parse(gene).map(|(_, segment)| segment))
}

/// The gene of a call where all tied calls share it, else the sorted list joined by commas; `None` if no gene is named.
pub fn gene(call: &str) -> Option<String> {
    let mut names = gene_names(call)
        .filter(|name| parse(name).is_some())
        .map(|name| name.split('*').next().unwrap_or(name));
    let first = names.next()?;
    let mut rest = names.filter(|name| *name != first).peekable();
    if rest.peek().is_none() {
        return Some(first.to_string());
    }
    let mut all: Vec<&str> = std::iter::once(first).chain(rest).collect();
    all.sort_unstable();
    all.dedup();
    Some(all.join(","))
}

/// The locus of AIRR's word (`IGH`) in any case, or of the short words that headers use (`H`, `kappa`).
pub fn locus_of_word(word: &str) -> Option<Locus> {
    Some(match word.trim().to_ascii_uppercase().as_str() {
        "IGH" | "H" => Locus::Igh,
        "IGK" | "K" | "KAPPA" => Locus::Igk,
        "IGL" | "L" | "LAMBDA" => Locus::Igl,
        "TRA" | "A" | "ALPHA" => Locus::Tra,
        "TRB" | "B" | "BETA" => Locus::Trb,
        "TRG" | "G" | "GAMMA" => Locus::Trg,
        "TRD" | "D" | "DELTA" => Locus::Trd,
        _ => return None,
    })
}

fn gene_names(call: &str) -> impl Iterator<Item = &str> {
    call.split([',', ' ', ';', '|'])
        .filter(|name| name.len() > 3 && name.is_ascii())
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
        assert_eq!(gene("IGHV4-31*03").as_deref(), Some("IGHV4-31"));
        assert_eq!(gene("IGHV3-30*03,IGHV3-30*18").as_deref(), Some("IGHV3-30"));
        assert_eq!(gene("IGHV4-31").as_deref(), Some("IGHV4-31"));
        assert_eq!(gene("IGHV3/OR16-9*01").as_deref(), Some("IGHV3/OR16-9"));
        assert_eq!(gene("TRAV29/DV5*01").as_deref(), Some("TRAV29/DV5"));
    }

    #[test]
    fn tied_genes_are_a_sorted_list_without_repeats() {
        assert_eq!(
            gene("IGHV3-33*01, IGHV3-30*03,IGHV3-30*18").as_deref(),
            Some("IGHV3-30,IGHV3-33")
        );
        assert_eq!(gene("b IGKV1-9*01,IGKV1-9*02").as_deref(), Some("IGKV1-9"));
    }

    #[test]
    fn the_style_of_high_v_quest_is_read() {
        let call = "Homsap IGHV3-30*03 F, or Homsap IGHV3-30*18 F";
        assert_eq!(gene(call).as_deref(), Some("IGHV3-30"));
        assert_eq!(locus(call), Some(Locus::Igh));
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
    fn what_names_no_gene_has_none() {
        assert_eq!(gene("5"), None);
        assert_eq!(gene(""), None);
        assert_eq!(locus("unknown é"), None);
    }
}
