//! Reading on one thread, annotating on all: batches of rows for each table come out.
//!
//! Every queue is bounded, so a slow writer slows the reader and memory does not grow with the file.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result as DFResult};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;

use super::Progress;
use super::annotate::{self, Context};
use super::identity::Identified;
use super::source::Source;
use crate::error::{Error, Result};
use crate::formats::{self, Companion, ReadOptions, SourceBatch, Target};

/// Batches waiting for each annotating thread.
const WAITING: usize = 2;

/// One input to read.
#[derive(Debug)]
pub struct Job {
    /// What to read.
    pub input: Arc<Identified>,
    /// What holds for all its records.
    pub context: Context,
    /// Tables that do not have the input's rows yet.
    pub wanted: [bool; Target::ALL.len()],
}

/// What a job yielded.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    /// Records consumed.
    pub records: u64,
    /// Rows by table.
    pub rows: [u64; Target::ALL.len()],
    /// Records whose source contradicts their sequence.
    pub contradictions: u64,
}

/// A file that has to be left out, and why.
#[derive(Debug)]
pub struct FileFailed {
    /// Index of the job.
    pub job: usize,
    /// The reason.
    pub error: Error,
}

/// Where rows of each table go; `None` for tables that no input of the group feeds.
pub type Outputs = [Option<Sender<DFResult<RecordBatch>>>; Target::ALL.len()];

struct Shared {
    jobs: Vec<Job>,
    counts: Vec<Mutex<Counts>>,
    failed: Mutex<Option<FileFailed>>,
    stop: AtomicBool,
    read_options: ReadOptions,
    max_rejects: Option<u64>,
    progress: Arc<Progress>,
}

