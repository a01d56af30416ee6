//! What holds for every function: documentation, an .slt file, a unique name, an example that runs and prints what it says,
//! and results that do not depend on how text is encoded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed unwrap is a failed test

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::{cast, concat};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::SessionContext;

const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";
const VL: &str = "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK";

/// A plain session with the functions and nothing else.
#[allow(clippy::disallowed_methods)] // the engine's session factory is above this package
fn session() -> SessionContext {
    let session = SessionContext::new();
    for udf in udfs::all() {
        session.register_udf(udf.as_ref().clone());
    }
    session
}

async fn query(session: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>, String> {
    let frame = session.sql(sql).await.map_err(|error| error.to_string())?;
    frame.collect().await.map_err(|error| error.to_string())
}

/// The statements of an example (`> SELECT …;`) with the output below each.
fn examples(text: &str) -> Vec<(String, String)> {
    let text = text.trim().strip_prefix("```sql").expect("an SQL block");
    let text = text.strip_suffix("```").expect("the end of the block");
    text.split("\n> ")
        .skip(1)
        .map(|example| {
            let (sql, output) = example
                .split_once(";\n")
                .expect("a statement and its output");
            (sql.to_owned(), output.trim_end().to_owned())
        })
        .collect()
}

#[test]
fn every_function_has_documentation_a_test_file_and_a_name_of_its_own() {
    let slt = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/slt");
    let mut names = HashSet::new();
    for udf in udfs::all() {
        let name = udf.name();
        assert!(names.insert(name.to_owned()), "{name} is registered twice");
        let documentation = udf
            .documentation()
            .unwrap_or_else(|| panic!("{name} has no documentation"));
        assert!(
            documentation
                .syntax_example
                .starts_with(&format!("{name}(")),
            "{name}"
        );
        assert!(
            documentation
                .arguments
                .as_ref()
                .is_some_and(|arguments| !arguments.is_empty()),
            "{name}"
        );
        assert!(documentation.sql_example.is_some(), "{name} has no example");
        let (family, rest) = name.split_once('_').expect("family_name");
        let file = slt.join(family).join(format!("{rest}.slt"));
        assert!(file.is_file(), "{} is missing", file.display());
    }
    for udf in udfs::all() {
        let related = udf
            .documentation()
            .and_then(|documentation| documentation.related_udfs.clone());
        for other in related.unwrap_or_default() {
            assert!(names.contains(&other), "{} points at {other}", udf.name());
        }
    }
}

#[tokio::test]
async fn every_example_prints_what_its_documentation_says() {
    let session = session();
    for udf in udfs::all() {
        let documentation = udf.documentation().unwrap();
        let examples = examples(documentation.sql_example.as_deref().unwrap());
        assert!(!examples.is_empty(), "{}", udf.name());
        for (sql, expected) in examples {
            assert!(sql.contains(udf.name()), "{sql}");
            let batches = query(&session, &sql)
                .await
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
            let printed = pretty_format_batches(&batches).unwrap().to_string();
            assert_eq!(printed, expected, "{sql}");
        }
    }
}

/// Sequences with everything that can be odd about one, NULL and repeated neighbours included.
fn odd_sequences() -> Vec<Option<String>> {
    let mut sequences: Vec<Option<String>> = [
        "",
        " ",
        VH,
        VH,
        VL,
        "PEPTIDE",
        "ACGTN",
        "*",
        "-",
        "X*-.BZJUO",
        "é",
        "EVQ1",
    ]
    .iter()
    .map(|sequence| Some((*sequence).to_owned()))
    .collect();
    sequences.extend([
        None,
        None,
        Some(VH.to_lowercase()),
        Some(format!("{VH}GGGGSGGGGSGGGGS{VL}")),
        Some("A".repeat(10_000)),
        Some("A".repeat(10_001)),
        Some(VH.to_owned()),
    ]);
    sequences
}

#[tokio::test]
async fn results_do_not_depend_on_the_encoding_of_text() {
    let plain: ArrayRef = Arc::new(StringArray::from(odd_sequences()));
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let view_dictionary =
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::LargeUtf8));
    let encodings = [
        DataType::LargeUtf8,
        DataType::Utf8View,
        dictionary,
        view_dictionary,
    ];
    let session = session();
    for udf in udfs::all() {
        let name = udf.name();
        let mut expected: Option<ArrayRef> = None;
        for encoding in std::iter::once(&DataType::Utf8).chain(&encodings) {
            let column = cast(&plain, encoding).unwrap();
            let batch = RecordBatch::try_from_iter([("seq", column)]).unwrap();
            session.deregister_table("sequences").unwrap();
            session.register_batch("sequences", batch).unwrap();
            let sql = format!("SELECT {name}(seq) AS result FROM sequences");
            let batches = query(&session, &sql)
                .await
                .unwrap_or_else(|error| panic!("{sql} on {encoding}: {error}"));
            let columns: Vec<&dyn Array> = batches
                .iter()
                .map(|batch| batch.column(0).as_ref())
                .collect();
            let result = concat(&columns).unwrap();
            assert_eq!(result.len(), plain.len(), "{name} on {encoding}");
            for row in 0..plain.len() {
                if plain.is_null(row) {
                    assert!(result.is_null(row), "{name} of NULL is not NULL");
                }
            }
            match &expected {
                None => expected = Some(result),
                Some(expected) => assert_eq!(expected, &result, "{name} on {encoding}"),
            }
        }
        // One value at a time, as a constant.
        let expected = expected.unwrap();
        for (row, sequence) in odd_sequences().iter().enumerate() {
            let literal = sequence
                .as_ref()
                .map_or("NULL".to_owned(), |sequence| format!("'{sequence}'"));
            let sql = format!("SELECT {name}({literal}) AS result");
            let batches = query(&session, &sql)
                .await
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(
                &expected.slice(row, 1),
                batches[0].column(0),
                "{name} of row {row}"
            );
        }
    }
}

