//! Runs every `slt/<family>/<name>.slt` twice: in an in-process session, and over Flight SQL against `paratope serve`
//! (`flight/<family>/<name>`), which must give the same answers and the same errors. Files in `slt/sql` and `slt/views`,
//! which are about statements and views, have an empty lake of their own, and a server of their own; they run a third time
//! on a server with two nodes (`cluster/<family>/<name>`). Files in `slt/plm`, which are about language models, do too, over
//! a lake with the model `tiny` (random weights) and the table `sequences`.
//!
//! Cells: NULL is `NULL`, the empty text `(empty)`, everything else as Arrow displays it; a line
//! break within a cell is shown as `\n`. Types of columns are not compared. In a file with
//! `control substitution on`, `$DATA` is `tests/data` and `$REPO` the checkout.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed step is a failed test

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use engine::Lake;
use engine::config::Config;
use engine::models::{NewModel, Precision, Source};
use engine::session::Session;
use engine::storage::Access;
use futures::TryStreamExt as _;
use sqllogictest::harness::{Arguments, Failed, Trial, glob, run};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use tests::binary::Paratope;
use tests::flight::Client;
use tests::model;
use tests::node::{EVERYTHING_TRAVELS, Node, addresses};
use tests::server::Server;
use tokio::runtime::Runtime;
use tonic::Status;

/// Families of functions that are ours; what else a session has is DataFusion's own.
const FAMILIES: &[&str] = &["ab", "protein", "dna", "plm", "read"];
/// Ours without a prefix; their files are in `slt/diversity`.
const DIVERSITY: &[&str] = &["gini", "hamming", "hill", "rarefaction", "shannon"];

/// Files that a server answers otherwise, with the reason.
const IN_PROCESS_ONLY: &[(&str, &str)] = &[];

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
    let shared = Shared::default();
    let with_model = Shared::of(Setup {
        nodes: 0,
        has_model: true,
    });
    let cluster = Shared::of(Setup {
        nodes: 2,
        has_model: true,
    });
    for file in &files {
        let address = address(root, file);
        if IN_PROCESS_ONLY.iter().any(|(only, _)| *only == address) {
            continue;
        }
        if has_lake(file) {
            let (file, name) = (file.clone(), format!("cluster/{address}"));
            trials.push(Trial::test(name, move || run_on_cluster(&file)));
        }
        let (file, shared) = match asks_models(file) {
            true => {
                let (file, cluster) = (file.clone(), cluster.clone());
                let name = format!("cluster/{address}");
                let of_cluster = file.clone();
                trials.push(Trial::test(name, move || {
                    run_against(&of_cluster, cluster.address()?)
                }));
                (file, with_model.clone())
            }
            false => (file.clone(), shared.clone()),
        };
        let name = format!("flight/{address}");
        trials.push(Trial::test(name, move || run_over_flight(&file, &shared)));
    }
    trials.push(Trial::test(
        "every_function_has_a_file_of_its_own",
        move || every_function_has_a_file(&addresses),
    ));
    let conclusion = run(&Arguments::from_args(), trials);
    // `exit` drops nothing, and a server must not outlive the tests.
    for shared in [shared, with_model, cluster] {
        drop(shared.take());
    }
    conclusion.exit();
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
    let folder = tempfile::tempdir()?;
    let mut config = Config::default();
    config.lake.url = folder.path().join("lake").display().to_string();
    let lake = match has_lake(file) || asks_models(file) {
        true => Some(RUNTIME.block_on(Lake::init(&config))?.0),
        false => None,
    };
    if let Some(lake) = lake.iter().find(|_| asks_models(file)) {
        add_model(lake, &config, folder.path())?;
    }
    let mut runner = Runner::new(|| {
        let session = InProcess::over(lake.clone(), &config);
        async { Ok(session) }
    });
    runner.set_var("REPO".into(), repository().display().to_string());
    runner.set_var("DATA".into(), data());
    runner.run_file(file)?;
    Ok(())
}

fn repository() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("a workspace")
}

