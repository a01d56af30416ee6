//! The rows of an entry, chain by chain, in batches.

use std::collections::HashSet;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::chains::ChainRows;
use super::entry::{Chain, Entry, FvRemark, Model};
use super::fv::{Domains, Fv, fvs};
use super::rows;
use crate::error::Result;
use crate::formats::{Beside, Molecules, ReadOptions, Records, Reject, SourceBatch, Target};

/// Bytes of a residue's row, about.
const RESIDUE_BYTES: usize = 64;

/// What rows say of the entry as a whole.
pub(super) struct Facts {
    pub(super) pdb_id: String,
    pub(super) title: Option<String>,
    pub(super) method: Option<String>,
    pub(super) resolution: Option<f64>,
    pub(super) models: usize,
}

impl Facts {
    /// `12e8_H`; with the number of the model where there are several.
    pub(super) fn sequence_id(&self, model: i32, auth: &str) -> String {
        let id = &self.pdb_id;
        match self.models {
            0 | 1 => format!("{id}_{auth}"),
            _ => format!("{id}_{auth}_{model}"),
        }
    }

    /// What both chains of an Fv share, before ingest makes `pair_id` of it; `None` without two chains.
    pub(super) fn pair(&self, model: i32, fv: &Fv) -> Option<String> {
        let (heavy, light) = (fv.heavy.as_ref()?, fv.light.as_ref()?);
        // Chains may have any characters in mmCIF: their lengths keep them apart.
        Some(format!(
            "{} {model} {} {} {}",
            self.pdb_id,
            heavy.chain.len(),
            heavy.chain,
            light.chain
        ))
    }
}

/// A row of `structures` in the making.
pub(super) struct ChainRow<'a> {
    pub(super) record: i64,
    pub(super) model: i32,
    pub(super) chain: &'a Chain,
    pub(super) chain_type: &'static str,
}

/// A row of `fvs` in the making.
pub(super) struct FvRow {
    pub(super) record: i64,
    pub(super) model: usize,
    pub(super) fv: Fv,
}

pub(super) struct StructureRecords {
    schema: SchemaRef,
    options: ReadOptions,
    facts: Facts,
    models: Vec<Model>,
    remarks: super::entry::Remarks,
    domains: Domains,
    /// Next model and next chain.
    next: (usize, usize),
    /// The Fvs of the model.
    fvs: Vec<Fv>,
    chain_record: i64,
    fv_record: i64,
    rejects: Vec<Reject>,
}

impl StructureRecords {
    pub(super) fn new(
        entry: Entry,
        rejects: Vec<Reject>,
        source_file: &str,
        options: &ReadOptions,
    ) -> Result<Self> {
        let id = entry.id.map(|id| id.to_lowercase());
        Ok(Self {
            schema: rows::schema()?,
            options: options.clone(),
            facts: Facts {
                pdb_id: id.unwrap_or_else(|| stem(source_file).to_string()),
                title: entry.title,
                method: entry.method,
                resolution: entry.resolution,
                models: entry.models.len(),
            },
            models: entry.models,
            remarks: entry.remarks,
            domains: Domains::default(),
            next: (0, 0),
            fvs: Vec::new(),
            chain_record: 0,
            fv_record: 0,
            rejects,
        })
    }
}

impl Records for StructureRecords {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn next_batch(&mut self) -> Result<Option<SourceBatch>> {
        let mut structures = Vec::new();
        let mut chains = ChainRows::new()?;
        let mut found = Vec::new();
        let mut bytes = 0;
        while structures.len() < self.options.batch_records && bytes < self.options.batch_bytes {
            let Some(model) = self.models.get(self.next.0) else {
                break;
            };
            if self.next.1 == 0 {
                self.fvs = fvs(model, &self.remarks, &mut self.domains);
                for fv in &self.fvs {
                    self.fv_record += 1;
                    found.push(FvRow {
                        record: self.fv_record,
                        model: self.next.0,
                        fv: fv.clone(),
                    });
                }
            }
            let Some(chain) = model.chains.get(self.next.1) else {
                self.next = (self.next.0 + 1, 0);
                continue;
            };
            let domains = self.domains.of(chain);
            self.chain_record += 1;
            bytes += chain.residues.len() * RESIDUE_BYTES;
            structures.push(ChainRow {
                record: self.chain_record,
                model: model.number,
                chain,
                chain_type: rows::chain_type(chain, domains),
            });
            let said = said(&self.remarks.fvs, &chain.auth_asym_id);
            let is_record = !domains.is_empty()
                || said.is_some() && chain.polymer == super::entry::Polymer::Polypeptide;
            if is_record {
                let pair = pair(&self.facts, model, self.next.1, &self.fvs);
                chains.push(self.chain_record, &self.facts, model, chain, said, pair)?;
            }
            self.next.1 += 1;
        }
        let rejects = std::mem::take(&mut self.rejects);
        if structures.is_empty() && rejects.is_empty() {
            return Ok(None);
        }
        let beside = [
            (
                Target::Fvs,
                rows::fvs(&found, &self.facts, &self.models, &mut self.domains)?,
            ),
            (Target::Chains, chains.finish()?),
        ];
        let has_rows = |(_, rows): &(Target, RecordBatch)| rows.num_rows() > 0;
        Ok(Some(SourceBatch {
            consumed: structures.len() as u64,
            records: rows::structures(&self.schema, &structures, &self.facts)?,
            molecules: Molecules::Chains,
            beside: beside
                .into_iter()
                .filter(has_rows)
                .map(|(target, rows)| Beside { target, rows })
                .collect(),
            rejects,
        }))
    }
}

/// The kind of chain that SAbDab calls it; one chain on both sides is none.
fn said(remarks: &[FvRemark], auth: &str) -> Option<&'static str> {
    let is = |side: &Option<String>| side.as_deref() == Some(auth);
    match (
        remarks.iter().any(|remark| is(&remark.heavy)),
        remarks.iter().any(|remark| is(&remark.light)),
    ) {
        (true, false) => Some("heavy"),
        (false, true) => Some("light"),
        _ => None,
    }
}

/// The pair of a chain that is of one Fv only; of a chain in several a row of `chains` could not say which.
fn pair(facts: &Facts, model: &Model, at: usize, fvs: &[Fv]) -> Option<String> {
    let auth = &model.chains[at].auth_asym_id;
    let is_of = |fv: &&Fv| {
        [&fv.heavy, &fv.light]
            .into_iter()
            .flatten()
            .any(|side| match side.place {
                Some((chain, _)) => chain == at,
                None => side.chain == *auth,
            })
    };
    let pairs: HashSet<Option<String>> = fvs
        .iter()
        .filter(is_of)
        .map(|fv| facts.pair(model.number, fv))
        .collect();
    let count = fvs.iter().filter(is_of).count();
    pairs.into_iter().next().flatten().filter(|_| count == 1)
}

/// The name of a file without folders and extensions.
fn stem(source_file: &str) -> &str {
    let name = source_file
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or(source_file);
    let stem = name.split('.').next().unwrap_or(name);
    if stem.is_empty() { "unnamed" } else { stem }
}
