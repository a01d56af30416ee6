//! Runs every `slt/<family>/<name>.slt` in an in-process session, one trial a file. Files in
//! `slt/sql` and `slt/views`, which are about statements and views, have an empty lake of their own.
//!
//! Cells: NULL is `NULL`, the empty text `(empty)`, everything else as Arrow displays it; a line
//! break within a cell is shown as `\n`. Types of columns are not compared. In a file with
//! `control substitution on`, `$DATA` is `tests/data` and `$REPO` the checkout.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed step is a failed test

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use engine::Lake;
use engine::config::Config;
use engine::session::Session;
use engine::storage::Access;
use futures::TryStreamExt as _;
use sqllogictest::harness::{Arguments, Failed, Trial, glob, run};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use tokio::runtime::Runtime;

/// Families of functions that are ours; what else a session has is DataFusion's own.
const FAMILIES: &[&str] = &["ab", "protein", "dna", "plm", "read"];
/// Ours without a prefix; their files are in `slt/diversity`.
const DIVERSITY: &[&str] = &["gini", "hamming", "hill", "rarefaction", "shannon"];

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads"));

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = files(root);
    let addresses = files
        .iter()
        .map(|file| address(root, file))
        .collect::<BTreeSet<_>>();
    let mut trials: Vec<Trial> = files
        .iter()
        .cloned()
        .map(|file| Trial::test(address(root, &file), move || run_file(&file)))
        .collect();
    trials.push(Trial::test(
        "every_function_has_a_file_of_its_own",
        move || every_function_has_a_file(&addresses),
    ));
    run(&Arguments::from_args(), trials).exit();
}

fn files(root: &Path) -> Vec<PathBuf> {
    let pattern = root.join("slt/**/*.slt");
    glob(pattern.to_str().expect("UTF-8"))
        .expect("a pattern")
        .map(|entry| entry.expect("a readable folder"))
        .collect()
}

/// `protein/mass` for `slt/protein/mass.slt`.
fn address(root: &Path, file: &Path) -> String {
    let relative = file
        .strip_prefix(root.join("slt"))
        .expect("a file below slt");
    relative
        .with_extension("")
        .to_str()
        .expect("UTF-8")
        .replace('\\', "/")
}

fn run_file(file: &Path) -> Result<(), Failed> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a workspace");
    let folder = tempfile::tempdir()?;
    let mut config = Config::default();
    config.lake.url = folder.path().join("lake").display().to_string();
    let with_lake = |family: &Path| family.ends_with("sql") || family.ends_with("views");
    let lake = match file.parent().is_some_and(with_lake) {
        true => Some(RUNTIME.block_on(Lake::init(&config))?.0),
        false => None,
    };
    let mut runner = Runner::new(|| {
        let session = InProcess::over(lake.clone(), &config);
        async { Ok(session) }
    });
    runner.set_var("REPO".into(), repository.display().to_string());
    runner.set_var(
        "DATA".into(),
        repository.join("tests/data").display().to_string(),
    );
    runner.run_file(file)?;
    Ok(())
}

fn every_function_has_a_file(addresses: &BTreeSet<String>) -> Result<(), Failed> {
    let missing: Vec<String> = InProcess::new()
        .session
        .functions()
        .into_iter()
        .filter_map(|function| {
            let name = function.name.as_str();
            let (family, name) = match name.split_once('_') {
                Some(address) => address,
                None => ("diversity", name),
            };
            let ours = FAMILIES.contains(&family) || DIVERSITY.contains(&name);
            let file = format!("{family}/{name}");
            (ours && !addresses.contains(&file)).then_some(file)
        })
        .collect();
    if addresses.is_empty() {
        return Err("there is no .slt file at all".into());
    }
    if !missing.is_empty() {
        let list = missing.join(".slt, slt/");
        return Err(format!("functions without a test: slt/{list}.slt").into());
    }
    Ok(())
}

/// A session of its own for each connection of a file.
struct InProcess {
    session: Arc<Session>,
}

impl InProcess {
    fn new() -> Self {
        Self::over(None, &Config::default())
    }

    fn over(lake: Option<Arc<Lake>>, config: &Config) -> Self {
        let access = Access::everything(config).expect("a policy");
        let session = Session::new(lake, config, access).expect("a session");
        Self {
            session: Arc::new(session),
        }
    }
}

async fn answer(session: &Session, sql: &str) -> engine::Result<DBOutput<DefaultColumnType>> {
    let mut output = DBOutput::StatementComplete(0);
    for statement in session.parse(sql)? {
        let answer = session.execute(statement).await?;
        let columns = answer.schema.fields().len();
        let batches: Vec<RecordBatch> = answer.stream.try_collect().await?;
        let rows: Vec<Vec<String>> = batches.iter().flat_map(cells).collect();
        output = if columns == 0 && rows.is_empty() {
            DBOutput::StatementComplete(0)
        } else {
            let types = vec![DefaultColumnType::Any; columns];
            DBOutput::Rows { types, rows }
        };
    }
    Ok(output)
}

fn cells(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).expect("a formatter"))
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            columns
                .iter()
                .map(|column| match column.value(row).to_string() {
                    text if text.is_empty() => "(empty)".to_string(),
                    text => text.replace('\n', "\\n"),
                })
                .collect()
        })
        .collect()
}

#[async_trait]
impl AsyncDB for InProcess {
    type Error = engine::Error;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, engine::Error> {
        let (session, sql) = (Arc::clone(&self.session), sql.to_string());
        // The runner polls outside any runtime; plans need one.
        let work = RUNTIME.spawn(async move { answer(&session, &sql).await });
        work.await
            .unwrap_or_else(|panic| Err(engine::Error::Internal(panic.to_string())))
    }

    async fn shutdown(&mut self) {}
}