fn data() -> String {
    repository().join("tests/data").display().to_string()
}

/// Whether a file is about the tables and views of a lake.
fn has_lake(file: &Path) -> bool {
    let family = file.parent();
    family.is_some_and(|family| family.ends_with("sql") || family.ends_with("views"))
}

/// Whether a file is about language models.
fn asks_models(file: &Path) -> bool {
    let family = file.parent();
    family.is_some_and(|family| family.ends_with("plm"))
}

/// Rows with all that can be odd about a sequence.
const SEQUENCES: &str = "CREATE TABLE sequences AS SELECT * FROM (VALUES \
    (1, 'heavy', 'EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS'), \
    (2, 'light', 'DIQMTQSPSSLSASVGDRVTITCRASQDVNTAVAWYQQKPGKAPKLLIYSASFLYSGVPSRFSGSRSGTDFTLTISSLQPEDFATYYCQQHYTTPPTFGQGTKVEIK'), \
    (3, 'lower case', 'evqlvesgg'), (4, 'upper case', 'EVQLVESGG'), (5, 'unknown residue', 'EVQXVESGG'), \
    (6, 'masked residue', 'EVQ_VESGG'), (7, 'empty', ''), (8, 'gap', 'EVQ-L'), (9, 'NULL', NULL), \
    (10, 'long', repeat('A', 511)), (11, 'upper case again', 'EVQLVESGG')) AS t(id, kind, seq)";

/// Adds the model `tiny` and the table `sequences` to a lake.
fn add_model(lake: &Arc<Lake>, config: &Config, folder: &Path) -> Result<(), Failed> {
    let files = folder.join("tiny");
    model::write(&files, 7)?;
    let new = NewModel {
        name: "tiny@1".parse()?,
        source: Source::Folder(files.display().to_string()),
        precision: Precision::F32,
        licence: Some("Apache-2.0".into()),
    };
    let access = Access::everything(config)?;
    RUNTIME.block_on(lake.models().add(&access, new))?;
    let session = InProcess::over(Some(Arc::clone(lake)), config).session;
    RUNTIME.block_on(answer(&session, SEQUENCES))?;
    Ok(())
}

/// What a server is over.
#[derive(Debug, Clone, Copy, Default)]
struct Setup {
    nodes: usize,
    has_model: bool,
}

/// A server and its nodes.
type Running = (Server, Vec<Node>);

/// The server of the files that change nothing, started by the first of them.
#[derive(Clone, Default)]
struct Shared {
    setup: Setup,
    server: Arc<Mutex<Option<Running>>>,
}

impl Shared {
    fn of(setup: Setup) -> Self {
        let server = Arc::default();
        Self { setup, server }
    }

    fn address(&self) -> Result<SocketAddr, Failed> {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        if server.is_none() {
            *server = Some(start_server(self.setup)?);
        }
        Ok(server.as_ref().expect("a server").0.flight())
    }

    fn take(&self) -> Option<Running> {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        server.take()
    }
}

/// Over an empty lake; its statements reach the test data and the temporary files of the runner, which the command line
/// reaches anyhow. With so many nodes, on which everything is computed that can be.
fn start_server(setup: Setup) -> Result<Running, Failed> {
    let folder = tempfile::tempdir()?;
    let mut config = Config::default();
    config.lake.url = folder.path().join("lake").display().to_string();
    let (lake, _) = RUNTIME.block_on(Lake::init(&config))?;
    if setup.has_model {
        add_model(&lake, &config, folder.path())?;
    }
    drop(lake);
    let temporary = std::env::temp_dir().display().to_string();
    let settings = format!(
        "[access]\nread = [{:?}, {temporary:?}]\nwrite = [{temporary:?}, \"/dev/null\"]\n",
        repository().display().to_string()
    );
    let paratope = Paratope::on(&config.lake.url);
    let nodes: Vec<Node> = (0..setup.nodes)
        .map(|_| Node::start(&paratope, &[]))
        .collect();
    let settings = match nodes.is_empty() {
        true => settings,
        false => {
            let workers = addresses(&nodes);
            format!("{settings}[cluster]\nworkers = {workers}\n{EVERYTHING_TRAVELS}")
        }
    };
    Ok((Server::over(paratope, folder, &settings), nodes))
}