impl Shared {
    fn fail(&self, job: usize, error: Error) {
        self.stop.store(true, Ordering::Relaxed);
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert(FileFailed { job, error });
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Runs all jobs; rows go to `outputs`, which close when it is over.
///
/// # Errors
/// The first file that cannot be read to its end: what was sent of it must not be committed.
pub async fn run(
    jobs: Vec<Job>,
    threads: usize,
    read_options: ReadOptions,
    max_rejects: Option<u64>,
    progress: Arc<Progress>,
    outputs: Outputs,
) -> Result<Vec<Counts>, FileFailed> {
    let shared = Arc::new(Shared {
        counts: jobs.iter().map(|_| Mutex::default()).collect(),
        jobs,
        failed: Mutex::default(),
        stop: AtomicBool::new(false),
        read_options,
        max_rejects,
        progress,
    });
    let (sender, receiver) = sync_channel(threads * WAITING);
    let receiver = Arc::new(Mutex::new(receiver));
    let handle = Handle::current();
    let mut tasks = Vec::with_capacity(threads + 1);
    tasks.push(tokio::task::spawn_blocking({
        let (shared, outputs) = (Arc::clone(&shared), outputs.clone());
        move || read_all(&shared, &handle, &sender, &outputs)
    }));
    for _ in 0..threads {
        let (shared, outputs, receiver) =
            (Arc::clone(&shared), outputs.clone(), Arc::clone(&receiver));
        tasks.push(tokio::task::spawn_blocking(move || {
            annotate_all(&shared, &receiver, &outputs);
        }));
    }
    drop(outputs);
    // The reader must see a closed queue if every annotating thread has gone.
    drop(receiver);
    for task in tasks {
        if let Err(error) = task.await {
            shared.fail(0, Error::Internal(format!("a thread died: {error}")));
        }
    }
    let mut failed = shared.failed.lock().unwrap_or_else(PoisonError::into_inner);
    match failed.take() {
        Some(failed) => Err(failed),
        None => Ok((0..shared.jobs.len())
            .map(|job| count(&shared, job, |_| {}))
            .collect()),
    }
}

/// Runs a step; a panic in it (a defect) fails the file at hand and nothing else.
fn contained(step: impl FnOnce() -> Result<()>) -> Result<()> {
    std::panic::catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| {
        Err(Error::Internal(
            "a defect of paratope was met (its message is above); please report it with the file"
                .into(),
        ))
    })
}

/// The reader: all files, one after the other.
fn read_all(
    shared: &Shared,
    handle: &Handle,
    sender: &SyncSender<(usize, SourceBatch)>,
    outputs: &Outputs,
) {
    for index in 0..shared.jobs.len() {
        let read = contained(|| read_one(shared, index, handle, sender));
        if let Err(error) = read {
            let file = &shared.jobs[index].context.source_file;
            shared.fail(index, error.at(file));
        }
        if shared.stopped() {
            // Writers learn that what they have is not to be finished.
            for output in outputs.iter().flatten() {
                let aborted = DataFusionError::Execution("the ingest was stopped".into());
                let _ = output.blocking_send(Err(aborted));
            }
            return;
        }
        shared.progress.file_done();
    }
}

fn read_one(
    shared: &Shared,
    index: usize,
    handle: &Handle,
    sender: &SyncSender<(usize, SourceBatch)>,
) -> Result<()> {
    let job = &shared.jobs[index];
    let input = &job.input;
    let source = Source::new(input.input.open(handle)?, Arc::clone(&shared.progress));
    let text = formats::decompress(Box::new(source.clone()))?;
    let (beside, companion) = companion(shared, input, handle)?.unzip();
    let mut records = input.format.open_with(
        text,
        companion,
        &job.context.source_file,
        &shared.read_options,
    )?;
    while let Some(batch) = records.next_batch()? {
        if shared.stopped() || sender.send((index, batch)).is_err() {
            return Ok(());
        }
    }
    drop(records);
    if let (Some(beside), Some(content)) = (beside, &input.companion_content) {
        beside.check_unchanged(content)?;
    }
    source.check_unchanged(&input.content)
}

/// The file that an input is read with: its stored bytes, and their text.
fn companion(
    shared: &Shared,
    input: &Identified,
    handle: &Handle,
) -> Result<Option<(Source, Companion)>> {
    let Some(file) = &input.input.companion else {
        return Ok(None);
    };
    let source = Source::new(file.open(handle)?, Arc::clone(&shared.progress));
    let name = file.file_name().to_string();
    let input = formats::decompress(Box::new(source.clone()))
        .map_err(|error| error.context(name.as_str()))?;
    let companion = Companion { name, input };
    Ok(Some((source, companion)))
}

fn annotate_all(
    shared: &Shared,
    receiver: &Mutex<Receiver<(usize, SourceBatch)>>,
    outputs: &Outputs,
) {
    loop {
        let next = receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok((index, batch)) = next else { return };
        if shared.stopped() {
            continue;
        }
        let annotated = contained(|| annotate_one(shared, index, &batch, outputs));
        if let Err(error) = annotated {
            shared.fail(index, error);
        }
    }
}

fn annotate_one(
    shared: &Shared,
    index: usize,
    batch: &SourceBatch,
    outputs: &Outputs,
) -> Result<()> {
    let job = &shared.jobs[index];
    let context = &job.context;
    let rejected = batch.rejects.len() as u64;
    let rejects_so_far = count(shared, index, |counts| counts.records += batch.consumed).rows
        [Target::Rejects as usize]
        + rejected;
    if let (Some(limit), Some(first)) = (shared.max_rejects, batch.rejects.first())
        && rejects_so_far > limit
    {
        return Err(Error::Invalid(format!(
            "{}: more than {limit} records cannot be read (record {}: {}); nothing of the file was ingested. Check the format, or raise --max-rejects",
            context.source_file,
            first.record.unwrap_or_default(),
            first.reason
        )));
    }
    shared.progress.annotated(batch.consumed, rejected);
    let rejects = annotate::rejects(&batch.rejects, context)?;
    send(shared, index, Target::Rejects, rejects, outputs)?;
    let first = (job.input.format.feeds(), &batch.records);
    let beside = batch.beside.iter().map(|other| (other.target, &other.rows));
    for (target, rows) in std::iter::once(first).chain(beside) {
        if target != Target::Chains {
            let rows = annotate::complete(target, rows, context)?;
            send(shared, index, target, rows, outputs)?;
            continue;
        }
        let rows = annotate::annotate(rows, batch.molecules, context)?;
        count(shared, index, |counts| {
            counts.contradictions += rows.contradictions;
        });
        send(shared, index, Target::Proteins, rows.proteins, outputs)?;
        send(shared, index, Target::Chains, rows.chains, outputs)?;
    }
    Ok(())
}

/// Changes the counts of a job and gives the new ones.
fn count(shared: &Shared, index: usize, change: impl FnOnce(&mut Counts)) -> Counts {
    let mut counts = shared.counts[index]
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    change(&mut counts);
    *counts
}

/// Counts rows and passes them on, unless the table has them already.
fn send(
    shared: &Shared,
    index: usize,
    target: Target,
    rows: RecordBatch,
    outputs: &Outputs,
) -> Result<()> {
    if rows.num_rows() == 0 {
        return Ok(());
    }
    count(shared, index, |counts| {
        counts.rows[target as usize] += rows.num_rows() as u64;
    });
    if shared.jobs[index].wanted[target as usize] {
        let Some(output) = &outputs[target as usize] else {
            return Err(Error::Internal(format!(
                "the format feeds {} and does not say so",
                target.table()
            )));
        };
        if output.blocking_send(Ok(rows)).is_err() {
            // A closed output means that its writer has failed; it says so itself.
            shared.stop.store(true, Ordering::Relaxed);
        }
    }
    Ok(())
}
