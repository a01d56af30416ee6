//! Plans are promises: partitions prune, statistics skip files, projections and filters reach
//! Parquet. Paths, sizes and times are filtered out of the snapshots.

use std::path::Path;

use tests::binary::Paratope;
use tests::data::Chain;
use tests::formats::{airr, fasta};

/// A lake with four files: heavy and light of two studies, whose V genes do not overlap.
struct Planned {
    _folder: tempfile::TempDir,
    paratope: Paratope,
}

fn planned() -> Planned {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake")).with("PARATOPE__QUERY__THREADS", "2");
    for (study, first) in [("one", true), ("two", false)] {
        let set: Vec<Chain> = tests::data::chains(9, study, 60)
            .into_iter()
            .map(|mut chain| {
                if first {
                    chain.v_call = if chain.locus == "IGH" {
                        "IGHV1-2*02"
                    } else {
                        "IGKV1-5*01"
                    };
                } else {
                    chain.v_call = if chain.locus == "IGH" {
                        "IGHV3-23*01"
                    } else {
                        "IGKV3-20*01"
                    };
                }
                chain
            })
            .collect();
        ingest(&paratope, folder.path(), study, &set);
    }
    Planned {
        _folder: folder,
        paratope,
    }
}

fn ingest(paratope: &Paratope, folder: &Path, study: &str, set: &[Chain]) {
    let file = folder.join(format!("{study}.tsv"));
    std::fs::write(&file, airr(set)).unwrap();
    paratope.ingest([
        "--study",
        study,
        "--species",
        "human",
        file.to_str().unwrap(),
    ]);
}

/// The physical plan, with what differs from run to run replaced.
fn plan(paratope: &Paratope, sql: &str) -> String {
    let rows = paratope.query(&format!("EXPLAIN FORMAT INDENT {sql}"));
    let physical = rows
        .iter()
        .find(|row| row["plan_type"] == "physical_plan")
        .unwrap_or_else(|| panic!("no physical plan in {rows:?}"));
    physical["plan"].as_str().unwrap().to_string()
}

/// Files that a plan reads.
fn files(plan: &str) -> usize {
    let part = regex::Regex::new(r"part-[^\s,\]:]*\.parquet").unwrap();
    let found: std::collections::BTreeSet<_> = part
        .find_iter(plan)
        .map(|file| file.as_str().to_string())
        .collect();
    found.len()
}

fn filtered(plan: &str, check: impl FnOnce(&str)) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(
        r"[^\s\[]*/(chain(?:=|%3D)\w+/species(?:=|%3D)\w+)/part-[^\s,\]:]*\.parquet(?::\d+\.\.\d+)?",
        "$1/….parquet",
    );
    settings.bind(|| check(plan));
}

#[test]
fn a_filter_on_a_partition_column_reads_the_files_of_that_partition_only() {
    let lake = planned();
    let all = plan(&lake.paratope, "SELECT v_gene FROM chains");
    assert_eq!(files(&all), 4, "{all}");
    let heavy = plan(
        &lake.paratope,
        "SELECT v_gene FROM chains WHERE chain = 'heavy'",
    );
    assert_eq!(files(&heavy), 2, "{heavy}");
    assert!(
        !heavy.contains("chain=light") && !heavy.contains("chain%3Dlight"),
        "{heavy}"
    );
    assert!(
        !heavy.contains("FilterExec"),
        "a partition filter is exact\n{heavy}"
    );
    filtered(&heavy, |plan| {
        insta::assert_snapshot!("partition_pruning", plan)
    });
    let none = plan(
        &lake.paratope,
        "SELECT v_gene FROM chains WHERE species = 'mouse'",
    );
    assert_eq!(files(&none), 0, "{none}");
    filtered(&none, |plan| {
        insta::assert_snapshot!("partition_pruned_to_nothing", plan)
    });
}

#[test]
fn statistics_skip_files_that_cannot_match() {
    let lake = planned();
    let one = plan(
        &lake.paratope,
        "SELECT sequence_id FROM chains WHERE chain = 'heavy' AND v_gene = 'IGHV3-23'",
    );
    assert_eq!(files(&one), 1, "{one}");
    filtered(&one, |plan| insta::assert_snapshot!("file_skipping", plan));
    let none = plan(
        &lake.paratope,
        "SELECT sequence_id FROM chains WHERE v_gene = 'IGHV9-99'",
    );
    assert_eq!(files(&none), 0, "{none}");
    let study = plan(
        &lake.paratope,
        "SELECT sequence_id FROM chains WHERE study_id = 'one'",
    );
    assert_eq!(files(&study), 2, "{study}");
}

