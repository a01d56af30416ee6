//! What the header of a FASTA record says: each of the habits that files of antibodies have.

mod entries;

use udfs::antibody::{Chain, Locus};

use crate::ingest::annotate::genes::{self, Segment};
use crate::ingest::annotate::species;

/// Tags of databases before an accession, as NCBI writes them (`pdb|1A14|H`).
const DATABASES: &[&str] = &[
    "gi", "gb", "ref", "emb", "dbj", "pdb", "lcl", "gnl", "pir", "prf", "bbs",
];

/// The parts of a header.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Header<'a> {
    pub id: &'a str,
    pub chain: Option<Chain>,
    pub locus: Option<Locus>,
    pub species: Option<&'a str>,
    pub v_call: Option<&'a str>,
    pub d_call: Option<&'a str>,
    pub j_call: Option<&'a str>,
    pub c_call: Option<&'a str>,
    pub duplicate_count: Option<i64>,
    pub consensus_count: Option<i64>,
    pub attributes: Vec<(&'a str, &'a str)>,
}

/// Reads a header, without its `>`.
pub(super) fn parse(header: &str) -> Header<'_> {
    let header = header.trim();
    let (token, rest) = header
        .split_once(char::is_whitespace)
        .unwrap_or((header, ""));
    let rest = rest.trim();
    if !token.contains('|') {
        return plain(token, rest);
    }
    let mut fields = token.split('|');
    let database = fields.next().unwrap_or_default();
    match (database, fields.next(), fields.next()) {
        ("sp" | "tr", Some(accession), Some(entry)) if !accession.is_empty() => {
            entries::uniprot(accession, entry, rest)
        }
        (tag, ..) if DATABASES.contains(&tag) => {
            let mut found = plain(token.trim_end_matches('|'), rest);
            entries::tagged(&mut found, token);
            found
        }
        _ => pipes(header),
    }
}

/// An identifier and free text, in which `key:value`, `key=value` and `[key=value]` may stand.
fn plain<'a>(id: &'a str, rest: &'a str) -> Header<'a> {
    let mut found = Header {
        id,
        ..Header::default()
    };
    if let Some(found) = entries::of_uniprot_without_pipes(id, rest) {
        return found;
    }
    let mut text = entries::first_of_several(&mut found, rest);
    // PDB's own files: `12e8_L mol:protein length:214  IGG1-KAPPA 2E8 FAB (LIGHT CHAIN)`.
    if rest.starts_with("mol:") {
        found.pdb(id, '_');
        while let Some((pair, behind)) = first_word(text) {
            let Some((key, value)) = pair.split_once(':') else {
                break;
            };
            found.attribute(key, value);
            text = behind;
        }
    }
    text = entries::ncbi(&mut found, text);
    for (index, part) in text.split(['[', ']']).enumerate() {
        // `[organism=Mus musculus]` of NCBI; without brackets a value is one word.
        let in_brackets = index % 2 == 1;
        let words = part.split(move |c: char| !in_brackets && c.is_whitespace());
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            if !key.is_empty() && !key.contains(char::is_whitespace) && !value.is_empty() {
                found.pair(key, value.trim());
            }
        }
    }
    found.attribute("description", text);
    found
}

/// Fields between pipes: IMGT, PDB, pRESTO, and `id|v_call|j_call|locus`.
fn pipes(header: &str) -> Header<'_> {
    let mut fields = header.split('|').map(str::trim);
    let id = fields.next().unwrap_or_default();
    let fields: Vec<&str> = fields.collect();
    let mut found = Header {
        id,
        ..Header::default()
    };
    match fields.as_slice() {
        ["PDBID", ..] => {
            found.pdb(id, ':');
            return found;
        }
        // `1A14_1|Chains A[auth N]|NEURAMINIDASE|Influenza A virus (11320)`.
        [chains, rest @ ..] if chains.starts_with("Chain") && chains.contains(' ') => {
            found.pdb(id, '_');
            let chains = chains.split_once(' ').map_or(*chains, |(_, names)| names);
            found.attribute("pdb_chains", chains);
            if let [description, others @ ..] = rest {
                found.attribute("description", description);
                found.species = others.first().copied().filter(|text| !text.is_empty());
            }
            return found;
        }
        _ => {}
    }
    let imgt = fields
        .get(1)
        .is_some_and(|field| species::known(field).is_some());
    let mut others: Vec<&str> = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        match (index, imgt) {
            // `M99641|IGHV1-18*01|Homo sapiens|F|V-REGION|…`.
            (1, true) => found.species = Some(field),
            (2, true) => found.attribute("functionality", field),
            (3, true) => found.attribute("region", field),
            _ if field.is_empty() => {}
            _ => {
                if !found.call(field) && !found.key_value(field) {
                    others.push(field);
                }
            }
        }
    }
    let called = found.v_call.is_some() || found.j_call.is_some();
    if !imgt {
        others.retain(|word| !found.word(word, called));
    }
    if !others.is_empty() {
        // One slice of the header where the words stand together, as they mostly do.
        let key = "description";
        match (others.as_slice(), fields.len()) {
            ([one], _) => found.attribute(key, one),
            _ => {
                for (index, other) in others.iter().enumerate() {
                    found.attribute(FIELDS.get(index).copied().unwrap_or("other"), other);
                }
            }
        }
    }
    found
}

