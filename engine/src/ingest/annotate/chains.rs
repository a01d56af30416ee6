//! Rows of `main.chains`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, RecordBatch, StringArray, StringBuilder,
    UInt32Array, new_null_array,
};
use arrow::compute::take;
use arrow::datatypes::{Field, Int64Type};
use udfs::antibody::hash::sequence_hash;
use udfs::antibody::{Chain, Locus};

use super::reading::{Domain, Reading};
use super::source::{Source, Texts, entries};
use super::{Context, constant, genes, pairs, species, timestamp};
use crate::error::Result;
use crate::formats::map_builder;
use crate::tables::definitions::definition;

/// Key of the attribute that says how the source contradicts the sequence.
const CONTRADICTION: &str = "contradiction";

/// Which rows are made of which records and V domains.
#[derive(Debug, Default)]
pub(super) struct Plan {
    records: Vec<u32>,
    domains: Vec<u32>,
}

impl Plan {
    /// Adds a record's rows: one for each V domain, one where there is none.
    pub(super) fn add(&mut self, record: u32, domains: usize) {
        for domain in 0..domains.max(1) {
            self.records.push(record);
            self.domains.push(domain as u32);
        }
    }
}

/// A row in the making.
struct Row<'a, 'b> {
    record: usize,
    domain_index: i32,
    reading: &'b Reading<'a>,
    domain: Option<&'b Domain>,
}

impl Row<'_, '_> {
    /// Whether what the source says of one V domain is said of this one: not where a record has several.
    fn speaks_of(&self) -> bool {
        self.reading.domains.len() < 2
    }
}

/// What is known of a row's chain.
struct Called {
    chain: &'static str,
    chain_source: &'static str,
    locus: Option<&'static str>,
    contradiction: Option<String>,
}

