//! Records of `chains`: the polypeptides in which there are V domains; ingest finds these again and cuts them out.

use arrow::array::RecordBatch;

use super::entry::{Chain, Model, SequenceSource};
use super::records::Facts;
use crate::error::Result;
use crate::formats::columns::{Rows, Value, source_schema};

/// Columns of `main.chains` that a structure gives.
const COLUMNS: [&str; 6] = [
    "sequence_id",
    "chain",
    "species_reported",
    "sequence_aa",
    "pair_id",
    "attributes",
];

/// Chain records in the making.
pub(super) struct ChainRows(Rows);

impl ChainRows {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(Rows::new(source_schema("main.chains", &COLUMNS)?)?))
    }

    /// Adds a chain. `said` is what the source calls it.
    pub(super) fn push(
        &mut self,
        record: i64,
        facts: &Facts,
        model: &Model,
        chain: &Chain,
        said: Option<&'static str>,
        pair: Option<String>,
    ) -> Result<()> {
        let id = facts.sequence_id(model.number, &chain.auth_asym_id);
        let values: [Value<'_>; COLUMNS.len()] = [
            Value::Text(&id),
            said.into(),
            chain.molecule.organism.as_deref().into(),
            Value::Text(&chain.sequence),
            pair.as_deref().into(),
            Value::Null,
        ];
        let resolution = facts.resolution.map(|resolution| resolution.to_string());
        let number = model.number.to_string();
        let attributes = [
            ("pdb_id", Some(facts.pdb_id.as_str())),
            ("model", Some(number.as_str())),
            ("auth_asym_id", Some(chain.auth_asym_id.as_str())),
            ("label_asym_id", chain.label_asym_id.as_deref()),
            ("molecule", chain.molecule.name.as_deref()),
            ("method", facts.method.as_deref()),
            ("resolution", resolution.as_deref()),
            (
                "sequence_source",
                chain.sequence_source.map(SequenceSource::as_str),
            ),
        ];
        let given = attributes
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        self.0.push(record, &values, given)
    }

    pub(super) fn finish(mut self) -> Result<RecordBatch> {
        self.0.finish()
    }
}
