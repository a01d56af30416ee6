//! Contigs of 10x Genomics' Cell Ranger: `…_contig_annotations.csv`, with the sequences of `…_contig.fasta` beside it.

mod contigs;
#[cfg(test)]
mod tests;

use std::io::BufRead;

use arrow::datatypes::SchemaRef;

use self::contigs::Contigs;
use super::columns::{Rows, Value, source_schema, stable_id};
use super::delimited::{self, Delimited, Row};
use super::table::Layout;
use super::{Companion, Format, Molecules, ReadOptions, Records, Reject, SourceBatch};
use crate::error::{Error, Result};
use crate::ingest::annotate::genes::locus_of_word;

/// Columns of `main.chains` that a file gives; all others become attributes.
const COLUMNS: [&str; 17] = [
    "sequence_id",
    "cell_id",
    "is_cell",
    "locus",
    "sequence",
    "sequence_aa",
    "v_call",
    "d_call",
    "j_call",
    "c_call",
    "productive",
    "junction",
    "junction_aa",
    "clone_id",
    "consensus_count",
    "umi_count",
    "attributes",
];

/// Columns without which a table is not theirs.
const REQUIRED: [&str; 2] = ["barcode", "contig_id"];

/// Others that they have.
const KNOWN: [&str; 8] = [
    "is_cell",
    "high_confidence",
    "full_length",
    "cdr3_nt",
    "reads",
    "umis",
    "raw_clonotype_id",
    "raw_consensus_id",
];

/// The regions of a V domain in order (since Cell Ranger 5). Joined, they are the V domain: CDR3 has both its anchors.
const REGIONS: [&str; 7] = ["fwr1", "cdr1", "fwr2", "cdr2", "fwr3", "cdr3", "fwr4"];

/// What stands for an empty cell.
const NULLS: &[&str] = &["None", "NA"];

/// How the annotations of contigs end, and what their sequences end in instead.
const ANNOTATIONS: &str = "_contig_annotations.csv";
const SEQUENCES: [&str; 5] = [
    "_contig.fasta",
    "_contig.fasta.gz",
    "_contig.fasta.zst",
    "_contig.fa",
    "_contig.fa.gz",
];

/// Contig annotations of Cell Ranger V(D)J. A row is a contig. Its sequence stands in the FASTA file of the same prefix in
/// the same folder; where there is none, `sequence` is NULL, and `sequence_aa` is the regions joined if the file gives them all.
/// `cdr1` and `cdr2` stay attributes, for their ends are not IMGT's. A contig of several loci (`Multi`) has no locus, and
/// `attributes['chain']` says so.
#[derive(Debug)]
pub struct TenX;

impl Format for TenX {
    fn name(&self) -> &'static str {
        "10x"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> Result<SchemaRef> {
        source_schema("main.chains", &COLUMNS)
    }

    fn detect(&self, head: &[u8], _: &str) -> u8 {
        let names = delimited::names(head);
        let has = |name: &&str| names.iter().any(|known| known == name);
        let known = KNOWN.iter().filter(|name| has(name)).count();
        match REQUIRED.iter().all(has) {
            true if known >= 3 => 95,
            true => 60,
            false => 0,
        }
    }

    fn companions(&self, file_name: &str) -> Vec<String> {
        let plain = [".gz", ".zst"]
            .iter()
            .find_map(|packed| file_name.strip_suffix(packed))
            .unwrap_or(file_name);
        match plain.strip_suffix(ANNOTATIONS) {
            Some(prefix) => SEQUENCES.map(|end| format!("{prefix}{end}")).to_vec(),
            None => Vec::new(),
        }
    }

    fn open(
        &self,
        input: Box<dyn BufRead + Send>,
        source_file: &str,
        options: &ReadOptions,
    ) -> Result<Box<dyn Records>> {
        self.open_with(input, None, source_file, options)
    }

    fn open_with(
        &self,
        input: Box<dyn BufRead + Send>,
        companion: Option<Companion>,
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
                "line 1: the header lacks {}, which Cell Ranger's contig annotations have: give the file as it was written \
                 (all_contig_annotations.csv or filtered_contig_annotations.csv)",
                missing.join(" and ")
            );
            return Err(Error::Invalid(wrong).context(source_file));
        }
        let schema = self.schema()?;
        let regions = REGIONS
            .map(|region| names.iter().position(|name| name == region))
            .into_iter()
            .collect();
        let layout = Layout::new(names, &schema, |name| Some(ours(name)))
            .map_err(|error| error.context(source_file))?
            .with_nulls(NULLS);
        let contigs = companion
            .map(|companion| Contigs::read(companion, options))
            .transpose()?;
        Ok(Box::new(TenXRecords {
            table,
            rows: Rows::new(SchemaRef::clone(&schema))?,
            schema,
            layout,
            regions,
            contigs,
        }))
    }
}

