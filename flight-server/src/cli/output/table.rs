//! Results as a table for people: the first rows, the number of all.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use indicatif::HumanCount;

use super::{Grid, Sink, Tables};

/// Columns of the answer to EXPLAIN, which is text and not a table.
const PLAN: [&str; 2] = ["plan_type", "plan"];

/// Keeps the first rows and counts the others; draws when all have come, for only then the
/// widths of the columns are known.
pub struct TableSink<W> {
    out: W,
    grid: Grid,
    tables: Tables,
    width: Option<usize>,
    seen: usize,
    is_plan: bool,
}

impl<W: Write> TableSink<W> {
    /// Draws as `tables` says, `width` columns wide.
    pub fn new(out: W, schema: &SchemaRef, tables: Tables, width: Option<usize>) -> Self {
        let columns = schema
            .fields()
            .iter()
            .map(|field| (field.name().clone(), field.data_type().is_numeric()));
        let is_plan = schema.fields().iter().map(|field| field.name()).eq(PLAN);
        Self {
            out,
            grid: Grid::new(columns),
            tables,
            width,
            seen: 0,
            is_plan,
        }
    }

    /// Rows that are still to be shown.
    fn room(&self) -> usize {
        match self.tables.rows {
            0 => usize::MAX,
            rows => rows.saturating_sub(self.grid.len()),
        }
    }

    fn footer(&self) -> String {
        let shown = self.grid.len();
        let count = |rows: usize| HumanCount(rows as u64);
        match self.seen {
            seen if seen > shown => format!(
                "({} of {} rows; {})",
                count(shown),
                count(seen),
                self.tables.remedy
            ),
            1 => "(1 row)".into(),
            seen => format!("({} rows)", count(seen)),
        }
    }
}

impl<W: Write + Send> Sink for TableSink<W> {
    fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        self.seen += batch.num_rows();
        let wanted = batch.num_rows().min(self.room());
        if wanted == 0 {
            return Ok(());
        }
        let options = FormatOptions::default()
            .with_null("NULL")
            .with_display_error(true);
        let formatters = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..wanted {
            let cells = formatters.iter().map(|cell| cell.value(row).to_string());
            self.grid.push(cells);
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        if self.is_plan {
            for row in self.grid.rows() {
                writeln!(self.out, "{}", row.join("\n").trim_end())?;
            }
        } else {
            let drawn = match self.tables.expanded {
                true => self.grid.expanded(),
                false => self.grid.render(self.width),
            };
            write!(self.out, "{drawn}")?;
            writeln!(self.out, "{}", self.footer())?;
        }
        Ok(self.out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, StringArray};

    use super::*;

    fn drawn(batches: &[RecordBatch], limit: usize) -> String {
        let mut out = Vec::new();
        let tables = Tables::of_rows(limit);
        let mut sink = Box::new(TableSink::new(&mut out, &batches[0].schema(), tables, None));
        for batch in batches {
            sink.write(batch).unwrap();
        }
        sink.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn numbers(range: std::ops::Range<i32>) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int32Array::from_iter_values(range));
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    #[test]
    fn a_long_result_is_cut_and_says_how_many_rows_there_are() {
        let text = drawn(&[numbers(0..3), numbers(3..2_000)], 4);
        assert!(text.contains("(4 of 2,000 rows;"), "{text}");
        assert_eq!(text.lines().count(), 2 + 4 + 1, "{text}");
    }

    #[test]
    fn a_limit_of_none_shows_every_row() {
        assert!(drawn(&[numbers(0..300)], 0).ends_with("(300 rows)\n"));
    }

    #[test]
    fn a_plan_is_printed_as_it_is() {
        let kind: ArrayRef = Arc::new(StringArray::from(vec!["logical_plan"]));
        let plan: ArrayRef = Arc::new(StringArray::from(vec!["Limit\n  Scan"]));
        let batch = RecordBatch::try_from_iter([("plan_type", kind), ("plan", plan)]).unwrap();
        assert_eq!(drawn(&[batch], 1), "logical_plan\nLimit\n  Scan\n");
    }
}