#[test]
fn projections_and_filters_reach_parquet() {
    let lake = planned();
    let sql = "SELECT cdr3_aa FROM chains WHERE v_identity IS NULL AND v_gene LIKE 'IGHV3%'";
    let plan = plan(&lake.paratope, sql);
    let scan = plan
        .lines()
        .find(|line| line.contains("DataSourceExec"))
        .unwrap_or_else(|| panic!("{plan}"));
    assert!(scan.contains("file_type=parquet"), "{scan}");
    assert!(scan.contains("predicate="), "{scan}");
    let projection = scan
        .split("projection=[")
        .nth(1)
        .and_then(|rest| rest.split(']').next());
    let projection = projection.unwrap_or_else(|| panic!("{scan}"));
    assert!(
        projection.contains("cdr3_aa") && !projection.contains("sequence_aa"),
        "{scan}"
    );
    filtered(&plan, |plan| {
        insta::assert_snapshot!("projection_and_filter", plan)
    });
}

#[test]
fn a_count_is_answered_from_the_log_without_reading_files() {
    let lake = planned();
    let plan = plan(&lake.paratope, "SELECT count(*) FROM chains");
    assert_eq!(files(&plan), 0, "{plan}");
    assert_eq!(lake.paratope.count("SELECT count(*) FROM chains"), 120);
    filtered(&plan, |plan| {
        insta::assert_snapshot!("count_from_statistics", plan)
    });
}

#[test]
fn what_is_skipped_is_not_missed() {
    let lake = planned();
    let count = |filter: &str| {
        lake.paratope
            .count(&format!("SELECT count(*) FROM chains WHERE {filter}"))
    };
    let (heavy, light) = (count("chain = 'heavy'"), count("chain = 'light'"));
    assert_eq!(heavy + light, 120);
    assert_eq!(count("v_gene IN ('IGHV1-2', 'IGHV3-23')"), heavy);
    assert_eq!(count("v_gene LIKE 'IGK%'"), light);
    assert_eq!(count("study_id = 'one'"), 60);
    assert_eq!(count("v_gene = 'IGHV9-99'"), 0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("more.fasta");
    std::fs::write(&file, fasta(&tests::data::chains(10, "more", 5))).unwrap();
    lake.paratope.ingest([&file]);
    assert_eq!(count("species = 'unknown'"), 5);
    assert_eq!(count("v_gene IS NULL"), 5);
}

#[test]
fn statements_that_change_rows_read_the_partitions_that_their_condition_names() {
    let lake = planned();
    for sql in [
        "DELETE FROM chains WHERE chain = 'heavy' AND v_identity < 0.5",
        "UPDATE chains SET study_id = 'three' WHERE chain = 'heavy'",
        "MERGE INTO chains t USING (SELECT 'x' AS id) s ON t.sequence_id = s.id AND t.chain = 'heavy' \
         WHEN MATCHED THEN DELETE",
        "MERGE INTO chains t USING (SELECT 'x' AS id, 'heavy' AS chain) s \
         ON t.sequence_id = s.id AND t.chain = s.chain AND t.chain = 'heavy' \
         WHEN MATCHED AND t.v_identity < 0.5 THEN UPDATE SET study_id = 'three'",
        "INSERT INTO chains SELECT * FROM chains WHERE chain = 'heavy'",
    ] {
        let plan = plan(&lake.paratope, sql);
        assert_eq!(files(&plan), 2, "{sql}\n{plan}");
        assert!(
            !plan.contains("chain=light") && !plan.contains("chain%3Dlight"),
            "{sql}\n{plan}"
        );
    }
    let rows = lake
        .paratope
        .query("SELECT count(*) AS n, count(DISTINCT study_id) AS studies FROM chains");
    assert_eq!(
        (&rows[0]["n"], &rows[0]["studies"]),
        (&120.into(), &2.into()),
        "nothing was carried out"
    );
}
