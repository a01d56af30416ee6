//! The columns of a source batch, by name; a column that the format does not have is empty.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, MapArray, RecordBatch, StringArray};

use crate::formats::Molecules;

/// A text column, which may be missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts<'a>(Option<&'a StringArray>);

impl<'a> Texts<'a> {
    /// The text of a row; `None` for NULL and for nothing.
    pub(super) fn get(&self, row: usize) -> Option<&'a str> {
        let column = self.0?;
        (!column.is_null(row))
            .then(|| column.value(row))
            .filter(|text| !text.is_empty())
    }
}

/// Chain records of a format.
pub(super) struct Source<'a> {
    records: &'a RecordBatch,
    molecules: Molecules,
    pub(super) sequence: Texts<'a>,
    pub(super) sequence_aa: Texts<'a>,
    pub(super) sequence_alignment_aa: Texts<'a>,
    pub(super) chain: Texts<'a>,
    pub(super) locus: Texts<'a>,
    pub(super) v_call: Texts<'a>,
    pub(super) j_call: Texts<'a>,
    pub(super) c_call: Texts<'a>,
    pub(super) junction_aa: Texts<'a>,
    pub(super) cdr1_aa: Texts<'a>,
    pub(super) cdr2_aa: Texts<'a>,
    pub(super) cdr3_aa: Texts<'a>,
    pub(super) cell_id: Texts<'a>,
    pub(super) pair_id: Texts<'a>,
    pub(super) repertoire_id: Texts<'a>,
    pub(super) species_reported: Texts<'a>,
}

impl<'a> Source<'a> {
    pub(super) fn new(records: &'a RecordBatch, molecules: Molecules) -> Self {
        let texts = |name: &str| {
            let column = records.column_by_name(name);
            Texts(column.and_then(|column| column.as_string_opt::<i32>()))
        };
        Self {
            records,
            molecules,
            sequence: texts("sequence"),
            sequence_aa: texts("sequence_aa"),
            sequence_alignment_aa: texts("sequence_alignment_aa"),
            chain: texts("chain"),
            locus: texts("locus"),
            v_call: texts("v_call"),
            j_call: texts("j_call"),
            c_call: texts("c_call"),
            junction_aa: texts("junction_aa"),
            cdr1_aa: texts("cdr1_aa"),
            cdr2_aa: texts("cdr2_aa"),
            cdr3_aa: texts("cdr3_aa"),
            cell_id: texts("cell_id"),
            pair_id: texts("pair_id"),
            repertoire_id: texts("repertoire_id"),
            species_reported: texts("species_reported"),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.records.num_rows()
    }

    pub(super) fn column(&self, name: &str) -> Option<&'a ArrayRef> {
        self.records.column_by_name(name)
    }

    pub(super) fn flag(&self, name: &str) -> Option<&'a BooleanArray> {
        self.column(name).and_then(|column| column.as_boolean_opt())
    }

    pub(super) fn attributes(&self) -> Option<&'a MapArray> {
        self.column("attributes")
            .and_then(|column| column.as_map_opt())
    }

    /// An attribute of a row.
    pub(super) fn attribute(&self, row: usize, key: &str) -> Option<&'a str> {
        entries(self.attributes()?, row)
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// Whether a record without a V domain is a chain all the same: the format holds nothing else, the source names
    /// a locus, a chain or a V gene, or there are nucleotides only.
    pub(super) fn is_chain(&self, row: usize) -> bool {
        self.molecules == Molecules::Chains
            || [&self.locus, &self.chain, &self.v_call]
                .iter()
                .any(|texts| texts.get(row).is_some())
            || self.sequence_aa.get(row).is_none()
    }
}

/// The entries of a row of a map of texts.
pub(super) fn entries(map: &MapArray, row: usize) -> impl Iterator<Item = (&str, &str)> {
    let keys = map.keys().as_string_opt::<i32>();
    let values = map.values().as_string_opt::<i32>();
    let offsets = map.value_offsets();
    let span = if map.is_null(row) {
        0..0
    } else {
        offsets[row] as usize..offsets[row + 1] as usize
    };
    span.filter_map(move |entry| {
        let (keys, values) = (keys?, values?);
        (!values.is_null(entry)).then(|| (keys.value(entry), values.value(entry)))
    })
}
