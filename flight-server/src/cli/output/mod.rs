//! Where results go and in which form.

mod columnar;
mod csv;
mod destination;
mod format;
mod grid;
mod json;
mod table;

use std::fmt::Display;
use std::io::{self, Write};

use anyhow::Context as _;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use engine::session::Answer;
use futures::StreamExt as _;

pub use destination::Destination;
pub use format::Format;
pub use grid::Grid;

use super::exit::Usage;

/// Rows that a table shows before it cuts.
pub const DEFAULT_ROWS: usize = 100;

/// Takes the rows of one result, batch by batch.
trait Sink: Send {
    fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()>;
    fn finish(self: Box<Self>) -> anyhow::Result<()>;
}

/// Writes results, one after another, in one format to one destination.
pub struct Output {
    format: Format,
    /// Rows that a table shows; 0: all.
    rows: usize,
    destination: Destination,
    results: usize,
}

impl Output {
    /// Nothing is written yet.
    pub fn new(format: Format, rows: usize, destination: Destination) -> Self {
        Self {
            format,
            rows,
            destination,
            results: 0,
        }
    }

    /// Writes the rows of a statement as they arrive.
    pub async fn answer(&mut self, answer: Answer) -> anyhow::Result<()> {
        let done = self.stream(answer).await;
        self.explain(done)
    }

    /// Writes one batch as a result of its own.
    pub fn batch(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        let done = self.separate().and_then(|()| {
            let mut sink = self.sink(&batch.schema())?;
            sink.write(batch)?;
            sink.finish()
        });
        self.explain(done)
    }

    async fn stream(&mut self, mut answer: Answer) -> anyhow::Result<()> {
        if answer.schema.fields().is_empty() {
            // A statement that returns nothing, such as SET or CREATE: only its end counts.
            while let Some(batch) = answer.stream.next().await {
                batch.map_err(engine::Error::from)?;
            }
            return Ok(());
        }
        self.separate()?;
        let mut sink = self.sink(&answer.schema)?;
        while let Some(batch) = answer.stream.next().await {
            sink.write(&batch.map_err(engine::Error::from)?)?;
        }
        sink.finish()
    }

    fn explain(&mut self, done: anyhow::Result<()>) -> anyhow::Result<()> {
        match (done, self.destination.take_failure()) {
            (Err(_), Some(cause)) => Err(anyhow::Error::new(cause).context("writing the output")),
            (done, _) => done,
        }
    }

    /// Ends the output; a file takes its name only now.
    pub fn commit(self) -> anyhow::Result<()> {
        self.destination.commit().context("writing the output")
    }

    /// An empty line between results of text formats; the binary formats hold one only.
    fn separate(&mut self) -> anyhow::Result<()> {
        self.results += 1;
        if self.results > 1 {
            match self.format {
                Format::Table | Format::Csv => writeln!(self.destination)?,
                Format::Json | Format::Ndjson => {}
                Format::Parquet | Format::Arrow => {
                    return Err(anyhow::Error::new(Usage(format!(
                        "--format {} holds the rows of one statement, and a second one returned rows; run it by itself",
                        self.format
                    ))));
                }
            }
        }
        Ok(())
    }

    fn sink(&mut self, schema: &SchemaRef) -> anyhow::Result<Box<dyn Sink + '_>> {
        let width = self.destination.width();
        let out = &mut self.destination;
        Ok(match self.format {
            Format::Table => Box::new(table::TableSink::new(out, schema, self.rows, width)),
            Format::Json => Box::new(json::JsonSink::<json::Rows, _>::new(out)),
            Format::Ndjson => Box::new(json::JsonSink::<json::Lines, _>::new(out)),
            Format::Csv => Box::new(csv::CsvSink::new(out, schema)?),
            Format::Parquet => Box::new(columnar::ParquetSink::new(out, schema)?),
            Format::Arrow => Box::new(columnar::ArrowSink::new(out, schema)?),
        })
    }
}

/// A line of text on stdout.
pub fn say(line: impl Display) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    Ok(())
}

/// Columns of the terminal on stdout; `None` where it is none.
pub fn terminal_width() -> Option<usize> {
    let terminal = console::Term::stdout();
    if !terminal.is_term() {
        return None;
    }
    terminal.size_checked().map(|(_, columns)| columns.into())
}
