//! Files as they come out, and as they are read back.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod airr;
mod fasta;

use std::io::Read as _;
use std::path::PathBuf;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int32Array, Int64Array, ListArray,
    RecordBatch, StringArray, StringViewArray,
};
use arrow::datatypes::Int32Type;
use datafusion::execution::context::SessionContext;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt as _;

use super::*;
use crate::config::Config;
use crate::error::Error;
use crate::formats::{Airr, Fasta, Format, ReadOptions, decompress};
use crate::session::bare_context;

struct Ground {
    folder: tempfile::TempDir,
    context: SessionContext,
    access: Access,
}

fn ground() -> Ground {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.lake.url = folder.path().join("lake").display().to_string();
    Ground {
        context: bare_context().unwrap(),
        access: Access::everything(&config).unwrap(),
        folder,
    }
}

impl Ground {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes batches to a file; options as `key=value`.
    async fn export(
        &self,
        name: &str,
        options: &[&str],
        batches: Vec<RecordBatch>,
    ) -> Result<Exported> {
        let pairs = options.iter().map(|option| option.split_once('=').unwrap());
        let format = ExportFormat::new(None, name, pairs)?;
        let schema = batches[0].schema();
        let rows = RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches).map(Ok));
        let location = self.path(name).display().to_string();
        let context = self.context.task_ctx();
        export(Box::pin(rows), &location, &format, &context, &self.access).await
    }

    async fn text(&self, name: &str, options: &[&str], batch: RecordBatch) -> String {
        self.export(name, options, vec![batch]).await.unwrap();
        let file = std::fs::File::open(self.path(name)).unwrap();
        let mut text = String::new();
        decompress(Box::new(file))
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    async fn refused(&self, name: &str, options: &[&str], batch: RecordBatch) -> String {
        let error = self.export(name, options, vec![batch]).await.unwrap_err();
        assert!(
            !self.path(name).exists(),
            "{name} is there although: {error}"
        );
        error.to_string()
    }

    /// Reads a file as ingest does.
    fn read(&self, format: &dyn Format, name: &str) -> RecordBatch {
        let file = std::fs::File::open(self.path(name)).unwrap();
        let input = decompress(Box::new(file)).unwrap();
        let mut records = format.open(input, name, &ReadOptions::default()).unwrap();
        let batch = records.next_batch().unwrap().unwrap();
        assert!(batch.rejects.is_empty(), "{:?}", batch.rejects);
        batch.records
    }
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn simple() -> RecordBatch {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None]);
    batch(vec![
        (
            "name",
            Arc::new(StringViewArray::from(vec![Some("a,b"), None])),
        ),
        ("n", Arc::new(Int32Array::from(vec![None, Some(7)]))),
        ("list", Arc::new(list)),
    ])
}

/// Rows as ingest reads them from an AIRR table, attributes and all.
fn rearrangements() -> RecordBatch {
    let cells = [
        ("sequence_id", ["r1", "r2"]),
        ("sequence", ["ACGT", "ACGA"]),
        ("rev_comp", ["F", "T"]),
        ("productive", ["T", "F"]),
        ("v_call", ["IGHV1-2*01", ""]),
        ("d_call", ["", ""]),
        ("j_call", ["IGHJ4*02", ""]),
        ("sequence_alignment", ["AC.GT", ""]),
        ("germline_alignment", ["ACGGT", ""]),
        ("junction", ["TGT", ""]),
        ("junction_aa", ["C", ""]),
        ("v_cigar", ["4M", ""]),
        ("d_cigar", ["", ""]),
        ("j_cigar", ["2M", ""]),
        ("v_identity", ["0.9326", "1.0"]),
        ("duplicate_count", ["12", ""]),
        ("species", ["Homo sapiens", ""]),
        ("mine", ["m", ""]),
        ("v_score", ["51.5", ""]),
        ("v_sequence_start", ["1", ""]),
    ];
    let line = |cell: fn(&(&'static str, [&'static str; 2])) -> &'static str| {
        cells.iter().map(cell).collect::<Vec<_>>().join("\t")
    };
    let lines = [
        line(|cell| cell.0),
        line(|cell| cell.1[0]),
        line(|cell| cell.1[1]),
    ];
    let text = format!("{}\n", lines.join("\n"));
    let input = decompress(Box::new(std::io::Cursor::new(text.into_bytes()))).unwrap();
    let mut records = Airr.open(input, "x.tsv", &ReadOptions::default()).unwrap();
    records.next_batch().unwrap().unwrap().records
}