/// The column of ours that a column of theirs feeds.
fn ours(name: &str) -> &str {
    match name {
        "contig_id" => "sequence_id",
        "barcode" => "cell_id",
        "chain" => "locus",
        "v_gene" => "v_call",
        "d_gene" => "d_call",
        "j_gene" => "j_call",
        "c_gene" => "c_call",
        "cdr3" => "junction_aa",
        "cdr3_nt" => "junction",
        "raw_clonotype_id" => "clone_id",
        "reads" => "consensus_count",
        "umis" => "umi_count",
        "is_cell" | "productive" => name,
        _ => "attributes",
    }
}

struct TenXRecords {
    table: Delimited,
    schema: SchemaRef,
    rows: Rows,
    layout: Layout,
    /// Where the regions of the V domain stand, if the file has them all.
    regions: Option<Vec<usize>>,
    contigs: Option<Contigs>,
}

impl Records for TenXRecords {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn next_batch(&mut self) -> Result<Option<SourceBatch>> {
        let Self {
            table,
            rows,
            layout,
            regions,
            contigs,
            ..
        } = self;
        let taken =
            table.batch(|row| take(row, layout, regions.as_deref(), contigs.as_ref(), rows))?;
        // What is wrong with the sequences is said once, with the first rows or instead of them.
        let of_contigs: Vec<Reject> = contigs.as_mut().map(Contigs::rejects).unwrap_or_default();
        let Some(taken) = taken else {
            if of_contigs.is_empty() {
                return Ok(None);
            }
            return self.batch(0, of_contigs).map(Some);
        };
        let rejects = of_contigs.into_iter().chain(taken.rejects).collect();
        self.batch(taken.consumed, rejects).map(Some)
    }
}

impl TenXRecords {
    fn batch(&mut self, consumed: u64, rejects: Vec<Reject>) -> Result<SourceBatch> {
        Ok(SourceBatch {
            records: self.rows.finish()?,
            molecules: Molecules::Chains,
            beside: Vec::new(),
            consumed,
            rejects,
        })
    }
}

/// Takes a contig, or says what is wrong with it.
fn take(
    row: Row<'_>,
    layout: &Layout,
    regions: Option<&[usize]>,
    contigs: Option<&Contigs>,
    rows: &mut Rows,
) -> Result<Option<String>> {
    let mut values = [Value::Null; COLUMNS.len()];
    let mut attributes = Vec::new();
    if let Err(wrong) = layout.fill(row.cells.clone(), &mut values, &mut attributes) {
        return Ok(Some(wrong));
    }
    if let Value::Text(word) = values[LOCUS]
        && locus_of_word(word).is_none()
    {
        values[LOCUS] = Value::Null;
        attributes.push(("chain", word));
    }
    if let (Value::Text(id), Some(contigs)) = (values[0], contigs) {
        let length = attributes.iter().find(|(name, _)| *name == "length");
        match contigs.sequence(id, length.map(|(_, length)| *length)) {
            Ok(sequence) => values[SEQUENCE] = sequence.into(),
            Err(wrong) => return Ok(Some(wrong)),
        }
    }
    let protein = regions.and_then(|regions| joined(&row, regions));
    if values[SEQUENCE] == Value::Null {
        values[PROTEIN] = protein.as_deref().into();
    }
    let made: String;
    if values[0] == Value::Null {
        made = stable_id(row.record, row.line.as_bytes());
        values[0] = Value::Text(&made);
    }
    rows.push(row.record, &values, attributes)?;
    Ok(None)
}

/// Indices of columns that are more than a cell.
const LOCUS: usize = 3;
const SEQUENCE: usize = 4;
const PROTEIN: usize = 5;

/// The V domain, if a row has all its regions.
fn joined(row: &Row<'_>, regions: &[usize]) -> Option<String> {
    let mut protein = String::new();
    for region in regions {
        let cell = row.cells.clone().nth(*region)?;
        if cell.is_empty() || NULLS.contains(&cell) {
            return None;
        }
        protein.push_str(cell);
    }
    super::letters::not_amino_acid(protein.as_bytes())
        .is_none()
        .then_some(protein)
}
