//! What holds for every function: documentation, an .slt file, a unique name, an example that runs and prints what it says,
//! and results that do not depend on how text is encoded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed unwrap is a failed test

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::{cast, concat};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::logical_expr::Documentation;
use datafusion::prelude::SessionContext;
use udfs::antibody;
use udfs::models::{Model, Precision};
use udfs::plm::{Models, Pin, Resolved};

#[allow(dead_code)] // the tests of the workspace use more of it
#[path = "../../tests/src/model.rs"]
mod model;

const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";
const VL: &str = "DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK";

/// The one model that there is, whatever its name.
#[derive(Debug)]
struct OneModel;

impl Models for OneModel {
    fn resolve(&self, name: &str) -> datafusion::error::Result<Resolved> {
        if !name.starts_with("antiberty") {
            return datafusion::common::plan_err!("there is no model {name}");
        }
        Ok(Resolved {
            pin: Pin {
                name: "antiberty".to_owned(),
                version: "0.1.3".to_owned(),
                digest: "0".repeat(64),
            },
            dimension: model::DIMENSION,
        })
    }

    fn load(&self, _: &Pin) -> datafusion::error::Result<Arc<Model>> {
        Ok(Arc::clone(&MODEL))
    }
}

static MODEL: LazyLock<Arc<Model>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    model::write(folder.path(), 7).unwrap();
    Arc::new(Model::load(folder.path(), Precision::F32).unwrap())
});

fn models() -> Arc<dyn Models> {
    Arc::new(OneModel)
}

/// A plain session with the functions and nothing else.
#[allow(clippy::disallowed_methods)] // the engine's session factory is above this package
fn session() -> SessionContext {
    let session = SessionContext::new();
    for udf in udfs::all(&models()) {
        session.register_udf(udf.as_ref().clone());
    }
    for udaf in udfs::aggregates() {
        session.register_udaf(udaf.as_ref().clone());
    }
    session
}

/// Every function, scalar or aggregate, with its documentation.
fn documented() -> Vec<(String, Documentation)> {
    let documentation = |name: &str, documentation: Option<&Documentation>| {
        let documentation = documentation.unwrap_or_else(|| panic!("{name} has no documentation"));
        (name.to_owned(), documentation.clone())
    };
    let scalar = udfs::all(&models());
    let scalar = scalar
        .iter()
        .map(|udf| documentation(udf.name(), udf.documentation()));
    let aggregate = udfs::aggregates();
    let aggregate = aggregate
        .iter()
        .map(|udaf| documentation(udaf.name(), udaf.documentation()));
    scalar.chain(aggregate).collect()
}

/// `protein/mass.slt` for `protein_mass`; names without a prefix are of the family `diversity`.
fn address(name: &str) -> String {
    // A form that tells the reason is tested beside the plain one.
    let name = name.strip_prefix("try_").unwrap_or(name);
    let (family, rest) = name.split_once('_').unwrap_or(("diversity", name));
    format!("{family}/{rest}.slt")
}

/// A call of a scalar function on one text.
fn call(name: &str, text: &str) -> String {
    match name {
        "ab_residue" | "ab_index" => format!("{name}({text}, '104')"),
        "ab_mutate" => format!("{name}({text}, 'E1Q')"),
        "protein_charge" => format!("{name}({text}, 7)"),
        _ if name.contains("plm_") => {
            let plain = name.strip_prefix("try_").unwrap_or(name);
            let rest = match plain {
                "plm_embed_pair" => format!("{text}, 'antiberty'"),
                "plm_mutation_score" => "'E1Q', 'antiberty'".to_owned(),
                "plm_mutation_scan" | "plm_pseudo_perplexity" => {
                    "'antiberty', 'single_pass'".to_owned()
                }
                "plm_pseudo_log_likelihood" => "'antiberty', 'sum', 'single_pass'".to_owned(),
                _ => "'antiberty'".to_owned(),
            };
            format!("{name}({text}, {rest})")
        }
        "ab_identity" | "ab_receptor_hash" | "protein_identity" | "hamming" => {
            format!("{name}({text}, {text})")
        }
        _ => format!("{name}({text})"),
    }
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
    let all = documented();
    for (name, documentation) in &all {
        assert!(names.insert(name.clone()), "{name} is registered twice");
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
        let file = slt.join(address(name));
        assert!(file.is_file(), "{} is missing", file.display());
    }
    for (name, documentation) in &all {
        for other in documentation.related_udfs.clone().unwrap_or_default() {
            assert!(names.contains(&other), "{name} points at {other}");
        }
    }
}