#[tokio::test]
async fn csv_and_json_are_text_with_nested_values_as_json() {
    let ground = ground();
    assert_eq!(
        ground.text("x.csv", &[], simple()).await,
        "name,n,list\n\"a,b\",,[1]\n,7,\n"
    );
    assert_eq!(
        ground
            .text(
                "y.csv",
                &["header=false", "delimiter=;", "null=NA"],
                simple()
            )
            .await,
        "a,b;NA;[1]\nNA;7;NA\n"
    );
    assert_eq!(
        ground.text("x.json", &[], simple()).await,
        "{\"name\":\"a,b\",\"n\":null,\"list\":[1]}\n{\"name\":null,\"n\":7,\"list\":null}\n"
    );
    let array = ground.text("y.json", &["array=true"], simple()).await;
    let parsed: serde_json::Value = serde_json::from_str(&array).unwrap();
    assert_eq!(parsed[1]["n"], 7);
}

#[tokio::test]
async fn the_end_of_a_name_says_how_text_is_compressed() {
    let ground = ground();
    let plain = ground.text("x.csv", &[], simple()).await;
    for name in ["x.csv.gz", "x.csv.zst"] {
        assert_eq!(ground.text(name, &[], simple()).await, plain, "{name}");
    }
    assert_eq!(
        std::fs::read(ground.path("x.csv.gz")).unwrap()[..2],
        [0x1f, 0x8b]
    );
    ground
        .text("y.csv.gz", &["compression=none"], simple())
        .await;
    assert_eq!(
        std::fs::read_to_string(ground.path("y.csv.gz")).unwrap(),
        plain
    );
}

#[tokio::test]
async fn parquet_is_compressed_and_read_back() {
    let ground = ground();
    let exported = ground
        .export("x.parquet", &[], vec![simple(), simple()])
        .await
        .unwrap();
    let file = std::fs::File::open(ground.path("x.parquet")).unwrap();
    assert_eq!(exported.rows, 4);
    assert_eq!(exported.bytes, file.metadata().unwrap().len());
    let builder =
        ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let column = builder.metadata().row_group(0).column(0).compression();
    assert!(
        matches!(column, ::parquet::basic::Compression::ZSTD(_)),
        "{column:?}"
    );
    let read: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 4);
}

#[tokio::test]
async fn no_rows_are_an_empty_file_with_its_header() {
    let ground = ground();
    let none = simple().slice(0, 0);
    assert_eq!(
        ground.text("x.csv", &[], none.clone()).await,
        "name,n,list\n"
    );
    assert_eq!(ground.text("x.json", &[], none.clone()).await, "");
    let exported = ground.export("x.parquet", &[], vec![none]).await.unwrap();
    assert_eq!(exported.rows, 0);
    let header = ground
        .text("x.tsv", &[], rearrangements().slice(0, 0))
        .await;
    assert!(
        header.starts_with("sequence_id\t") || header.contains("\tsequence_id\t"),
        "{header}"
    );
}

