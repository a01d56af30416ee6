//! The rows that a molecule gives: itself, its chains, and the records of those chains.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use udfs::antibody::hash::sequence_hash;
use udfs::antibody::{Chain, v_domains};

use super::super::columns::{Rows, Value, source_schema};
use super::super::nested::{lists, maps, texts};
use crate::error::{Error, Result};

/// A molecule of a table.
#[derive(Debug, Default)]
pub(super) struct Molecule {
    pub(super) record: i64,
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) name: Option<String>,
    pub(super) names: Vec<String>,
    pub(super) description: Option<String>,
    pub(super) target: Option<String>,
    pub(super) format: Option<String>,
    pub(super) stage: Option<String>,
    pub(super) organism: Option<String>,
    pub(super) study_id: Option<String>,
    pub(super) sequence_aa: Option<String>,
    pub(super) references: Vec<(String, String)>,
    pub(super) attributes: Vec<(String, String)>,
    /// The first is arm 1.
    pub(super) arms: Vec<Arm>,
}

/// The chains that make a binding site.
#[derive(Debug, Default, Clone)]
pub(super) struct Arm {
    pub(super) heavy: Option<String>,
    pub(super) light: Option<String>,
}

/// A chain of an arm.
#[derive(Clone, Copy)]
struct Part<'a> {
    molecule: &'a Molecule,
    arm: usize,
    chain: Chain,
    sequence: &'a str,
    is_paired: bool,
}

impl Molecule {
    /// The arm of this number, from 1.
    pub(super) fn arm(&mut self, number: usize) -> &mut Arm {
        if self.arms.len() < number {
            self.arms.resize(number, Arm::default());
        }
        &mut self.arms[number - 1]
    }

    /// The first place of this kind that no chain has taken.
    pub(super) fn free(
        &mut self,
        place: impl Fn(&mut Arm) -> &mut Option<String>,
    ) -> &mut Option<String> {
        let free = self.arms.iter_mut().position(|arm| place(arm).is_none());
        let number = free.unwrap_or(self.arms.len()) + 1;
        place(self.arm(number))
    }

    pub(super) fn is_without_sequence(&self) -> bool {
        self.arms.is_empty() && self.sequence_aa.is_none()
    }

    fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.arms.iter().enumerate().flat_map(move |(index, arm)| {
            let chains = [(Chain::Heavy, &arm.heavy), (Chain::Light, &arm.light)];
            chains.into_iter().filter_map(move |(chain, sequence)| {
                Some(Part {
                    molecule: self,
                    arm: index + 1,
                    chain,
                    sequence: sequence.as_deref()?,
                    is_paired: arm.heavy.is_some() && arm.light.is_some(),
                })
            })
        })
    }

    /// Copies of each chain: two in a whole antibody of one specificity, one in a whole antibody of two.
    fn copies(&self) -> Option<i32> {
        let is_whole = self
            .format
            .as_deref()
            .is_some_and(|format| format.to_ascii_lowercase().contains("mab"));
        let arms = self.arms.iter().filter(|arm| arm.heavy.is_some()).count();
        match (is_whole, arms) {
            (true, 1) => Some(2),
            (true, 2) => Some(1),
            _ => None,
        }
    }

    fn is_single_domain(&self) -> bool {
        const WORDS: [&str; 4] = ["nanobody", "single domain", "single-domain", "vhh"];
        self.format.as_deref().is_some_and(|format| {
            let format = format.to_ascii_lowercase();
            WORDS.iter().any(|word| format.contains(word))
        })
    }
}

impl Part<'_> {
    /// Unique within the molecule: `Trastuzumab_H`, `_L`, `_H2`, `_L2`.
    fn id(&self) -> String {
        let letter = if self.chain == Chain::Heavy { "H" } else { "L" };
        let id = &self.molecule.id;
        match self.arm {
            1 => format!("{id}_{letter}"),
            arm => format!("{id}_{letter}{arm}"),
        }
    }

    /// Each V domain of the chain with its role; one row without a V domain where none can be read.
    fn domains(&self) -> Vec<(Option<&'static str>, Option<String>)> {
        let sequence = self.sequence.as_bytes();
        let domains = v_domains(sequence).unwrap_or_default();
        let has = |chain: Chain| domains.iter().any(|domain| domain.chain() == chain);
        let is_single_chain = has(Chain::Heavy) && has(Chain::Light);
        if domains.is_empty() {
            return vec![(None, None)];
        }
        domains
            .iter()
            .map(|domain| {
                let role = match domain.chain() {
                    _ if is_single_chain => Some("scFv"),
                    Chain::Heavy if !self.is_paired && self.molecule.is_single_domain() => {
                        Some("VHH")
                    }
                    Chain::Heavy => Some("VH"),
                    Chain::Light => Some("VL"),
                    _ => None,
                };
                let hash = sequence_hash(domain.v_domain_aa(sequence).as_bytes());
                (role, hash)
            })
            .collect()
    }
}

