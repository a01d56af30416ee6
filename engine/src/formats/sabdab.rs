//! The summary of SAbDab, the structural antibody database: a table of the Fvs of PDB entries.

#[cfg(test)]
mod tests;

use std::io::BufRead;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, SchemaRef};

use super::columns::source_schema;
use super::delimited::{self, Delimited, Row};
use super::nested::{maps, texts};
use super::{Format, Molecules, ReadOptions, Records, SourceBatch, Target};
use crate::error::{Error, Result};

/// Columns of `main.fvs` that the summary gives.
const COLUMNS: [&str; 12] = [
    "pdb_id",
    "model",
    "heavy_chain",
    "light_chain",
    "pairing",
    "heavy_organism",
    "light_organism",
    "antigens",
    "affinity_kd_m",
    "method",
    "resolution",
    "attributes",
];

/// Columns without which a table is no summary.
const REQUIRED: [&str; 3] = ["pdb", "Hchain", "Lchain"];

/// What the columns of `main.fvs` are called there; these and the antigen's are no attributes.
const OURS: [&str; 8] = [
    "pdb",
    "model",
    "Hchain",
    "Lchain",
    "heavy_species",
    "light_species",
    "method",
    "resolution",
];

/// Columns of the antigen: chains, kinds and names of several stand between bars, in one order.
const ANTIGEN: [&str; 4] = [
    "antigen_chain",
    "antigen_type",
    "antigen_name",
    "antigen_het_name",
];

/// Between the values of several antigens.
const BAR: char = '|';

/// What stands for an empty cell.
const NULLS: [&str; 4] = ["NA", "None", "nan", "unknown"];

/// Value of `pairing` for Fvs that a summary lists.
const SUMMARY: &str = "summary";

/// SAbDab's summary (Dunbar et al., Nucleic Acids Research 2014; <https://opig.stats.ox.ac.uk/webapps/sabdab-sabpred/sabdab>).
/// A row is an Fv: a heavy and a light chain of a model, or one of them. Models count from 0 there and from 1 here. Of several
/// resolutions the first is taken; affinities are dissociation constants in mol/L.
#[derive(Debug)]
pub struct Sabdab;

impl Format for Sabdab {
    fn name(&self) -> &'static str {
        "sabdab"
    }

    fn version(&self) -> u32 {
        1
    }

    fn feeds(&self) -> Target {
        Target::Fvs
    }

    fn targets(&self) -> &'static [Target] {
        &[Target::Fvs]
    }

    fn schema(&self) -> Result<SchemaRef> {
        source_schema("main.fvs", &COLUMNS)
    }

    fn detect(&self, head: &[u8], _: &str) -> u8 {
        let names = delimited::names(head);
        let has = |wanted: &str| names.iter().any(|name| name == wanted);
        if REQUIRED.into_iter().all(has) { 95 } else { 0 }
    }

    fn open(
        &self,
        input: Box<dyn BufRead + Send>,
        source_file: &str,
        options: &ReadOptions,
    ) -> Result<Box<dyn Records>> {
        let (table, names) = Delimited::open(input, source_file, options)?;
        let missing: Vec<&str> = REQUIRED
            .into_iter()
            .filter(|name| !names.iter().any(|known| known == name))
            .collect();
        if !missing.is_empty() {
            let wrong = format!(
                "line 1: the header lacks {}, which SAbDab's summary has: fetch the summary file of a search and give it as it is",
                missing.join(", ")
            );
            return Err(Error::Invalid(wrong).context(source_file));
        }
        Ok(Box::new(SabdabRecords {
            table,
            names,
            schema: self.schema()?,
        }))
    }
}

struct SabdabRecords {
    table: Delimited,
    names: Vec<String>,
    schema: SchemaRef,
}

