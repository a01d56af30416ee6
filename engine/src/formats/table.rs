//! Tables of text (AIRR, OAS, 10x): which of our columns each of theirs feeds, and what a cell means.

use arrow::datatypes::{DataType, Schema};

use super::columns::Value;
use super::letters::{not_annotated, not_nucleotide};
use crate::error::{Error, Result};

/// What a column of a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// The column with this index behind `source_record`.
    Column(usize, Kind),
    /// An attribute under the column's own name.
    Attribute,
    /// Not for these rows.
    Skipped,
}

/// What cells of a column hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Nucleotides,
    Residues,
    Flag,
    Count,
    Identity,
}

/// The columns of a file.
#[derive(Debug)]
pub(super) struct Layout {
    names: Vec<String>,
    targets: Vec<Target>,
    nulls: &'static [&'static str],
}

impl Layout {
    /// The layout of a header. `ours` gives the column of `schema` that a name feeds, the name itself mostly;
    /// `None` leaves a column out of the rows.
    ///
    /// # Errors
    /// A name that stands twice.
    pub(super) fn new(
        names: Vec<String>,
        schema: &Schema,
        ours: impl Fn(&str) -> Option<&str>,
    ) -> Result<Self> {
        for (index, name) in names.iter().enumerate() {
            if let Some(first) = names[..index].iter().position(|earlier| earlier == name) {
                return Err(Error::Invalid(format!(
                    "the header names {name} twice (columns {} and {}): rename one",
                    first + 1,
                    index + 1
                )));
            }
        }
        let mut targets: Vec<Target> = Vec::with_capacity(names.len());
        for name in &names {
            let target = match ours(name) {
                None => Target::Skipped,
                Some(ours) => match schema.index_of(ours) {
                    Ok(index) if index > 0 && ours != "attributes" => {
                        Target::Column(index - 1, kind(ours, schema.field(index).data_type()))
                    }
                    _ => Target::Attribute,
                },
            };
            // Two names of one thing (species and organism): the first is it.
            let is_taken = matches!(target, Target::Column(..)) && targets.contains(&target);
            targets.push(if is_taken { Target::Attribute } else { target });
        }
        Ok(Self {
            names,
            targets,
            nulls: &[],
        })
    }

    /// With these words for an empty cell.
    pub(super) fn with_nulls(mut self, words: &'static [&'static str]) -> Self {
        self.nulls = words;
        self
    }

    /// Columns of the file.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Sets a row's cells: empty ones, and words that stand for that, are NULL. Says what is wrong with the first that cannot be read.
    pub(super) fn fill<'a>(
        &'a self,
        cells: impl Iterator<Item = &'a str>,
        values: &mut [Value<'a>],
        attributes: &mut Vec<(&'a str, &'a str)>,
    ) -> Result<(), String> {
        values.fill(Value::Null);
        attributes.clear();
        for ((cell, name), target) in cells.zip(&self.names).zip(&self.targets) {
            if cell.is_empty() || self.nulls.contains(&cell) {
                continue;
            }
            match target {
                Target::Skipped => {}
                Target::Attribute => attributes.push((name, cell)),
                Target::Column(slot, kind) => {
                    values[*slot] =
                        parse(*kind, cell).map_err(|wrong| format!("column {name}: {wrong}"))?;
                }
            }
        }
        Ok(())
    }
}

fn kind(name: &str, data_type: &DataType) -> Kind {
    match (name, data_type) {
        ("sequence", _) => Kind::Nucleotides,
        ("sequence_aa", _) => Kind::Residues,
        (_, DataType::Boolean) => Kind::Flag,
        (_, DataType::Int64) => Kind::Count,
        (_, DataType::Float64) => Kind::Identity,
        _ => Kind::Text,
    }
}

fn parse(kind: Kind, cell: &str) -> Result<Value<'_>, String> {
    match kind {
        Kind::Text => Ok(Value::Text(cell)),
        // Some programs put proteins into `sequence`; annotation finds no reading of them, and they stay what they are.
        Kind::Nucleotides => {
            match not_nucleotide(cell.as_bytes()).and(not_annotated(cell.as_bytes())) {
                None => Ok(Value::Text(cell)),
                Some(stranger) => Err(format!("{stranger} is no nucleotide")),
            }
        }
        Kind::Residues => match not_annotated(cell.as_bytes()) {
            None => Ok(Value::Text(cell)),
            Some(stranger) => Err(format!("{stranger} is no residue")),
        },
        Kind::Flag => flag(cell.trim())
            .map(Value::Flag)
            .ok_or_else(|| format!("'{}' is not T or F", shown(cell))),
        Kind::Count => count(cell.trim())
            .map(Value::Count)
            .ok_or_else(|| format!("'{}' is not a whole number from 0", shown(cell))),
        Kind::Identity => identity(cell.trim())
            .map(Value::Real)
            .ok_or_else(|| format!("'{}' is neither a fraction nor a percentage", shown(cell))),
    }
}

