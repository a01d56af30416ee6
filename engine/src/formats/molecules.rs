//! Tables of molecules: therapeutics with one to four V domains a row, and whatever else a mapping of columns explains.

mod layout;
mod rows;
#[cfg(test)]
mod tests;

use std::io::BufRead;

use arrow::datatypes::SchemaRef;
use udfs::antibody::{Chain, v_domains};

use self::layout::{Field, Layout};
use self::rows::Molecule;
use super::columns::{source_schema, stable_id};
use super::delimited::{self, Delimited, Row};
use super::letters::not_amino_acid;
use super::{Beside, Format, Molecules as Kind, ReadOptions, Records, SourceBatch, Target};
use crate::error::Result;

/// Columns of `main.proteins` that a table gives, in the order of [`rows::proteins`].
const COLUMNS: [&str; 14] = [
    "protein_id",
    "kind",
    "name",
    "names",
    "description",
    "target",
    "format",
    "stage",
    "organism",
    "sequence_aa",
    "sequence_hash",
    "cross_references",
    "study_id",
    "attributes",
];

/// Words for an empty cell.
const NULLS: [&str; 9] = [
    "na", "NA", "n/a", "N/A", "None", "none", "nan", "NaN", "NULL",
];

/// What `kind` may be.
const KINDS: [&str; 3] = ["antibody", "antigen", "other"];

/// CSV or TSV with a header, a molecule a row. Known without a word are tables of therapeutics laid out as Thera-SAbDab (Raybould
/// et al., Nucleic Acids Research 2020), and columns that have our names; `ReadOptions::columns` says what others are. The
/// cells of all columns without a place of their own, and the sequences of V domains, stay in `attributes`. Heavy and light
/// chains become chain records, those of one arm a pair.
#[derive(Debug)]
pub struct Molecules;

impl Format for Molecules {
    fn name(&self) -> &'static str {
        "table"
    }

    fn version(&self) -> u32 {
        1
    }

    fn feeds(&self) -> Target {
        Target::Proteins
    }

    fn targets(&self) -> &'static [Target] {
        &[Target::Proteins, Target::ProteinChains]
    }

    fn schema(&self) -> Result<SchemaRef> {
        source_schema("main.proteins", &COLUMNS)
    }

    fn detect(&self, head: &[u8], _: &str) -> u8 {
        if layout::is_of_therapeutics(&delimited::names(head)) {
            90
        } else {
            0
        }
    }

    fn open(
        &self,
        input: Box<dyn BufRead + Send>,
        source_file: &str,
        options: &ReadOptions,
    ) -> Result<Box<dyn Records>> {
        let (table, names) = Delimited::open(input, source_file, options)?;
        let layout =
            Layout::new(names, &options.columns).map_err(|error| error.context(source_file))?;
        Ok(Box::new(MoleculeRecords {
            table,
            layout,
            schema: self.schema()?,
        }))
    }
}

/// Checks a mapping of columns before anything is read.
///
/// # Errors
/// A field that molecules do not have.
pub fn check_columns(columns: &[(String, String)]) -> Result<()> {
    columns
        .iter()
        .try_for_each(|(_, field)| Field::named(field).map(|_| ()))
}

/// Whether a text such as `INN=name` maps a column.
pub fn column_mapping(text: &str) -> Option<(String, String)> {
    let (column, field) = text.rsplit_once('=')?;
    let (column, field) = (column.trim(), field.trim());
    (!column.is_empty() && Field::named(field).is_ok()).then(|| (column.into(), field.into()))
}

struct MoleculeRecords {
    table: Delimited,
    layout: Layout,
    schema: SchemaRef,
}

impl Records for MoleculeRecords {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn next_batch(&mut self) -> Result<Option<SourceBatch>> {
        let mut molecules = Vec::new();
        let layout = &self.layout;
        let taken = self.table.batch(|row| {
            Ok(match molecule(layout, &row) {
                Ok(molecule) => {
                    molecules.push(molecule);
                    None
                }
                Err(wrong) => Some(wrong),
            })
        })?;
        let Some(taken) = taken else { return Ok(None) };
        Ok(Some(SourceBatch {
            records: rows::proteins(&self.schema, &molecules)?,
            molecules: Kind::Chains,
            beside: vec![
                Beside {
                    target: Target::ProteinChains,
                    rows: rows::protein_chains(&molecules)?,
                },
                Beside {
                    target: Target::Chains,
                    rows: rows::chains(&molecules)?,
                },
            ],
            consumed: taken.consumed,
            rejects: taken.rejects,
        }))
    }
}

