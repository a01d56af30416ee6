//! Which of the six readings of a nucleotide sequence yields a V domain.

use crate::MIN_RESIDUES;
use crate::batch::{Ask, Domains, number_batch};
use crate::nucleotide::{bases, codons, reverse_complement_bases};
use crate::scheme::Scheme;
use crate::v_domain::VDomain;

/// The longest nucleotide sequence that is searched; a transcript of an antibody chain has about 1,700 bases.
pub const MAX_NUCLEOTIDES: usize = 100_000;

/// A reading of a nucleotide sequence that yields a V domain.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The translation between two stops (or the ends of the sequence) that holds the domains: no `*` in it.
    pub protein: String,
    /// Whether the reverse complement was read.
    pub reverse: bool,
    /// The frame in the strand that was read: 1, 2 or 3.
    pub frame: u8,
    /// The domains, in coordinates of `protein`.
    pub domains: Vec<VDomain>,
}

/// A stretch without stop codons, waiting to be numbered.
struct Stretch {
    protein: Vec<u8>,
    /// Whether a stop codon comes before it and behind it.
    stops: (bool, bool),
    reverse: bool,
    frame: u8,
    rank: (u8, usize),
}

/// The frame and strand that yield a V domain, if one does.
///
/// All six frames are translated and cut at stops; stretches of at least [`MIN_RESIDUES`] are numbered, those with a V
/// domain's conserved motifs first, then the longest. So a read of a V domain costs one numbering, and one without a long
/// open stretch none. A V domain that a stop codon interrupts yields none (the read is not productive). `None` too for more
/// than [`MAX_NUCLEOTIDES`].
pub fn best_reading(seq: &[u8]) -> Option<Reading> {
    best_readings(&[seq]).pop().flatten()
}

/// [`best_reading`] of each of many sequences: the likeliest stretches of all are numbered together, then the next of those that
/// have none.
pub fn best_readings(seqs: &[&[u8]]) -> Vec<Option<Reading>> {
    let mut readings: Vec<Option<Reading>> = Vec::new();
    readings.resize_with(seqs.len(), || None);
    let mut waiting: Vec<(usize, Vec<Stretch>)> =
        seqs.iter().map(|seq| stretches(seq)).enumerate().collect();
    loop {
        waiting.retain(|(_, stretches)| !stretches.is_empty());
        let round: Vec<(usize, Stretch)> = waiting
            .iter_mut()
            .filter_map(|(index, stretches)| Some((*index, stretches.pop()?)))
            .collect();
        if round.is_empty() {
            return readings;
        }
        let texts: Vec<Vec<u8>> = round
            .iter()
            .map(|(_, stretch)| stretch.with_stops())
            .collect();
        let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        let domains = number_batch(&texts, Ask::default());
        for (at, (index, stretch)) in round.into_iter().enumerate() {
            readings[index] = stretch.read(&domains, at);
        }
        waiting.retain(|(index, _)| readings[*index].is_none());
    }
}

/// A sequence's stretches that may hold a V domain, the likeliest at the end.
fn stretches(seq: &[u8]) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    if seq.len() < 3 * MIN_RESIDUES || seq.len() > MAX_NUCLEOTIDES {
        return stretches;
    }
    let forward = bases(seq);
    let reverse = reverse_complement_bases(&forward);
    for (strand, is_reverse) in [(&forward, false), (&reverse, true)] {
        for offset in 0..3u8 {
            let strand = strand.get(usize::from(offset)..).unwrap_or_default();
            let protein: Vec<u8> = codons(strand).collect();
            let mut start = 0;
            for stretch in protein.split(|residue| *residue == b'*') {
                let end = start + stretch.len();
                if stretch.len() >= MIN_RESIDUES {
                    stretches.push(Stretch {
                        protein: stretch.to_vec(),
                        stops: (start > 0, end < protein.len()),
                        reverse: is_reverse,
                        frame: offset + 1,
                        rank: (motifs(stretch), stretch.len()),
                    });
                }
                start = end + 1;
            }
        }
    }
    stretches.sort_by_key(|stretch| std::cmp::Reverse(stretch.rank));
    stretches.reverse();
    stretches
}

impl Stretch {
    /// The residues with the stops on either side, which say whether a domain is interrupted.
    fn with_stops(&self) -> Vec<u8> {
        let (before, behind) = self.stops;
        let mut with_stops = Vec::with_capacity(self.protein.len() + 2);
        with_stops.extend(before.then_some(b'*'));
        with_stops.extend_from_slice(&self.protein);
        with_stops.extend(behind.then_some(b'*'));
        with_stops
    }

