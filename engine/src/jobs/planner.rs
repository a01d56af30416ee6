//! Which jobs are due: decided from their schedules, from what they wait for, and from what was done, and from nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use super::definition::{Job, Missed};
use super::facts::Facts;
use super::graph::Graph;
use super::run::Cause;

/// Moments that are made up for at most, under `missed: all`.
const MOST_MISSED: usize = 100;
/// A moment that a scheduler comes to so late was missed: it looks more often than that.
const LATE: Duration = Duration::from_secs(120);

/// A run that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The job.
    pub job: String,
    /// What starts it.
    pub cause: Cause,
    /// The moment of its schedule.
    pub scheduled_at: Option<DateTime<Utc>>,
}

/// What a scheduler remembers between two looks.
#[derive(Debug, Default)]
pub struct Planner {
    /// Since when each job is known: what it would have done before is not missed.
    known_since: BTreeMap<String, DateTime<Utc>>,
    /// Moments that were handed out here, and those that were skipped.
    done: BTreeMap<String, DateTime<Utc>>,
    /// Starts after others that were handed out here.
    started: BTreeMap<String, DateTime<Utc>>,
}

impl Planner {
    /// The runs that are due at `now`, of `jobs` that may run by themselves; `running` are not started again.
    pub fn due(
        &mut self,
        jobs: &[Job],
        all: &Graph,
        facts: &Facts,
        running: &BTreeSet<String>,
        now: DateTime<Utc>,
    ) -> Vec<Due> {
        let mut due = Vec::new();
        for job in jobs {
            let since = *self.known_since.entry(job.name.clone()).or_insert(now);
            if running.contains(&job.name) || all.cycle(&job.name).is_some() {
                continue;
            }
            let found = match &job.schedule {
                Some(_) => self.scheduled(job, facts, since, now),
                None if job.after.is_empty() => None,
                None => self.after(job, facts, now),
            };
            due.extend(found);
        }
        due
    }

