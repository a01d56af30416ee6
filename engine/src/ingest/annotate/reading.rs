//! The V domains of records: from their residues, else from their nucleotides; those of a batch are numbered together.

use std::borrow::Cow;
use std::ops::Range;

use udfs::antibody::nucleotide::{Reading as TranslatedReading, best_readings};
use udfs::antibody::{Ask, Domains, Locus, Region, number_batch};

use super::source::Source;

/// What a record's sequence says.
pub(super) struct Reading<'a> {
    /// The polypeptide: as given, else the translation that holds the V domain, else the source's aligned residues.
    pub(super) protein: Option<Cow<'a, str>>,
    /// Whether the other strand of the nucleotides was read; `None` where nucleotides were not.
    pub(super) reverse: Option<bool>,
    /// The V domains along the polypeptide.
    pub(super) domains: Vec<Domain>,
}

/// A V domain, cut into what `chains` stores.
pub(super) struct Domain {
    pub(super) locus: Locus,
    pub(super) start: i32,
    pub(super) end: i32,
    pub(super) v_domain_aa: String,
    pub(super) imgt_aligned_aa: Option<String>,
    pub(super) cdr1_aa: Option<String>,
    pub(super) cdr2_aa: Option<String>,
    pub(super) cdr3_aa: Option<String>,
    pub(super) junction_aa: Option<String>,
}

/// Reads all records: their V domains are numbered together.
pub(super) fn read_all<'a>(source: &Source<'a>) -> Vec<Reading<'a>> {
    let rows = 0..source.rows();
    let is_nucleotides =
        |row: &usize| source.sequence_aa.get(*row).is_none() && source.sequence.get(*row).is_some();
    let nucleotides: Vec<usize> = rows.clone().filter(is_nucleotides).collect();
    let bases: Vec<&[u8]> = nucleotides
        .iter()
        .filter_map(|row| source.sequence.get(*row).map(str::as_bytes))
        .collect();
    let mut translated = nucleotides
        .into_iter()
        .zip(best_readings(&bases))
        .peekable();
    let mut readings: Vec<Reading<'a>> = Vec::with_capacity(rows.len());
    let mut untranslated: Vec<usize> = Vec::new();
    for row in rows {
        let reading = translated.next_if(|(of, _)| *of == row);
        if let Some(reading) = reading.and_then(|(_, reading)| reading) {
            readings.push(of_nucleotides(reading));
            continue;
        }
        let given = source.sequence_aa.get(row).map(Cow::Borrowed);
        let aligned = || source.sequence_alignment_aa.get(row).map(ungapped);
        let protein = given.or_else(aligned).filter(|text| !text.is_empty());
        if protein.is_some() {
            untranslated.push(row);
        }
        readings.push(Reading {
            protein,
            reverse: None,
            domains: Vec::new(),
        });
    }
    let proteins: Vec<&[u8]> = untranslated
        .iter()
        .map(|row| {
            readings[*row]
                .protein
                .as_deref()
                .unwrap_or_default()
                .as_bytes()
        })
        .collect();
    let found = number_batch(&proteins, Ask::default());
    let cut: Vec<Vec<Domain>> = proteins
        .iter()
        .enumerate()
        .map(|(index, protein)| cut(&found, index, protein))
        .collect();
    for (row, domains) in untranslated.into_iter().zip(cut) {
        readings[row].domains = domains;
    }
    readings
}

/// The domains of a translation.
fn of_nucleotides(reading: TranslatedReading) -> Reading<'static> {
    let sequence = reading.protein.as_bytes();
    let domains = reading.domains.iter();
    let domains = domains
        .map(|domain| Domain {
            locus: domain.numbering.locus,
            start: i32::try_from(domain.numbering.start).unwrap_or(i32::MAX),
            end: i32::try_from(domain.numbering.end).unwrap_or(i32::MAX),
            v_domain_aa: domain.v_domain_aa(sequence),
            imgt_aligned_aa: domain.imgt_aligned(sequence),
            cdr1_aa: domain.region(sequence, Region::Cdr1),
            cdr2_aa: domain.region(sequence, Region::Cdr2),
            cdr3_aa: domain.region(sequence, Region::Cdr3),
            junction_aa: domain.region(sequence, Region::Junction),
        })
        .collect();
    Reading {
        domains,
        reverse: Some(reading.reverse),
        protein: Some(Cow::Owned(reading.protein)),
    }
}

/// The domains of a sequence of a batch. Where IMGT has no positions for all residues, there is no alignment, but regions are
/// known all the same.
fn cut(found: &Domains, index: usize, sequence: &[u8]) -> Vec<Domain> {
    let mut positions = Vec::new();
    found
        .of(index)
        .map(|domain| {
            let span = found.span(domain);
            let region = |region| Some(residues(sequence, found.region(domain, region)?));
            let aligned = found.aligned(domain, sequence, &mut positions).ok();
            Domain {
                locus: found.loci[domain],
                start: i32::try_from(span.start + 1).unwrap_or(i32::MAX),
                end: i32::try_from(span.end).unwrap_or(i32::MAX),
                imgt_aligned_aa: aligned
                    .filter(|aligned| aligned.unplaced.is_empty())
                    .map(|aligned| aligned.text),
                cdr1_aa: region(Region::Cdr1),
                cdr2_aa: region(Region::Cdr2),
                cdr3_aa: region(Region::Cdr3),
                junction_aa: region(Region::Junction),
                v_domain_aa: residues(sequence, span),
            }
        })
        .collect()
}

/// The residues of a part of a sequence, upper case, without gaps.
fn residues(sequence: &[u8], range: Range<usize>) -> String {
    let bytes = sequence.get(range).unwrap_or_default().iter();
    let letters = bytes.filter(|byte| byte.is_ascii_alphabetic());
    letters
        .map(|letter| char::from(letter.to_ascii_uppercase()))
        .collect()
}

/// An aligned sequence without its gaps.
fn ungapped(aligned: &str) -> Cow<'_, str> {
    if aligned.contains(['-', '.']) {
        Cow::Owned(aligned.replace(['-', '.'], ""))
    } else {
        Cow::Borrowed(aligned)
    }
}