/// The molecule of a row, or what is wrong with it.
fn molecule(layout: &Layout, row: &Row<'_>) -> Result<Molecule, String> {
    let mut found = Molecule {
        record: row.record,
        ..Molecule::default()
    };
    let mut kind = None;
    let mut together = None;
    for (cell, (name, field)) in row.cells.clone().zip(layout.columns()) {
        let cell = cell.trim();
        if cell.is_empty() || NULLS.contains(&cell) {
            continue;
        }
        let keeps_words = field.is_none_or(|field| {
            matches!(
                field,
                Field::Heavy(_) | Field::Light(_) | Field::Chains | Field::Pdb
            )
        });
        if keeps_words {
            found.attributes.push((name.to_string(), cell.to_string()));
        }
        let Some(field) = field else { continue };
        let text = Some(cell.to_string());
        match field {
            Field::ProteinId => found.id = cell.to_string(),
            Field::Name => found.name = text,
            Field::Names => {
                let names = cell.split([';', '|']).map(str::trim);
                let names = names.filter(|name| !name.is_empty());
                found.names.extend(names.map(str::to_string));
            }
            Field::Kind => {
                let word = cell.to_ascii_lowercase();
                let Some(known) = KINDS.into_iter().find(|kind| *kind == word) else {
                    return Err(format!(
                        "column {name}: '{cell}' is none of {}",
                        KINDS.join(", ")
                    ));
                };
                kind = Some(known);
            }
            Field::Description => found.description = text,
            Field::Target => found.target = text,
            Field::Format => found.format = text,
            Field::Stage => found.stage = text,
            Field::Organism => found.organism = text,
            Field::StudyId => found.study_id = text,
            Field::Sequence => found.sequence_aa = Some(residues(name, cell)?),
            Field::Heavy(arm) => found.arm(*arm).heavy = Some(residues(name, cell)?),
            Field::Light(arm) => found.arm(*arm).light = Some(residues(name, cell)?),
            Field::Chains => together = Some((name, cell)),
            Field::Pdb => found.references.push(("pdb".into(), entries(cell))),
            Field::Reference(database) => {
                found.references.push((database.clone(), cell.to_string()));
            }
        }
    }
    if let Some((column, cell)) = together {
        chains(&mut found, column, cell)?;
    }
    if found.name.is_none() && found.id.is_empty() && found.is_without_sequence() {
        return Err("the record has neither a name nor a sequence".into());
    }
    found.kind = kind.unwrap_or(if found.arms.is_empty() {
        "other"
    } else {
        "antibody"
    });
    if found.id.is_empty() {
        found.id = match &found.name {
            Some(name) => name.clone(),
            None => stable_id(row.record, row.line.as_bytes()),
        };
    }
    if let Some(name) = &found.name
        && !found.names.contains(name)
    {
        found.names.insert(0, name.clone());
    }
    Ok(found)
}

/// Puts the chains of one cell into the arms: each is heavy or light by its V domain, and the first heavy one is of the arm
/// of the first light one. One in which no V domain is found takes the place that its partner leaves; alone it has none.
fn chains(molecule: &mut Molecule, column: &str, cell: &str) -> Result<(), String> {
    let mut unread = Vec::new();
    let sequences = cell.split([',', ';', '|']).map(str::trim);
    for sequence in sequences.filter(|sequence| !sequence.is_empty()) {
        let sequence = residues(column, sequence)?;
        match v_domains(sequence.as_bytes())
            .ok()
            .and_then(|domains| Some(domains.first()?.chain()))
        {
            Some(Chain::Heavy) => *molecule.free(|arm| &mut arm.heavy) = Some(sequence),
            Some(Chain::Light) => *molecule.free(|arm| &mut arm.light) = Some(sequence),
            _ => unread.push(sequence),
        }
    }
    for sequence in unread {
        let lacking = molecule
            .arms
            .iter_mut()
            .find_map(|arm| match (&arm.heavy, &arm.light) {
                (Some(_), None) => Some(&mut arm.light),
                (None, Some(_)) => Some(&mut arm.heavy),
                _ => None,
            });
        match lacking {
            Some(place) => *place = Some(sequence),
            None => {
                return Err(format!(
                    "column {column}: no antibody V domain in {}…, so that it is neither heavy nor light; give it a column \
                     of its own and map that to heavy or light",
                    sequence.chars().take(20).collect::<String>()
                ));
            }
        }
    }
    Ok(())
}

/// A sequence without white space.
fn residues(column: &str, cell: &str) -> Result<String, String> {
    let sequence: String = cell.split_whitespace().collect();
    match not_amino_acid(sequence.as_bytes()) {
        None => Ok(sequence),
        Some(stranger) => Err(format!("column {column}: {stranger} is no residue")),
    }
}

/// The entries of `1n8z:BA;4hkz:BA`, without their chains.
fn entries(cell: &str) -> String {
    let mut found: Vec<String> = Vec::new();
    for word in cell.split([';', ',', ' ']) {
        let entry = word.split([':', '_']).next().unwrap_or_default();
        let entry = entry.trim().to_ascii_lowercase();
        if !entry.is_empty() && !found.contains(&entry) {
            found.push(entry);
        }
    }
    found.join(",")
}