    /// The reading, if the stretch holds a V domain that its stops do not interrupt.
    fn read(self, found: &Domains, at: usize) -> Option<Reading> {
        let before = usize::from(self.stops.0);
        let mut domains = Vec::new();
        for domain in found.of(at) {
            let mut numbering = found.numbering(domain, Scheme::Imgt).ok()?;
            numbering.start -= before;
            numbering.end -= before;
            domains.push(VDomain { numbering });
        }
        if domains.is_empty() {
            return None;
        }
        Some(Reading {
            protein: String::from_utf8(self.protein).ok()?,
            reverse: self.reverse,
            frame: self.frame,
            domains,
        })
    }
}

/// How many of a V domain's conserved motifs a stretch holds: `Y[YFHS]C` before CDR3 (IMGT 102–104), `[WF]G.G` of framework 4
/// (118–121) behind it, and `W[YFVILSMA][RQK]` of framework 2 (41–43) before it.
fn motifs(stretch: &[u8]) -> u8 {
    let tyrosine_cysteine = stretch
        .windows(3)
        .rposition(|w| w[0] == b'Y' && b"YFHS".contains(&w[1]) && w[2] == b'C');
    let anchor = tyrosine_cysteine.unwrap_or(stretch.len());
    let joining = stretch
        .get(anchor..)
        .unwrap_or_default()
        .windows(4)
        .any(|w| b"WF".contains(&w[0]) && w[1] == b'G' && w[3] == b'G');
    let tryptophan = stretch[..anchor]
        .windows(3)
        .any(|w| w[0] == b'W' && b"YFVILSMA".contains(&w[1]) && b"RQK".contains(&w[2]));
    2 * u8::from(tyrosine_cysteine.is_some()) + u8::from(joining) + u8::from(tryptophan)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use super::*;
    use crate::nucleotide::reverse_complement;
    use crate::{Locus, Region};

    const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";

    /// A gene that encodes a protein: one codon a residue.
    fn gene(protein: &str) -> Vec<u8> {
        protein
            .bytes()
            .flat_map(|residue| *match residue {
                b'A' => b"GCC",
                b'C' => b"TGC",
                b'D' => b"GAC",
                b'E' => b"GAG",
                b'F' => b"TTC",
                b'G' => b"GGC",
                b'H' => b"CAC",
                b'I' => b"ATC",
                b'K' => b"AAG",
                b'L' => b"CTG",
                b'M' => b"ATG",
                b'N' => b"AAC",
                b'P' => b"CCC",
                b'Q' => b"CAG",
                b'R' => b"CGC",
                b'S' => b"AGC",
                b'T' => b"ACC",
                b'V' => b"GTG",
                b'W' => b"TGG",
                b'Y' => b"TAC",
                _ => b"TAA",
            })
            .collect()
    }

    #[test]
    fn the_frame_and_strand_of_a_v_domain_are_found() {
        for (prefix, frame) in [("", 1), ("A", 2), ("GC", 3)] {
            let mut seq = prefix.as_bytes().to_vec();
            seq.extend(gene(VH));
            let reading = best_reading(&seq).unwrap();
            assert_eq!((reading.reverse, reading.frame), (false, frame));
            assert!(reading.protein.ends_with(VH));
            assert_eq!(reading.domains[0].locus(), Locus::Igh);

            let reading = best_reading(&reverse_complement(&seq)).unwrap();
            assert_eq!((reading.reverse, reading.frame), (true, frame));
            assert_eq!(
                reading.domains[0]
                    .region(reading.protein.as_bytes(), Region::Cdr3)
                    .as_deref(),
                Some("SRWGGDGFYAMDY")
            );
        }
    }

    #[test]
    fn many_sequences_are_read_as_each_by_itself() {
        let reversed = reverse_complement(&gene(VH));
        let shifted = [b"GC".as_slice(), &gene(VH)].concat();
        let seqs: [&[u8]; 5] = [&gene(VH), b"ACGT", &reversed, &shifted, &b"GCC".repeat(200)];
        let alone: Vec<Option<Reading>> = seqs.iter().map(|seq| best_reading(seq)).collect();
        assert_eq!(best_readings(&seqs), alone);
        assert_eq!(alone.iter().filter(|reading| reading.is_some()).count(), 3);
    }

    #[test]
    fn the_protein_ends_at_stop_codons() {
        let mut seq = gene("MKLAV*");
        seq.extend(gene(VH));
        seq.extend(gene("*RRKK"));
        assert_eq!(best_reading(&seq).unwrap().protein, VH);
    }

    #[test]
    fn a_stop_codon_or_a_frameshift_within_the_domain_leaves_no_reading() {
        let mut stopped = VH.to_owned();
        stopped.replace_range(60..61, "*");
        assert_eq!(best_reading(&gene(&stopped)), None);
        assert_eq!(best_reading(b""), None);
        assert_eq!(best_reading(&b"ACGT".repeat(200)), None);
        assert_eq!(best_reading(&b"A".repeat(MAX_NUCLEOTIDES + 1)), None);
    }
}
