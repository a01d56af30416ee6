//! What an ingest did: a table or JSON on stdout, and the exit status that follows from it.

use engine::ingest::{InputSummary, Status, Summary};
use indicatif::HumanCount;

use crate::cli::exit::Exit;
use crate::cli::output::{Grid, say, terminal_width};
use crate::cli::progress::per_second;

/// Writes the summary to stdout.
pub fn print(summary: &Summary, json: bool) -> anyhow::Result<()> {
    if json {
        return say(serde_json::to_string_pretty(summary)?);
    }
    say(files_table(&summary.inputs).trim_end())?;
    say(format!(
        "\n{}",
        headline(&summary.inputs, summary.elapsed_s)
    ))
}

type Count = fn(&InputSummary) -> u64;

/// Counts of an input, with the names of their columns. Those that are 0 for all inputs are left
/// out, the first two excepted.
const COUNTS: [(&str, Count); 9] = [
    ("records", |input| input.records),
    ("chains", |input| input.chains),
    ("proteins", |input| input.proteins),
    ("protein_chains", |input| input.protein_chains),
    ("repertoires", |input| input.repertoires),
    ("structures", |input| input.structures),
    ("fvs", |input| input.fvs),
    ("rejects", |input| input.rejects),
    ("contradictions", |input| input.contradictions),
];

/// A line for each file.
pub fn files_table(inputs: &[InputSummary]) -> String {
    let (always, rest) = COUNTS.split_at(2);
    let counts: Vec<_> = always
        .iter()
        .chain(
            rest.iter()
                .filter(|(_, of)| inputs.iter().any(|input| of(input) > 0)),
        )
        .collect();
    let texts = ["file", "format", "status"].map(|name| (name.to_string(), false));
    let numbers = counts.iter().map(|(name, _)| ((*name).to_string(), true));
    let mut grid = Grid::new(texts.into_iter().chain(numbers));
    for input in inputs {
        let texts = [
            name(input).to_string(),
            input.format.clone().unwrap_or_default(),
            status(input),
        ];
        let numbers = counts
            .iter()
            .map(|(_, of)| HumanCount(of(input)).to_string());
        grid.push(texts.into_iter().chain(numbers));
    }
    grid.render(terminal_width())
}

/// The whole in a sentence.
pub fn headline(inputs: &[InputSummary], elapsed_s: f64) -> String {
    let of = |status: Status| inputs.iter().filter(move |input| input.status == status);
    let new = of(Status::Ingested).count();
    let records: u64 = of(Status::Ingested).map(|input| input.records).sum();
    let mut text = if new == 0 {
        "Nothing was added".to_string()
    } else {
        format!(
            "{} records from {} in {elapsed_s:.1} s ({}/s)",
            HumanCount(records),
            files(new),
            per_second(records, elapsed_s)
        )
    };
    let before = of(Status::AlreadyIngested).count();
    if before > 0 {
        text.push_str(&format!("; {} ingested before", files(before)));
    }
    let companions = of(Status::Companion).count();
    if companions > 0 {
        text.push_str(&format!("; {} read with others", files(companions)));
    }
    let failed = of(Status::Failed).count();
    if failed > 0 {
        text.push_str(&format!("; {} failed", files(failed)));
    }
    let rejects: u64 = of(Status::Ingested).map(|input| input.rejects).sum();
    if rejects > 0 {
        let rejects = HumanCount(rejects);
        text.push_str(&format!("; {rejects} rejected, see system.rejects"));
    }
    text
}

/// The line about a file that failed.
pub fn failure(input: &InputSummary, error: &str) -> String {
    // Most errors name the file themselves.
    if error.contains(name(input)) {
        error.to_string()
    } else {
        format!("{}: {error}", input.source_file)
    }
}

/// Files that failed and records that were rejected make the work partial.
pub fn exit(summary: &Summary) -> Exit {
    let failed = |input: &&InputSummary| input.status == Status::Failed;
    let failures = summary.inputs.iter().filter(failed).count();
    let own = |input: &&InputSummary| input.status != Status::Companion;
    let new = |input: &&InputSummary| input.status == Status::Ingested;
    let rejects: u64 = summary.inputs.iter().filter(new).map(|i| i.rejects).sum();
    match (failures, rejects) {
        (0, 0) => Exit::Success,
        (failures, _) if failures == summary.inputs.iter().filter(own).count() => Exit::Failure,
        _ => Exit::Partial,
    }
}