/// The rows that a plan asks for, and how many records contradict themselves.
pub(super) fn build(
    source: &Source<'_>,
    readings: &[Reading<'_>],
    plan: &Plan,
    context: &Context,
) -> Result<(RecordBatch, u64)> {
    let rows: Vec<Row<'_, '_>> = plan
        .records
        .iter()
        .zip(&plan.domains)
        .map(|(record, domain)| {
            let reading = &readings[*record as usize];
            Row {
                record: *record as usize,
                domain_index: *domain as i32 + 1,
                reading,
                domain: reading.domains.get(*domain as usize),
            }
        })
        .collect();
    let called: Vec<Called> = rows.iter().map(|row| call(source, row)).collect();
    let contradictions = rows
        .iter()
        .zip(&called)
        .filter(|(row, called)| row.domain_index == 1 && called.contradiction.is_some())
        .count() as u64;
    let indices = UInt32Array::from(plan.records.clone());
    let schema = definition("main.chains")?.arrow_schema();
    let columns = schema
        .fields()
        .iter()
        .map(
            |field| match column(field, source, &rows, &called, context)? {
                Some(column) => Ok(column),
                None => from_source(field, source, &indices),
            },
        )
        .collect::<Result<Vec<_>>>()?;
    Ok((RecordBatch::try_new(schema, columns)?, contradictions))
}

/// A column of ours; `None` for one that is the source's.
fn column(
    field: &Field,
    source: &Source<'_>,
    rows: &[Row<'_, '_>],
    called: &[Called],
    context: &Context,
) -> Result<Option<ArrayRef>> {
    let count = rows.len();
    let ours_or = |ours: fn(&Domain) -> Option<&str>, theirs: &Texts<'_>| {
        texts(rows.iter().map(|row| {
            row.domain
                .and_then(ours)
                .or_else(|| theirs.get(row.record).filter(|_| row.speaks_of()))
        }))
    };
    let given = |value: &Option<String>| value.as_deref().map(|text| constant(text, count));
    Ok(Some(match field.name().as_str() {
        "domain_index" => Arc::new(Int32Array::from_iter_values(
            rows.iter().map(|row| row.domain_index),
        )),
        "chain" => texts(called.iter().map(|called| Some(called.chain))),
        "chain_source" => texts(called.iter().map(|called| Some(called.chain_source))),
        "locus" => texts(
            called
                .iter()
                .zip(rows)
                .map(|(called, row)| called.locus.or_else(|| source.locus.get(row.record))),
        ),
        "species" => {
            let default = context.species.as_deref().map_or("unknown", species::of);
            texts(rows.iter().map(|row| {
                let reported = source.species_reported.get(row.record).map(species::of);
                Some(
                    reported
                        .filter(|word| *word != "unknown")
                        .unwrap_or(default),
                )
            }))
        }
        "v_gene" => gene(&source.v_call, rows),
        "j_gene" => gene(&source.j_call, rows),
        "cdr1_aa" => ours_or(|domain| domain.cdr1_aa.as_deref(), &source.cdr1_aa),
        "cdr2_aa" => ours_or(|domain| domain.cdr2_aa.as_deref(), &source.cdr2_aa),
        "cdr3_aa" => texts(rows.iter().map(|row| {
            let ours = row.domain.and_then(|domain| domain.cdr3_aa.as_deref());
            ours.or_else(|| {
                let junction = source.junction_aa.get(row.record).and_then(inner);
                junction
                    .or_else(|| source.cdr3_aa.get(row.record))
                    .filter(|_| row.speaks_of())
            })
        })),
        "junction_aa" => texts(rows.iter().map(|row| {
            let theirs = source
                .junction_aa
                .get(row.record)
                .filter(|_| row.speaks_of());
            theirs.or_else(|| row.domain.and_then(|domain| domain.junction_aa.as_deref()))
        })),
        "sequence_aa" => texts(rows.iter().map(|row| row.reading.protein.as_deref())),
        "sequence_hash" => owned_texts(rows.iter().map(|row| {
            let protein = row.reading.protein.as_deref()?;
            sequence_hash(protein.as_bytes())
        })),
        "v_domain_hash" => owned_texts(
            rows.iter()
                .map(|row| sequence_hash(row.domain?.v_domain_aa.as_bytes())),
        ),
        "v_domain_start" => Arc::new(
            rows.iter()
                .map(|row| Some(row.domain?.start))
                .collect::<Int32Array>(),
        ),
        "v_domain_end" => Arc::new(
            rows.iter()
                .map(|row| Some(row.domain?.end))
                .collect::<Int32Array>(),
        ),
        "v_domain_aa" => texts(
            rows.iter()
                .map(|row| Some(row.domain?.v_domain_aa.as_str())),
        ),
        "imgt_aligned_aa" => texts(
            rows.iter()
                .map(|row| row.domain?.imgt_aligned_aa.as_deref()),
        ),
        "rev_comp" => {
            let theirs = source.flag("rev_comp");
            Arc::new(
                rows.iter()
                    .map(|row| flag(theirs, row.record).or(row.reading.reverse))
                    .collect::<BooleanArray>(),
            )
        }
        "pair_id" => {
            let is_cell = source.flag("is_cell");
            let records = source
                .column("source_record")
                .and_then(|column| column.as_primitive_opt::<Int64Type>());
            owned_texts(rows.iter().map(|row| {
                let record = records.map_or(0, |records| records.value(row.record));
                let is_cell = flag(is_cell, row.record);
                pairs::pair_id(source, row.record, is_cell, record, row.reading, context)
            }))
        }
        "attributes" if called.iter().any(|called| called.contradiction.is_some()) => {
            attributes(field, source, rows, called)?
        }
        "study_id" => return Ok(given(&context.study_id)),
        "subject_id" => return Ok(given(&context.subject_id)),
        "sample_id" => return Ok(given(&context.sample_id)),
        "repertoire_id" => return Ok(given(&context.repertoire_id)),
        "source_file" => constant(&context.source_file, count),
        "ingested_at" => timestamp(context.ingested_at, count),
        _ => return Ok(None),
    }))
}

/// A column of the source, each record's value in each of its rows.
fn from_source(field: &Field, source: &Source<'_>, rows: &UInt32Array) -> Result<ArrayRef> {
    let Some(column) = source.column(field.name()) else {
        return Ok(new_null_array(field.data_type(), rows.len()));
    };
    let is_whole = rows.len() == source.rows()
        && rows
            .values()
            .iter()
            .enumerate()
            .all(|(at, row)| at == *row as usize);
    if is_whole {
        return Ok(Arc::clone(column));
    }
    Ok(take(column, rows, None)?)
}

