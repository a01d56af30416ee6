//! Where results go and in which form.

mod columnar;
mod csv;
mod destination;
mod format;
mod grid;
mod json;
mod screen;
mod table;

use std::fmt::Display;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use engine::session::Answer;
use futures::StreamExt as _;

pub use destination::Destination;
pub use format::Format;
pub use grid::Grid;
pub use screen::{Pager, Screen};

use super::exit::Usage;
use super::progress::Bar;

/// Rows that a table shows before it cuts.
pub const DEFAULT_ROWS: usize = 100;

/// Takes the rows of one result, batch by batch.
trait Sink: Send {
    fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()>;
    fn finish(self: Box<Self>) -> anyhow::Result<()>;
}

/// How tables are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tables {
    /// Rows that are shown; 0: all.
    pub rows: usize,
    /// One line a column instead of one line a row, and cells in full.
    pub expanded: bool,
    /// How to get the rows that are not shown.
    pub remedy: &'static str,
}

impl Tables {
    /// Tables that show this many rows.
    pub fn of_rows(rows: usize) -> Self {
        Self {
            rows,
            expanded: false,
            remedy: "--rows 0 shows all, --format csv writes them",
        }
    }
}

/// What was written of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    /// Whether it had columns, and so rows to write.
    pub has_columns: bool,
    /// When its last row was there; a pager may have kept the reader since.
    pub computed: Instant,
}

/// Writes results, one after another, in one format to one destination.
pub struct Output {
    format: Format,
    tables: Tables,
    destination: Destination,
    results: usize,
    /// Shown until there is something else to see.
    bar: Option<Bar>,
}

impl Output {
    /// Nothing is written yet.
    pub fn new(format: Format, tables: Tables, destination: Destination) -> Self {
        Self {
            format,
            tables,
            destination,
            results: 0,
            bar: None,
        }
    }

    /// Whether a progress line on stderr is in nobody's way: the result comes as a whole, or goes
    /// to a file. A pipe may end in a program that draws on the same terminal.
    pub fn leaves_room_for_progress(&self) -> bool {
        self.destination.is_file() || (self.destination.is_screen() && self.format == Format::Table)
    }

    /// The next answer's rows are counted on `bar`.
    pub fn count_on(&mut self, bar: Bar) {
        self.bar = Some(bar);
    }

    /// Writes the rows of a statement as they arrive.
    pub async fn answer(&mut self, answer: Answer) -> anyhow::Result<Written> {
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

    async fn stream(&mut self, mut answer: Answer) -> anyhow::Result<Written> {
        let bar = self.bar.take();
        if answer.schema.fields().is_empty() {
            // A statement that returns nothing, such as SET or CREATE: only its end counts.
            while let Some(batch) = answer.stream.next().await {
                batch.map_err(engine::Error::from)?;
            }
            return Ok(Written {
                has_columns: false,
                computed: Instant::now(),
            });
        }
        self.separate()?;
        let mut sink = self.sink(&answer.schema)?;
        while let Some(batch) = answer.stream.next().await {
            let batch = batch.map_err(engine::Error::from)?;
            sink.write(&batch)?;
            if let Some(bar) = &bar {
                bar.add(batch.num_rows());
            }
        }
        let computed = Instant::now();
        drop(bar);
        sink.finish()?;
        Ok(Written {
            has_columns: true,
            computed,
        })
    }

    fn explain<T>(&mut self, done: anyhow::Result<T>) -> anyhow::Result<T> {
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
            Format::Table => Box::new(table::TableSink::new(out, schema, self.tables, width)),
            Format::Json => Box::new(json::JsonSink::<json::Rows, _>::new(out)),
            Format::Ndjson => Box::new(json::JsonSink::<json::Lines, _>::new(out)),
            Format::Csv => Box::new(csv::CsvSink::new(out, schema)?),
            Format::Parquet => Box::new(columnar::ParquetSink::new(out, schema)?),
            Format::Arrow => Box::new(columnar::ArrowSink::new(out, schema)?),
        })
    }
}

/// The time of a statement, on stderr.
pub fn say_time(elapsed: Duration) -> io::Result<()> {
    writeln!(io::stderr(), "time: {:.3} ms", elapsed.as_secs_f64() * 1e3)
}

/// A table on stdout, as asked or as fits where that leads.
pub fn print(format: Option<Format>, rows: &RecordBatch) -> anyhow::Result<()> {
    let format = format.unwrap_or_else(|| Format::default_for(None));
    let mut output = Output::new(format, Tables::of_rows(0), Destination::stdout());
    output.batch(rows)?;
    output.commit()?;
    Ok(())
}

/// A line of text on stdout.
pub fn say(line: impl Display) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    Ok(())
}

/// A line of text on stderr: what is not data.
pub fn note(line: impl Display) {
    super::progress::above(|| {
        let _ = writeln!(io::stderr(), "{line}");
    });
}

/// Columns of the terminal on stdout; `None` where it is none.
pub fn terminal_width() -> Option<usize> {
    let terminal = console::Term::stdout();
    if !terminal.is_term() {
        return None;
    }
    terminal.size_checked().map(|(_, columns)| columns.into())
}
