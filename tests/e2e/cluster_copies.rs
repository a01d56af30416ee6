//! Files of rows that many nodes encode: those that one process writes, whole or not there.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tests::binary::Paratope;
use tests::flight::refused;
use tests::node::{EVERYTHING_TRAVELS, Node, addresses};
use tests::server::Server;
use tonic::Code;

const ROWS: &str = "SELECT sequence_id, source_file, source_record, domain_index, cdr3_aa, v_identity, sequence_aa FROM chains";

/// The lines of a file, be it compressed or not.
fn lines(path: &Path) -> Vec<String> {
    let file = File::open(path).unwrap();
    let mut text = String::new();
    let name = path.to_string_lossy();
    let read = match name.rsplit_once('.').unwrap().1 {
        "gz" => flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text),
        "zst" => zstd::Decoder::new(file).unwrap().read_to_string(&mut text),
        _ => { file }.read_to_string(&mut text),
    };
    read.unwrap();
    text.lines().map(str::to_string).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_unstable();
    lines
}

/// The row groups of a Parquet file, and its rows as lines.
fn parquet(path: &Path) -> (usize, Vec<String>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let row_groups = builder.metadata().num_row_groups();
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    let rows = batches.iter().flat_map(|batch| {
        (0..batch.num_rows()).map(|row| {
            let cells = batch.columns().iter();
            let cells = cells.map(|column| array_value_to_string(column, row).unwrap());
            cells.collect::<Vec<_>>().join("|")
        })
    });
    (row_groups, rows.collect())
}

fn nothing_in(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_encode_their_rows_and_the_file_is_that_of_one_process() {
    let folder = || tempfile::tempdir().unwrap();
    let lake = folder();
    let paratope = Paratope::on(lake.path().join("lake"));
    paratope.run(["quickstart"]).expect_code(0);
    let nodes: Vec<Node> = (0..2).map(|_| Node::start(&paratope, &[])).collect();
    let (here, there) = (folder(), folder());
    let access = |out: &Path| format!("[access]\nwrite = [\"{}\"]\n", out.display());
    let workers = addresses(&nodes);
    let cluster = format!("[cluster]\nworkers = {workers}\n{EVERYTHING_TRAVELS}");
    let cluster = format!("{}{cluster}", access(there.path()));
    let single = Server::over(paratope.clone(), folder(), &access(here.path()));
    let cluster = Server::over(paratope.clone(), folder(), &cluster);
    let (mut single, mut cluster) = (single.client().await, cluster.client().await);
    let mut both = async |name: &str, rows: &str, options: &str| {
        let to = |out: &Path| format!("COPY ({rows}) TO '{}' {options}", out.join(name).display());
        let counts = (
            single.value(&to(here.path())).await,
            cluster.value(&to(there.path())).await,
        );
        assert_eq!(counts.0, counts.1, "{name}");
        (here.path().join(name), there.path().join(name))
    };
    for (name, options) in [
        ("rows.csv", ""),
        ("rows.csv.gz", "OPTIONS (delimiter ';', null 'NULL')"),
        ("bare.csv", "OPTIONS (header 'false')"),
        ("rows.json", ""),
        ("rows.json.zst", ""),
        // Those that are not made of parts.
        ("array.json", "OPTIONS (array 'true')"),
        ("rows.fasta.gz", ""),
    ] {
        let (one, parts) = both(name, ROWS, options).await;
        let (one, parts) = (lines(&one), lines(&parts));
        if name.starts_with("rows.csv") {
            assert_eq!(one[0], parts[0], "{name}");
        }
        if name != "array.json" {
            assert!(one.len() > 5_000, "{name}: {}", one.len());
            assert_eq!(sorted(one), sorted(parts), "{name}");
        } else {
            assert_eq!((one.len(), &one[0]), (parts.len(), &parts[0]));
        }
        // An order is kept, and nothing is written beyond a limit.
        let ordered = format!(
            "{ROWS} ORDER BY sequence_id, source_file, source_record, domain_index LIMIT 9000"
        );
        let (one, parts) = both(name, &ordered, options).await;
        assert_eq!(lines(&one), lines(&parts), "{name}");
        // Of no rows there is what stands around them.
        let (one, parts) = both(name, &format!("{ROWS} WHERE v_identity > 2"), options).await;
        assert_eq!(fs::read(one).unwrap(), fs::read(parts).unwrap(), "{name}");
    }
    let (one, parts) = both("rows.parquet", ROWS, "OPTIONS (compression 'snappy')").await;
    let (one, parts) = (parquet(&one), parquet(&parts));
    assert_eq!(one.0, 1);
    // Each node made one at least.
    assert!(parts.0 > 1, "{}", parts.0);
    assert_eq!(sorted(one.1), sorted(parts.1));
    let small = "OPTIONS (row_group_size '5000')";
    let (_, parts) = both("small.parquet", ROWS, small).await;
    assert!(parquet(&parts).0 >= 4);
    let (one, parts) = both("none.parquet", &format!("{ROWS} WHERE v_identity > 2"), "").await;
    assert_eq!(parquet(&one), parquet(&parts));
    // What a row may not hold is said in the same words, and there is no file.
    let wrong = format!(
        "COPY (SELECT CAST(sequence_id AS INT) FROM chains) TO '{}'",
        there.path().join("wrong.csv").display()
    );
    refused(
        cluster.query(&wrong).await,
        Code::InvalidArgument,
        &["Int32"],
    );
    assert!(!there.path().join("wrong.csv").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_whose_node_dies_is_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"));
    paratope.run(["quickstart"]).expect_code(0);
    let mut nodes: Vec<Node> = (0..3).map(|_| Node::start(&paratope, &[])).collect();
    let out = tempfile::tempdir().unwrap();
    let settings = format!(
        "[access]\nwrite = [\"{}\"]\n[cluster]\nworkers = {}\n{EVERYTHING_TRAVELS}",
        out.path().display(),
        addresses(&nodes)
    );
    let server = Server::over(paratope, folder, &settings);
    let mut client = server.client().await;
    let copy = |name: &str| {
        let file = out.path().join(name);
        let rows = "SELECT sequence_id, ab_cdr3(repeat('Q', CAST(n.value AS INT)) || sequence_aa) AS cdr3 FROM chains, generate_series(1, 2) n";
        (format!("COPY ({rows}) TO '{}'", file.display()), file)
    };
    let since = Instant::now();
    let (sql, whole) = copy("whole.csv");
    client.query(&sql).await.unwrap();
    let usual = since.elapsed();
    let expected = sorted(lines(&whole));
    fs::remove_file(whole).unwrap();
    for (round, share) in [0.3, 0.8].into_iter().enumerate() {
        let (sql, file) = copy(&format!("killed_{round}.csv"));
        let mut busy = client.clone();
        let copying = tokio::spawn(async move { busy.query(&sql).await });
        tokio::time::sleep(usual.mul_f64(share)).await;
        nodes.remove(0).signal("KILL");
        let answer = tokio::time::timeout(Duration::from_secs(120), copying).await;
        match answer.expect("an end").unwrap() {
            Ok(_) => {
                assert_eq!(sorted(lines(&file)), expected);
                fs::remove_file(file).unwrap();
            }
            Err(status) => {
                refused(Err::<(), _>(status), Code::Unavailable, &["again"]);
            }
        }
        assert!(nothing_in(out.path()), "something was left behind");
    }
}