/// Rows of `main.proteins`.
pub(super) fn proteins(schema: &SchemaRef, molecules: &[Molecule]) -> Result<RecordBatch> {
    type Text = fn(&Molecule) -> Option<&str>;
    let of = |text: Text| texts(molecules.iter().map(text));
    let hashes: Vec<Option<String>> = molecules
        .iter()
        .map(|molecule| sequence_hash(molecule.sequence_aa.as_deref()?.as_bytes()))
        .collect();
    let columns = schema
        .fields()
        .iter()
        .map(|field| -> Result<ArrayRef> {
            Ok(match field.name().as_str() {
                "source_record" => Arc::new(Int64Array::from_iter_values(
                    molecules.iter().map(|molecule| molecule.record),
                )),
                "protein_id" => of(|molecule| Some(&molecule.id)),
                "kind" => of(|molecule| Some(molecule.kind)),
                "name" => of(|molecule| molecule.name.as_deref()),
                "names" => lists(
                    field.data_type(),
                    molecules.iter().map(|molecule| molecule.names.as_slice()),
                )?,
                "description" => of(|molecule| molecule.description.as_deref()),
                "target" => of(|molecule| molecule.target.as_deref()),
                "format" => of(|molecule| molecule.format.as_deref()),
                "stage" => of(|molecule| molecule.stage.as_deref()),
                "organism" => of(|molecule| molecule.organism.as_deref()),
                "sequence_aa" => of(|molecule| molecule.sequence_aa.as_deref()),
                "sequence_hash" => texts(hashes.iter().map(Option::as_deref)),
                "cross_references" => maps(
                    field.data_type(),
                    molecules
                        .iter()
                        .map(|molecule| molecule.references.as_slice()),
                )?,
                "study_id" => of(|molecule| molecule.study_id.as_deref()),
                "attributes" => maps(
                    field.data_type(),
                    molecules
                        .iter()
                        .map(|molecule| molecule.attributes.as_slice()),
                )?,
                other => return Err(Error::Internal(format!("proteins have no {other}"))),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(SchemaRef::clone(schema), columns)?)
}

/// Rows of `main.protein_chains`: one for each V domain of a chain.
pub(super) fn protein_chains(molecules: &[Molecule]) -> Result<RecordBatch> {
    let mut rows: Vec<(Part<'_>, Option<&'static str>, Option<String>)> = Vec::new();
    for part in molecules.iter().flat_map(Molecule::parts) {
        for (role, hash) in part.domains() {
            rows.push((part, role, hash));
        }
    }
    let names = [
        "protein_id",
        "arm",
        "role",
        "copies",
        "sequence_hash",
        "v_domain_hash",
    ];
    let hashes: Vec<Option<String>> = rows
        .iter()
        .map(|(part, ..)| sequence_hash(part.sequence.as_bytes()))
        .collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(
            rows.iter().map(|(part, ..)| part.molecule.record),
        )),
        texts(
            rows.iter()
                .map(|(part, ..)| Some(part.molecule.id.as_str())),
        ),
        Arc::new(Int32Array::from_iter_values(
            rows.iter().map(|(part, ..)| part.arm as i32),
        )),
        texts(rows.iter().map(|(_, role, _)| *role)),
        Arc::new(
            rows.iter()
                .map(|(part, ..)| part.molecule.copies())
                .collect::<Int32Array>(),
        ),
        texts(hashes.iter().map(Option::as_deref)),
        texts(rows.iter().map(|(.., hash)| hash.as_deref())),
    ];
    let schema = source_schema("main.protein_chains", &names)?;
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// Chain records, in which ingest finds the V domains.
pub(super) fn chains(molecules: &[Molecule]) -> Result<RecordBatch> {
    let names = [
        "sequence_id",
        "chain",
        "sequence_aa",
        "pair_id",
        "species_reported",
        "study_id",
        "attributes",
    ];
    let mut rows = Rows::new(source_schema("main.chains", &names)?)?;
    for part in molecules.iter().flat_map(Molecule::parts) {
        let molecule = part.molecule;
        let (id, pair) = (part.id(), format!("{} arm {}", molecule.id, part.arm));
        let values = [
            Value::Text(&id),
            Value::Text(part.chain.as_str()),
            Value::Text(part.sequence),
            part.is_paired.then_some(pair.as_str()).into(),
            molecule.organism.as_deref().into(),
            molecule.study_id.as_deref().into(),
            Value::Null,
        ];
        let said = [
            Some(("protein_id", molecule.id.as_str())),
            molecule.target.as_deref().map(|target| ("target", target)),
        ];
        rows.push(molecule.record, &values, said.into_iter().flatten())?;
    }
    rows.finish()
}