/// Names for fields whose meaning is not known.
const FIELDS: [&str; 16] = [
    "field_1", "field_2", "field_3", "field_4", "field_5", "field_6", "field_7", "field_8",
    "field_9", "field_10", "field_11", "field_12", "field_13", "field_14", "field_15", "field_16",
];

impl<'a> Header<'a> {
    /// Keeps the first of each key.
    fn attribute(&mut self, key: &'a str, value: &'a str) {
        let value = value.trim();
        let is_new = self.attributes.iter().all(|(known, _)| *known != key);
        if !key.is_empty() && !value.is_empty() && is_new {
            self.attributes.push((key, value));
        }
    }

    /// An entry and a chain of the PDB, such as `12e8_L`.
    fn pdb(&mut self, id: &'a str, separator: char) {
        if let Some((entry, chain)) = id.split_once(separator) {
            self.attribute("pdb_id", entry);
            if !chain.bytes().all(|byte| byte.is_ascii_digit()) {
                self.attribute("pdb_chain", chain);
            }
        }
    }

    /// Takes the name of a gene.
    fn call(&mut self, field: &'a str) -> bool {
        let slot = match genes::segment(field) {
            Some(Segment::V) => &mut self.v_call,
            Some(Segment::D) => &mut self.d_call,
            Some(Segment::J) => &mut self.j_call,
            Some(Segment::C) => &mut self.c_call,
            None => return false,
        };
        if slot.is_some() {
            return false;
        }
        *slot = Some(field);
        true
    }

    /// Takes `key=value` and `key: value`.
    fn key_value(&mut self, field: &'a str) -> bool {
        let Some((key, value)) = field.split_once('=').or_else(|| field.split_once(": ")) else {
            return false;
        };
        if key.is_empty() || key.contains(char::is_whitespace) {
            return false;
        }
        self.pair(key, value.trim());
        true
    }

    fn pair(&mut self, key: &'a str, value: &'a str) {
        let taken = match key.to_ascii_lowercase().as_str() {
            "v_call" => self.v_call.replace(value).is_none(),
            "d_call" => self.d_call.replace(value).is_none(),
            "j_call" => self.j_call.replace(value).is_none(),
            "c_call" => self.c_call.replace(value).is_none(),
            "species" | "organism" => self.species.replace(value).is_none(),
            "dupcount" | "duplicate_count" => count(value, &mut self.duplicate_count),
            "conscount" | "consensus_count" => count(value, &mut self.consensus_count),
            "type" | "chain" | "locus" | "chain_type" => self.chain_word(value),
            _ => false,
        };
        if !taken {
            self.attribute(key, value);
        }
    }

    /// A word for a chain where the key says that it is one: `L` is light.
    fn chain_word(&mut self, word: &str) -> bool {
        match word.to_ascii_uppercase().as_str() {
            "H" | "HEAVY" | "VH" | "VHH" => self.chain = Some(Chain::Heavy),
            "L" | "LIGHT" | "VL" => self.chain = Some(Chain::Light),
            _ => match genes::locus_of_word(word) {
                Some(locus) => self.locus = Some(locus),
                None => return false,
            },
        }
        true
    }

    /// A word on its own: a locus, a chain or a species. Single letters are loci only beside gene calls.
    fn word(&mut self, word: &'a str, called: bool) -> bool {
        if word.len() == 1 && !called || self.locus.is_some() && self.species.is_some() {
            return false;
        }
        if self.locus.is_none() && self.chain.is_none() {
            if let Some(locus) = genes::locus_of_word(word) {
                self.locus = Some(locus);
                return true;
            }
            if word.len() > 1 && self.chain_word(word) {
                return true;
            }
        }
        if self.species.is_none() && word.len() > 2 && species::known(word).is_some() {
            self.species = Some(word);
            return true;
        }
        false
    }
}

fn count(value: &str, slot: &mut Option<i64>) -> bool {
    *slot = value.parse().ok().filter(|count| *count >= 0);
    slot.is_some()
}

fn first_word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (end > 0).then(|| (&text[..end], text[end..].trim_start()))
}

#[cfg(test)]
mod tests;
