//! Queries over files, through the functions.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use object_store::ObjectStoreExt as _;
use object_store::memory::InMemory;
use url::Url;

use super::all;

#[allow(clippy::disallowed_methods)] // a bare session, without a lake
fn session() -> SessionContext {
    let state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(SessionConfig::new().with_target_partitions(2))
        .build();
    let context = SessionContext::new_with_state(state);
    for (name, function) in all() {
        context.register_udtf(name, function);
    }
    context
}

async fn query(context: &SessionContext, sql: &str) -> Result<String, String> {
    let frame = context.sql(sql).await.map_err(|error| error.to_string())?;
    let batches = frame.collect().await.map_err(|error| error.to_string())?;
    Ok(pretty_format_batches(&batches).unwrap().to_string())
}

/// The values of one column of one row.
async fn value(context: &SessionContext, sql: &str) -> String {
    let table = query(context, sql).await.unwrap();
    table
        .lines()
        .nth(3)
        .unwrap()
        .trim_matches(['|', ' '])
        .to_string()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.fa"), ">a1 x\nEVQ\n>a2\nDIQ\n>bad\n").unwrap();
    std::fs::write(
        folder.path().join("b.fa"),
        ">b1|IGHV1-2*01|IGHJ4*02|H\nEVQLV\n",
    )
    .unwrap();
    std::fs::write(folder.path().join(".hidden"), "x").unwrap();
    let airr = "sequence_id\tsequence\tproductive\tmine\nr1\tACGT\tT\tm\nr2\tACGT\tperhaps\t\n";
    std::fs::write(folder.path().join("c.tsv"), airr).unwrap();
    folder
}

#[tokio::test]
async fn files_are_tables_by_path_and_glob() {
    let (context, folder) = (session(), folder());
    let path = folder.path().display();
    for (from, rows) in [
        (format!("read_fasta('{path}/a.fa')"), "2"),
        (format!("read_fasta('{path}/*.fa')"), "3"),
        (format!("read_fasta('{path}/a.fa', '{path}/b.fa')"), "3"),
        (format!("read_airr('{path}/c.tsv')"), "1"),
    ] {
        assert_eq!(
            value(&context, &format!("SELECT count(*) FROM {from}")).await,
            rows,
            "{from}"
        );
    }
    let sql = format!("SELECT v_call FROM read_fasta('{path}/*.fa') WHERE sequence_id = 'b1'");
    assert_eq!(value(&context, &sql).await, "IGHV1-2*01");
    let sql = format!("SELECT attributes['mine'] FROM read_airr('{path}/c.tsv')");
    assert_eq!(value(&context, &sql).await, "[m]".trim_matches(['[', ']']));
    let sql = format!("SELECT source_file FROM read_fasta('{path}/b.fa')");
    assert!(value(&context, &sql).await.ends_with("/b.fa"));
}

#[tokio::test]
async fn only_the_wanted_columns_and_rows_are_given() {
    let (context, folder) = (session(), folder());
    let path = folder.path().display();
    let sql = format!("EXPLAIN SELECT sequence_aa FROM read_fasta('{path}/*.fa') LIMIT 1");
    let plan = query(&context, &sql).await.unwrap();
    let expected = "ReadExec: format=fasta, files=2, projection=[sequence_aa], limit=1";
    assert!(plan.contains(expected), "{plan}");
    let sql = format!("SELECT sequence_id FROM read_fasta('{path}/a.fa') LIMIT 1");
    assert_eq!(value(&context, &sql).await, "a1");
}

#[tokio::test]
async fn the_alphabet_can_be_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("n.fa");
    std::fs::write(&path, ">a\nGATTACA\n").unwrap();
    let (context, path) = (session(), path.display());
    let count = |column: &str, arguments: &str| {
        format!("SELECT count({column}) FROM read_fasta('{path}'{arguments})")
    };
    assert_eq!(value(&context, &count("sequence", "")).await, "1");
    assert_eq!(
        value(&context, &count("sequence_aa", ", 'amino_acid'")).await,
        "1"
    );
}

#[tokio::test]
async fn objects_of_a_store_are_read_through_the_session() {
    let context = session();
    let store = Arc::new(InMemory::new());
    store
        .put(&"x/a.fa".into(), ">a\nEVQ\n".into())
        .await
        .unwrap();
    store
        .put(&"x/y/b.fa".into(), ">b\nEVQ\n".into())
        .await
        .unwrap();
    let url = Url::parse("s3://bucket").unwrap();
    context.runtime_env().register_object_store(&url, store);
    for (path, rows) in [
        ("s3://bucket/x/a.fa", "1"),
        ("s3://bucket/x", "2"),
        ("s3://bucket/x/*.fa", "1"),
    ] {
        let sql = format!("SELECT count(*) FROM read_fasta('{path}')");
        assert_eq!(value(&context, &sql).await, rows, "{path}");
    }
}

#[tokio::test]
async fn the_sequences_beside_a_table_of_contigs_are_read_with_it_from_a_store_too() {
    let context = session();
    let store = Arc::new(InMemory::new());
    let table = "barcode,is_cell,contig_id,reads,umis\nB-1,True,B-1_contig_1,9,3\n";
    for (path, text) in [
        ("run/all_contig_annotations.csv", table),
        ("run/all_contig.fasta", ">B-1_contig_1\nACGT\n"),
        ("other/all_contig_annotations.csv", table),
    ] {
        store.put(&path.into(), text.into()).await.unwrap();
    }
    let url = Url::parse("s3://bucket").unwrap();
    context.runtime_env().register_object_store(&url, store);
    for (path, rows, sequences) in [
        ("s3://bucket/run/all_contig_annotations.csv", "1", "1"),
        ("s3://bucket/run", "1", "1"),
        ("s3://bucket/other", "1", "0"),
    ] {
        let count = |what: &str| format!("SELECT count({what}) FROM read_10x('{path}')");
        assert_eq!(value(&context, &count("*")).await, rows, "{path}");
        assert_eq!(
            value(&context, &count("sequence")).await,
            sequences,
            "{path}"
        );
    }
}

#[tokio::test]
async fn columns_of_a_table_are_mapped_by_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.csv");
    std::fs::write(&path, "INN,VH,mine\nx,EVQ,1\n").unwrap();
    let (context, path) = (session(), path.display());
    let sql = format!("SELECT name FROM read_table('{path}', 'INN=name', 'VH=heavy')");
    assert_eq!(value(&context, &sql).await, "x");
    let error = query(&context, &format!("SELECT * FROM read_table('{path}')"))
        .await
        .unwrap_err();
    assert!(
        error.contains("m.csv") && error.contains("=name"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_wrong_is_said_with_the_remedy() {
    let (context, folder) = (session(), folder());
    let path = folder.path().display();
    for (from, word) in [
        (
            format!("read_fasta('{path}/none.fa')"),
            "neither a file nor a folder",
        ),
        (format!("read_fasta('{path}/*.none')"), "no file matches"),
        ("read_fasta()".to_string(), "read_fasta('path')"),
        ("read_fasta(5)".to_string(), "single quotes"),
        (
            format!("read_airr('{path}/a.fa')"),
            "requires the column sequence",
        ),
        (
            format!("read_oas('{path}/a.fa')"),
            "starts with its metadata",
        ),
    ] {
        let error = query(&context, &format!("SELECT * FROM {from}"))
            .await
            .unwrap_err();
        assert!(error.contains(word), "{from}: {error}");
    }
}
