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
        return Some(hash(&["source", file, study, pair]));
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
