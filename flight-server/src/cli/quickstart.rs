//! `paratope quickstart`: from nothing to the first results, on data that the binary carries.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use console::style;
use engine::config::Config;
use engine::ingest::{IngestOptions, InputSummary, Progress};
use engine::session::Session;
use engine::storage::Access;
use engine::{Creation, Lake};

use super::arguments::Shared;
use super::examples::{self, Example};
use super::exit::Exit;
use super::output::{Destination, Format, Output, Tables, say};
use super::progress::Bar;
use super::shipped::{STUDIES, Study};
use super::{ingest, output};

/// Folder of the lake into which the shipped files are written before they are ingested.
const FOLDER: &str = "_paratope/quickstart";

/// Set up a lake with real data and run example analyses
///
/// Creates a lake, ingests the data that this binary carries (HIV broadly neutralising
/// antibodies, sequencing reads, single cells, therapeutics), and runs example queries on it. Run again, it
/// adds nothing. It needs no network.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  paratope quickstart
  paratope quickstart --lake /tmp/first-lake")]
pub struct Quickstart {}

impl Quickstart {
    /// Runs the command.
    pub async fn run(self, shared: &Shared) -> anyhow::Result<Exit> {
        let config = shared.load()?;
        heading("The lake")?;
        let (lake, creation) = Lake::init(&config).await?;
        let verb = match creation {
            Creation::Created => "created",
            Creation::Completed | Creation::WasThere => "exists already",
        };
        say(format!("{} ({verb})", lake.url()))?;

        heading("Ingest of the shipped data")?;
        let access = Access::everything(&config)?;
        ingest_shipped(&lake, &access, &config).await?;

        let session = Session::new(Some(lake), &config, access)?;
        for example in examples::QUICKSTART {
            run_example(&session, example).await?;
        }
        heading("What next")?;
        say(next_steps(shared))?;
        Ok(Exit::Success)
    }
}

async fn ingest_shipped(lake: &Arc<Lake>, access: &Access, config: &Config) -> anyhow::Result<()> {
    let folder = data_folder(config)?;
    let started = std::time::Instant::now();
    let mut inputs: Vec<InputSummary> = Vec::new();
    for study in STUDIES {
        let paths = write_files(study, &folder)?;
        let options = IngestOptions {
            study_id: Some(study.id.into()),
            species: Some(study.species.into()),
            ..IngestOptions::default()
        };
        let progress = Arc::new(Progress::default());
        let bar = Bar::follow(&progress);
        let summary = engine::ingest::ingest(lake, access, &paths, &options, &progress).await?;
        drop(bar);
        inputs.extend(summary.inputs);
    }
    if let Some(failed) = inputs.iter().find(|input| input.error.is_some()) {
        bail!(
            "{}: {}",
            failed.source_file,
            failed.error.as_deref().unwrap_or_default()
        );
    }
    say(ingest::files_table(&inputs).trim_end())?;
    say(format!(
        "\n{}",
        ingest::headline(&inputs, started.elapsed().as_secs_f64())
    ))
}

/// Inside the lake where it lies on a local disk, so that all goes when the lake is deleted and
/// `source_file` stays the same; else a folder for temporary files.
fn data_folder(config: &Config) -> anyhow::Result<PathBuf> {
    let local = engine::storage::parse(&config.lake.url)?.to_file_path();
    Ok(match local {
        Ok(lake) => lake.join(FOLDER),
        Err(()) => std::env::temp_dir().join("paratope-quickstart"),
    })
}

fn write_files(study: &Study, folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut paths = Vec::with_capacity(study.files.len());
    for file in study.files {
        let path = folder.join(file.name);
        let cannot = || format!("cannot write {}", path.display());
        fs::create_dir_all(folder).with_context(cannot)?;
        if fs::read(&path).ok().as_deref() != Some(file.bytes) {
            fs::write(&path, file.bytes).with_context(cannot)?;
        }
        paths.push(path.display().to_string());
    }
    Ok(paths)
}

async fn run_example(session: &Session, example: &Example) -> anyhow::Result<()> {
    heading(example.title())?;
    say(format!("{}\n", example.explanation()))?;
    say(format!("{}\n", style(example.statement()).dim()))?;
    let tables = Tables::of_rows(output::DEFAULT_ROWS);
    let mut output = Output::new(Format::Table, tables, Destination::stdout());
    for statement in session.parse(example.sql)? {
        let doing = || format!("example {}", example.name);
        let answer = session.execute(statement).await.with_context(doing)?;
        output.answer(answer).await.with_context(doing)?;
    }
    output.commit()
}

fn heading(title: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "\n{}", style(format!("## {title}")).bold())?;
    Ok(())
}

/// Commands to copy, with the name under which this one was called.
fn next_steps(shared: &Shared) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "paratope".into());
    let lake = match &shared.lake {
        Some(lake) => format!(" --lake {lake}"),
        None => String::new(),
    };
    format!(
        "\
Ask something of your own:
  {program} query{lake} -c \"SELECT sequence_id, cdr3_aa FROM chains WHERE chain = 'heavy' LIMIT 10\"
See the columns of a table, and the functions:
  {program} query{lake} -c 'SHOW COLUMNS FROM chains'
  {program} function list ab_
Ask on and on, with completion and history (\\? lists the commands, \\q leaves):
  {program} query{lake}
Ingest your own files (FASTA, AIRR, OAS, 10x, PDB, mmCIF, tables; plain, gzip or zstd):
  {program} ingest{lake} --study my_study --species human PATH…
Look into a file without ingesting it:
  {program} query -c \"SELECT * FROM read_fasta('PATH') LIMIT 5\""
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn the_shipped_files_of_a_local_lake_lie_within_it() {
        let mut config = Config::default();
        config.lake.url = "/data/lake".into();
        let folder = data_folder(&config).unwrap();
        assert_eq!(folder, Path::new("/data/lake/_paratope/quickstart"));
    }

    #[test]
    fn shipped_files_are_written_once_and_repaired() {
        let folder = tempfile::tempdir().unwrap();
        let study = &STUDIES[0];
        let paths = write_files(study, folder.path()).unwrap();
        assert_eq!(paths.len(), study.files.len());
        fs::write(&paths[0], "damaged").unwrap();
        write_files(study, folder.path()).unwrap();
        assert_eq!(fs::read(&paths[0]).unwrap(), study.files[0].bytes);
    }
}