/// AIRR's `T` and `F`, and what programs write instead that can mean nothing else.
fn flag(cell: &str) -> Option<bool> {
    match cell {
        "T" | "t" | "true" | "True" | "TRUE" => Some(true),
        "F" | "f" | "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// A count; `12.0` is one too (data frames turn counts into that).
fn count(cell: &str) -> Option<i64> {
    let whole = cell.split_once('.').map_or(cell, |(whole, fraction)| {
        let is_zero = !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0');
        if is_zero { whole } else { cell }
    });
    whole.parse().ok().filter(|count| *count >= 0)
}

/// An identity as a fraction. A value above 1 is a percentage: an identity below 1 % occurs in no alignment, so each value
/// tells by itself.
fn identity(cell: &str) -> Option<f64> {
    let value: f64 = cell.parse().ok()?;
    if (0.0..=1.0).contains(&value) {
        Some(value)
    } else if value > 1.0 && value <= 100.0 {
        // To twelve digits: 93.26 is 0.9326 and not 0.9326000000000001.
        Some((value * 1e10).round() / 1e12)
    } else {
        None
    }
}

/// A cell in a message: its beginning.
fn shown(cell: &str) -> String {
    const LIMIT: usize = 40;
    match cell.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;
    use crate::formats::columns::source_schema;

    #[test]
    fn flags_are_t_and_f_and_what_can_mean_nothing_else() {
        for (cell, expected) in [
            ("T", Some(true)),
            ("true", Some(true)),
            ("TRUE", Some(true)),
            ("F", Some(false)),
            ("False", Some(false)),
            ("yes", None),
            ("NA", None),
            ("1", None),
        ] {
            assert_eq!(flag(cell), expected, "{cell}");
        }
    }

    #[test]
    fn counts_are_whole_numbers() {
        assert_eq!(count("1247"), Some(1247));
        assert_eq!(count("12.0"), Some(12));
        for cell in ["12.5", "-1", "NA", "", "1e3", "12."] {
            assert_eq!(count(cell), None, "{cell}");
        }
    }

    #[test]
    fn identities_above_one_are_percentages() {
        assert_eq!(identity("0.9326"), Some(0.9326));
        assert_eq!(identity("93.26"), Some(0.9326));
        assert_eq!(identity("100.0"), Some(1.0));
        assert_eq!(identity("1"), Some(1.0));
        for cell in ["-0.1", "100.1", "NaN", "x", "inf"] {
            assert_eq!(identity(cell), None, "{cell}");
        }
    }

    #[test]
    fn a_broken_cell_is_named_by_its_column() {
        let schema =
            source_schema("main.chains", &["sequence", "productive", "attributes"]).unwrap();
        let names = vec!["sequence".to_string(), "productive".into(), "mine".into()];
        let layout = Layout::new(names, &schema, |name| Some(name)).unwrap();
        let (mut values, mut attributes) = (vec![Value::Null; 3], Vec::new());
        layout
            .fill(["ACGT", "", "x"].into_iter(), &mut values, &mut attributes)
            .unwrap();
        assert_eq!(values, [Value::Text("ACGT"), Value::Null, Value::Null]);
        assert_eq!(attributes, [("mine", "x")]);
        let wrong = |cells: [&'static str; 3]| {
            layout
                .fill(cells.into_iter(), &mut [Value::Null; 3], &mut Vec::new())
                .unwrap_err()
        };
        assert_eq!(
            wrong(["ACGT", "yes", ""]),
            "column productive: 'yes' is not T or F"
        );
        assert_eq!(
            wrong(["AC2T", "", ""]),
            "column sequence: '2' at position 3 is no nucleotide"
        );
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_with_both_places() {
        let schema = source_schema("main.chains", &["junction"]).unwrap();
        let names = vec!["junction".to_string(), "x".into(), "junction".into()];
        let error = Layout::new(names, &schema, |name| Some(name))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("junction twice (columns 1 and 3)"),
            "{error}"
        );
    }
}
