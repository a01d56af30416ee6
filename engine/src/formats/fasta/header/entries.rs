//! Entries of protein databases: UniProt, UniRef, RefSeq and GenBank say names, organism and accessions each in their way.

use super::{Header, species};

/// Tags of UniProt and their attributes; what stands behind one goes up to the next.
const UNIPROT: [(&str, &str); 5] = [
    ("OS=", ORGANISM),
    ("OX=", "taxonomy_id"),
    ("GN=", "gene"),
    ("PE=", "protein_existence"),
    ("SV=", "sequence_version"),
];

/// Likewise of UniRef (`UniRef50_P00533 Epidermal growth factor receptor n=9 Tax=Homo sapiens TaxID=9606 RepID=EGFR_HUMAN`).
const UNIREF: [(&str, &str); 4] = [
    ("n=", "cluster_size"),
    ("Tax=", ORGANISM),
    ("TaxID=", "taxonomy_id"),
    ("RepID=", "representative"),
];

/// In the lists above: not an attribute, but the species.
const ORGANISM: &str = "organism";

/// `sp|P01857|IGHG1_HUMAN Immunoglobulin heavy constant gamma 1 OS=Homo sapiens OX=9606 GN=IGHG1 PE=1 SV=1`, and as NCBI
/// writes it: `sp|P01857.1|IGHG1_HUMAN RecName: Full=Immunoglobulin heavy constant gamma 1; AltName: Full=… [Homo sapiens]`.
pub(super) fn uniprot<'a>(accession: &'a str, entry: &'a str, rest: &'a str) -> Header<'a> {
    let mut found = Header {
        id: accession,
        ..Header::default()
    };
    let bare = accession.split('.').next().unwrap_or(accession);
    found.attribute("uniprot", bare);
    found.attribute("entry_name", entry);
    let rest = first_of_several(&mut found, rest);
    if rest.starts_with("RecName:") || rest.starts_with("SubName:") {
        let names = without_organism(&mut found, rest, true);
        found.attribute("recommended_and_alternative_names", names);
        let first = names.split_once("Full=").map_or("", |(_, name)| name);
        let end = first.find([';', '{']).unwrap_or(first.len());
        found.attribute("description", &first[..end]);
    } else {
        tags(&mut found, rest, &UNIPROT);
    }
    found
}

/// A header without pipes whose text is UniProt's or UniRef's: `P00533 Epidermal growth factor receptor OS=Homo sapiens OX=9606`.
pub(super) fn of_uniprot_without_pipes<'a>(id: &'a str, rest: &'a str) -> Option<Header<'a>> {
    let mut found = Header {
        id,
        ..Header::default()
    };
    let has = |tag: &str| tag_at(rest, tag).is_some();
    if has("OS=") && has("OX=") {
        if is_uniprot_accession(id) {
            found.attribute("uniprot", id);
        }
        tags(&mut found, rest, &UNIPROT);
    } else if id.starts_with("UniRef") && has("Tax=") {
        found.attribute("uniref", id);
        tags(&mut found, rest, &UNIREF);
    } else {
        return None;
    }
    Some(found)
}

/// Text and what follows its tags.
fn tags<'a>(found: &mut Header<'a>, rest: &'a str, known: &[(&'static str, &'static str)]) {
    let mut starts: Vec<(usize, &str, &str)> = known
        .iter()
        .filter_map(|(tag, key)| Some((tag_at(rest, tag)?, *tag, *key)))
        .collect();
    starts.sort_unstable();
    let end = starts.first().map_or(rest.len(), |(at, ..)| *at);
    found.attribute("description", &rest[..end]);
    for (index, (at, tag, key)) in starts.iter().enumerate() {
        let end = starts.get(index + 1).map_or(rest.len(), |(next, ..)| *next);
        let value = rest[at + tag.len()..end].trim();
        if *key == ORGANISM {
            found.species = Some(value);
        } else {
            found.attribute(key, value);
        }
    }
}

fn tag_at(text: &str, tag: &str) -> Option<usize> {
    text.match_indices(tag)
        .map(|(at, _)| at)
        .find(|at| *at == 0 || text.as_bytes()[at - 1] == b' ')
}

