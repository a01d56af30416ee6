//! The V domains of one record: from its residues, else from its nucleotides.

use std::borrow::Cow;

use udfs::antibody::nucleotide::best_reading;
use udfs::antibody::{Locus, Region, VDomain, v_domains};

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

/// Reads a record.
pub(super) fn read<'a>(source: &Source<'a>, row: usize) -> Reading<'a> {
    if let Some(given) = source.sequence_aa.get(row) {
        return of_protein(Some(Cow::Borrowed(given)));
    }
    if let Some(reading) = source
        .sequence
        .get(row)
        .and_then(|nucleotides| best_reading(nucleotides.as_bytes()))
    {
        let domains = cut(&reading.domains, reading.protein.as_bytes());
        return Reading {
            protein: Some(Cow::Owned(reading.protein)),
            reverse: Some(reading.reverse),
            domains,
        };
    }
    let aligned = source.sequence_alignment_aa.get(row);
    of_protein(aligned.map(ungapped).filter(|text| !text.is_empty()))
}

fn of_protein(protein: Option<Cow<'_, str>>) -> Reading<'_> {
    let domains = protein.as_deref().map_or_else(Vec::new, |text| {
        let bytes = text.as_bytes();
        v_domains(bytes).map_or_else(|_| Vec::new(), |domains| cut(&domains, bytes))
    });
    Reading {
        protein,
        reverse: None,
        domains,
    }
}

fn cut(domains: &[VDomain], sequence: &[u8]) -> Vec<Domain> {
    domains
        .iter()
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
