//! The command line as its users meet it: help, exit statuses, formats, pipes.
//!
//! Cargo builds a package's binary for that package's own integration tests: this file is why
//! `cargo test --workspace` has a `paratope` to run.

#![allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A command in an empty folder, without the configuration of whoever runs the tests.
fn paratope(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paratope"));
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .env_remove("RUST_LOG")
        .env_remove("CLICOLOR_FORCE");
    for (name, _) in std::env::vars() {
        if name.starts_with("PARATOPE__") {
            command.env_remove(name);
        }
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    paratope(folder.path(), arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn assert_fails(arguments: &[&str], status: i32, message: &str) {
    let output = run(arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
    assert!(text.starts_with("error: "), "{arguments:?}: {text}");
    assert!(text.contains(message), "{arguments:?}: {text}");
    assert!(!text.contains("backtrace"), "{arguments:?}: {text}");
}

#[test]
fn the_help_of_every_command_is_as_reviewed() {
    let commands: [&[&str]; 29] = [
        &[],
        &["quickstart"],
        &["init"],
        &["ingest"],
        &["query"],
        &["model"],
        &["model", "pull"],
        &["model", "add"],
        &["model", "list"],
        &["model", "show"],
        &["model", "remove"],
        &["model", "verify"],
        &["function"],
        &["function", "list"],
        &["function", "show"],
        &["config"],
        &["config", "show"],
        &["config", "hash"],
        &["job"],
        &["job", "run"],
        &["job", "lint"],
        &["job", "backfill"],
        &["table", "health"],
        &["maintain"],
        &["archive"],
        &["archive", "list"],
        &["archive", "restore"],
        &["serve"],
        &["worker"],
    ];
    for command in commands {
        let output = run(&[command, &["--help"]].concat());
        assert!(output.status.success(), "{command:?}");
        let name = ["help", &command.join("_")].join("_");
        insta::assert_snapshot!(name.trim_end_matches('_'), stdout(&output));
    }
}

#[test]
fn without_a_command_the_help_is_shown_and_the_status_is_wrong_usage() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("Usage: paratope"));
}

#[test]
fn the_version_is_that_of_the_package() {
    let expected = format!("paratope {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(stdout(&run(&["--version"])), expected);
}

#[test]
fn an_unknown_command_suggests_the_one_that_was_meant() {
    assert_fails(&["qurey"], 2, "'query'");
}

#[test]
fn wrong_usage_ends_with_status_2() {
    assert_fails(&["ingest"], 2, "required arguments");
    assert_fails(
        &["query", "-c", "SELECT 1", "-f", "x.sql"],
        2,
        "cannot be used with",
    );
    assert_fails(
        &["query", "-c", "SELECT 1", "--format", "xml"],
        2,
        "possible values",
    );
    assert_fails(&["query", "-c", " "], 2, "no statement");
    assert_fails(&["ingest", "--species", "dragon", "x"], 2, "human, mouse");
    assert_fails(&["ingest", "--input-format", "word", "x"], 2, "fasta");
}

#[test]
fn failures_end_with_status_1_and_name_the_thing_and_the_remedy() {
    assert_fails(&["query", "-c", "SELEC 1"], 1, "SELEC");
    assert_fails(&["query", "-f", "none.sql"], 1, "none.sql");
    assert_fails(
        &["query", "-c", "SELECT * FROM chains"],
        1,
        "paratope quickstart",
    );
    assert_fails(
        &["--lake", "none", "query", "-c", "SELECT 1"],
        1,
        "paratope init --lake none",
    );
    assert_fails(&["--config", "none.toml", "config", "show"], 1, "none.toml");
    assert_fails(&["function", "show", "ab_numbre"], 1, "function list");
    assert_fails(
        &["function", "show", "ab_numbre"],
        1,
        "did you mean ab_number?",
    );
    assert_fails(&["ingest", "none.fasta"], 1, "none.fasta");
}

#[test]
fn into_a_pipe_rows_go_as_csv_and_otherwise_as_asked() {
    let sql = "SELECT 1 AS a, [1, 2] AS b, NULL AS c";
    let query = |more: &[&str]| stdout(&run(&[&["query", "-c", sql], more].concat()));
    assert_eq!(query(&[]), "a,b,c\n1,\"[1,2]\",\n");
    let row = r#"{"a":1,"b":[1,2],"c":null}"#;
    assert_eq!(query(&["--format", "json"]), format!("[\n{row}\n]\n"));
    assert_eq!(query(&["--format", "ndjson"]), format!("{row}\n"));
    insta::assert_snapshot!(query(&["--format", "table"]), @r"
     a │ b      │ c
    ───┼────────┼──────
     1 │ [1, 2] │ NULL
    (1 row)
    ");
}

#[test]
fn results_of_several_statements_follow_each_other() {
    let output = run(&["query", "-c", "SELECT 1 AS a; SELECT 2 AS b;"]);
    assert_eq!(stdout(&output), "a\n1\n\nb\n2\n");
}

#[test]
fn sql_may_start_with_a_comment() {
    let output = run(&["query", "-c", "-- the answer\nSELECT 42 AS n"]);
    assert_eq!(stdout(&output), "n\n42\n", "{}", stderr(&output));
}

#[test]
fn an_error_points_at_its_token_and_suggests_what_was_meant() {
    let output = run(&["query", "-c", "SELECT 1;\nSELECT lenght('a')"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "error: there is no function lenght; did you mean length?\n\
        line 2, column 8:\n  SELECT lenght('a')\n         ^^^^^^\n";
    assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.sql"), "SELECT\n  1 AS n\nFRM t\n").unwrap();
    let output = paratope(folder.path(), &["query", "-f", "x.sql"])
        .output()
        .unwrap();
    let text = stderr(&output);
    assert!(text.contains("line 3, column 1:\n  FRM t\n  ^^^"), "{text}");
    assert!(!text.contains("There is no lake"), "{text}");
}

#[test]
fn headers_of_a_table_function_are_plain_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let sql = "SELECT upper(sequence_id) FROM \
        read_fasta('flight-server/data/abstar/hiv_bnabs_heavy.fasta.gz') LIMIT 1";
    let output = paratope(&root, &["query", "-c", sql]).output().unwrap();
    let text = stdout(&output);
    assert!(text.starts_with("upper(sequence_id)\n"), "{text}");
}

#[test]
fn sql_comes_from_stdin_where_no_flag_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = paratope(folder.path(), &["query"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"SELECT 7 AS n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(stdout(&output), "n\n7\n");
}

#[test]
fn a_files_extension_says_its_format_and_queries_read_it_back() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["rows.parquet", "rows.csv", "rows.ndjson"] {
        let sql = "SELECT value AS n FROM generate_series(1, 1000)";
        let written = paratope(folder.path(), &["query", "-c", sql, "-o", file]);
        assert!({ written }.status().unwrap().success(), "{file}");
        if file.ends_with("ndjson") {
            let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
            assert_eq!(text.lines().count(), 1000);
            continue;
        }
        let sql = format!("SELECT sum(n) AS total FROM '{file}'");
        let output = paratope(folder.path(), &["query", "-c", &sql])
            .output()
            .unwrap();
        assert_eq!(
            stdout(&output),
            "total\n500500\n",
            "{file}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn an_output_file_that_could_not_be_finished_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "query",
        "-o",
        "x.parquet",
        "-c",
        "SELECT 1 AS a; SELECT 2 AS b",
    ];
    let output = paratope(folder.path(), &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    for format in ["csv", "json", "ndjson", "arrow"] {
        let folder = tempfile::tempdir().unwrap();
        let sql = "SELECT * FROM generate_series(1, 1000000000)";
        let mut child = paratope(folder.path(), &["query", "--format", format, "-c", sql])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        reader.fill_buf().unwrap();
        drop(reader);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{format}");
        assert_eq!(stderr(&output), "", "{format}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_cancels_the_query_and_removes_the_partial_file() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "SELECT count(*) FROM generate_series(1, 1000000000000)";
    let mut child = paratope(folder.path(), &["query", "-o", "x.csv", "-c", sql])
        .spawn()
        .unwrap();
    let started = std::time::Instant::now();
    while std::fs::read_dir(folder.path()).unwrap().count() == 0 {
        assert!(started.elapsed().as_secs() < 60, "the query did not start");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let toml = "[lake]\nurl = \"from-file\"\n[query]\nthreads = 3\n";
    std::fs::write(folder.path().join("paratope.toml"), toml).unwrap();
    let show = |flags: &[&str], environment: &[(&str, &str)]| {
        let mut command = paratope(folder.path(), &[&["config", "show"], flags].concat());
        stdout(&command.envs(environment.iter().copied()).output().unwrap())
    };
    let environment = [
        ("PARATOPE__LAKE__URL", "from-env"),
        ("PARATOPE__STORAGE__SECRET_ACCESS_KEY", "hush"),
    ];
    assert!(show(&[], &[]).contains("url = \"from-file\""));
    assert!(show(&[], &environment).contains("url = \"from-env\""));
    let shown = show(&["--lake", "from-flag"], &environment);
    assert!(
        shown.contains("url = \"from-flag\"") && shown.contains("threads = 3"),
        "{shown}"
    );
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn secrets_from_stdin_are_hashed_for_the_file_of_users() {
    let hash = |flags: &[&str], secret: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        let mut child = paratope(folder.path(), &[&["config", "hash"], flags].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(secret).unwrap();
        child.wait_with_output().unwrap()
    };
    let output = hash(&[], b"correct horse\n");
    let text = stdout(&output);
    assert!(
        text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{text}"
    );
    assert_eq!(stderr(&output), "");
    let token = b"0123456789abcdef0123456789abcdef";
    let expected = "sha256:3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9\n";
    for end in ["", "\n", "\r\n"] {
        let output = hash(&["--token"], &[token, end.as_bytes()].concat());
        assert_eq!(stdout(&output), expected, "{}", stderr(&output));
    }
    for (flags, secret, message) in [
        (&[][..], &b"\n"[..], "empty"),
        (&["--token"], b"hush", "openssl rand"),
        (&["--token"], b"", "openssl rand"),
    ] {
        let output = hash(flags, secret);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(stdout(&output), "");
        let text = stderr(&output);
        assert!(text.contains(message) && !text.contains("hush"), "{text}");
    }
}

#[test]
fn functions_are_listed_and_explained() {
    let list = stdout(&run(&["function", "list", "ab_", "--format", "csv"]));
    assert!(list.contains("ab_number,scalar,"), "{list}");
    let list = stdout(&run(&["function", "list", "shannon", "--format", "json"]));
    assert!(list.contains(r#""kind":"aggregate""#), "{list}");
    let reference = stdout(&run(&["function", "list", "ab_", "--format", "markdown"]));
    assert!(
        reference.starts_with("# SQL functions\n\n## ab_align\n"),
        "{reference}"
    );
    assert!(
        reference.contains("Scalar function: `ab_number(seq [, scheme])`"),
        "{reference}"
    );
    let explained = stdout(&run(&["function", "show", "ab_cdr3"]));
    assert!(
        explained.contains("Arguments\n") && explained.contains("Example\n"),
        "{explained}"
    );
}

#[test]
fn init_creates_a_lake_once() {
    let folder = tempfile::tempdir().unwrap();
    let init = || stdout(&paratope(folder.path(), &["init"]).output().unwrap());
    assert!(init().starts_with("Created the lake file://"));
    assert!(init().starts_with("The lake file://"));
}

#[test]
fn ingest_that_is_done_in_part_ends_with_status_3() {
    let folder = tempfile::tempdir().unwrap();
    let fasta = ">trastuzumab\nEVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRF\
        TISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS\n";
    std::fs::write(folder.path().join("vh.fasta"), fasta).unwrap();
    let arguments = ["ingest", "--format", "json", "vh.fasta", "none.fasta"];
    let output = paratope(folder.path(), &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("none.fasta"));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["inputs"].as_array().unwrap().len(), 2);
}

#[test]
fn quickstart_runs_its_examples_and_adds_nothing_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let quickstart = || paratope(folder.path(), &["quickstart"]).output().unwrap();

    let first = quickstart();
    assert!(first.status.success(), "{}", stderr(&first));
    let text = stdout(&first);
    assert!(text.contains("16,984 records from 9 files"), "{text}");
    assert!(!text.contains("(0 rows)"), "{text}");
    assert!(text.contains("What next"), "{text}");

    let second = quickstart();
    assert!(second.status.success(), "{}", stderr(&second));
    assert!(stdout(&second).contains("Nothing was added; 9 files ingested before"));

    let count = ["query", "-c", "SELECT count(*) AS n FROM chains"];
    let output = paratope(folder.path(), &count).output().unwrap();
    assert_eq!(stdout(&output), "n\n17023\n");

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let lake = folder.path().join("paratope-lake");
    for entry in std::fs::read_dir(root.join("sql/examples")).unwrap() {
        let file = entry.unwrap().path();
        let (lake, file) = (lake.to_str().unwrap(), file.to_str().unwrap());
        let arguments = ["--lake", lake, "query", "-f", file, "--format", "ndjson"];
        let output = paratope(&root, &arguments).output().unwrap();
        assert!(output.status.success(), "{file}: {}", stderr(&output));
        assert!(!output.stdout.is_empty(), "{file} gives no row");
    }
}