/// The chain of a row and what it was read from; how the source contradicts it.
fn call(source: &Source<'_>, row: &Row<'_, '_>) -> Called {
    let record = row.record;
    let locus = source.locus.get(record).and_then(genes::locus_of_word);
    let v_locus = source.v_call.get(record).and_then(genes::locus);
    let Some(domain) = row.domain else {
        let c_locus = || source.c_call.get(record).and_then(genes::locus);
        let (chain, chain_source) = locus
            .map(|locus| (locus.chain().as_str(), "locus"))
            .or_else(|| v_locus.map(|locus| (locus.chain().as_str(), "v_call")))
            .or_else(|| c_locus().map(|locus| (locus.chain().as_str(), "c_call")))
            .or_else(|| Some((source_chain(source, record)?.as_str(), "source_chain")))
            .unwrap_or(("unknown", "none"));
        return Called {
            chain,
            chain_source,
            locus: locus.or(v_locus).or_else(c_locus).map(Locus::as_str),
            contradiction: None,
        };
    };
    let ours = domain.locus;
    // One of several V domains may be the one that the source speaks of.
    let fits = |said: Locus| {
        row.reading
            .domains
            .iter()
            .any(|domain| domain.locus == said)
    };
    let contradiction = locus
        .filter(|said| !fits(*said))
        .map(|said| ("locus", said.as_str()))
        .or_else(|| {
            let said = v_locus.filter(|said| !fits(*said))?;
            Some(("v_call", said.as_str()))
        })
        .or_else(|| {
            let said = source_chain(source, record)?;
            let known = |domain: &Domain| domain.locus.chain() == said;
            (!row.reading.domains.iter().any(known)).then_some(("chain", said.as_str()))
        })
        .map(|(column, said)| format!("{column} says {said}, the V domain is {ours}"));
    let locus = match locus.or(v_locus) {
        Some(said) if row.speaks_of() && said.chain() == ours.chain() => said,
        _ => ours,
    };
    Called {
        chain: ours.chain().as_str(),
        chain_source: "v_domain",
        locus: Some(locus.as_str()),
        contradiction,
    }
}

fn source_chain(source: &Source<'_>, record: usize) -> Option<Chain> {
    Some(match source.chain.get(record)? {
        "heavy" => Chain::Heavy,
        "light" => Chain::Light,
        "alpha" => Chain::Alpha,
        "beta" => Chain::Beta,
        "gamma" => Chain::Gamma,
        "delta" => Chain::Delta,
        _ => return None,
    })
}

/// The gene of a call. A record with several V domains has one call: it is that of the domains of its locus.
fn gene(calls: &Texts<'_>, rows: &[Row<'_, '_>]) -> ArrayRef {
    owned_texts(rows.iter().map(|row| {
        let call = calls.get(row.record)?;
        let is_other = |domain: &Domain| {
            genes::locus(call).is_some_and(|locus| locus.chain() != domain.locus.chain())
        };
        if !row.speaks_of() && row.domain.is_some_and(is_other) {
            return None;
        }
        genes::gene(call)
    }))
}

/// The source's attributes, with a word on contradictions.
fn attributes(
    field: &Field,
    source: &Source<'_>,
    rows: &[Row<'_, '_>],
    called: &[Called],
) -> Result<ArrayRef> {
    let mut builder = map_builder(field.data_type())?;
    for (row, called) in rows.iter().zip(called) {
        let said = source
            .attributes()
            .into_iter()
            .flat_map(|map| entries(map, row.record))
            .filter(|(key, _)| called.contradiction.is_none() || *key != CONTRADICTION);
        let ours = called
            .contradiction
            .as_deref()
            .map(|text| (CONTRADICTION, text));
        let mut any = false;
        for (key, value) in said.chain(ours) {
            builder.keys().append_value(key);
            builder.values().append_value(value);
            any = true;
        }
        builder.append(any)?;
    }
    Ok(Arc::new(builder.finish()))
}

/// A junction without its anchors.
fn inner(junction: &str) -> Option<&str> {
    let inner = junction.get(1..junction.len().checked_sub(1)?)?;
    (!inner.is_empty()).then_some(inner)
}

fn flag(flags: Option<&BooleanArray>, row: usize) -> Option<bool> {
    let flags = flags?;
    (!flags.is_null(row)).then(|| flags.value(row))
}

fn texts<'a>(values: impl ExactSizeIterator<Item = Option<&'a str>>) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(values.len(), values.len() * 16);
    builder.extend(values);
    Arc::new(builder.finish())
}

fn owned_texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}
