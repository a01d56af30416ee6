//! Every metric that is told is listed, and every metric that documents and dashboard name is told.

#![allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test

use std::collections::BTreeSet;
use std::path::Path;

use super::all;

fn deployment(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.github/deploy");
    std::fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn names_are_unique_carry_the_prefix_and_their_unit() {
    let mut seen = BTreeSet::new();
    for measure in all() {
        let name = measure.name;
        assert!(seen.insert(name), "{name} is listed twice");
        assert!(name.starts_with("paratope_"), "{name}");
        let is_counter = measure.kind == engine::measures::Kind::Counter;
        assert_eq!(is_counter, name.ends_with("_total"), "{name}");
        if measure.kind == engine::measures::Kind::Histogram {
            assert!(name.ends_with("_seconds"), "{name}");
        }
    }
}

#[test]
fn the_documentation_lists_every_metric_as_it_is() {
    let mut table = String::from("| metric | kind | labels | tells |\n|---|---|---|---|\n");
    for measure in all() {
        let labels: Vec<String> = measure
            .labels
            .iter()
            .map(|(label, _)| format!("`{label}`"))
            .collect();
        table.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            measure.name,
            measure.kind.name(),
            labels.join(", "),
            measure.help
        ));
    }
    let documented = deployment("WATCHING.md");
    assert!(
        documented.contains(&table),
        ".github/deploy/WATCHING.md lacks this table:\n{table}"
    );
}

#[test]
fn the_dashboard_shows_metrics_that_exist() {
    let text = deployment("grafana-dashboard.json");
    serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let known: BTreeSet<&str> = all().map(|measure| measure.name).collect();
    let mut used = BTreeSet::new();
    for (start, _) in text.match_indices("paratope_") {
        let rest = &text[start..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let name = &rest[..end];
        let series = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix))
            .unwrap_or(name);
        assert!(known.contains(series), "the dashboard shows {name}");
        used.insert(series);
    }
    assert!(used.len() > 10, "{used:?}");
}
