//! Which job runs after which, and that none waits for itself.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::Job;

/// The jobs that each job runs after.
#[derive(Debug, Default)]
pub struct Graph(BTreeMap<String, Vec<String>>);

impl Graph {
    /// Of these jobs.
    pub fn of<'a>(jobs: impl IntoIterator<Item = &'a Job>) -> Self {
        let edges = jobs
            .into_iter()
            .map(|job| (job.name.clone(), job.after.clone()));
        Self(edges.collect())
    }

    /// Jobs that wait for each other in a circle through `name`: `a, b, a`.
    pub fn cycle(&self, name: &str) -> Option<Vec<String>> {
        let mut path = vec![name.to_string()];
        let mut seen = BTreeSet::new();
        self.search(name, name, &mut seen, &mut path)
            .then_some(path)
    }

    fn search(
        &self,
        target: &str,
        at: &str,
        seen: &mut BTreeSet<String>,
        path: &mut Vec<String>,
    ) -> bool {
        for next in self.0.get(at).into_iter().flatten() {
            let back = next == target;
            if !back && !seen.insert(next.clone()) {
                continue;
            }
            path.push(next.clone());
            if back || self.search(target, next, seen, path) {
                return true;
            }
            path.pop();
        }
        false
    }

    /// Names that a job runs after and no job has.
    pub fn missing<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .get(name)
            .into_iter()
            .flatten()
            .filter(|after| !self.0.contains_key(*after))
            .map(String::as_str)
    }

    /// The jobs with what they wait for, a line each, in an order in which each comes behind what it waits for.
    pub fn lines(&self) -> Vec<(usize, String)> {
        let mut lines = Vec::new();
        let is_root = |name: &&String| {
            let after = self.0.get(*name);
            after.is_none_or(|after| after.iter().all(|before| !self.0.contains_key(before)))
        };
        let mut shown = BTreeSet::new();
        for root in self.0.keys().filter(is_root) {
            self.line(root, 0, &mut shown, &mut lines);
        }
        for rest in self
            .0
            .keys()
            .filter(|name| !shown.contains(*name))
            .cloned()
            .collect::<Vec<_>>()
        {
            lines.push((0, rest));
        }
        lines
    }

    fn line(
        &self,
        name: &str,
        depth: usize,
        shown: &mut BTreeSet<String>,
        lines: &mut Vec<(usize, String)>,
    ) {
        let is_new = shown.insert(name.to_string());
        lines.push((depth, name.to_string()));
        if !is_new {
            return;
        }
        for (next, after) in &self.0 {
            if after.iter().any(|before| before == name) {
                self.line(next, depth + 1, shown, lines);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let edges = edges.iter().map(|(name, after)| {
            (
                name.to_string(),
                after.iter().map(ToString::to_string).collect(),
            )
        });
        Graph(edges.collect())
    }

    #[test]
    fn a_circle_is_found_from_each_of_its_jobs_and_from_no_other() {
        let graph = graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &["a"])]);
        for (name, way) in [("a", "a b c a"), ("b", "b c a b"), ("c", "c a b c")] {
            assert_eq!(
                graph.cycle(name).map(|way| way.join(" ")).as_deref(),
                Some(way)
            );
        }
        assert_eq!(graph.cycle("d"), None);
    }

    #[test]
    fn two_ways_to_one_job_are_no_circle() {
        let graph = graph(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])]);
        assert_eq!(graph.cycle("d"), None);
        let lines = graph.lines();
        let shown: Vec<String> = lines
            .iter()
            .map(|(depth, name)| format!("{}{name}", "-".repeat(*depth)))
            .collect();
        assert_eq!(shown.join(" "), "a -b --d -c --d");
    }

    #[test]
    fn a_job_that_nobody_has_is_told() {
        let graph = graph(&[("a", &["gone"])]);
        assert_eq!(graph.missing("a").collect::<Vec<_>>(), ["gone"]);
    }
}
