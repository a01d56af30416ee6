//! When a job is due: a line of cron in a time zone.
//!
//! Clocks are put forward and back. A time of day that does not exist is taken at the first moment after the gap; one
//! that comes twice is taken the first time. What recurs by the clock of every hour (`*/15 * * * *`) goes on by elapsed
//! time, through the repeated hour too.

use chrono::{DateTime, Duration, Offset as _, TimeZone as _, Utc};
use chrono_tz::Tz;
use croner::Cron;

/// How far around a change of the clock occurrences are looked for one by one.
const AROUND: i64 = 3;

/// A schedule.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    cron: Cron,
    zone: Tz,
    /// Whether it recurs in every hour: then it follows elapsed time and not the clock on the wall.
    is_interval: bool,
    has_seconds: bool,
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Schedule {
    /// Reads `minute hour day month weekday [Zone/City]` (a field of seconds may stand first), or `@daily` and kin. Without
    /// a zone it is UTC.
    ///
    /// # Errors
    /// What is wrong and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut fields: Vec<&str> = text.split_whitespace().collect();
        let is_zone = |word: &str| {
            word.contains('/') && word.starts_with(|letter: char| letter.is_ascii_alphabetic())
                || word.eq_ignore_ascii_case("utc")
        };
        let zone = match fields.last() {
            Some(last) if is_zone(last) => {
                let zone: Tz = last.parse().map_err(|_| {
                    format!("there is no time zone {last}: write one of the IANA names, like Europe/Zurich")
                })?;
                fields.pop();
                zone
            }
            _ => Tz::UTC,
        };
        let is_alias = fields.len() == 1 && text.starts_with('@');
        if !is_alias && !matches!(fields.len(), 5 | 6) {
            return Err(format!(
                "'{text}' has {} fields: write minute, hour, day of month, month, day of week, and a time zone where it is not UTC, like 0 2 * * * Europe/Zurich",
                fields.len()
            ));
        }
        let cron = Cron::new(&fields.join(" "))
            .with_seconds_optional()
            .parse()
            .map_err(|error| format!("'{text}' is not a schedule: {error}"))?;
        let hour = match (is_alias, fields.len()) {
            (true, _) => fields[0],
            (false, 6) => fields[2],
            (false, _) => fields[1],
        };
        let schedule = Self {
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
            is_interval: hour.starts_with('*') || hour == "@hourly",
            has_seconds: fields.len() == 6,
            cron,
            zone,
        };
        if schedule.after(Utc::now()).is_none() {
            return Err(format!(
                "'{text}' never comes: no day is that day of that month"
            ));
        }
        Ok(schedule)
    }

    /// The first moment after `time` at which it is due.
    pub fn after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut from = time.with_timezone(&self.zone);
        let found = loop {
            let next = self.cron.find_next_occurrence(&from, false).ok()?;
            if next.with_timezone(&Utc) > time {
                break next.with_timezone(&Utc);
            }
            // A time of day that comes twice is taken the first time, which has passed.
            if next.naive_local() <= from.naive_local() {
                from = self
                    .zone
                    .from_utc_datetime(&(from.naive_utc() + Duration::hours(1)));
            } else {
                from = next;
            }
        };
        match self.is_interval {
            true => Some(self.between(time, found).unwrap_or(found)),
            false => Some(found),
        }
    }

    /// An occurrence before `found` that the clock on the wall hides, as it shows an hour twice.
    fn between(&self, time: DateTime<Utc>, found: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let offset = |at: DateTime<Utc>| at.with_timezone(&self.zone).offset().fix();
        let around = Duration::hours(AROUND);
        if offset(time - around) == offset(time + around) && offset(time) == offset(found) {
            return None;
        }
        let step = match self.has_seconds {
            true => Duration::seconds(1),
            false => Duration::minutes(1),
        };
        let seconds = step.num_seconds();
        let start = time.timestamp().div_euclid(seconds) * seconds + seconds;
        let mut at = DateTime::from_timestamp(start, 0)?;
        while at < found && at <= time + Duration::hours(AROUND) {
            let local = at.with_timezone(&self.zone);
            if self.cron.is_time_matching(&local).unwrap_or(false) {
                return Some(at);
            }
            at += step;
        }
        None
    }

    /// Moments after `from` and not after `until`; the last ones where there are more than `most`.
    pub fn within(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        most: usize,
    ) -> Vec<DateTime<Utc>> {
        let mut found = std::collections::VecDeque::new();
        let mut at = from;
        while let Some(next) = self.after(at).filter(|next| *next <= until) {
            if found.len() == most {
                found.pop_front();
            }
            found.push_back(next);
            at = next;
        }
        found.into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn next(schedule: &str, from: &str) -> String {
        let schedule = Schedule::parse(schedule).unwrap();
        let next = schedule.after(at(from)).unwrap();
        next.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    #[test]
    fn a_time_of_day_follows_the_zone_through_summer_and_winter() {
        let nightly = "0 2 * * * Europe/Zurich";
        assert_eq!(
            next(nightly, "2026-01-10T12:00:00Z"),
            "2026-01-11T01:00:00Z"
        );
        assert_eq!(
            next(nightly, "2026-07-10T12:00:00Z"),
            "2026-07-11T00:00:00Z"
        );
        assert_eq!(
            next("0 2 * * *", "2026-07-10T12:00:00Z"),
            "2026-07-11T02:00:00Z"
        );
    }

    #[test]
    fn a_time_of_day_that_does_not_exist_is_taken_behind_the_gap_and_once() {
        // 2026-03-29: 02:00 becomes 03:00 (01:00 UTC).
        let nightly = "30 2 * * * Europe/Zurich";
        assert_eq!(
            next(nightly, "2026-03-28T12:00:00Z"),
            "2026-03-29T01:00:00Z"
        );
        assert_eq!(
            next(nightly, "2026-03-29T01:00:00Z"),
            "2026-03-30T00:30:00Z"
        );
    }

    #[test]
    fn a_time_of_day_that_comes_twice_is_taken_the_first_time_and_once() {
        // 2026-10-25: 03:00 becomes 02:00 (01:00 UTC).
        let nightly = "30 2 * * * Europe/Zurich";
        assert_eq!(
            next(nightly, "2026-10-24T12:00:00Z"),
            "2026-10-25T00:30:00Z"
        );
        assert_eq!(
            next(nightly, "2026-10-25T00:30:00Z"),
            "2026-10-26T01:30:00Z"
        );
        // Asked within the second pass, it does not answer with a moment that has passed.
        assert_eq!(
            next(nightly, "2026-10-25T01:10:00Z"),
            "2026-10-26T01:30:00Z"
        );
    }

    #[test]
    fn what_recurs_every_quarter_of_an_hour_goes_on_through_both_changes() {
        let schedule = Schedule::parse("*/15 * * * * Europe/Zurich").unwrap();
        for day in ["2026-03-29", "2026-10-25"] {
            let from = at(&format!("{day}T00:00:00Z"));
            let found = schedule.within(from, from + Duration::hours(4), 100);
            assert_eq!(found.len(), 16, "{day}: {found:?}");
            for (index, moment) in (1_i32..).zip(&found) {
                assert_eq!(*moment, from + Duration::minutes(15) * index, "{day}");
            }
        }
    }

    #[test]
    fn of_many_moments_the_last_are_kept() {
        let schedule = Schedule::parse("@hourly").unwrap();
        let from = at("2026-05-01T00:00:00Z");
        let found = schedule.within(from, from + Duration::hours(10), 3);
        assert_eq!(found.len(), 3);
        assert_eq!(found[2], from + Duration::hours(10));
    }

    #[test]
    fn what_is_no_schedule_says_what_to_write() {
        for (text, why) in [
            ("0 2 * *", "4 fields"),
            ("0 25 * * *", "not a schedule"),
            ("0 2 * * * Europe/Zurch", "IANA"),
            ("0 0 31 2 *", "never comes"),
            ("nightly", "1 fields"),
        ] {
            let error = Schedule::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
