//! `ab_domains(seq)`: every V domain of a long chain.

use std::sync::Arc;

use antibody::{Ask, Region, number_batch};
use arrow::array::{ArrayRef, Float32Builder, Int32Builder, ListArray, StringBuilder, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion_common::Result;
use datafusion_common::utils::take_function_args;
use datafusion_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion_macros::user_doc;

use super::batch;
use crate::args::{self, NO_PARAMETER, Row};

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(AbDomains {
        signature: args::text_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "Every V domain of an amino acid sequence, in order along it: two of an scFv, one of a full-length chain (constant domains are not V domains). Returns a list of structs: `domain_index` (from 1), `locus`, `chain`, `confidence` (0–1), `start` and `end` (1-based, closed, in the given sequence), `sequence_aa` (IMGT 1–128, light chains 1–127, without leader, linker and constant region), `cdr1_aa`, `cdr2_aa`, `cdr3_aa` (IMGT, Lefranc et al. 2003; NULL where cut off). NULL if there is no V domain; `ab_number(seq)['error']` says why.",
    syntax_example = "ab_domains(seq)",
    sql_example = r#"```sql
> SELECT d['domain_index'] AS i, d['chain'] AS chain, d['start'] AS "start", d['end'] AS "end", d['cdr3_aa'] AS cdr3_aa
  FROM (SELECT unnest(ab_domains('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSSGGGGSGGGGSGGGGSDIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK')) AS d)
  ORDER BY i;
+---+-------+-------+-----+---------------+
| i | chain | start | end | cdr3_aa       |
+---+-------+-------+-----+---------------+
| 1 | heavy | 1     | 120 | SRWGGDGFYAMDY |
| 2 | light | 136   | 242 | QQHYTTPPT     |
+---+-------+-------+-----+---------------+
```"#,
    argument(
        name = "seq",
        description = "Amino acid sequence of a chain, either case, of any length up to 20 million residues."
    ),
    related_udf(name = "ab_number")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbDomains {
    signature: Signature,
}

impl ScalarUDFImpl for AbDomains {
    fn name(&self) -> &str {
        "ab_domains"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(domain_field()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq] = take_function_args(self.name(), &args.args)?;
        args::map(seq, &NO_PARAMETER, args.number_rows, |rows| {
            Ok(Arc::new(domains(rows)?))
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn domain_field() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(fields()), true))
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("domain_index", DataType::Int32, true),
        Field::new("locus", DataType::Utf8, true),
        Field::new("chain", DataType::Utf8, true),
        Field::new("confidence", DataType::Float32, true),
        Field::new("start", DataType::Int32, true),
        Field::new("end", DataType::Int32, true),
        Field::new("sequence_aa", DataType::Utf8, true),
        Field::new("cdr1_aa", DataType::Utf8, true),
        Field::new("cdr2_aa", DataType::Utf8, true),
        Field::new("cdr3_aa", DataType::Utf8, true),
    ])
}

fn domains(rows: &[Row<'_, ()>]) -> Result<ListArray> {
    let mut index = Int32Builder::new();
    let mut locus = StringBuilder::new();
    let mut chain = StringBuilder::new();
    let mut confidence = Float32Builder::new();
    let mut start = Int32Builder::new();
    let mut end = Int32Builder::new();
    let mut sequence = StringBuilder::new();
    let mut cdrs: [StringBuilder; 3] = Default::default();
    let mut lengths = Vec::with_capacity(rows.len());
    let mut valid = Vec::with_capacity(rows.len());
    let all = number_batch(&batch::sequences(rows), Ask::default());
    for (row, text) in rows.iter().enumerate() {
        let seq = text.map_or("", |(seq, ())| seq);
        let found = all.of(row);
        for (domain, number) in found.clone().zip(1..) {
            let span = all.span(domain);
            index.append_value(number);
            locus.append_value(all.loci[domain].as_str());
            chain.append_value(all.loci[domain].chain().as_str());
            confidence.append_value(all.confidences[domain]);
            start.append_option(i32::try_from(span.start + 1).ok());
            end.append_option(i32::try_from(span.end).ok());
            batch::append(&mut sequence, seq, Some(span));
            for (builder, region) in cdrs
                .iter_mut()
                .zip([Region::Cdr1, Region::Cdr2, Region::Cdr3])
            {
                batch::append(builder, seq, all.region(domain, region));
            }
        }
        lengths.push(found.len());
        valid.push(!found.is_empty());
    }
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(index.finish()),
        Arc::new(locus.finish()),
        Arc::new(chain.finish()),
        Arc::new(confidence.finish()),
        Arc::new(start.finish()),
        Arc::new(end.finish()),
        Arc::new(sequence.finish()),
    ];
    columns.extend(
        cdrs.into_iter()
            .map(|mut builder| Arc::new(builder.finish()) as ArrayRef),
    );
    Ok(ListArray::try_new(
        domain_field(),
        OffsetBuffer::from_lengths(lengths),
        Arc::new(StructArray::try_new(fields(), columns, None)?),
        Some(NullBuffer::from(valid)),
    )?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use arrow::array::Array;

    use super::*;

    #[test]
    fn a_sequence_without_a_domain_has_no_list() {
        let found = domains(&[Some(("PEPTIDE", ())), None]).unwrap();
        assert!(found.is_null(0) && found.is_null(1));
    }
}