/// The last part of a URL: the table stays narrow, the JSON has the whole.
fn name(input: &InputSummary) -> &str {
    let url = input.source_file.trim_end_matches('/');
    url.rsplit('/').next().unwrap_or(url)
}

fn status(input: &InputSummary) -> String {
    match (input.status, &input.read_with) {
        (Status::Ingested, _) => "ingested".into(),
        (Status::AlreadyIngested, _) => "ingested before".into(),
        (Status::Companion, Some(owner)) => format!("read with {owner}"),
        (Status::Companion, None) => "read with another".into(),
        (Status::Failed, _) => "failed".into(),
    }
}

fn files(count: usize) -> String {
    match count {
        1 => "1 file".into(),
        n => format!("{n} files"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(status: Status, rejects: u64) -> InputSummary {
        InputSummary {
            source_file: "file:///data/heavy.tsv".into(),
            format: Some("airr".into()),
            status,
            error: (status == Status::Failed).then(|| "truncated gzip".into()),
            read_with: (status == Status::Companion).then(|| "all_contig_annotations.csv".into()),
            records: 1_000,
            chains: 1_000,
            proteins: 0,
            protein_chains: 0,
            repertoires: 0,
            structures: 0,
            fvs: 0,
            rejects,
            contradictions: 0,
        }
    }

    fn summary(inputs: Vec<InputSummary>) -> Summary {
        Summary {
            inputs,
            elapsed_s: 2.0,
        }
    }

    #[test]
    fn the_exit_status_tells_done_from_partly_done_from_failed() {
        use Status::{AlreadyIngested, Failed, Ingested};
        let of = |inputs| exit(&summary(inputs));
        assert_eq!(
            of(vec![input(Ingested, 0), input(AlreadyIngested, 9)]),
            Exit::Success
        );
        assert_eq!(of(vec![input(Ingested, 1)]), Exit::Partial);
        assert_eq!(
            of(vec![input(Ingested, 0), input(Failed, 0)]),
            Exit::Partial
        );
        assert_eq!(
            of(vec![input(AlreadyIngested, 0), input(Failed, 0)]),
            Exit::Partial
        );
        assert_eq!(of(vec![input(Failed, 0), input(Failed, 0)]), Exit::Failure);
    }

    #[test]
    fn the_headline_counts_new_records_only() {
        let inputs = [
            input(Status::Ingested, 0),
            input(Status::AlreadyIngested, 0),
            input(Status::Failed, 0),
        ];
        assert_eq!(
            headline(&inputs, 2.0),
            "1,000 records from 1 file in 2.0 s (500/s); 1 file ingested before; 1 file failed"
        );
        assert_eq!(
            headline(&inputs[1..2], 0.1),
            "Nothing was added; 1 file ingested before"
        );
        assert!(
            headline(&[input(Status::Ingested, 7)], 2.0)
                .ends_with("; 7 rejected, see system.rejects")
        );
    }

    #[test]
    fn a_companion_is_named_with_its_owner_and_fails_nothing() {
        let inputs = vec![input(Status::Ingested, 0), input(Status::Companion, 0)];
        let table = files_table(&inputs);
        assert!(
            table.contains("read with all_contig_annotations.csv"),
            "{table}"
        );
        let text = headline(&inputs, 2.0);
        assert!(text.ends_with("; 1 file read with others"), "{text}");
        assert_eq!(exit(&summary(inputs)), Exit::Success);
        let failed = vec![input(Status::Failed, 0), input(Status::Companion, 0)];
        assert_eq!(exit(&summary(failed)), Exit::Failure);
    }

    #[test]
    fn the_table_has_a_column_of_rejects_only_where_there_are_any() {
        assert!(!files_table(&[input(Status::Ingested, 0)]).contains("rejects"));
        assert!(files_table(&[input(Status::Ingested, 7)]).contains("rejects"));
    }

    #[test]
    fn a_failure_names_its_file_once() {
        let failed = input(Status::Failed, 0);
        assert_eq!(
            failure(&failed, "truncated gzip"),
            "file:///data/heavy.tsv: truncated gzip"
        );
        assert_eq!(
            failure(&failed, "/data/heavy.tsv: no"),
            "/data/heavy.tsv: no"
        );
    }
}
