//! `ab_liabilities(seq)`: motifs of a V domain that may cause trouble.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Builder, ListArray, StringBuilder, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion_common::Result;
use datafusion_common::utils::take_function_args;
use datafusion_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion_macros::user_doc;

use crate::args::{self, NO_PARAMETER, Row};

/// The function, for registration.
pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(AbLiabilities {
        signature: args::text_signature(),
    }))
}

#[user_doc(
    doc_section(label = "Antibody Functions"),
    description = "Sequence liabilities of the first V domain, in order along it: motifs that are known to be modified, cut or bound by something else. Returns a list of structs: `kind`, `motif` (its residues), `position` (IMGT, of the first residue), `region` (IMGT: `fwr1`, `cdr1`, …), `index` (1-based, in the given sequence) and `severity` (`high`, `medium`, `low`: our own rank for sorting, in frameworks one lower than in CDRs unless said otherwise). Kinds: `n_glycosylation` N[^P][ST], high everywhere (Gavel & von Heijne 1990, Protein Eng 3:433); `deamidation` NG high, NS NT medium, NN NH low (Robinson & Robinson 2001, PNAS 98:4367; Sydow et al. 2014, PLoS ONE 9:e100736); `isomerization` DG high, DS medium, DT DD DH low (Sydow et al. 2014); `fragmentation` DP, medium (Vlasak & Ionescu 2011, mAbs 3:253); `oxidation` M and W, in CDRs only, medium (Xu et al. 2019, mAbs 11:239); `free_cysteine`, C without its partner of the 23–104 bond: high where the domain has an odd number of cysteines, else medium, everywhere (Zhang & Czupryn 2002, Biotechnol Prog 18:509); `n_terminal_cyclization` of a first Q, medium, or E, low (Beck & Liu 2019, Antibodies 8:18; Chelius et al. 2006, Anal Chem 78:2370); `integrin_binding` RGD RYD KGD LDV NGR, medium (Ruoslahti 1996, Annu Rev Cell Dev Biol 12:697; Taub et al. 1989, J Biol Chem 264:259; Scarborough et al. 1991, J Biol Chem 266:9359; Wayner et al. 1992, J Cell Biol 116:489; Curnis et al. 2006, J Biol Chem 281:36466). Motifs may overlap. NULL where the sequence cannot be numbered; `ab_number(seq)['error']` says why.",
    syntax_example = "ab_liabilities(seq)",
    sql_example = r#"```sql
> SELECT l['kind'] AS kind, l['motif'] AS motif, l['position'] AS position, l['index'] AS i
  FROM (SELECT unnest(ab_liabilities('EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS')) AS l)
  WHERE l['severity'] = 'high' ORDER BY i;
+---------------+-------+----------+-----+
| kind          | motif | position | i   |
+---------------+-------+----------+-----+
| deamidation   | NG    | 62       | 55  |
| isomerization | DG    | 110      | 102 |
+---------------+-------+----------+-----+
```"#,
    argument(
        name = "seq",
        description = "Amino acid sequence of a chain, either case; leader, linker and constant regions may be present."
    ),
    related_udf(name = "ab_number"),
    related_udf(name = "ab_mutate")
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct AbLiabilities {
    signature: Signature,
}

impl ScalarUDFImpl for AbLiabilities {
    fn name(&self) -> &str {
        "ab_liabilities"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(liability_field()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seq] = take_function_args(self.name(), &args.args)?;
        args::map(seq, &NO_PARAMETER, args.number_rows, |rows| {
            Ok(Arc::new(liabilities(rows)?))
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn liability_field() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(fields()), true))
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("kind", DataType::Utf8, true),
        Field::new("motif", DataType::Utf8, true),
        Field::new("position", DataType::Utf8, true),
        Field::new("region", DataType::Utf8, true),
        Field::new("index", DataType::Int32, true),
        Field::new("severity", DataType::Utf8, true),
    ])
}

fn liabilities(rows: &[Row<'_, ()>]) -> Result<ListArray> {
    let mut kind = StringBuilder::new();
    let mut motif = StringBuilder::new();
    let mut position = StringBuilder::new();
    let mut region = StringBuilder::new();
    let mut index = Int32Builder::new();
    let mut severity = StringBuilder::new();
    let mut lengths = Vec::with_capacity(rows.len());
    let mut valid = Vec::with_capacity(rows.len());
    for row in rows {
        let found = row.and_then(|(seq, ())| antibody::liabilities(seq.as_bytes()).ok());
        valid.push(found.is_some());
        let found = found.unwrap_or_default();
        for liability in &found {
            kind.append_value(liability.kind);
            motif.append_value(&liability.motif);
            position.append_value(liability.position.to_string());
            region.append_value(liability.region.as_str());
            index.append_option(i32::try_from(liability.index).ok());
            severity.append_value(liability.severity.as_str());
        }
        lengths.push(found.len());
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(kind.finish()),
        Arc::new(motif.finish()),
        Arc::new(position.finish()),
        Arc::new(region.finish()),
        Arc::new(index.finish()),
        Arc::new(severity.finish()),
    ];
    Ok(ListArray::try_new(
        liability_field(),
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
        let vh = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";
        let found = liabilities(&[Some((vh, ())), Some(("NGSDPC", ())), None]).unwrap();
        assert_eq!(found.value_length(0), 11);
        assert!(found.is_null(1) && found.is_null(2));
    }
}
