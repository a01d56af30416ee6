//! The shell of `paratope query` as its users meet it: on a terminal, which Python's `pty` plays.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use tests::binary::{Outcome, Paratope, Running};

const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";
const UP: &str = "\u{1b}[A";

/// What happens on the terminal.
enum Step<'a> {
    /// A line at the prompt, with Enter.
    Line(&'a str),
    /// Keys, wherever the cursor is.
    Keys(&'a str),
    /// What the shell shows, behind what was seen before.
    Shows(&'a str),
}

use Step::{Keys, Line, Shows};

struct Shell {
    _folder: tempfile::TempDir,
    paratope: Paratope,
}

impl Shell {
    /// A shell on an empty lake, with a state folder of its own.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let paratope = Paratope::on(folder.path().join("lake"))
            .with("XDG_STATE_HOME", state.to_str().unwrap())
            .with("TERM", "xterm-256color")
            .with("PAGER", "cat");
        paratope.init();
        Self {
            _folder: folder,
            paratope,
        }
    }

    /// Plays the steps and leaves with `\q`; what the terminal showed. None where there is no
    /// Python to play the terminal.
    #[track_caller]
    fn plays(&self, steps: &[Step<'_>]) -> Option<String> {
        let outcome = self.ends(steps, &[Line("\\q")])?;
        Some(outcome.expect_code(0).stdout)
    }

    #[track_caller]
    fn ends(&self, steps: &[Step<'_>], end: &[Step<'_>]) -> Option<Outcome> {
        if !has_python() {
            eprintln!("skipped: there is no python3 to play the terminal");
            return None;
        }
        let mut script = Vec::new();
        for step in steps.iter().chain(end) {
            match step {
                Line(line) => {
                    script.push(json!(["expect", "paratope> "]));
                    script.push(json!(["send", format!("{line}\r")]));
                }
                Keys(keys) => script.push(json!(["send", keys])),
                Shows(text) => script.push(json!(["expect", text])),
            }
        }
        let shell = self.paratope.command(["query"]);
        let terminal = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/terminal.py");
        let mut command = Command::new("python3");
        command
            .arg(terminal)
            .arg(serde_json::Value::Array(script).to_string())
            .arg(shell.get_program())
            .args(shell.get_args())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in shell.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Some(Running::start(&mut command).wait())
    }
}

fn has_python() -> bool {
    let version = Command::new("python3")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

#[test]
fn a_statement_of_several_lines_runs_at_its_semicolon() {
    Shell::new().plays(&[
        Shows("\\q leaves"),
        Line("SELECT 40 -- not yet;"),
        Shows("-> "),
        Keys("+ 2 AS n, ';' AS s\r;\r"),
        Shows("42 │ ;"),
        Shows("(1 row)"),
        Line("SELECT 1 + 10 AS a; SELECT 1 + 21 AS b;"),
        Shows("11"),
        Shows("22"),
    ]);
}

#[test]
fn tables_columns_and_functions_are_described() {
    Shell::new().plays(&[
        Line("\\d"),
        Shows("main   │ chains "),
        Shows("system │ files "),
        Line("\\d chains"),
        Shows("cdr3_aa "),
        Shows("CDR3, amino acids, IMGT 105-117"),
        Line("\\d chanis"),
        Shows("there is no table chanis; did you mean chains?"),
        Line("\\df ab_cdr3"),
        Shows("ab_cdr3 (scalar function)"),
        Shows("Example"),
        Shows("SELECT ab_cdr3("),
        Line("\\df fasta"),
        Shows("read_fasta │ table"),
        Line("\\?"),
        Shows("\\timing [on|off]"),
    ]);
}

#[test]
fn settings_change_how_results_are_shown() {
    let shown = Shell::new().plays(&[
        Line("\\x"),
        Shows("rows one below the other: on"),
        Line("SELECT 5 * 5 AS n;"),
        Shows("─ row 1 ─"),
        Shows("n │ 25"),
        Line("\\x off"),
        Shows("rows one below the other: off"),
        Line("\\timing"),
        Shows("time of statements: on"),
        Line("SELECT 6 * 6 AS n;"),
        Shows("36"),
        Shows("time: "),
        Shows(" ms"),
        Line("\\timing off"),
        Shows("time of statements: off"),
        Line("\\rows 2"),
        Shows("rows that a table shows: 2"),
        Line("SELECT * FROM generate_series(1, 5);"),
        Shows("(2 of 5 rows; \\rows 0 shows all)"),
        Line("\\timign"),
        Shows("there is no command \\timign; did you mean \\timing?"),
    ]);
    if let Some(shown) = shown {
        assert_eq!(shown.matches("time: ").count(), 1, "{shown}");
    }
}

#[test]
fn an_error_points_at_the_token_and_the_shell_goes_on() {
    Shell::new().plays(&[
        Line("SELECT v_gen FROM chains;"),
        Shows("error: there is no column v_gen; did you mean v_gene?"),
        Shows("line 1, column 8:"),
        Shows("  SELECT v_gen FROM chains;"),
        Shows("         ^^^^^"),
        Line("SELECT 7; SELECT * FRM chains;"),
        Shows("did you mean FROM?"),
        Shows("^^^"),
        Line("SELECT 6 * 7 AS n;"),
        Shows("42"),
    ]);
}

#[test]
fn ctrl_c_cancels_a_long_query_and_not_the_shell() {
    Shell::new().plays(&[
        Line("SELECT count(*) FROM generate_series(1, 1000000000000); SELECT 99 + 900;"),
        Shows("rows so far · Ctrl-C cancels"),
        Keys(CTRL_C),
        Shows("cancelled after "),
        Shows("statements that were not run: 1"),
        Line("SELECT 6 * 7 AS n;"),
        Shows("42"),
    ]);
}

#[test]
fn ctrl_c_clears_the_line_and_ctrl_d_leaves() {
    let outcome = Shell::new().ends(
        &[
            Shows("paratope> "),
            Keys("SELECT nonsense\rFROM nowhere"),
            Shows("nowhere"),
            Keys(CTRL_C),
            Line("SELECT 6 * 7 AS n;"),
            Shows("42"),
            Shows("paratope> "),
        ],
        &[Keys(CTRL_D)],
    );
    if let Some(outcome) = outcome {
        let shown = outcome.expect_code(0).stdout;
        assert!(!shown.contains("error:"), "{shown}");
    }
}

#[test]
fn tab_completes_columns_tables_and_commands() {
    Shell::new().plays(&[
        Shows("paratope> "),
        Keys("SELECT chains.cdr3_a\t FROM chai\t LIMIT 0;\r"),
        Shows("(0 rows)"),
        Shows("paratope> "),
        Keys("\\timi\ton\r"),
        Shows("time of statements: on"),
    ]);
}

#[test]
fn what_was_typed_is_remembered_and_nobody_else_reads_it() {
    let shell = Shell::new();
    let typed = shell.plays(&[Line("SELECT 40 +\r 2 AS n;"), Shows("42")]);
    if typed.is_none() {
        return;
    }
    shell.plays(&[
        Shows("paratope> "),
        // The last entry is the command that left the shell.
        Keys(UP),
        Keys(UP),
        Shows("AS n;"),
        Keys("\r"),
        Shows("42"),
    ]);
    let history = shell._folder.path().join("state/paratope/history");
    let text = std::fs::read_to_string(&history).unwrap();
    assert!(text.contains("2 AS n;"), "{text}");
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(&history).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[test]
fn output_beyond_the_screen_goes_through_the_pager_unless_it_is_off() {
    let mut shell = Shell::new();
    shell.paratope = shell.paratope.with("PAGER", "sed s/^/PAGED:/");
    let long = "SELECT value + 5000 AS n FROM generate_series(1, 60);";
    let shown = shell.plays(&[
        Line("SELECT value + 7000 AS n FROM generate_series(1, 3);"),
        Shows("7003"),
        Shows("(3 rows)"),
        Line(long),
        Shows("PAGED: 5060"),
        Shows("PAGED:(60 rows)"),
        Line("\\pager off"),
        Shows("pager: off"),
        Line(long),
        Shows(" 5060"),
        Shows("(60 rows)"),
    ]);
    if let Some(shown) = shown {
        assert!(!shown.contains("PAGED: 7003"), "{shown}");
        assert_eq!(shown.matches("PAGED: 5060").count(), 1, "{shown}");
    }
}

#[test]
fn a_statement_without_rows_says_that_it_is_done() {
    let shell = Shell::new();
    let table = format!("{}/main/chains", shell.paratope.lake());
    let create = format!("CREATE EXTERNAL TABLE copy STORED AS DELTA LOCATION '{table}';");
    shell.plays(&[
        Line(&create),
        Shows("CREATE EXTERNAL TABLE: done"),
        Line("SELECT count(*) + 77 AS n FROM copy;"),
        Shows("77"),
    ]);
}

#[test]
fn a_shell_without_a_lake_says_how_to_get_one_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    if !has_python() {
        eprintln!("skipped: there is no python3 to play the terminal");
        return;
    }
    let script = json!([
        [
            "expect",
            "There is no lake at ./paratope-lake: `paratope quickstart`"
        ],
        ["expect", "paratope> "],
        ["send", "SELECT 6 * 7 AS n;\r"],
        ["expect", "42"],
        ["expect", "paratope> "],
        ["send", "exit\r"],
    ]);
    let mut command = Command::new("python3");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/terminal.py"))
        .arg(script.to_string())
        .arg(tests::binary::path())
        .arg("query")
        .current_dir(folder.path())
        .env("TERM", "xterm-256color")
        .env("XDG_STATE_HOME", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Running::start(&mut command).wait().expect_code(0);
}
