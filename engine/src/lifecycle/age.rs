//! How old rows become: `'paratope.retain' = '730 days on ingested_at'`, and likewise `paratope.archiveAfter`.

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, Utc};
use deltalake::kernel::{DataType, EagerSnapshot, PrimitiveType, StructType};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::tables::Table;
use crate::tables::archive::AFTER;

/// Table property: rows older than this are deleted by maintenance.
pub const RETAIN: &str = "paratope.retain";
/// Value of `paratope.archiveAfter` for a table whose partitions stay from now on.
const NEVER: &str = "never";
/// Longest time, in days.
const LONGEST_DAYS: u32 = 36_500;

/// An age of rows, in days by a column of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Age {
    /// Days.
    pub days: u32,
    /// The column that says how old a row is.
    pub column: String,
    is_date: bool,
}

impl Age {
    /// Reads `N days on COLUMN`, the value of the table property `key`; the column must be a date or a time. `None` for one
    /// that never comes.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(key: &str, text: &str, schema: &StructType) -> Result<Option<Self>> {
        let refuse = |why: String| {
            Err(Error::Invalid(format!(
                "the table property {key} cannot be '{text}': {why}"
            )))
        };
        if text == NEVER && key == AFTER {
            return Ok(None);
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let [number, "day" | "days", "on", column] = words.as_slice() else {
            return refuse(match key == AFTER {
                true => format!("write '730 days on COLUMN', or '{NEVER}'"),
                false => "write '730 days on COLUMN'".into(),
            });
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
        Ok(Some(Self {
            days,
            column: (*column).to_string(),
            is_date,
        }))
    }

    /// That of a table, where it has one.
    ///
    /// # Errors
    /// A property that others set wrongly.
    pub fn of(snapshot: &EagerSnapshot, key: &str) -> Result<Option<Self>> {
        match Table::property(snapshot, key) {
            Some(text) => Self::parse(key, &text, snapshot.schema().as_ref()),
            None => Ok(None),
        }
    }

    /// The moment before which rows have reached this age at `now`.
    pub fn before(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now - Duration::days(self.days.into())
    }

    /// The condition under which a row has reached this age at `now`. A row without a time never does.
    pub fn reached(&self, now: DateTime<Utc>) -> String {
        let before = self.before(now);
        let column = crate::sql::quoted(&self.column);
        match self.is_date {
            true => format!("{column} < DATE '{}'", before.format("%Y-%m-%d")),
            false => format!(
                "{column} < TIMESTAMP '{}'",
                before.format("%Y-%m-%d %H:%M:%S")
            ),
        }
    }

    /// Whether all rows of a file have reached this age at `now`, by the statistics of the log. Where they say nothing, none
    /// has.
    pub fn reached_by_all(&self, statistics: Option<&str>, now: DateTime<Utc>) -> bool {
        self.newest(statistics)
            .is_some_and(|newest| newest < self.before(now))
    }

    /// A moment that no row of a file is after; `None` where it is not known, or a row has no time.
    fn newest(&self, statistics: Option<&str>) -> Option<DateTime<Utc>> {
        let statistics: Value = serde_json::from_str(statistics?).ok()?;
        let nulls = statistics.get("nullCount")?.get(&self.column)?.as_u64()?;
        if nulls > 0 {
            return None;
        }
        let text = statistics.get("maxValues")?.get(&self.column)?.as_str()?;
        if self.is_date {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            return Some(day.and_hms_milli_opt(23, 59, 59, 999)?.and_utc());
        }
        let time = match DateTime::parse_from_rfc3339(text) {
            Ok(time) => time.to_utc(),
            Err(_) => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
                .ok()?
                .and_utc(),
        };
        // The log cuts times to milliseconds (Delta protocol, per-file statistics).
        Some(time + Duration::milliseconds(1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use deltalake::kernel::StructField;

    use super::*;

    fn schema() -> StructType {
        StructType::try_new(vec![
            StructField::nullable("at", DataType::Primitive(PrimitiveType::Timestamp)),
            StructField::nullable("day", DataType::DATE),
            StructField::nullable("n", DataType::LONG),
        ])
        .unwrap()
    }

    fn now() -> DateTime<Utc> {
        "2026-05-17T08:30:00Z".parse().unwrap()
    }

    fn age(text: &str) -> Age {
        Age::parse(RETAIN, text, &schema()).unwrap().unwrap()
    }

    #[test]
    fn an_age_is_days_by_a_column_of_time() {
        assert_eq!(
            age("2 days on at").reached(now()),
            "\"at\" < TIMESTAMP '2026-05-15 08:30:00'"
        );
        assert_eq!(
            age("1 day on day").reached(now()),
            "\"day\" < DATE '2026-05-16'"
        );
        for (text, why) in [
            ("forever", "730 days on"),
            ("never", "730 days on"),
            ("0 days on at", "from 1"),
            ("9 days on gone", "no column gone"),
            ("9 days on n", "DATE or TIMESTAMP"),
        ] {
            let error = Age::parse(RETAIN, text, &schema()).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert_eq!(Age::parse(AFTER, "never", &schema()).unwrap(), None);
    }

    #[test]
    fn a_file_has_reached_an_age_where_its_newest_row_has() {
        let statistics = |column: &str, newest: &str, nulls: u64| {
            serde_json::json!({"maxValues": {column: newest}, "nullCount": {column: nulls}})
                .to_string()
        };
        let all = |age: &Age, statistics: String| age.reached_by_all(Some(&statistics), now());
        let at = age("2 days on at");
        assert!(all(&at, statistics("at", "2026-05-15T08:29:59.998Z", 0)));
        assert!(all(&at, statistics("at", "2026-05-15T08:29:59", 0)));
        assert!(!all(&at, statistics("at", "2026-05-15T08:29:59.999Z", 0)));
        assert!(!all(&at, statistics("at", "2020-01-01T00:00:00Z", 1)));
        assert!(!all(&at, statistics("day", "2020-01-01", 0)));
        assert!(!at.reached_by_all(None, now()));
        let day = age("1 day on day");
        assert!(all(&day, statistics("day", "2026-05-15", 0)));
        assert!(!all(&day, statistics("day", "2026-05-16", 0)));
    }
}
