//! One group of inputs: read, annotated, sorted, written and committed together.

use std::sync::Arc;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::kernel::{Action, EagerSnapshot};
use futures::StreamExt as _;
use tokio::sync::mpsc;

use super::annotate::Context;
use super::identity::Identified;
use super::ledger::{Known, Ledger, transaction};
use super::pipeline::{self, Counts, FileFailed, Job};
use super::replace::{self, Replaced};
use super::summary::{InputSummary, Status};
use super::{IngestOptions, Progress};
use crate::config::threads;
use crate::error::Result;
use crate::formats::{ReadOptions, Target};
use crate::lake::Lake;
use crate::session;
use crate::tables::Table;
use crate::tables::commit::{Commit, Outcome, Reads, append, commit};
use crate::tables::write::{Written, discard, write_sorted};

/// Batches waiting for each writer.
const WAITING: usize = 4;

/// A table of the group, at the version the group starts from.
struct Destination {
    target: Target,
    table: Arc<Table>,
    base: EagerSnapshot,
    /// Whether each input's rows are there already.
    has: Vec<bool>,
    replaced: Replaced,
}

/// Ingests `inputs` in as few commits as possible: one a table.
///
/// A file that turns out unreadable half-way is left out and the others start again, for its rows
/// are already mixed with theirs; likewise when another process commits one of them first.
pub async fn run(
    lake: &Arc<Lake>,
    inputs: Vec<Identified>,
    options: &IngestOptions,
    ledger: &mut Ledger,
    progress: &Arc<Progress>,
) -> Result<Vec<InputSummary>> {
    let mut inputs: Vec<Arc<Identified>> = inputs.into_iter().map(Arc::new).collect();
    let mut summaries = Vec::new();
    while !inputs.is_empty() {
        let mut destinations = Vec::with_capacity(Target::ALL.len());
        for target in targets(&inputs, options) {
            destinations.push(destination(lake, target, &inputs, options, ledger).await?);
        }
        if let Some(done) = remove_done(&mut inputs, &destinations, options) {
            for input in done {
                ledger.note(&input.id);
                summaries.push(InputSummary::already(&input));
            }
            continue;
        }
        let (written, outcome) = write_group(lake, &inputs, &destinations, options, progress).await;
        let counts = match outcome {
            Ok(counts) => counts,
            Err(Failure::File(FileFailed { job, error })) => {
                discard_all(&destinations, &written).await;
                let input = inputs.remove(job);
                tracing::debug!(file = input.input.url, %error, "left out");
                progress.file_done();
                summaries.push(InputSummary::failed(&input.input.url, &error));
                continue;
            }
            Err(Failure::Write(error)) => {
                discard_all(&destinations, &written).await;
                return Err(error);
            }
        };
        if commit_group(destinations, written, &inputs, &counts).await? {
            let ingested: Vec<_> = inputs
                .iter()
                .zip(&counts)
                .map(|(input, counts)| summarise(input, counts))
                .collect();
            ledger.record(lake, &inputs, &ingested).await?;
            summaries.extend(ingested);
            return Ok(summaries);
        }
    }
    Ok(summaries)
}

/// The tables to write, in the order of commits.
fn targets(inputs: &[Arc<Identified>], options: &IngestOptions) -> Vec<Target> {
    let is_fed = |target: &Target| {
        matches!(target, Target::Rejects | Target::Chains)
            // Another reader may have fed other tables from the file that is replaced.
            || options.replace
            || inputs
                .iter()
                .any(|input| input.format.targets().contains(target))
    };
    Target::ALL.into_iter().filter(is_fed).collect()
}

async fn destination(
    lake: &Arc<Lake>,
    target: Target,
    inputs: &[Arc<Identified>],
    options: &IngestOptions,
    ledger: &mut Ledger,
) -> Result<Destination> {
    let table = lake.table(target.table())?;
    let loaded = match target {
        Target::Chains => ledger.take_chains(),
        _ => None,
    };
    let known = match loaded {
        Some(known) => known,
        None => Known::of(&table).await?,
    };
    let has = inputs
        .iter()
        .map(|input| !options.replace && known.has(&input.id))
        .collect();
    let base = known.base;
    let replaced = if options.replace {
        let files: Vec<&str> = inputs
            .iter()
            .map(|input| input.input.url.as_str())
            .collect();
        replace::find(lake, &table, &base, &files).await?
    } else {
        Replaced::default()
    };
    Ok(Destination {
        target,
        table,
        base,
        has,
        replaced,
    })
}

/// Takes out inputs that `chains` has already: another process was faster.
fn remove_done(
    inputs: &mut Vec<Arc<Identified>>,
    destinations: &[Destination],
    options: &IngestOptions,
) -> Option<Vec<Arc<Identified>>> {
    if options.replace {
        return None;
    }
    let chains = destinations
        .iter()
        .find(|destination| destination.target == Target::Chains)?;
    let (done, open): (Vec<_>, Vec<_>) = inputs
        .drain(..)
        .zip(&chains.has)
        .partition(|(_, has)| **has);
    *inputs = open.into_iter().map(|(input, _)| input).collect();
    let done: Vec<_> = done.into_iter().map(|(input, _)| input).collect();
    (!done.is_empty()).then_some(done)
}

enum Failure {
    File(FileFailed),
    Write(crate::Error),
}