/// Accessions between pipes, each behind the tag of its database: `gi|29725609|ref|NP_005219.2|`.
pub(super) fn tagged<'a>(found: &mut Header<'a>, token: &'a str) {
    let mut fields = token.split('|');
    while let (Some(tag), Some(accession)) = (fields.next(), fields.next()) {
        let key = match tag {
            "gi" => "gi",
            "ref" => "refseq",
            "gb" | "emb" | "dbj" => "genbank",
            "pdb" => "pdb_id",
            "sp" | "tr" => "uniprot",
            _ => continue,
        };
        found.attribute(key, accession);
        match tag {
            // A chain follows the entry of the PDB, an entry's name those of UniProt.
            "pdb" => found.attribute("pdb_chain", fields.next().unwrap_or_default()),
            "sp" | "tr" => found.attribute("entry_name", fields.next().unwrap_or_default()),
            // Entries of nucleotide databases have an empty locus behind them, or `gb|AAA1.1|gi|5` goes on.
            _ => {}
        }
    }
}

/// Takes from an entry of NCBI its accession and, at its end, `[Homo sapiens]`; gives the text without that. Identifiers
/// that are no accessions keep their brackets, unless these hold a species.
pub(super) fn ncbi<'a>(found: &mut Header<'a>, text: &'a str) -> &'a str {
    let key = accession(found.id, text);
    match key {
        Some("pdb_id") => found.pdb(found.id, '_'),
        Some(key) => found.attribute(key, found.id),
        None => {}
    }
    // `gb|AAA12345.1` is an entry too.
    let is_entry = key.is_some() || found.id.contains('|');
    without_organism(found, text, is_entry)
}

/// The database of an accession: RefSeq's `NP_005219.2`, GenBank's `AAA12345.1` (with its version: three letters and digits
/// name many things), a chain of the PDB as NCBI writes it (`1A14_H Chain H, NC10 FV`).
fn accession(id: &str, text: &str) -> Option<&'static str> {
    let (bare, version) = match id.split_once('.') {
        Some((bare, version)) => (bare, Some(version)),
        None => (id, None),
    };
    let is_version = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if version.is_some_and(|version| !is_version(version)) {
        return None;
    }
    let letters = bare.bytes().take_while(u8::is_ascii_uppercase).count();
    let (prefix, digits) = bare.split_at(letters);
    if let Some(digits) = digits.strip_prefix('_') {
        let is_refseq = prefix.len() == 2 && digits.len() >= 6 && is_version(digits);
        return is_refseq.then_some("refseq");
    }
    if prefix.len() == 3 && matches!(digits.len(), 5 | 7) && is_version(digits) {
        return version.map(|_| "genbank");
    }
    let is_entry = |entry: &str| {
        entry.len() == 4
            && entry.is_ascii()
            && entry.as_bytes()[0].is_ascii_digit()
            && entry.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let (entry, _) = id.split_once('_')?;
    (is_entry(entry) && text.starts_with("Chain ")).then_some("pdb_id")
}

/// `P00533`, `A0A024R161`, `P00533-2`: see <https://www.uniprot.org/help/accession_numbers>.
fn is_uniprot_accession(id: &str) -> bool {
    let bare = id.split(['-', '.']).next().unwrap_or(id).as_bytes();
    matches!(bare.len(), 6 | 10)
        && bare[0].is_ascii_uppercase()
        && bare[1].is_ascii_digit()
        && bare[bare.len() - 1].is_ascii_digit()
        && bare
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Takes `[Homo sapiens]` off the end of a text. In an `is_entry` any words are an organism, elsewhere those that name a species.
fn without_organism<'a>(found: &mut Header<'a>, text: &'a str, is_entry: bool) -> &'a str {
    let Some(inner) = text.trim_end().strip_suffix(']') else {
        return text;
    };
    // Organisms have brackets of their own: `[[Candida] glabrata]`.
    let (mut depth, mut start) = (1, None);
    for (at, byte) in inner.bytes().enumerate().rev() {
        match byte {
            b']' => depth += 1,
            b'[' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            start = Some(at);
            break;
        }
    }
    let Some(start) = start else { return text };
    let words = inner[start + 1..].trim();
    let is_organism =
        !words.is_empty() && !words.contains('=') && (is_entry || species::known(words).is_some());
    if !is_organism {
        return text;
    }
    found.species = Some(words);
    inner[..start].trim_end()
}

/// Of several entries with one sequence, which NCBI parts by `^A`, the first; the others become an attribute.
pub(super) fn first_of_several<'a>(found: &mut Header<'a>, text: &'a str) -> &'a str {
    match text.split_once('\x01') {
        Some((first, others)) => {
            found.attribute("identical_entries", others);
            first.trim_end()
        }
        None => text,
    }
}
