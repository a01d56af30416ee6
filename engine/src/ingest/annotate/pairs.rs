//! Which chains belong together: the hash that their rows share.

use sha2::{Digest, Sha256};
use udfs::antibody::Chain;

use super::Context;
use super::reading::Reading;
use super::source::Source;

/// `pair_id` of a record, where heavy and light are known to belong together: its cell (barcodes are unique within one
/// repertoire, or one file, only; one that was called no cell pairs nothing), the source's own pair, or the polypeptide
/// that holds one V domain of either kind. The study is part of it, so that a file ingested for two studies does not pair across.
pub(super) fn pair_id(
    source: &Source<'_>,
    row: usize,
    is_cell: Option<bool>,
    record: i64,
    reading: &Reading<'_>,
    context: &Context,
) -> Option<String> {
    let file = context.source_file.as_str();
    let study = context.study_id.as_deref().unwrap_or_default();
    if let Some(pair) = source.pair_id.get(row) {
        return Some(of_source(pair, context));
    }
    if let Some(cell) = source.cell_id.get(row).filter(|_| is_cell != Some(false)) {
        let repertoire = context
            .repertoire_id
            .as_deref()
            .or_else(|| source.repertoire_id.get(row));
        return Some(match repertoire {
            Some(repertoire) => hash(&["cell of repertoire", repertoire, study, cell]),
            None => hash(&["cell of file", file, study, cell]),
        });
    }
    let chains: Vec<Chain> = reading
        .domains
        .iter()
        .map(|domain| domain.locus.chain())
        .collect();
    matches!(
        chains.as_slice(),
        [Chain::Heavy, Chain::Light] | [Chain::Light, Chain::Heavy]
    )
    .then(|| hash(&["record", file, study, &record.to_string()]))
}

/// `pair_id` of a pair that the source names.
pub(super) fn of_source(pair: &str, context: &Context) -> String {
    let study = context.study_id.as_deref().unwrap_or_default();
    hash(&["source", context.source_file.as_str(), study, pair])
}

/// 128 bits of SHA-256 over parts that cannot run into each other.
fn hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{AIRR, VH, VL, annotated, cell, context};
    use super::*;

    #[test]
    fn cells_pair_within_a_library_and_a_study_only() {
        let text = format!(
            "{AIRR}a\tACGT\t\tT\t\tIGH\t\t\t\tC1\tT\t\nb\tACGT\t\tT\t\tIGK\t\t\t\tC1\tT\t\nc\tACGT\t\tT\t\tIGH\t\t\t\tC2\tF\t\nd\tACGT\t\tT\t\tIGH\t\t\t\t\t\t\n"
        );
        let pairs = |context: &Context| -> Vec<Option<String>> {
            let rows = annotated("airr", &text, context).chains;
            (0..4).map(|row| cell(&rows, "pair_id", row)).collect()
        };
        let plain = pairs(&context());
        assert!(plain[0].is_some());
        assert_eq!(plain[0], plain[1]);
        assert_eq!((&plain[2], &plain[3]), (&None, &None), "no cell, no pair");
        assert_eq!(plain, pairs(&context()));
        let other_file = Context {
            source_file: "file:///y".into(),
            ..context()
        };
        let study = Context {
            study_id: Some("S".into()),
            ..context()
        };
        let library = Context {
            repertoire_id: Some("R".into()),
            ..context()
        };
        let same_library = Context {
            repertoire_id: Some("R".into()),
            ..other_file.clone()
        };
        assert_ne!(plain[0], pairs(&other_file)[0]);
        assert_ne!(plain[0], pairs(&study)[0]);
        assert_eq!(
            pairs(&library),
            pairs(&same_library),
            "one library in two files"
        );
    }

    #[test]
    fn the_two_chains_of_an_oas_row_are_a_pair_in_their_own_partitions() {
        let header = "sequence_heavy,locus_heavy,v_call_heavy,sequence_alignment_aa_heavy,sequence_light,locus_light,v_call_light,sequence_alignment_aa_light";
        let row = format!("ACGT,H,IGHV3-66*01,{VH},TTTT,K,IGKV1-39*01,{VL}");
        let text = format!(
            "{{\"Run\": \"R\", \"Species\": \"HIS-Mouse\", \"Author\": \"A\"}}\n{header}\n{row}\n{row}\n"
        );
        let rows = annotated("oas", &text, &context()).chains;
        assert_eq!(rows.num_rows(), 4);
        for (row, chain, locus) in [(0, "heavy", "IGH"), (1, "light", "IGK")] {
            assert_eq!(cell(&rows, "chain", row).as_deref(), Some(chain));
            assert_eq!(cell(&rows, "locus", row).as_deref(), Some(locus));
            assert_eq!(cell(&rows, "species", row).as_deref(), Some("human"));
            assert_eq!(cell(&rows, "study_id", row).as_deref(), Some("A"));
        }
        assert_eq!(cell(&rows, "pair_id", 0), cell(&rows, "pair_id", 1));
        assert_ne!(cell(&rows, "pair_id", 0), cell(&rows, "pair_id", 2));
        let study = Context {
            study_id: Some("S".into()),
            ..context()
        };
        let rows = annotated("oas", &text, &study).chains;
        assert_eq!(
            cell(&rows, "study_id", 0).as_deref(),
            Some("S"),
            "the user's word before the source's"
        );
    }
}