#[tokio::test]
async fn a_file_appears_when_it_is_whole_and_else_the_old_one_stays() {
    let ground = ground();
    std::fs::write(ground.path("x.csv"), "old").unwrap();
    // More than a part, so that much of it is stored before the rows fail.
    let long = "x".repeat(1 << 20);
    let rows = batch(vec![("t", texts(&vec![Some(long.as_str()); 20]))]);
    let schema = rows.schema();
    let failing = futures::stream::iter([Ok(rows), Err(Error::Invalid("no more".into()).into())]);
    let stream = Box::pin(RecordBatchStreamAdapter::new(schema, failing));
    let location = ground.path("x.csv").display().to_string();
    let format = ExportFormat::new(None, &location, []).unwrap();
    let context = ground.context.task_ctx();
    let error = export(stream, &location, &format, &context, &ground.access).await;
    assert!(error.unwrap_err().to_string().contains("no more"));
    assert_eq!(std::fs::read_to_string(&location).unwrap(), "old");
    let left: Vec<_> = std::fs::read_dir(ground.folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    ground.text("x.csv", &[], simple()).await;
    assert!(
        std::fs::read_to_string(&location)
            .unwrap()
            .starts_with("name")
    );
}

#[tokio::test]
async fn an_export_of_many_parts_is_whole() {
    let ground = ground();
    let long = "x".repeat(1 << 20);
    let rows = batch(vec![("t", texts(&[Some(long.as_str())]))]);
    let exported = ground.export("x.csv", &[], vec![rows; 40]).await.unwrap();
    assert_eq!(
        exported.bytes,
        std::fs::metadata(ground.path("x.csv")).unwrap().len()
    );
    assert!(exported.bytes > 40 << 20);
}

#[tokio::test]
async fn folders_devices_and_places_that_are_shut_are_refused() {
    let ground = ground();
    std::fs::create_dir(ground.path("folder.csv")).unwrap();
    let location = |name: &str| ground.path(name).display().to_string();
    let format = ExportFormat::new(Some("csv"), "", []).unwrap();
    let context = ground.context.task_ctx();
    for (place, access, word) in [
        (location("folder.csv"), &ground.access, "is a folder"),
        (location("x/"), &ground.access, "is a folder"),
        ("/dev/null".to_string(), &ground.access, "device"),
        (
            location("lake/x.csv"),
            &ground.access,
            "belongs to the lake",
        ),
        (
            location("x.csv"),
            &Access::nothing(&Config::default()).unwrap(),
            "[access]",
        ),
    ] {
        let rows = simple();
        let stream =
            RecordBatchStreamAdapter::new(rows.schema(), futures::stream::iter([Ok(rows)]));
        let error = export(Box::pin(stream), &place, &format, &context, access)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{place}: {error}");
    }
}

#[tokio::test]
async fn options_that_do_not_exist_are_named_with_those_that_do() {
    for (name, format, options, words) in [
        (
            "x.csv",
            None,
            vec![("seperator", ";")],
            vec!["seperator", "delimiter"],
        ),
        (
            "x.csv",
            None,
            vec![("delimiter", ";;")],
            vec![";;", "one character"],
        ),
        (
            "x.parquet",
            None,
            vec![("compression", "bz2")],
            vec!["bz2", "zstd"],
        ),
        (
            "x.fa",
            None,
            vec![("line_width", "wide")],
            vec!["line_width", "wide"],
        ),
        ("x.xlsx", None, vec![], vec!["x.xlsx", "FORMAT", "airr"]),
        ("x", Some("xlsx"), vec![], vec!["xlsx", "fasta"]),
        (
            "x.csv",
            None,
            vec![("header", "true"), ("HEADER", "true")],
            vec!["twice"],
        ),
    ] {
        let error = ExportFormat::new(format, name, options)
            .unwrap_err()
            .to_string();
        for word in words {
            assert!(error.contains(word), "{error}");
        }
    }
    let given = [("format.HEADER", "FALSE")];
    let ExportFormat::Csv(options) = ExportFormat::new(Some("CSV"), "x", given).unwrap() else {
        panic!("not CSV");
    };
    assert!(!options.header);
}
