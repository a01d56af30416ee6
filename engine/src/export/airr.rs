//! AIRR Rearrangement tables, as the standard has them: tab-separated, without quotes, `T` and `F`, NULL empty.
//!
//! Columns that AIRR requires are always there. Entries of `attributes` become the columns that they were in the source.
//! Columns of the lake that AIRR does not have are custom columns under [`OURS`], which ingest computes anew and so leaves
//! out when it reads the table back.

mod columns;
mod fields;

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, StringArray};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::runtime_env::RuntimeEnv;

use self::columns::{Column, Source, columns};
use self::fields::{Kind, fit, kind};
use super::attributes::{Attributes, collect_keys};
use super::cells::{Entries, as_text, is_map};
use super::encoder::{Compression, Encoder, Notes, Out};
use super::format::take_compression;
use super::options::Given;
use crate::error::Result;
use crate::formats::OURS;

/// The attribute that ingest itself adds.
const CONTRADICTION: &str = "contradiction";

/// Options of `FORMAT airr`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AirrOptions {
    /// Which attributes become columns.
    pub attributes: Attributes,
    /// As the location's extension says, where nothing is said.
    pub compression: Option<Compression>,
}

impl AirrOptions {
    pub(super) fn take(mut given: Given) -> Result<Self> {
        let options = Self {
            attributes: given
                .text("attributes")
                .map(|text| Attributes::parse(&text))
                .unwrap_or_default(),
            compression: take_compression(&mut given)?,
        };
        given.finish()?;
        Ok(options)
    }
}

/// The keys of `attributes` that become columns.
struct Keys {
    /// The map's place in the result.
    map: usize,
    slots: HashMap<String, Slot>,
}

/// Where the value of a key is kept while a row is written.
#[derive(Debug, Clone, Copy)]
struct Slot {
    index: usize,
    kind: Kind,
}

/// Writes one table.
pub(super) struct AirrEncoder {
    out: Out,
    columns: Vec<Column>,
    attributes: Option<Keys>,
    line: Vec<u8>,
    rows: u64,
    replaced: u64,
    /// Attributes that are not what AIRR says of their column, by name.
    wrong: BTreeMap<String, u64>,
    warnings: Vec<String>,
}

impl AirrEncoder {
    /// Looks at the rows as far as their columns depend on them, and writes the header.
    ///
    /// # Errors
    /// Columns that are missing, stand twice or have a type that AIRR does not allow.
    pub async fn start(
        rows: SendableRecordBatchStream,
        out: Out,
        options: &AirrOptions,
        runtime: &Arc<RuntimeEnv>,
    ) -> Result<(SendableRecordBatchStream, Self)> {
        let schema = rows.schema();
        let columns = columns(&schema)?;
        let map = schema
            .fields()
            .iter()
            .position(|field| field.name() == "attributes" && is_map(field.data_type()));
        let (rows, keys) = match (map, &options.attributes) {
            (None, _) | (_, Attributes::Nothing) => (rows, Vec::new()),
            (Some(_), Attributes::Only(keys)) => (rows, keys.clone()),
            (Some(map), Attributes::All) => collect_keys(rows, map, runtime).await?,
        };
        let mut encoder = Self {
            out,
            columns,
            attributes: None,
            line: Vec::new(),
            rows: 0,
            replaced: 0,
            wrong: BTreeMap::new(),
            warnings: Vec::new(),
        };
        if let Some(map) = map.filter(|_| !keys.is_empty()) {
            let slots = encoder.add_attributes(keys);
            encoder.attributes = Some(Keys { map, slots });
        }
        encoder.header()?;
        Ok((rows, encoder))
    }

    /// A column for each key that has none yet.
    fn add_attributes(&mut self, keys: Vec<String>) -> HashMap<String, Slot> {
        let mut slots = HashMap::new();
        for key in keys {
            let name = match key.as_str() {
                CONTRADICTION => format!("{OURS}{CONTRADICTION}"),
                key => key.replace(|c: char| c.is_control(), "_"),
            };
            let index = slots.len();
            let source = Source::Attribute(index);
            match self.columns.iter_mut().find(|column| column.name == name) {
                None if name.is_empty() => continue,
                None => self.columns.push(Column {
                    name: name.clone(),
                    source,
                }),
                Some(column) if matches!(column.source, Source::Nowhere) => column.source = source,
                Some(_) => {
                    self.warnings.push(format!(
                        "the attribute {key} is left out, as a column has its name"
                    ));
                    continue;
                }
            }
            let kind = kind(&name);
            slots.insert(key, Slot { index, kind });
        }
        slots
    }

    fn header(&mut self) -> Result<()> {
        let names: Vec<&str> = self
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        writeln!(self.out, "{}", names.join("\t"))?;
        Ok(())
    }
}