impl Records for SabdabRecords {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn next_batch(&mut self) -> Result<Option<SourceBatch>> {
        let mut fvs = Vec::new();
        let names = &self.names;
        let taken = self.table.batch(|row| {
            Ok(match fv(names, &row) {
                Ok(fv) => {
                    fvs.push(fv);
                    None
                }
                Err(wrong) => Some(wrong),
            })
        })?;
        let Some(taken) = taken else { return Ok(None) };
        Ok(Some(SourceBatch {
            records: records(&self.schema, &fvs)?,
            molecules: Molecules::Chains,
            beside: Vec::new(),
            consumed: taken.consumed,
            rejects: taken.rejects,
        }))
    }
}

/// A row of the summary.
#[derive(Debug, Default)]
struct Fv {
    record: i64,
    pdb_id: String,
    model: i32,
    heavy_chain: Option<String>,
    light_chain: Option<String>,
    heavy_organism: Option<String>,
    light_organism: Option<String>,
    antigens: Vec<Antigen>,
    affinity_kd_m: Option<f64>,
    method: Option<String>,
    resolution: Option<f64>,
    attributes: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Antigen {
    chain: Option<String>,
    kind: Option<String>,
    name: Option<String>,
}

/// The Fv of a row, or what is wrong with it.
fn fv(names: &[String], row: &Row<'_>) -> Result<Fv, String> {
    let cell = |wanted: &str| -> Option<&str> {
        let at = names.iter().position(|name| name == wanted)?;
        let cell = row.cells.clone().nth(at)?.trim();
        (!cell.is_empty() && !NULLS.contains(&cell)).then_some(cell)
    };
    let text = |wanted: &str| cell(wanted).map(str::to_string);
    let Some(pdb) = cell("pdb") else {
        return Err("column pdb: there is no entry".into());
    };
    let (heavy_chain, light_chain) = (text("Hchain"), text("Lchain"));
    if heavy_chain.is_none() && light_chain.is_none() {
        return Err(format!("entry {pdb} has neither Hchain nor Lchain: no Fv"));
    }
    let model = match cell("model").map(str::parse::<i32>) {
        None => 1,
        Some(Ok(model)) if (0..i32::MAX).contains(&model) => model + 1,
        Some(_) => return Err("column model: not a whole number from 0".into()),
    };
    let mut found = Fv {
        record: row.record,
        pdb_id: pdb.to_ascii_lowercase(),
        model,
        heavy_chain,
        light_chain,
        heavy_organism: text("heavy_species"),
        light_organism: text("light_species"),
        antigens: antigens(ANTIGEN.map(cell)),
        method: text("method"),
        ..Fv::default()
    };
    found.affinity_kd_m = match cell("affinity").map(str::parse::<f64>) {
        None => None,
        Some(Ok(molar)) if molar > 0.0 && molar < 1.0 => Some(molar),
        Some(_) => return Err("column affinity: no dissociation constant in mol/L".into()),
    };
    // `NOT` for methods that have none, `2.6, 2.7` for several data sets.
    found.resolution = cell("resolution")
        .and_then(|cell| cell.split([',', ' ']).next()?.parse().ok())
        .filter(|value: &f64| value.is_finite() && *value > 0.0);
    let is_named = cell("antigen_name").is_some();
    for (name, cell) in names.iter().zip(row.cells.clone()) {
        let name = name.as_str();
        let cell = cell.trim();
        // The name of a hapten takes the place of its component in `antigens`.
        let is_component = name == "antigen_het_name" && is_named && components(cell);
        let is_elsewhere =
            OURS.contains(&name) || ANTIGEN.contains(&name) && !is_component || name == "affinity";
        if !is_elsewhere && !cell.is_empty() && !NULLS.contains(&cell) {
            found.attributes.push((name.to_string(), cell.to_string()));
        }
    }
    Ok(found)
}

/// Whether a cell names a component for one of the antigens.
fn components(cell: &str) -> bool {
    cell.split(BAR)
        .map(str::trim)
        .any(|word| !word.is_empty() && !NULLS.contains(&word))
}

/// The antigens of a row, from their chains, kinds, names and the names of haptens.
fn antigens(cells: [Option<&str>; 4]) -> Vec<Antigen> {
    let count = |cell: &Option<&str>| cell.map_or(0, |cell| cell.split(BAR).count());
    let most = cells.iter().map(count).max().unwrap_or(0);
    let at = |cell: Option<&str>, index: usize| -> Option<String> {
        let word = cell?.split(BAR).nth(index)?.trim();
        (!word.is_empty() && !NULLS.contains(&word)).then(|| word.to_string())
    };
    let [chain, kind, name, hapten] = cells;
    (0..most)
        .map(|index| Antigen {
            chain: at(chain, index),
            kind: at(kind, index).map(|kind| kind.to_ascii_lowercase()),
            name: at(name, index).or_else(|| at(hapten, index)),
        })
        .filter(|antigen| {
            antigen.chain.is_some() || antigen.kind.is_some() || antigen.name.is_some()
        })
        .collect()
}

fn records(schema: &SchemaRef, fvs: &[Fv]) -> Result<RecordBatch> {
    let of = |text: fn(&Fv) -> Option<&str>| texts(fvs.iter().map(text));
    let reals = |real: fn(&Fv) -> Option<f64>| -> ArrayRef {
        Arc::new(fvs.iter().map(real).collect::<Float64Array>())
    };
    let columns = schema
        .fields()
        .iter()
        .map(|field| -> Result<ArrayRef> {
            Ok(match field.name().as_str() {
                "source_record" => {
                    Arc::new(Int64Array::from_iter_values(fvs.iter().map(|fv| fv.record)))
                }
                "pdb_id" => of(|fv| Some(&fv.pdb_id)),
                "model" => Arc::new(Int32Array::from_iter_values(fvs.iter().map(|fv| fv.model))),
                "heavy_chain" => of(|fv| fv.heavy_chain.as_deref()),
                "light_chain" => of(|fv| fv.light_chain.as_deref()),
                "pairing" => of(|fv| {
                    let both = fv.heavy_chain.is_some() && fv.light_chain.is_some();
                    Some(if both { SUMMARY } else { "none" })
                }),
                "heavy_organism" => of(|fv| fv.heavy_organism.as_deref()),
                "light_organism" => of(|fv| fv.light_organism.as_deref()),
                "antigens" => antigen_lists(field, fvs)?,
                "affinity_kd_m" => reals(|fv| fv.affinity_kd_m),
                "method" => of(|fv| fv.method.as_deref()),
                "resolution" => reals(|fv| fv.resolution),
                "attributes" => maps(
                    field.data_type(),
                    fvs.iter().map(|fv| fv.attributes.as_slice()),
                )?,
                other => return Err(Error::Internal(format!("a summary has no {other}"))),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(SchemaRef::clone(schema), columns)?)
}

/// The antigens of each Fv; NULL where none is named.
fn antigen_lists(field: &Field, fvs: &[Fv]) -> Result<ArrayRef> {
    let DataType::List(item) = field.data_type() else {
        return Err(Error::Internal("antigens are no list".into()));
    };
    let DataType::Struct(fields) = item.data_type() else {
        return Err(Error::Internal("an antigen is no structure".into()));
    };
    let all = || fvs.iter().flat_map(|fv| &fv.antigens);
    let values: Vec<ArrayRef> = vec![
        texts(all().map(|antigen| antigen.chain.as_deref())),
        texts(all().map(|antigen| antigen.kind.as_deref())),
        texts(all().map(|antigen| antigen.name.as_deref())),
    ];
    let values = StructArray::try_new(fields.clone(), values, None)?;
    let lengths = OffsetBuffer::from_lengths(fvs.iter().map(|fv| fv.antigens.len()));
    let named: NullBuffer = fvs.iter().map(|fv| !fv.antigens.is_empty()).collect();
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(item),
        lengths,
        Arc::new(values),
        Some(named),
    )?))
}
