//! How long rows are kept: `'paratope.retain' = '730 days on ingested_at'`.

use chrono::{DateTime, Duration, Utc};
use deltalake::kernel::{DataType, EagerSnapshot, PrimitiveType, StructType};

use crate::error::{Error, Result};
use crate::tables::Table;

/// Table property: rows older than this are deleted by maintenance.
pub const RETAIN: &str = "paratope.retain";
/// Longest time, in days.
const LONGEST_DAYS: u32 = 36_500;

/// How long the rows of a table are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Days.
    pub days: u32,
    /// The column that says how old a row is.
    pub column: String,
    is_date: bool,
}

impl Retention {
    /// Reads `N days on COLUMN`; the column must be a date or a time.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str, schema: &StructType) -> Result<Self> {
        let refuse = |why: String| {
            Err(Error::Invalid(format!(
                "the table property {RETAIN} cannot be '{text}': {why}"
            )))
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let [number, "day" | "days", "on", column] = words.as_slice() else {
            return refuse("write '730 days on COLUMN'".into());
        };
        let Some(days) = number
            .parse()
            .ok()
            .filter(|days| (1..=LONGEST_DAYS).contains(days))
        else {
            return refuse(format!("write a number of days from 1 to {LONGEST_DAYS}"));
        };
        let Some(field) = schema.field(column) else {
            return refuse(format!("there is no column {column}"));
        };
        let is_date = match field.data_type() {
            DataType::Primitive(PrimitiveType::Date) => true,
            DataType::Primitive(PrimitiveType::Timestamp | PrimitiveType::TimestampNtz) => false,
            other => {
                return refuse(format!(
                    "{column} is of type {other}; name a column of type DATE or TIMESTAMP"
                ));
            }
        };
        Ok(Self {
            days,
            column: (*column).to_string(),
            is_date,
        })
    }

    /// That of a table, where it has one.
    ///
    /// # Errors
    /// A property that others set wrongly.
    pub fn of(snapshot: &EagerSnapshot) -> Result<Option<Self>> {
        match Table::property(snapshot, RETAIN) {
            Some(text) => Self::parse(&text, snapshot.schema().as_ref()).map(Some),
            None => Ok(None),
        }
    }

    /// The condition under which a row has expired at `now`. A row without a time never does.
    pub fn expired(&self, now: DateTime<Utc>) -> String {
        let before = now - Duration::days(self.days.into());
        let column = crate::sql::quoted(&self.column);
        match self.is_date {
            true => format!("{column} < DATE '{}'", before.format("%Y-%m-%d")),
            false => format!(
                "{column} < TIMESTAMP '{}'",
                before.format("%Y-%m-%d %H:%M:%S")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use deltalake::kernel::StructField;

    use super::*;

    #[test]
    fn a_retention_names_days_and_a_column_of_time() {
        let schema = StructType::try_new(vec![
            StructField::nullable("at", DataType::Primitive(PrimitiveType::Timestamp)),
            StructField::nullable("day", DataType::DATE),
            StructField::nullable("n", DataType::LONG),
        ])
        .unwrap();
        let now: DateTime<Utc> = "2026-05-17T08:30:00Z".parse().unwrap();
        let expired = |text: &str| Retention::parse(text, &schema).map(|it| it.expired(now));
        assert_eq!(
            expired("2 days on at").unwrap(),
            "\"at\" < TIMESTAMP '2026-05-15 08:30:00'"
        );
        assert_eq!(
            expired("1 day on day").unwrap(),
            "\"day\" < DATE '2026-05-16'"
        );
        for (text, why) in [
            ("forever", "730 days on"),
            ("0 days on at", "from 1"),
            ("9 days on gone", "no column gone"),
            ("9 days on n", "DATE or TIMESTAMP"),
        ] {
            let error = expired(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
