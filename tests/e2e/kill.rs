//! `kill -9` at any moment of an ingest, then the same command again: nothing lost, nothing double.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;
use tests::binary::Paratope;
use tests::data::chains;
use tests::formats::{airr, airr_row, fasta, gzip, oas, repertoires};
use tests::lake::{Contents, assert_same, contents};
use tests::s3::S3Server;

/// Moments at which an ingest is killed, on each kind of store.
const MOMENTS: usize = 20;
/// Seed of the moments.
const SEED: u64 = 20;

/// Several files of several kinds, with bad records in each that can have them.
fn inputs(folder: &Path) -> Vec<PathBuf> {
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let mut some_fasta = fasta(&chains(1, "fasta", 40));
    some_fasta.push_str(">no-residues\n\n>a-protein without a V domain\nMKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVV\n");
    let set = chains(2, "airr", 40);
    let mut some_airr = airr(&set);
    some_airr.push_str("too\tfew\tcells\n");
    some_airr.push_str(
        &airr_row(&set[0])
            .replace("airr-00000", "broken")
            .replace("\tF\tT\t", "\tF\tmaybe\t"),
    );
    vec![
        write("a.fasta", some_fasta.as_bytes()),
        write("b.tsv", some_airr.as_bytes()),
        write(
            "c.csv.gz",
            &gzip(oas(&chains(3, "oas", 40), "RUN-1").as_bytes()),
        ),
        write(
            "d.json",
            repertoires(&["rep-1".into(), "rep-2".into()]).as_bytes(),
        ),
        write("e.fasta", fasta(&chains(4, "more", 20)).as_bytes()),
    ]
}

/// Rejected records make the exit status 3.
fn finish(paratope: &Paratope, files: &[PathBuf]) {
    let outcome = paratope.run_verb("ingest", files);
    assert!(
        matches!(outcome.code, Some(0 | 3)),
        "{:?}\n{}",
        outcome.code,
        outcome.stderr
    );
}

/// Reads all the time; counts how often it could.
fn keep_reading(paratope: &Paratope, stop: &AtomicBool, reads: &AtomicUsize) {
    while !stop.load(Ordering::Relaxed) {
        // Rows of an input appear together, so no reader ever sees a part of a file.
        let rows = paratope.query(
            "SELECT source_file, count(*) AS n FROM chains GROUP BY source_file ORDER BY source_file",
        );
        for row in &rows {
            let file = row["source_file"].as_str().unwrap();
            let expected = if file.ends_with("e.fasta") { 20 } else { 40 };
            let n = row["n"].as_i64().unwrap();
            assert!(n == expected || n == expected + 1, "{file} shows {n} rows");
        }
        reads.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A ledger row that was lost with its writer is made again from the transaction id, which knows the
/// records but not the rows of each table: these counts may be NULL then, but never wrong.
fn know_counts(actual: &mut Contents, expected: &Contents) {
    let parse = |row: &String| serde_json::from_str::<BTreeMap<String, Value>>(row).unwrap();
    let known: Vec<_> = expected["system.files"].iter().map(parse).collect();
    let rows = actual.get_mut("system.files").unwrap();
    for row in rows.iter_mut() {
        let mut cells = parse(row);
        let original = known
            .iter()
            .find(|other| other["input_id"] == cells["input_id"]);
        for count in ["chains", "proteins", "rejects"] {
            if let (Value::Null, Some(original)) = (&cells[count], original) {
                cells.insert(count.into(), original[count].clone());
            }
        }
        *row = serde_json::to_string(&cells).unwrap();
    }
    rows.sort();
}

/// `lake` names a fresh lake for each moment.
fn survives_kills(folder: &Path, lake: impl Fn(&str) -> Paratope) {
    let files = inputs(folder);
    let undisturbed = lake("undisturbed");
    undisturbed.init();
    let started = Instant::now();
    finish(&undisturbed, &files);
    let whole = started.elapsed();
    let expected = contents(&undisturbed);
    assert_eq!(
        expected["main.repertoires"].len(),
        3,
        "two of AIRR, one of OAS"
    );
    assert_eq!(
        expected["system.rejects"].len(),
        3,
        "{:#?}",
        expected["system.rejects"]
    );
    assert_eq!(expected["system.files"].len(), files.len());
    assert!(expected["main.chains"].len() >= 140 && !expected["main.proteins"].is_empty());

    let mut rng = StdRng::seed_from_u64(SEED);
    let mut killed_at_work = 0;
    for moment in 0..MOMENTS {
        let paratope = lake(&format!("moment-{moment}"))
            // One commit for each file: more moments that differ.
            .with(
                "PARATOPE__INGEST__COMMIT_BYTES",
                if moment % 2 == 0 { "1" } else { "1000000" },
            );
        paratope.init();
        let (stop, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| keep_reading(&paratope, &stop, &reads));
            let arguments =
                || std::iter::once(Path::new("ingest")).chain(files.iter().map(PathBuf::as_path));
            let mut running = paratope.spawn(arguments());
            std::thread::sleep(Duration::from_micros(
                rng.random_range(0..(whole.as_micros() as u64).max(1)),
            ));
            killed_at_work += usize::from(!running.ended());
            running.kill();
            running.wait();
            // Whatever happens below, the reader is told to stop.
            let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                finish(&paratope, &files)
            }));
            stop.store(true, Ordering::Relaxed);
            again.unwrap();
        });
        assert!(
            reads.load(Ordering::Relaxed) > 0,
            "the reader never got through"
        );
        let mut actual = contents(&paratope);
        know_counts(&mut actual, &expected);
        assert_same(&actual, &expected, &format!("killed at moment {moment}"));
    }
    assert!(
        killed_at_work >= MOMENTS / 2,
        "only {killed_at_work} of {MOMENTS} ingests were still running when they were killed"
    );
}

#[test]
fn an_ingest_killed_at_20_moments_and_repeated_is_whole_on_s3() {
    let server = S3Server::start();
    let folder = tempfile::tempdir().unwrap();
    survives_kills(folder.path(), |name| Paratope::on_s3(&server, name));
}

#[test]
fn an_ingest_killed_at_20_moments_and_repeated_is_whole_on_a_local_disk() {
    let folder = tempfile::tempdir().unwrap();
    survives_kills(folder.path(), |name| Paratope::on(folder.path().join(name)));
}