/// Reads all inputs and writes their rows, table by table side by side.
async fn write_group(
    lake: &Arc<Lake>,
    inputs: &[Arc<Identified>],
    destinations: &[Destination],
    options: &IngestOptions,
    progress: &Arc<Progress>,
) -> (Vec<Written>, Result<Vec<Counts>, Failure>) {
    let config = lake.config();
    let now = chrono::Utc::now().timestamp_micros();
    let jobs = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| Job {
            input: Arc::clone(input),
            context: Context {
                source_file: input.input.url.clone(),
                study_id: options.study_id.clone(),
                subject_id: options.subject_id.clone(),
                sample_id: options.sample_id.clone(),
                repertoire_id: options.repertoire_id.clone(),
                species: options.species.clone(),
                ingested_at: now,
            },
            wanted: Target::ALL.map(|target| {
                destinations
                    .iter()
                    .find(|other| other.target == target)
                    .is_none_or(|other| !other.has[index])
            }),
        })
        .collect();
    let read_options = ReadOptions {
        alphabet: options.alphabet,
        columns: options.columns.clone(),
        ..ReadOptions::default()
    };
    let mut outputs = pipeline::Outputs::default();
    let mut writers = Vec::new();
    for destination in destinations {
        let context = match session::write_context(lake) {
            Ok(context) => context,
            Err(error) => return (Vec::new(), Err(Failure::Write(error))),
        };
        let (sender, receiver) = mpsc::channel(WAITING);
        outputs[destination.target as usize] = Some(sender);
        let rows = futures::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|batch| (batch, receiver))
        });
        let kept = destination.replaced.take_kept();
        let schema = Table::schema(&destination.base);
        let stream: SendableRecordBatchStream =
            Box::pin(RecordBatchStreamAdapter::new(schema, kept.chain(rows)));
        let (table, base) = (Arc::clone(&destination.table), destination.base.clone());
        let (context, target) = (context.task_ctx(), config.ingest.target_file_bytes);
        writers.push(tokio::spawn(async move {
            write_sorted(&table, &base, stream, context, target).await
        }));
    }
    let read = pipeline::run(
        jobs,
        threads(config.ingest.threads),
        read_options,
        options.max_rejects,
        Arc::clone(progress),
        outputs,
    )
    .await;
    let mut written = Vec::new();
    let mut failed = None;
    for writer in writers {
        match writer.await {
            Ok(Ok(files)) => written.push(files),
            Ok(Err(error)) => {
                written.push(Written::default());
                failed.get_or_insert(error);
            }
            Err(error) => {
                written.push(Written::default());
                failed.get_or_insert(internal(&format!("a writer died: {error}")));
            }
        }
    }
    match (read, failed) {
        // A file that stopped the reading makes the writers fail too: it is the cause.
        (Err(file), _) => (written, Err(Failure::File(file))),
        (Ok(_), Some(error)) => (written, Err(Failure::Write(error))),
        (Ok(counts), None) => (written, Ok(counts)),
    }
}

fn internal(message: &str) -> crate::Error {
    crate::Error::Internal(message.to_string())
}

/// Commits table by table. `false`: another process has committed one of the inputs meanwhile, and
/// what is not committed yet was deleted.
async fn commit_group(
    destinations: Vec<Destination>,
    written: Vec<Written>,
    inputs: &[Arc<Identified>],
    counts: &[Counts],
) -> Result<bool> {
    let mut pending = destinations.into_iter().zip(written);
    while let Some((destination, files)) = pending.next() {
        let removes = destination.replaced.removes();
        let changes_nothing = files.adds.is_empty() && removes.is_empty();
        if changes_nothing && destination.target != Target::Chains {
            continue;
        }
        let transactions = inputs
            .iter()
            .zip(counts)
            .zip(&destination.has)
            .filter(|(_, has)| !**has)
            .map(|((input, counts), _)| transaction(&input.id, counts.records))
            .collect();
        let actions = removes
            .into_iter()
            .chain(files.adds.iter().cloned().map(Action::Add))
            .collect();
        let changes = Commit {
            base: destination.base,
            operation: if destination.replaced.is_empty() {
                append()
            } else {
                replace::operation(inputs)
            },
            actions,
            transactions,
            reads: Reads::Nothing,
        };
        let outcome = commit(&destination.table, changes).await;
        if !matches!(outcome, Ok(Outcome::Committed(_))) {
            // After an unknown outcome the files may be in use: then vacuum decides.
            if !matches!(outcome, Err(crate::Error::Unavailable(_))) {
                discard(&destination.table, &files).await;
            }
            for (later, files) in pending {
                discard(&later.table, &files).await;
            }
            return outcome.map(|_| false);
        }
    }
    Ok(true)
}

async fn discard_all(destinations: &[Destination], written: &[Written]) {
    for (destination, files) in destinations.iter().zip(written) {
        discard(&destination.table, files).await;
    }
}

fn summarise(input: &Identified, counts: &Counts) -> InputSummary {
    let rows = |target: Target| counts.rows[target as usize];
    InputSummary {
        records: counts.records,
        chains: rows(Target::Chains),
        proteins: rows(Target::Proteins),
        protein_chains: rows(Target::ProteinChains),
        repertoires: rows(Target::Repertoires),
        structures: rows(Target::Structures),
        fvs: rows(Target::Fvs),
        rejects: rows(Target::Rejects),
        contradictions: counts.contradictions,
        ..InputSummary::new(input, Status::Ingested)
    }
}
