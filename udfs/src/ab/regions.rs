//! `ab_regions(seq [, definition])`: frameworks and CDRs of the first V domain.

use std::sync::Arc;

use antibody::Definition;
use arrow::array::{ArrayRef, StringBuilder, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion_common::{Result, exec_datafusion_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use datafusion_macros::user_doc;

use crate::args::{self, Row};

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(AbRegions {
        signature: args::text_and_name_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "Splits the first V domain of an amino acid sequence into frameworks and CDRs. Returns a struct of text: `fwr1_aa`, `cdr1_aa`, `fwr2_aa`, `cdr2_aa`, `fwr3_aa`, `cdr3_aa`, `fwr4_aa`, `scheme`, `definition`, `error`. Definitions (heavy H1, H2, H3; light L1, L2, L3): `imgt` (27–38, 56–65, 105–117; Lefranc et al. 2003), `kabat` (31–35, 50–65, 95–102; 24–34, 50–56, 89–97; Kabat et al. 1991), `chothia` (26–32, 52–56, 96–101; 26–32, 50–52, 91–96; the Martin group's consensus of 2021, the narrow set), `chothia_wide` (H3 95–102, light as Kabat; as SAbDab and AbNumber apply Chothia), `abm` (26–35, 50–58, 95–102; light as Kabat; Oxford Molecular's AbM), `contact` (30–35, 47–58, 93–101; 30–36, 46–55, 89–96; MacCallum et al. 1996), `north` (24–42, 57–69, 107–138; L2 57–72; North et al. 2011), `aho` (25–40, 58–77, 109–137; Dondelinger et al. 2018, Front Immunol 9:2278), each in its own numbering, which `scheme` names: IMGT, Kabat, Chothia, Martin (`abm`, `contact`) or AHo (`north`, `aho`). A region is NULL where the domain does not hold it; a CDR also where it is cut off at an end of the sequence. A sequence that cannot be numbered has NULL regions and the reason in `error`, as in `ab_number`; where that is `too_many_insertions`, `ab_cdr3(seq)` may still give CDR3 in IMGT, which has positions for more of them.",
    syntax_example = "ab_regions(seq [, definition])",
    sql_example = r#"```sql
> SELECT r['cdr1_aa'] AS cdr1, r['cdr2_aa'] AS cdr2, r['cdr3_aa'] AS cdr3
  FROM (SELECT ab_regions('DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK', 'kabat') AS r);
+-------------+---------+-----------+
| cdr1        | cdr2    | cdr3      |
+-------------+---------+-----------+
| RASQDVNTAVA | SASFLYS | QQHYTTPPT |
+-------------+---------+-----------+
```"#,
    argument(
        name = "seq",
        description = "Amino acid sequence of a chain, either case; leader, linker and constant regions may be present."
    ),
    argument(
        name = "definition",
        description = "`imgt` (default), `kabat`, `chothia`, `chothia_wide`, `abm`, `contact`, `north` or `aho`, either case. Another name is an error."
    ),
    related_udf(name = "ab_cdr1"),
    related_udf(name = "ab_cdr2"),
    related_udf(name = "ab_cdr3"),
    related_udf(name = "ab_cdr_lengths"),
    related_udf(name = "ab_number")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbRegions {
    signature: Signature,
}

impl ScalarUDFImpl for AbRegions {
    fn name(&self) -> &str {
        "ab_regions"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields()))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        args::check_named::<Definition>(&args, 1)?;
        let data_type = DataType::Struct(fields());
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq, definition @ ..] = args.args.as_slice() else {
            return Err(exec_datafusion_err!("{} needs a sequence", self.name()));
        };
        let definition = args::named(definition.first(), Definition::Imgt)?;
        args::map(seq, &definition, args.number_rows, |rows| {
            Ok(Arc::new(regions(rows)?))
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// The seven regions, then `scheme`, `definition` and `error`.
const NAMES: [&str; 10] = [
    "fwr1_aa",
    "cdr1_aa",
    "fwr2_aa",
    "cdr2_aa",
    "fwr3_aa",
    "cdr3_aa",
    "fwr4_aa",
    "scheme",
    "definition",
    "error",
];

fn fields() -> Fields {
    NAMES
        .into_iter()
        .map(|name| Field::new(name, DataType::Utf8, true))
        .collect()
}

fn regions(rows: &[Row<'_, Definition>]) -> Result<StructArray> {
    let mut sequences: [StringBuilder; 7] = Default::default();
    let mut schemes = StringBuilder::new();
    let mut definitions = StringBuilder::new();
    let mut errors = StringBuilder::new();
    for row in rows {
        let found = row.map(|(seq, definition)| antibody::regions(seq.as_bytes(), definition));
        match found {
            Some(Ok(regions)) => {
                for (builder, region) in sequences.iter_mut().zip(regions.sequences) {
                    builder.append_option(region);
                }
                schemes.append_value(regions.definition.scheme().as_str());
                definitions.append_value(regions.definition.as_str());
                errors.append_null();
            }
            failed => {
                sequences.iter_mut().for_each(StringBuilder::append_null);
                schemes.append_null();
                definitions.append_null();
                errors.append_option(failed.and_then(Result::err).map(|error| error.code()));
            }
        }
    }
    let columns: Vec<ArrayRef> = sequences
        .into_iter()
        .chain([schemes, definitions, errors])
        .map(|mut builder| Arc::new(builder.finish()) as ArrayRef)
        .collect();
    let valid: NullBuffer = rows.iter().map(Option::is_some).collect::<Vec<_>>().into();
    Ok(StructArray::try_new(fields(), columns, Some(valid))?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use arrow::array::{Array, AsArray};

    use super::*;

    #[test]
    fn a_failed_row_is_a_struct_with_a_reason_and_a_null_row_is_null() {
        let found = regions(&[Some(("PEPTIDE", Definition::Kabat)), None]).unwrap();
        assert!(found.is_valid(0) && found.is_null(1));
        let errors = found.column_by_name("error").unwrap();
        assert_eq!(errors.as_string::<i32>().value(0), "too_short");
    }
}