impl Encoder for AirrEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = Rows::new(batch, &self.columns, self.attributes.as_ref())?;
        let mut attributes =
            vec![None; self.attributes.as_ref().map_or(0, |keys| keys.slots.len())];
        for row in 0..batch.num_rows() {
            rows.attributes(row, self.attributes.as_ref(), &mut attributes);
            self.line.clear();
            for (index, column) in self.columns.iter().enumerate() {
                if index > 0 {
                    self.line.push(b'\t');
                }
                let text = match column.source {
                    Source::Column(index) => rows.cell(index, row),
                    Source::Either(first, second) => {
                        // "unknown" is our word for a source that says nothing.
                        let known = |species: &&str| *species != "unknown";
                        let species = || rows.cell(second, row).filter(known);
                        rows.cell(first, row).or_else(species)
                    }
                    Source::Nowhere => None,
                    Source::Attribute(index) => {
                        attributes[index].and_then(|given: Attribute<'_>| {
                            let fitting = fit(given.kind, given.value);
                            if fitting.is_none() {
                                *self.wrong.entry(given.key.to_string()).or_default() += 1;
                            }
                            fitting
                        })
                    }
                };
                if let Some(text) = text {
                    self.replaced += u64::from(push_safe(&mut self.line, text));
                }
            }
            self.line.push(b'\n');
            self.out.write_all(&self.line)?;
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Notes> {
        let mut warnings = self.warnings;
        if self.replaced > 0 {
            warnings.push(format!(
                "{} cells held tabs, line breaks or a quotation mark in front, which AIRR tables cannot hold; blanks and ' stand for them",
                self.replaced
            ));
        }
        for (key, cells) in self.wrong {
            warnings.push(format!(
                "{cells} cells of the attribute {key} are not what AIRR says of this column; they are left empty"
            ));
        }
        self.out.finish()?;
        Ok(Notes {
            rows: self.rows,
            skipped: 0,
            warnings,
        })
    }
}

/// The rows of a batch as text.
struct Rows {
    /// By column of the result, where it is written.
    texts: Vec<Option<StringArray>>,
    entries: Option<Entries>,
}

/// An attribute of a row.
#[derive(Debug, Clone, Copy)]
struct Attribute<'a> {
    key: &'a str,
    value: &'a str,
    kind: Kind,
}

impl Rows {
    fn new(batch: &RecordBatch, columns: &[Column], keys: Option<&Keys>) -> Result<Self> {
        let schema = batch.schema();
        let is_written = |index: usize| {
            columns.iter().any(|column| match column.source {
                Source::Column(of) => of == index,
                Source::Either(first, second) => first == index || second == index,
                Source::Attribute(_) | Source::Nowhere => false,
            })
        };
        let text = |index: usize| {
            let text = || as_text(&schema.fields()[index], batch.column(index));
            is_written(index).then(text).transpose()
        };
        Ok(Self {
            texts: (0..batch.num_columns()).map(text).collect::<Result<_>>()?,
            entries: keys.map(|keys| Entries::new(batch, keys.map)).transpose()?,
        })
    }

    fn cell(&self, column: usize, row: usize) -> Option<&str> {
        let texts = self.texts.get(column)?.as_ref()?;
        texts.is_valid(row).then(|| texts.value(row))
    }

    /// Puts the attributes of a row into their slots; of a key that stands twice the first counts.
    fn attributes<'a>(
        &'a self,
        row: usize,
        keys: Option<&'a Keys>,
        slots: &mut [Option<Attribute<'a>>],
    ) {
        slots.fill(None);
        let (Some(entries), Some(keys)) = (&self.entries, keys) else {
            return;
        };
        for (key, value) in entries.of_row(row) {
            if let Some(Slot { index, kind }) = keys.slots.get(key).copied() {
                slots[index].get_or_insert(Attribute { key, value, kind });
            }
        }
    }
}

/// Adds a cell; true where something in it had to be replaced.
fn push_safe(line: &mut Vec<u8>, text: &str) -> bool {
    let start = line.len();
    line.extend_from_slice(text.as_bytes());
    let cell = &mut line[start..];
    let mut is_replaced = false;
    for byte in cell.iter_mut().filter(|byte| byte.is_ascii_control()) {
        *byte = b' ';
        is_replaced = true;
    }
    // Readers that know quotes would take all up to the next one for one cell.
    if let Some(first @ b'"') = cell.first_mut() {
        *first = b'\'';
        is_replaced = true;
    }
    is_replaced
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn a_cell_keeps_its_line_and_its_column() {
        let mut line = Vec::new();
        assert!(push_safe(&mut line, "a\tb\r\nc"));
        assert!(push_safe(&mut line, "\"x\""));
        assert!(!push_safe(&mut line, "say \"x\""));
        assert_eq!(line, b"a b  c'x\"say \"x\"");
    }
}
