//! Regions and fixed columns of the domains of a batch, read from the sequences they were found in.

use std::ops::Range;

use crate::batch::Domains;
use crate::columns::{ALIGNED_COLUMNS, column};
use crate::definition::Definition;
use crate::error::NumberingError;
use crate::position::Position;
use crate::scheme::Scheme;
use crate::v_domain::{Aligned, Region};

impl Domains {
    /// Where the seven regions of a definition, FR1 to FR4, lie in the sequence, as 0-based bytes; gaps within are part of them.
    /// `None` where the domain does not hold the region (a CDR: not all of it). `positions` is scratch: it is left with the
    /// positions of the domain in the definition's scheme.
    ///
    /// # Errors
    /// The definition's scheme does not number the locus, or has no codes for all insertions.
    pub fn regions(
        &self,
        domain: usize,
        seq: &[u8],
        definition: Definition,
        positions: &mut Vec<Position>,
    ) -> Result<[Option<Range<usize>>; 7], NumberingError> {
        positions.clear();
        let end = self.positions(domain, definition.scheme(), positions)?;
        let start = self.span(domain).start;
        let bytes = seq.get(start..end).unwrap_or_default();
        // Without gaps the residues are the bytes.
        let byte = |residue: usize| {
            if bytes.len() == positions.len() {
                return start + residue;
            }
            let letters = (start..).zip(bytes);
            let mut letters = letters.filter(|(_, byte)| byte.is_ascii_alphabetic());
            letters.nth(residue).map_or(end, |(index, _)| index)
        };
        let starts = definition.starts(self.loci[domain]);
        let numbers = || positions.iter().map(|position| position.number);
        let (first, last) = (
            numbers().next().unwrap_or(0),
            numbers().next_back().unwrap_or(0),
        );
        Ok(std::array::from_fn(|index| {
            let span = starts[index]..starts[index + 1];
            let is_whole =
                !Region::TILES[index].is_cdr() || (first < span.start && last >= span.end);
            let from = positions.partition_point(|position| position.number < span.start);
            let to = positions.partition_point(|position| position.number < span.end);
            (is_whole && from < to).then(|| byte(from)..byte(to - 1) + 1)
        }))
    }

    /// A domain in the fixed columns of [`aligned_columns`](crate::aligned_columns), with the residues that have none.
    /// `positions` is scratch.
    ///
    /// # Errors
    /// IMGT has no codes for all insertions.
    pub fn aligned(
        &self,
        domain: usize,
        seq: &[u8],
        positions: &mut Vec<Position>,
    ) -> Result<Aligned, NumberingError> {
        positions.clear();
        let end = self.positions(domain, Scheme::Imgt, positions)?;
        let bytes = seq.get(self.span(domain).start..end).unwrap_or_default();
        let residues = bytes.iter().filter(|byte| byte.is_ascii_alphabetic());
        let mut columns = [b'-'; ALIGNED_COLUMNS];
        let mut unplaced = Vec::new();
        for (position, residue) in positions.iter().zip(residues.map(u8::to_ascii_uppercase)) {
            match column(*position) {
                Some(column) => columns[column] = residue,
                None => unplaced.push((*position, residue)),
            }
        }
        Ok(Aligned {
            text: columns.into_iter().map(char::from).collect(),
            unplaced,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use crate::batch::{Ask, number_batch};
    use crate::definition::{Definition, regions};
    use crate::v_domain::{Region, first_v_domain};

    const SEQUENCES: [&str; 5] = [
        "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS",
        "mkt DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVA-WYQQKPGKAPKLLIYSASF..LYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHY-TTPPTFGQGTKVEIKRTVA",
        "QSALTQPASVSGSPGQSITISCTGTSSDVGGYNYVSWYQQHPGKAPKLMIYDVSNRPSGVSNRFSGSKSGNTASLTISGLQAEDEADYYCSSYTSSSTRVFGTGTKVTVL",
        "LVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGF",
        "VQLRESGPSLVQPSQTLSLTCTASGFSKAVGWVRQAPGKALEWLGSIDTGGSTGYNPGLKSRLSITKDNSKSQVSLSVSSVTTEDSATYYCTTVHQETRKTCSDGYIAVDSCGRGQSDGCVNDCNSCYYGWRNCRRQPAIHSYEFHVDAWGRGLLVTVSS",
    ];

    /// Residues, upper case, without gaps.
    fn letters(seq: &str, range: std::ops::Range<usize>) -> String {
        let letters = seq[range].chars().filter(char::is_ascii_alphabetic);
        letters.map(|letter| letter.to_ascii_uppercase()).collect()
    }

    #[test]
    fn regions_of_a_batch_are_those_of_single_sequences() {
        let seqs: Vec<&[u8]> = SEQUENCES.iter().map(|seq| seq.as_bytes()).collect();
        let domains = number_batch(&seqs, Ask::default());
        let mut positions = Vec::new();
        for (index, seq) in SEQUENCES.into_iter().enumerate() {
            let domain = domains.first(index).unwrap();
            for definition in Definition::ALL {
                let alone = regions(seq.as_bytes(), definition).map(|regions| regions.sequences);
                let found = domains.regions(domain, seq.as_bytes(), definition, &mut positions);
                let found = found
                    .map(|regions| regions.map(|range| range.map(|range| letters(seq, range))));
                assert_eq!(found, alone, "{definition} {seq}");
            }
            let alone = first_v_domain(seq.as_bytes()).unwrap();
            for region in Region::TILES.into_iter().chain([Region::Junction]) {
                let found = domains.region(domain, region);
                let found = found.map(|range| letters(seq, range));
                assert_eq!(
                    found,
                    alone.region(seq.as_bytes(), region),
                    "{region:?} {seq}"
                );
            }
            let aligned = domains.aligned(domain, seq.as_bytes(), &mut positions);
            assert_eq!(aligned.unwrap(), alone.aligned(seq.as_bytes()));
        }
    }
}
