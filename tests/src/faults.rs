//! Faults of an object store, switched on by a test for the next requests that match.

use std::sync::Mutex;
use std::time::Duration;

use regex::Regex;

/// What the client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// An HTTP status with an S3 error as body.
    Status(u16),
    /// Nothing: the connection is closed.
    Close,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is carried out, then its answer is replaced: the client cannot know.
    AfterApply(Answer),
    /// It is not carried out.
    Instead(Answer),
    /// It is carried out, but only after a while.
    Stall(Duration),
}

/// A fault and the requests it is for.
#[derive(Debug, Clone)]
pub struct Rule {
    method: String,
    path: Regex,
    skip: usize,
    times: usize,
    fault: Fault,
}

impl Rule {
    /// For the next request of `method` whose path and query match `path`.
    pub fn new(method: &str, path: &str, fault: Fault) -> Self {
        Self {
            method: method.into(),
            path: Regex::new(path).expect("a regular expression"),
            skip: 0,
            times: 1,
            fault,
        }
    }

    /// For the next `times` matching requests.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Lets `skip` matching requests pass first.
    pub fn after(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }
}

/// A request as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// HTTP method.
    pub method: String,
    /// Path and query, percent-encoded.
    pub path: String,
    /// Status of the answer; `None` where the connection was closed.
    pub status: Option<u16>,
    /// The storage class that was asked for.
    pub storage_class: Option<String>,
}

/// The rules of one server and what it saw.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
    injected: Mutex<usize>,
    seen: Mutex<Vec<Seen>>,
}

impl Faults {
    /// Adds a rule; rules are tried in the order in which they were added.
    pub fn add(&self, rule: Rule) {
        self.rules.lock().unwrap().push(rule);
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.rules.lock().unwrap().clear();
    }

    /// How many requests met a fault.
    pub fn injected(&self) -> usize {
        *self.injected.lock().unwrap()
    }

    /// The fault for a request, counted as used.
    pub(crate) fn next(&self, method: &str, path: &str) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let index = rules
            .iter()
            .position(|rule| rule.method == method && rule.path.is_match(path))?;
        let rule = &mut rules[index];
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        let fault = rule.fault;
        rule.times -= 1;
        if rule.times == 0 {
            rules.remove(index);
        }
        *self.injected.lock().unwrap() += 1;
        Some(fault)
    }

    pub(crate) fn record(&self, seen: Seen) {
        self.seen.lock().unwrap().push(seen);
    }

    /// All requests so far, in the order of their answers.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests of `method` had a path that matches.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let path = Regex::new(path).expect("a regular expression");
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|request| request.method == method && path.is_match(&request.path))
            .count()
    }

    /// Forgets the requests seen so far.
    pub fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_fires_for_its_requests_and_as_often_as_it_says() {
        let faults = Faults::default();
        let fault = Fault::Instead(Answer::Status(503));
        faults.add(
            Rule::new("PUT", r"/_delta_log/\d+\.json$", fault)
                .after(1)
                .times(2),
        );
        let commit = "/lake/t/_delta_log/00000000000000000001.json";
        assert_eq!(faults.next("GET", commit), None, "another method");
        assert_eq!(
            faults.next("PUT", "/lake/t/part-0.parquet"),
            None,
            "another path"
        );
        assert_eq!(faults.next("PUT", commit), None, "the first is let through");
        assert_eq!(faults.next("PUT", commit), Some(fault));
        assert_eq!(faults.next("PUT", commit), Some(fault));
        assert_eq!(faults.next("PUT", commit), None, "used up");
        assert_eq!(faults.injected(), 2);
    }
}