fn run_over_flight(file: &Path, shared: &Shared) -> Result<(), Failed> {
    let own = match has_lake(file) {
        true => Some(start_server(Setup::default())?.0),
        false => None,
    };
    let address = match &own {
        Some(server) => server.flight(),
        None => shared.address()?,
    };
    run_against(file, address)
}

/// A file about tables, on a server that leaves what it can to two nodes.
fn run_on_cluster(file: &Path) -> Result<(), Failed> {
    let setup = Setup {
        nodes: 2,
        ..Setup::default()
    };
    let (server, _nodes) = start_server(setup)?;
    run_against(file, server.flight())
}

fn run_against(file: &Path, address: SocketAddr) -> Result<(), Failed> {
    let mut runner = Runner::new(|| async move {
        let client = RUNTIME.spawn(Client::connect(address)).await;
        Ok(OverFlight {
            client: client.expect("a connection"),
        })
    });
    runner.set_var("REPO".into(), repository().display().to_string());
    runner.set_var("DATA".into(), data());
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
        output = shown(columns, &batches);
    }
    Ok(output)
}

fn shown(columns: usize, batches: &[RecordBatch]) -> DBOutput<DefaultColumnType> {
    let rows: Vec<Vec<String>> = batches.iter().flat_map(cells).collect();
    if columns == 0 && rows.is_empty() {
        return DBOutput::StatementComplete(0);
    }
    let types = vec![DefaultColumnType::Any; columns];
    DBOutput::Rows { types, rows }
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

/// A connection of its own for each connection of a file.
struct OverFlight {
    client: Client,
}

/// What a server says when it refuses. A server points at the token, as the shell does; here its message is turned back
/// into the engine's own words, which the files expect.
#[derive(Debug)]
struct Refused(Status);

/// What the engine says of an unknown name.
type InEngine = fn(&str) -> String;

/// What a server says of an unknown name, and what the engine says.
const UNKNOWN: &[(&str, InEngine)] = &[
    ("there is no table ", |name| {
        let schema = if name.contains('.') { "" } else { "main." };
        format!("table 'lake.{schema}{name}' not found")
    }),
    ("there is no column ", |name| {
        format!("No field named {name}.")
    }),
    ("there is no function ", |name| {
        format!("Invalid function '{name}'.")
    }),
];

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let message = self.0.message();
        let Some((sentence, place)) = pointed(message) else {
            return f.write_str(message);
        };
        for (words, engines) in UNKNOWN {
            if let Some(name) = sentence.strip_prefix(words) {
                let name = name
                    .split_once("; did you mean")
                    .map_or(name, |(name, _)| name);
                // The statements of a lake have their own words for it, which the server leaves as they are.
                return write!(f, "{sentence}; {}", engines(name));
            }
        }
        // Only the parser tells where.
        match sentence.starts_with("syntax: ") {
            true => write!(f, "{sentence} at {place}"),
            false => f.write_str(sentence),
        }
    }
}

/// The message without the place that is drawn below it, and the place as the parser tells it.
fn pointed(message: &str) -> Option<(&str, String)> {
    let (sentence, drawn) = message.rsplit_once("\nline ")?;
    let (line, rest) = drawn.split_once(", column ")?;
    let column = rest.split(':').next()?;
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    (is_number(line) && is_number(column))
        .then(|| (sentence, format!("Line: {line}, Column: {column}")))
}

impl std::error::Error for Refused {}

#[async_trait]
impl AsyncDB for OverFlight {
    type Error = Refused;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        let (mut client, sql) = (self.client.clone(), sql.to_string());
        let work = RUNTIME.spawn(async move { client.query(&sql).await });
        let answer = work.await.expect("an answer").map_err(Refused)?;
        Ok(shown(answer.schema.fields().len(), &answer.batches))
    }

    async fn shutdown(&mut self) {}
}
