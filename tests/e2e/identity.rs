//! What makes an input new: its content and the options that change its rows.

use std::path::{Path, PathBuf};

use tests::binary::Paratope;
use tests::data::chains;
use tests::formats::{fasta, gzip};
use tests::lake::contents;

struct Case {
    folder: tempfile::TempDir,
    file: PathBuf,
    paratope: Paratope,
}

fn case(count: usize) -> Case {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chains.fasta");
    std::fs::write(&file, fasta(&chains(11, "id", count))).unwrap();
    let paratope = Paratope::on(folder.path().join("lake"));
    Case {
        folder,
        file,
        paratope,
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Case {
    fn chains(&self) -> i64 {
        self.paratope.count("SELECT count(*) FROM chains")
    }
}

#[test]
fn the_same_command_again_adds_nothing_to_any_table() {
    let case = case(5);
    let command = ["--study", "A", text(&case.file)];
    case.paratope.ingest(command);
    let before = contents(&case.paratope);
    case.paratope.ingest(command);
    assert_eq!(contents(&case.paratope), before);
    assert_eq!(case.chains(), 5);
}

#[test]
fn the_same_file_under_another_study_is_new_data() {
    let case = case(5);
    case.paratope.ingest(["--study", "A", text(&case.file)]);
    case.paratope.ingest(["--study", "B", text(&case.file)]);
    let studies = case.paratope.query(
        "SELECT study_id, count(*) AS n, count(DISTINCT sequence_id) AS ids FROM chains GROUP BY study_id ORDER BY study_id",
    );
    let studies = serde_json::to_string(&studies).unwrap();
    assert_eq!(
        studies,
        r#"[{"study_id":"A","n":5,"ids":5},{"study_id":"B","n":5,"ids":5}]"#
    );
}

#[test]
fn each_option_that_changes_rows_makes_new_data() {
    let case = case(2);
    let file = text(&case.file);
    for (number, option) in [
        vec!["--subject", "S"],
        vec!["--species", "human"],
        vec!["--repertoire", "R"],
    ]
    .into_iter()
    .enumerate()
    {
        let mut arguments = option.clone();
        arguments.push(file);
        case.paratope.ingest(&arguments);
        case.paratope.ingest(&arguments);
        assert_eq!(case.chains(), 2 * (number as i64 + 1), "{option:?}");
    }
    let labelled = case.paratope.count(
        "SELECT count(*) FROM chains WHERE subject_id = 'S' OR species = 'human' OR repertoire_id = 'R'",
    );
    assert_eq!(labelled, 6);
}

#[test]
fn a_renamed_copy_is_the_same_input() {
    let case = case(5);
    let copy = case.folder.path().join("renamed copy.txt");
    std::fs::copy(&case.file, &copy).unwrap();
    case.paratope.ingest([text(&case.file)]);
    case.paratope.ingest([text(&copy)]);
    assert_eq!(case.chains(), 5);
}

#[test]
fn a_file_named_twice_in_one_command_is_read_once() {
    let case = case(5);
    let copy = case.folder.path().join("copy.fasta");
    std::fs::copy(&case.file, &copy).unwrap();
    case.paratope
        .ingest([text(&case.file), text(&case.file), text(&copy)]);
    assert_eq!(case.chains(), 5);
}

#[test]
fn replace_takes_the_place_of_what_the_same_file_brought_before() {
    let case = case(5);
    let other = case.folder.path().join("other.fasta");
    std::fs::write(&other, fasta(&chains(12, "other", 3))).unwrap();
    case.paratope.ingest([text(&case.file), text(&other)]);
    std::fs::write(&case.file, fasta(&chains(13, "new", 4))).unwrap();
    case.paratope.ingest(["--replace", text(&case.file)]);
    let rows = case.paratope.query(
        "SELECT split_part(sequence_id, '-', 1) AS set, count(*) AS n FROM chains GROUP BY 1 ORDER BY 1",
    );
    let rows = serde_json::to_string(&rows).unwrap();
    assert_eq!(rows, r#"[{"set":"new","n":4},{"set":"other","n":3}]"#);
}

#[test]
fn a_compressed_file_gives_the_rows_of_the_plain_one() {
    let case = case(5);
    let folder = case.folder.path();
    let compressed = folder.join("chains.fasta.gz");
    let bytes = std::fs::read(&case.file).unwrap();
    std::fs::write(&compressed, gzip(&bytes)).unwrap();
    let zstandard = folder.join("without a telling name");
    std::fs::write(&zstandard, tests::formats::zstd(&bytes)).unwrap();
    for (lake, file) in [
        ("plain", &case.file),
        ("gzip", &compressed),
        ("zstd", &zstandard),
    ] {
        let paratope = Paratope::on(folder.join(lake));
        paratope.ingest([text(file)]);
        assert_eq!(tests::lake::chain_rows(&paratope).len(), 5, "{lake}");
    }
    let of = |lake: &str| tests::lake::chain_rows(&Paratope::on(folder.join(lake)));
    assert_eq!(of("plain"), of("gzip"));
    assert_eq!(of("plain"), of("zstd"));
}
