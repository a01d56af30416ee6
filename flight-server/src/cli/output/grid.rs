//! Lays out text in columns that fit a terminal, or row by row where they cannot.

use console::{measure_text_width, truncate_str};

/// Least width to which a column is cut; narrower, rows are drawn one below the other.
const NARROWEST: usize = 8;
const BETWEEN: usize = 3;

/// A table of text.
pub struct Grid {
    headers: Vec<String>,
    numeric: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// An empty table with columns of these names; numbers stand to the right.
    pub fn new(columns: impl IntoIterator<Item = (String, bool)>) -> Self {
        let (headers, numeric) = columns.into_iter().unzip();
        Self {
            headers,
            numeric,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(printable).collect());
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows.
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// Draws the table, at most `width` columns wide where that is given.
    pub fn render(&self, width: Option<usize>) -> String {
        let natural = self.natural_widths();
        match width {
            None => self.columns(&natural),
            Some(width) => match fit(&natural, width) {
                Some(widths) => self.columns(&widths),
                None => self.records(Some(width)),
            },
        }
    }

    fn natural_widths(&self) -> Vec<usize> {
        (0..self.headers.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells
                    .flat_map(|cell| cell.lines())
                    .chain([self.headers[column].as_str()])
                    .map(measure_text_width)
                    .max()
                    .unwrap_or(0)
            })
            .collect()
    }

    fn columns(&self, widths: &[usize]) -> String {
        let mut text = String::new();
        self.line(&mut text, widths, &self.headers);
        let rules: Vec<_> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
        text.push_str(rules.join("┼").trim_end());
        text.push('\n');
        for row in &self.rows {
            // A cell of several lines makes its row as high.
            let height = row.iter().map(|cell| cell.lines().count()).max();
            for line in 0..height.unwrap_or(1).max(1) {
                let cells: Vec<_> = row
                    .iter()
                    .map(|cell| cell.lines().nth(line).unwrap_or_default())
                    .collect();
                self.line(&mut text, widths, &cells);
            }
        }
        text
    }

    fn line(&self, text: &mut String, widths: &[usize], cells: &[impl AsRef<str>]) {
        let padded: Vec<_> = cells
            .iter()
            .zip(widths)
            .zip(&self.numeric)
            .map(|((cell, width), numeric)| {
                let cell = truncate_str(cell.as_ref(), *width, "…");
                let space = " ".repeat(width.saturating_sub(measure_text_width(&cell)));
                if *numeric {
                    format!(" {space}{cell} ")
                } else {
                    format!(" {cell}{space} ")
                }
            })
            .collect();
        text.push_str(padded.join("│").trim_end());
        text.push('\n');
    }

    /// Draws the rows one below the other, with their cells in full.
    pub fn expanded(&self) -> String {
        self.records(None)
    }

    /// One line per column and one block per row; cells are cut to `width`, where there is one.
    fn records(&self, width: Option<usize>) -> String {
        let names = self.headers.iter().map(|name| measure_text_width(name));
        let name_width = names.max().unwrap_or(0);
        let value_width =
            width.map(|width| width.saturating_sub(name_width + BETWEEN).max(NARROWEST));
        let mut text = String::new();
        for (number, row) in (1..).zip(&self.rows) {
            text.push_str(&format!("─ row {number} ─\n"));
            for (name, cell) in self.headers.iter().zip(row) {
                let space = " ".repeat(name_width - measure_text_width(name));
                let cell = match value_width {
                    Some(width) => truncate_str(&cell.replace('\n', " "), width, "…").into_owned(),
                    // Further lines of a cell stand below its first.
                    None => cell.replace('\n', &format!("\n{} │ ", " ".repeat(name_width))),
                };
                text.push_str(format!("{name}{space} │ {cell}").trim_end());
                text.push('\n');
            }
        }
        text
    }
}

/// Widths whose sum fits `width`: the widest columns are cut first, evenly. `None` where
/// columns would become unreadable.
fn fit(natural: &[usize], width: usize) -> Option<Vec<usize>> {
    let room = (width + 1).checked_sub(natural.len() * BETWEEN)?;
    let sum = |cap: usize| natural.iter().map(|n| *n.min(&cap)).sum::<usize>();
    let widest = natural.iter().copied().max().unwrap_or(0);
    if sum(widest) <= room {
        return Some(natural.to_vec());
    }
    // The greatest cap that fits: `sum` grows with the cap.
    let (mut fits, mut exceeds) = (0, widest);
    while exceeds - fits > 1 {
        let middle = fits.midpoint(exceeds);
        if sum(middle) <= room {
            fits = middle;
        } else {
            exceeds = middle;
        }
    }
    (fits >= NARROWEST).then(|| natural.iter().map(|n| *n.min(&fits)).collect())
}

/// Data must not command the terminal: control characters are shown, not sent.
fn printable(cell: String) -> String {
    let harmless = |c: char| c == '\n' || !c.is_control();
    if cell.chars().all(harmless) {
        return cell;
    }
    let mut text = String::with_capacity(cell.len());
    for c in cell.chars() {
        if harmless(c) {
            text.push(c);
        } else {
            text.extend(c.escape_default());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(rows: &[[&str; 2]]) -> Grid {
        let mut grid = Grid::new([("name".into(), false), ("n".into(), true)]);
        for row in rows {
            grid.push(row.map(String::from));
        }
        grid
    }

    #[test]
    fn numbers_stand_to_the_right_and_lines_have_no_trailing_space() {
        let text = grid(&[["heavy", "12"], ["light", "3"]]).render(None);
        let expected = " name  │  n\n───────┼────\n heavy │ 12\n light │  3\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_wide_cell_is_cut_to_the_terminal_and_a_narrow_one_is_not() {
        let long = "Q".repeat(200);
        let text = grid(&[[&long, "12"]]).render(Some(40));
        assert!(
            text.lines().all(|line| measure_text_width(line) <= 40),
            "{text}"
        );
        assert!(text.contains('…') && text.contains("12"), "{text}");
    }

    #[test]
    fn columns_that_cannot_fit_are_drawn_row_by_row() {
        let columns = (0..50).map(|n| (format!("column_{n}"), false));
        let mut wide = Grid::new(columns);
        wide.push((0..50).map(|_| "some value".to_string()));
        let text = wide.render(Some(80));
        assert!(
            text.starts_with("─ row 1 ─\ncolumn_0  │ some value\n"),
            "{text}"
        );
    }

    #[test]
    fn expanded_rows_have_their_cells_in_full() {
        let long = "Q".repeat(200);
        let text = grid(&[[&long, "a\nb"]]).expanded();
        let expected = format!("─ row 1 ─\nname │ {long}\nn    │ a\n     │ b\n");
        assert_eq!(text, expected);
    }

    #[test]
    fn a_cell_of_several_lines_keeps_them() {
        let text = grid(&[["a\nb", "1"]]).render(None);
        assert!(text.ends_with(" a    │ 1\n b    │\n"), "{text}");
    }

    #[test]
    fn control_characters_are_shown_and_not_sent() {
        let text = grid(&[["\u{1b}[31mred", "1"]]).render(None);
        assert!(text.contains("\\u{1b}[31mred"), "{text}");
    }
}