#[tokio::test]
async fn options_may_come_from_a_column_and_wrong_ones_name_the_known() {
    let session = session();
    let sql = format!(
        "SELECT ab_regions('{VH}', definition)['cdr1_aa'] AS cdr1 FROM (VALUES (1, 'kabat'), (2, 'IMGT'), (3, NULL)) AS t(i, definition) ORDER BY i"
    );
    let batches = query(&session, &sql).await.unwrap();
    let columns: Vec<&dyn Array> = batches
        .iter()
        .map(|batch| batch.column(0).as_ref())
        .collect();
    let cdr1 = concat(&columns).unwrap();
    let cdr1: Vec<_> = cdr1.as_string::<i32>().iter().collect();
    assert_eq!(cdr1, [Some("DTYIH"), Some("GFNIKDTY"), None]);

    for (sql, expected) in [
        (
            format!("EXPLAIN SELECT ab_number(s, 'kabbat') FROM (VALUES ('{VH}')) AS t(s)"),
            "did you mean 'kabat'?",
        ),
        (
            format!("SELECT ab_regions('{VH}', 'north')"),
            "known: imgt, kabat, chothia, abm, contact",
        ),
        ("SELECT dna_translate('ACG', 4)".to_owned(), "1, 2 or 3"),
        (
            "SELECT dna_translate('ACG', f) FROM (VALUES (1), (0)) AS t(f)".to_owned(),
            "1, 2 or 3",
        ),
        ("SELECT protein_mass(1.5)".to_owned(), "protein_mass"),
        ("SELECT ab_cdr3()".to_owned(), "ab_cdr3"),
    ] {
        match query(&session, &sql).await {
            Ok(_) => panic!("{sql} succeeded"),
            Err(error) => assert!(error.contains(expected), "{sql}: {error}"),
        }
    }
}
