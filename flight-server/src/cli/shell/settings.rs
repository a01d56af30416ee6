//! What the commands of a shell switch.

use crate::cli::output::{Destination, Format, Output, Pager, Screen, Tables};

/// How a shell shows results.
#[derive(Debug, Clone)]
pub struct Settings {
    format: Format,
    /// How tables are drawn.
    pub tables: Tables,
    /// Whether each statement's time is printed.
    pub timing: bool,
    /// Whether long output goes through the pager.
    pub paging: bool,
    pager: Pager,
}

impl Settings {
    /// Those a shell starts with.
    pub fn new(format: Format, rows: usize, timing: bool) -> Self {
        Self {
            format,
            tables: Tables {
                remedy: "\\rows 0 shows all",
                ..Tables::of_rows(rows)
            },
            timing,
            paging: true,
            pager: Pager::from_environment(),
        }
    }

    /// The pager, which may be at work.
    pub fn pager(&self) -> &Pager {
        &self.pager
    }

    /// A place for the next output.
    pub fn destination(&self) -> Destination {
        let pager = match self.paging {
            true => self.pager.clone(),
            false => Pager::none(),
        };
        Destination::screen(Screen::new(pager))
    }

    /// The output of the next statement.
    pub fn output(&self) -> Output {
        Output::new(self.format, self.tables, self.destination())
    }

    /// A table of the shell's own: all of its rows, whatever is set for results.
    pub fn listing(&self) -> Output {
        let tables = Tables {
            rows: 0,
            ..self.tables
        };
        Output::new(Format::Table, tables, self.destination())
    }
}