#[tokio::test]
async fn every_example_prints_what_its_documentation_says() {
    let session = session();
    for (name, documentation) in documented() {
        let examples = examples(documentation.sql_example.as_deref().unwrap());
        assert!(!examples.is_empty(), "{name}");
        for (sql, expected) in examples {
            assert!(sql.contains(&name), "{sql}");
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
    for udf in udfs::all(&models()) {
        let name = udf.name();
        let mut expected: Option<ArrayRef> = None;
        for encoding in std::iter::once(&DataType::Utf8).chain(&encodings) {
            let column = cast(&plain, encoding).unwrap();
            let batch = RecordBatch::try_from_iter([("seq", column)]).unwrap();
            session.deregister_table("sequences").unwrap();
            session.register_batch("sequences", batch).unwrap();
            let sql = format!("SELECT {} AS result FROM sequences", call(name, "seq"));
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
            let sql = format!("SELECT {} AS result", call(name, &literal));
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
            format!("SELECT ab_regions('{VH}', 'south')"),
            "known: imgt, kabat, chothia, chothia_wide, abm, contact, north, aho",
        ),
        (
            format!("EXPLAIN SELECT ab_residue(s, '10x5') FROM (VALUES ('{VH}')) AS t(s)"),
            "'10x5' is no position",
        ),
        (
            format!("EXPLAIN SELECT ab_identity(s, s, 'cdr4') FROM (VALUES ('{VH}')) AS t(s)"),
            "known: v, cdrs, cdr1, cdr2, cdr3",
        ),
        (
            "SELECT protein_extinction_coefficient('W', 'oxidized')".to_owned(),
            "known: cystines, reduced",
        ),
        (
            "SELECT hill(n, -1) FROM (VALUES (1)) AS t(n)".to_owned(),
            "at least 0, not -1",
        ),
        (
            "SELECT hill(n, n) FROM (VALUES (1)) AS t(n)".to_owned(),
            "must be a constant",
        ),
        (
            "SELECT rarefaction(n, NULL) FROM (VALUES (1)) AS t(n)".to_owned(),
            "not NULL",
        ),
        (
            "SELECT shannon(n) FROM (VALUES (1), (-2)) AS t(n)".to_owned(),
            "cannot be negative: -2",
        ),
        (
            "SELECT shannon(n) FROM (VALUES (1.5)) AS t(n)".to_owned(),
            "shannon",
        ),
        ("SELECT dna_translate('ACG', 4)".to_owned(), "1, 2 or 3"),
        (
            "SELECT dna_translate('ACG', f) FROM (VALUES (1), (0)) AS t(f)".to_owned(),
            "1, 2 or 3",
        ),
        ("SELECT protein_mass(1.5)".to_owned(), "protein_mass"),
        ("SELECT ab_cdr3()".to_owned(), "ab_cdr3"),
        (
            "SELECT plm_embed('EVQ', 'antibertie')".to_owned(),
            "there is no model antibertie",
        ),
        (
            "SELECT plm_embed(s, s) FROM (VALUES ('EVQ')) AS t(s)".to_owned(),
            "the model must be a constant text",
        ),
        (
            "EXPLAIN SELECT plm_embed(s, 'antiberty', 'max') FROM (VALUES ('EVQ')) AS t(s)"
                .to_owned(),
            "unknown pooling 'max'; known: mean, cls, residues",
        ),
        (
            "SELECT plm_pseudo_perplexity(s, 'antiberty', s) FROM (VALUES ('EVQ')) AS t(s)"
                .to_owned(),
            "the method must be a constant: exact, single_pass",
        ),
    ] {
        match query(&session, &sql).await {
            Ok(_) => panic!("{sql} succeeded"),
            Err(error) => assert!(error.contains(expected), "{sql}: {error}"),
        }
    }
}

#[tokio::test]
async fn second_sequences_positions_and_schemes_may_come_from_columns() {
    let session = session();
    let rows = format!(
        "(VALUES (1, '{VH}', '{VL}', '105', 'imgt', 7.0), (2, '{VH}', '{VH}', '52A', 'kabat', 4.0), (3, '{VH}', NULL, NULL, NULL, NULL)) AS t(i, a, b, p, s, ph)"
    );
    let text = async |expression: &str| {
        let sql = format!("SELECT CAST({expression} AS text) FROM {rows} ORDER BY i");
        let batches = query(&session, &sql).await.unwrap();
        let columns: Vec<_> = batches
            .iter()
            .map(|batch| cast(batch.column(0), &DataType::Utf8).unwrap())
            .collect();
        let columns: Vec<&dyn Array> = columns.iter().map(|column| column.as_ref()).collect();
        let column = concat(&columns).unwrap();
        let cells = column.as_string::<i32>().iter();
        cells
            .map(|cell| cell.unwrap_or("NULL").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(text("ab_residue(a, p, s)").await, ["S", "P", "NULL"]);
    assert_eq!(
        text(&format!("ab_residue('{VH}', p, s)")).await,
        ["S", "P", "NULL"]
    );
    assert_eq!(text("ab_index(a, p)").await, ["97", "NULL", "NULL"]);
    assert_eq!(text("hamming(b, a)").await, ["NULL", "0", "NULL"]);
    assert_eq!(text("ab_identity(a, b)").await[1..], ["1.0", "NULL"]);
    assert_eq!(
        text("ab_receptor_hash(a, b) IS NULL").await,
        ["false", "true", "true"]
    );
    assert_eq!(
        text(&format!("protein_charge('{VH}', ph) > 1")).await,
        ["false", "true", "NULL"]
    );
    assert_eq!(
        text("ab_mutate(a, 'S' || p || 'A', s)['error']").await,
        ["NULL", "wrong_wild_type: S52AA, but 52A is P", "NULL"]
    );
}

/// Questions about one column, whatever stands between it and them.
const QUESTIONS: &str = "ab_cdr1(s), ab_cdr2(s), ab_cdr3(lower(s)), ab_junction(s), ab_chain(s), ab_locus(s), \
    ab_regions(s)['fwr4_aa'], ab_regions(s, 'kabat')['cdr3_aa'], ab_cdr_lengths(s, 'north'), ab_number(s, 'aho'), \
    ab_residue(s, '104'), ab_align(s), ab_liabilities(s), CASE WHEN i % 3 = 0 THEN ab_cdr1(s) ELSE ab_cdr2(s) END";

#[tokio::test]
async fn a_column_is_aligned_once_however_much_is_asked_about_it() {
    let session = session();
    // More rows than a batch has, and filters between the questions.
    let rows = 20_000;
    for (table, first) in [("some", 0), ("others", rows)] {
        let sequences: StringArray = (first..first + rows)
            .map(|row| Some(VH.replace("WGGDGFYAMDY", &residues_of(row))))
            .collect();
        let numbers: Int64Array = (0..rows as i64).collect();
        let batch = RecordBatch::try_from_iter([
            ("s", Arc::new(sequences) as ArrayRef),
            ("i", Arc::new(numbers) as ArrayRef),
        ]);
        session.register_batch(table, batch.unwrap()).unwrap();
    }
    let passes = async |sql: String| {
        let before = antibody::passes();
        query(&session, &sql).await.unwrap();
        antibody::passes() - before
    };
    let once = passes("SELECT ab_cdr1(s) FROM some".to_owned()).await;
    assert_eq!(once, rows as u64, "one alignment a sequence");
    let filter = "ab_chain(s) = 'heavy' AND length(ab_cdr3(s)) = 13";
    let sql = format!("SELECT {QUESTIONS} FROM others WHERE {filter}");
    assert_eq!(passes(sql).await, once);
}

/// A number as eleven residues.
fn residues_of(mut number: usize) -> String {
    let mut residues = "W".to_owned();
    for _ in 0..10 {
        residues.push(char::from(b"ADEFGHIKLM"[number % 10]));
        number /= 10;
    }
    residues
}

#[tokio::test]
async fn diversity_is_the_same_whole_grouped_partial_and_distinct() {
    #[allow(clippy::disallowed_methods)] // the engine's session factory is above this package
    let parallel = {
        let config = datafusion::prelude::SessionConfig::new()
            .with_target_partitions(4)
            .with_batch_size(7);
        let session = SessionContext::new_with_config(config);
        for udaf in udfs::aggregates() {
            session.register_udaf(udaf.as_ref().clone());
        }
        session
    };
    let clones = "(SELECT value % 5 AS sample, value % 17 AS n FROM generate_series(1, 1000))";
    for call in [
        "shannon(n)",
        "hill(n, 2)",
        "gini(n)",
        "rarefaction(n, 50)",
        "shannon(DISTINCT n)",
        "hill(DISTINCT n, 1.5)",
    ] {
        let whole = format!("SELECT {call} AS d FROM {clones} WHERE sample = 3");
        let grouped = format!(
            "SELECT d FROM (SELECT sample, {call} AS d, count(*) FROM {clones} GROUP BY sample) WHERE sample = 3"
        );
        let mut found = Vec::new();
        for (session, sql) in [
            (&session(), &whole),
            (&parallel, &whole),
            (&parallel, &grouped),
        ] {
            let batches = query(session, sql)
                .await
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
            let batch = batches.iter().find(|batch| batch.num_rows() > 0).unwrap();
            let column = batch.column(0).as_primitive::<Float64Type>();
            found.push(column.value(0));
        }
        assert!(found[0] > 0.0, "{call}: {found:?}");
        assert!(found.iter().all(|d| *d == found[0]), "{call}: {found:?}");
    }
    // Sizes 1 to 16 of a sample, once each.
    let sql = format!("SELECT hill(DISTINCT n, 0) FROM {clones} WHERE sample = 3");
    let batches = query(&parallel, &sql).await.unwrap();
    let clones = batches[0].column(0).as_primitive::<Float64Type>().value(0);
    assert_eq!(clones, 16.0);
}

#[tokio::test]
async fn models_are_pinned_to_their_bytes_in_plans() {
    let session = session();
    let sql = "EXPLAIN SELECT plm_embed(s, 'antiberty') FROM (VALUES ('EVQ')) AS t(s)";
    let batches = query(&session, sql).await.unwrap();
    let plan = pretty_format_batches(&batches).unwrap().to_string();
    let pin = format!("antiberty@0.1.3#{}", "0".repeat(64));
    assert!(plan.contains(&pin), "{plan}");
}

/// Numbers of one column.
async fn numbers(sql: String) -> Vec<Option<f64>> {
    let batches = query(&session(), &sql).await.unwrap();
    let columns: Vec<&dyn Array> = batches
        .iter()
        .map(|batch| batch.column(0).as_ref())
        .collect();
    let column = cast(&concat(&columns).unwrap(), &DataType::Float64).unwrap();
    column.as_primitive::<Float64Type>().iter().collect()
}

#[tokio::test]
async fn likelihoods_scores_and_scans_agree_with_the_models_own_tables() {
    let seq = &VH[..24];
    let positions: Vec<usize> = (0..seq.len()).collect();
    let mut masked = Vec::new();
    let model = &*MODEL;
    model
        .masked_log_probs(seq.as_bytes(), &positions, &mut masked)
        .unwrap();
    let expected =
        udfs::models::log_likelihood(seq.as_bytes(), &masked, udfs::models::Reduction::Sum);
    let close = |found: Option<f64>, expected: f64| {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
    };
    let one = async |call: String| numbers(format!("SELECT {call}")).await[0];
    let sum = one(format!(
        "plm_pseudo_log_likelihood('{seq}', 'antiberty', 'sum')"
    ));
    close(sum.await, expected);
    let mean = one(format!("plm_pseudo_log_likelihood('{seq}', 'antiberty')"));
    close(mean.await, expected / 24.0);
    let perplexity = one(format!("plm_pseudo_perplexity('{seq}', 'antiberty')"));
    close(perplexity.await, (-expected / 24.0).exp());
    // L4A and V5I, each masked by itself.
    let at = |position: usize, residue: u8| {
        let column = udfs::models::column(residue).unwrap();
        f64::from(masked[20 * (position - 1) + column])
    };
    let two = at(4, b'A') - at(4, b'L') + at(5, b'I') - at(5, b'V');
    let score = one(format!(
        "plm_mutation_score('{seq}', 'L4A,v5i', 'antiberty')"
    ));
    close(score.await, two);
    let scan = numbers(format!(
        "SELECT s['score'] FROM (SELECT unnest(plm_mutation_scan('{seq}', 'antiberty')) AS s) WHERE s['index'] = 4 AND s['mutant'] = 'A'"
    ));
    close(scan.await[0], at(4, b'A') - at(4, b'L'));
    let table = one(format!(
        "plm_residue_log_probs('{seq}', 'antiberty', 'exact')[4][1]"
    ));
    close(table.await, at(4, b'A'));
}

#[tokio::test]
async fn embeddings_of_rows_are_those_of_the_sequences_by_themselves() {
    let mut expected = Vec::new();
    MODEL
        .embed(&[VL.as_bytes()], udfs::models::Pooling::Mean, &mut expected)
        .unwrap();
    let sql = format!(
        "SELECT unnest(plm_embed(s, 'antiberty')) FROM (VALUES ('{VH}'), ('{VL}'), (''), (NULL), ('EVQ'), ('{VL}')) AS t(s)"
    );
    let found = numbers(sql).await;
    let width = model::DIMENSION;
    // Rows without a value have no numbers.
    assert_eq!(found.len(), 4 * width);
    for row in [1, 3] {
        for (found, expected) in found[row * width..][..width].iter().zip(&expected) {
            assert_eq!(*found, Some(f64::from(*expected)));
        }
    }
    let pair = numbers(format!(
        "SELECT unnest(plm_embed_pair('{VH}', '{VL}', 'antiberty'))"
    ));
    let pair = pair.await;
    assert_eq!(pair[..width], found[..width]);
    assert_eq!(pair[width..], found[width..2 * width]);
}
