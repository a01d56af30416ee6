//! Ingest: files of many formats into the lake, each input exactly once.
//!
//! The way of the data: inputs are found ([`discover`]) and hashed ([`identity`]); those the lake
//! has already are left out ([`ledger`]); the others are read on one thread and annotated on all
//! ([`pipeline`]), sorted and written ([`batch`]), and committed table by table in a fixed order,
//! `chains` last. An input is done when `chains` carries its id; whatever is killed before is
//! repeated, and tables that have an input's rows already are skipped for it.

pub mod annotate;
mod batch;
mod book;
mod companions;
mod discover;
mod identity;
mod ledger;
mod pipeline;
mod progress;
mod replace;
mod source;
mod summary;

pub use crate::formats::Alphabet;
pub(crate) use ledger::{INPUT_PREFIX, note_restored};
pub use progress::Progress;
pub use summary::{InputSummary, Status, Summary};

use std::sync::Arc;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::formats::{self, Format as _};
use crate::lake::Lake;
use crate::storage::Access;

use self::discover::Input;

/// What the caller says about the inputs. All of it but `replace` and `max_rejects` changes rows,
/// so it is part of an input's identity: the same file under another study is new data.
#[derive(Debug, Clone, Default)]
pub struct IngestOptions {
    /// AIRR study.
    pub study_id: Option<String>,
    /// AIRR subject.
    pub subject_id: Option<String>,
    /// AIRR sample.
    pub sample_id: Option<String>,
    /// AIRR repertoire.
    pub repertoire_id: Option<String>,
    /// Species where the source gives none.
    pub species: Option<String>,
    /// Format by name, where content misleads.
    pub format: Option<String>,
    /// Nucleotides or amino acids, where content misleads.
    pub alphabet: Alphabet,
    /// Columns of a table and the fields of a molecule that they feed (format `table`, which this implies).
    pub columns: Vec<(String, String)>,
    /// Remove what earlier ingests of the same file left, in the commit that adds the new rows.
    pub replace: bool,
    /// A file with more rejects than this fails as a whole.
    pub max_rejects: Option<u64>,
}

impl IngestOptions {
    /// With the format that a mapping of columns implies.
    ///
    /// # Errors
    /// A format or a field that is not known; a mapping beside a format that takes none.
    fn completed(&self) -> Result<Self> {
        let mut options = self.clone();
        if !options.columns.is_empty() {
            formats::check_columns(&options.columns)?;
            let table = formats::MoleculeTable.name();
            let format = options.format.get_or_insert_with(|| table.into());
            if !format.eq_ignore_ascii_case(table) {
                return Err(Error::Invalid(format!(
                    "columns are mapped for the format {table}, not {format}: leave one of the two out"
                )));
            }
        }
        if let Some(format) = &options.format {
            formats::by_name(format)?;
        }
        Ok(options)
    }
}

/// Ingests files, folders, globs and URLs into the lake, as far as `access` lets them be read.
///
/// One bad record never sinks a file and one bad file never sinks a batch: both are reported in
/// the summary.
///
/// # Errors
/// What keeps all of it from going on: an unknown option, a lake that cannot be written.
pub async fn ingest(
    lake: &Arc<Lake>,
    access: &Access,
    inputs: &[String],
    options: &IngestOptions,
    progress: &Arc<Progress>,
) -> Result<Summary> {
    let started = Instant::now();
    let options = &options.completed()?;
    if let Some(species) = &options.species {
        check_species(species)?;
    }
    let mut summaries = Vec::new();
    let mut found = Vec::new();
    for input in inputs {
        match discover::expand(input, access, lake.config()).await {
            Ok(files) => found.extend(files),
            Err(error) => summaries.push(InputSummary::failed(input, &error)),
        }
    }
    discover::drop_repeated(&mut found);
    summaries.extend(companions::attach(&mut found, options).await?);
    progress.expect(&found);
    let mut ledger = ledger::Ledger::load(lake).await?;
    let limit = lake.config().ingest.commit_bytes;
    for group in discover::groups(found, limit) {
        summaries.extend(ingest_group(lake, group, options, &mut ledger, progress).await?);
    }
    Ok(Summary {
        inputs: summaries,
        elapsed_s: started.elapsed().as_secs_f64(),
    })
}

/// Identifies the inputs of one group, leaves out the known ones and commits the others together.
async fn ingest_group(
    lake: &Arc<Lake>,
    group: Vec<Input>,
    options: &IngestOptions,
    ledger: &mut ledger::Ledger,
    progress: &Arc<Progress>,
) -> Result<Vec<InputSummary>> {
    let mut summaries = Vec::new();
    let mut identified: Vec<identity::Identified> = Vec::new();
    for input in group {
        let url = input.url.clone();
        match identity::identify(input, options).await {
            Ok(input) => identified.push(input),
            Err(error) => {
                progress.file_done();
                summaries.push(InputSummary::failed(&url, &error));
            }
        }
    }
    let ids: Vec<&str> = identified.iter().map(|input| input.id.as_str()).collect();
    ledger.look_up(lake, &ids).await?;
    let known: Vec<&identity::Identified> = identified
        .iter()
        .filter(|input| ledger.contains(&input.id))
        .collect();
    ledger.repair(lake, &known).await?;
    let mut fresh: Vec<identity::Identified> = Vec::new();
    for input in identified {
        let repeated = fresh.iter().any(|other| other.id == input.id);
        if repeated || (ledger.contains(&input.id) && !options.replace) {
            progress.skipped(input.input.bytes());
            summaries.push(InputSummary::already(&input));
        } else {
            fresh.push(input);
        }
    }
    summaries.extend(batch::run(lake, fresh, options, ledger, progress).await?);
    Ok(summaries)
}

fn check_species(species: &str) -> Result<()> {
    match annotate::species::known(species) {
        Some(_) => Ok(()),
        None => Err(Error::Invalid(format!(
            "species {species} is not known; use one of: {}",
            annotate::species::SPECIES.join(", ")
        ))),
    }
}