    /// The moment of its schedule that a job is to run for, once what it waits for was done.
    fn scheduled(
        &mut self,
        job: &Job,
        facts: &Facts,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Option<Due> {
        let schedule = job.schedule.as_ref()?;
        let fact = facts.of(&job.name);
        let done = [fact.scheduled_at, self.done.get(&job.name).copied()];
        let from = done.into_iter().flatten().max().unwrap_or(since);
        let moments = schedule.within(from, now, MOST_MISSED);
        let (first, last) = (*moments.first()?, *moments.last()?);
        let moment = match job.missed {
            Missed::Once => last,
            Missed::All => first,
            Missed::Skip => {
                let late = chrono::Duration::from_std(LATE + job.jitter).unwrap_or_default();
                if now - last > late {
                    self.done.insert(job.name.clone(), last);
                    return None;
                }
                last
            }
        };
        if now < moment + jitter(job, moment) {
            return None;
        }
        if !self.is_preceded(job, facts, moment) {
            return None;
        }
        self.done.insert(job.name.clone(), moment);
        Some(Due {
            job: job.name.clone(),
            cause: Cause::Schedule,
            scheduled_at: Some(moment),
        })
    }

    /// Whether each job before it has succeeded since its last start; before its first, ever.
    fn is_preceded(&self, job: &Job, facts: &Facts, moment: DateTime<Utc>) -> bool {
        let started = facts.of(&job.name).started_at;
        job.after.iter().all(|before| {
            let succeeded = facts.of(before).succeeded_at;
            match (succeeded, started) {
                (None, _) => false,
                (Some(_), None) => true,
                // The one before may have run shortly ahead of the last moment and not again since.
                (Some(succeeded), Some(started)) => succeeded > started || succeeded >= moment,
            }
        })
    }

    /// A job without a schedule runs whenever all before it have succeeded since its last start.
    fn after(&mut self, job: &Job, facts: &Facts, now: DateTime<Utc>) -> Option<Due> {
        let started = [
            facts.of(&job.name).started_at,
            self.started.get(&job.name).copied(),
        ];
        let started = started.into_iter().flatten().max();
        let is_due = job.after.iter().all(|before| {
            let succeeded = facts.of(before).succeeded_at;
            succeeded.is_some_and(|at| started.is_none_or(|started| at > started))
        });
        if !is_due {
            return None;
        }
        self.started.insert(job.name.clone(), now);
        Some(Due {
            job: job.name.clone(),
            cause: Cause::After,
            scheduled_at: None,
        })
    }

    /// Gives a moment back that was handed out and not begun.
    pub fn give_back(&mut self, due: &Due) {
        self.done.remove(&due.job);
        self.started.remove(&due.job);
    }

    /// The next moment at which any of the jobs comes due by its schedule.
    pub fn next(&self, jobs: &[Job], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        jobs.iter()
            .filter_map(|job| {
                let next = job.schedule.as_ref()?.after(now)?;
                Some(next + jitter(job, next))
            })
            .min()
    }
}

/// How much later than its moment a job starts: the same on every server.
pub fn jitter(job: &Job, moment: DateTime<Utc>) -> chrono::Duration {
    let most = u64::try_from(job.jitter.as_millis()).unwrap_or(0);
    if most == 0 {
        return chrono::Duration::zero();
    }
    let digest = Sha256::digest(format!("{} {}", job.name, moment.timestamp()));
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    let millis = u64::from_be_bytes(bytes) % most;
    chrono::Duration::milliseconds(i64::try_from(millis).unwrap_or(0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed unwrap is a failed test
mod tests {
    use super::*;
    use crate::jobs::Fact;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-05-17T{text}Z").parse().unwrap()
    }

    fn job(name: &str, header: &str) -> Job {
        Job::parse(&format!("{header}\nOPTIMIZE chains"), Some(name)).unwrap()
    }

    struct Case {
        planner: Planner,
        jobs: Vec<Job>,
        facts: Facts,
        running: BTreeSet<String>,
    }

    impl Case {
        fn new(jobs: Vec<Job>) -> Self {
            Self {
                planner: Planner::default(),
                jobs,
                facts: Facts::default(),
                running: BTreeSet::new(),
            }
        }

        fn due(&mut self, now: &str) -> Vec<String> {
            let graph = Graph::of(&self.jobs);
            let due = self
                .planner
                .due(&self.jobs, &graph, &self.facts, &self.running, at(now));
            due.into_iter()
                .map(|due| match due.scheduled_at {
                    Some(moment) => format!("{} {}", due.job, moment.format("%H:%M")),
                    None => format!("{} after", due.job),
                })
                .collect()
        }

        fn ran(
            &mut self,
            job: &str,
            scheduled: Option<&str>,
            started: &str,
            succeeded: Option<&str>,
        ) {
            let fact = Fact {
                scheduled_at: scheduled.map(at),
                started_at: Some(at(started)),
                succeeded_at: succeeded.map(at),
                ..Fact::default()
            };
            self.facts.note(job, fact);
        }
    }

    #[test]
    fn a_job_is_due_at_its_moment_and_once() {
        let mut case = Case::new(vec![job("j", "-- schedule: 0 * * * *")]);
        assert!(
            case.due("09:30:00").is_empty(),
            "nothing before it was known"
        );
        assert!(case.due("09:59:59").is_empty());
        assert_eq!(case.due("10:00:03"), ["j 10:00"]);
        assert!(case.due("10:00:09").is_empty());
        assert_eq!(case.due("11:00:00"), ["j 11:00"]);
    }

    #[test]
    fn missed_moments_are_made_up_for_once_never_or_each() {
        for (missed, expected) in [
            ("once", vec!["j 14:00"]),
            ("skip", vec![]),
            ("all", vec!["j 11:00", "j 12:00", "j 13:00", "j 14:00"]),
        ] {
            let header = format!("-- schedule: 0 * * * *\n-- missed: {missed}");
            let mut case = Case::new(vec![job("j", &header)]);
            case.ran("j", Some("10:00:00"), "10:00:01", Some("10:00:09"));
            // No scheduler ran until 14:30.
            let mut found = Vec::new();
            for second in 0..10 {
                found.extend(case.due(&format!("14:30:0{second}")));
            }
            assert_eq!(found, expected, "{missed}");
            assert_eq!(case.due("15:00:01"), ["j 15:00"], "{missed}");
        }
    }

    #[test]
    fn a_moment_that_another_server_did_is_not_due_here() {
        let mut case = Case::new(vec![job("j", "-- schedule: 0 * * * *")]);
        case.due("09:30:00");
        case.ran("j", Some("10:00:00"), "10:00:01", Some("10:00:02"));
        assert!(case.due("10:00:03").is_empty());
    }

    #[test]
    fn a_job_at_work_is_not_started_again_and_its_moments_fall_together() {
        let mut case = Case::new(vec![job("j", "-- schedule: 0 * * * *")]);
        case.due("09:30:00");
        assert_eq!(case.due("10:00:00"), ["j 10:00"]);
        case.running.insert("j".into());
        assert!(case.due("11:00:00").is_empty());
        assert!(case.due("12:00:00").is_empty());
        case.running.clear();
        assert_eq!(case.due("12:30:00"), ["j 12:00"]);
        assert!(case.due("12:31:00").is_empty());
    }

    #[test]
    fn a_job_waits_for_those_before_it() {
        let jobs = vec![
            job("first", "-- schedule: 0 * * * *"),
            job("then", "-- after: first"),
            job("last", "-- after: first, then"),
        ];
        let mut case = Case::new(jobs);
        case.due("09:30:00");
        assert_eq!(case.due("10:00:00"), ["first 10:00"]);
        assert!(case.due("10:00:10").is_empty());
        case.ran("first", Some("10:00:00"), "10:00:00", Some("10:00:20"));
        assert_eq!(case.due("10:00:30"), ["then after"]);
        assert!(case.due("10:00:40").is_empty(), "it is started once");
        case.ran("then", None, "10:00:30", Some("10:00:50"));
        assert_eq!(case.due("10:01:00"), ["last after"]);
        // It fails: it is tried when those before it succeed again, and not before.
        case.ran("last", None, "10:01:00", None);
        assert!(case.due("10:02:00").is_empty());
        case.ran("first", Some("11:00:00"), "11:00:00", Some("11:00:20"));
        assert_eq!(case.due("11:00:30"), ["then after"]);
    }

    #[test]
    fn a_moment_waits_until_those_before_it_have_succeeded() {
        let jobs = vec![
            job("ingest", "-- schedule: 0 1 * * *"),
            job("annotate", "-- schedule: 0 2 * * *\n-- after: ingest"),
        ];
        let mut case = Case::new(jobs);
        case.due("00:30:00");
        assert_eq!(case.due("01:00:00"), ["ingest 01:00"]);
        case.running.insert("ingest".into());
        assert!(case.due("02:00:00").is_empty(), "it is still at work");
        case.running.clear();
        case.ran("ingest", Some("01:00:00"), "01:00:00", Some("02:40:00"));
        assert_eq!(case.due("02:41:00"), ["annotate 02:00"]);
    }

    #[test]
    fn jobs_in_a_circle_are_never_due() {
        let mut case = Case::new(vec![job("a", "-- after: b"), job("b", "-- after: a")]);
        case.ran("a", None, "09:00:00", Some("09:00:01"));
        case.ran("b", None, "08:00:00", Some("08:00:01"));
        assert!(case.due("10:00:00").is_empty());
    }

    #[test]
    fn jitter_is_the_same_on_every_server_and_within_its_bound() {
        let job = job("j", "-- schedule: 0 * * * *\n-- jitter: 5m");
        let mut spread = BTreeSet::new();
        for hour in 0..20 {
            let moment = at(&format!("{hour:02}:00:00"));
            let delay = jitter(&job, moment);
            assert_eq!(delay, jitter(&job, moment));
            assert!(delay < chrono::Duration::minutes(5));
            spread.insert(delay);
        }
        assert!(spread.len() > 10, "{spread:?}");
        let mut case = Case::new(vec![job.clone()]);
        case.due("09:30:00");
        assert!(case.due("10:00:00").is_empty() || jitter(&job, at("10:00:00")).is_zero());
        assert_eq!(case.due("10:05:00"), ["j 10:00"]);
    }

    #[test]
    fn a_moment_that_was_given_back_is_due_again() {
        let mut case = Case::new(vec![job("j", "-- schedule: 0 * * * *")]);
        case.due("09:30:00");
        assert_eq!(case.due("10:00:00"), ["j 10:00"]);
        case.planner.give_back(&Due {
            job: "j".into(),
            cause: Cause::Schedule,
            scheduled_at: Some(at("10:00:00")),
        });
        assert_eq!(case.due("10:00:10"), ["j 10:00"]);
    }
}
