//! Contigs of single cells (10x): the table and the sequences beside it are one input, and cells pair within their library.

use std::path::{Path, PathBuf};

use tests::binary::Paratope;
use tests::lake::contents;

struct Run {
    folder: tempfile::TempDir,
    paratope: Paratope,
}

/// Repository files.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn run() -> Run {
    let folder = tempfile::tempdir().unwrap();
    for name in ["filtered_contig_annotations.csv", "filtered_contig.fasta"] {
        let from = repository("tests/data/tenx").join(name);
        std::fs::copy(from, folder.path().join(name)).unwrap();
    }
    let paratope = Paratope::on(folder.path().join("lake"));
    Run { folder, paratope }
}

impl Run {
    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_string()
    }

    fn table(&self) -> String {
        self.file("filtered_contig_annotations.csv")
    }

    fn fasta(&self) -> String {
        self.file("filtered_contig.fasta")
    }

    fn count(&self, what: &str) -> i64 {
        self.paratope.count(&format!("SELECT {what} FROM chains"))
    }
}

#[test]
fn a_table_brings_its_sequences_and_they_are_not_ingested_once_more() {
    let run = run();
    let done = run.paratope.ingest([run.file("filtered*")]);
    assert!(
        done.stdout
            .contains("read with filtered_contig_annotations.csv"),
        "{}",
        done.stdout
    );
    assert_eq!(run.count("count(*)"), 3);
    assert_eq!(run.count("count(v_domain_aa)"), 2);
    let rows = run.paratope.query(
        "SELECT chain, chain_source, locus, cdr3_aa, v_gene, umi_count FROM chains ORDER BY sequence_id",
    );
    assert_eq!(
        serde_json::to_string(&rows).unwrap(),
        r#"[{"chain":"heavy","chain_source":"v_domain","locus":"IGH","cdr3_aa":"SRWGGDGFYAMDY","v_gene":"IGHV3-66","umi_count":41},{"chain":"light","chain_source":"v_domain","locus":"IGK","cdr3_aa":"QQHYTTPPT","v_gene":"IGKV1-39","umi_count":52},{"chain":"light","chain_source":"c_call","locus":"IGL","cdr3_aa":null,"v_gene":null,"umi_count":3}]"#
    );
    assert_eq!(run.count("count(DISTINCT pair_id)"), 1, "no cell, no pair");
    assert_eq!(run.count("count(pair_id)"), 2);
    let before = contents(&run.paratope);
    run.paratope.ingest([run.file("filtered*")]);
    run.paratope.ingest([run.table()]);
    assert_eq!(contents(&run.paratope), before);
}

#[test]
fn the_sequences_are_found_beside_a_table_that_is_named_alone_and_compressed() {
    use std::io::Write as _;
    let run = run();
    let plain = std::fs::read(run.fasta()).unwrap();
    let packed = std::fs::File::create(run.file("filtered_contig.fasta.gz")).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    encoder.write_all(&plain).unwrap();
    encoder.finish().unwrap();
    std::fs::remove_file(run.fasta()).unwrap();
    run.paratope.ingest([run.table()]);
    assert_eq!(run.count("count(sequence)"), 2);
}

#[test]
fn a_table_without_sequences_has_rows_without_them() {
    let run = run();
    std::fs::remove_file(run.fasta()).unwrap();
    run.paratope.ingest([run.table()]);
    assert_eq!(
        (run.count("count(*)"), run.count("count(sequence)")),
        (3, 0)
    );
    let heavy = "SELECT count(*) FROM chains WHERE chain = 'heavy' AND chain_source = 'locus' AND cdr3_aa = 'SRWGGDGFYAMDY'";
    assert_eq!(run.paratope.count(heavy), 1);
}

#[test]
fn other_sequences_make_new_data_and_replace_takes_their_place() {
    let run = run();
    let fasta = std::fs::read_to_string(run.fasta()).unwrap();
    std::fs::remove_file(run.fasta()).unwrap();
    run.paratope.ingest([run.table()]);
    std::fs::write(run.fasta(), fasta).unwrap();
    run.paratope.ingest(["--replace".to_string(), run.table()]);
    assert_eq!(
        (run.count("count(*)"), run.count("count(sequence)")),
        (3, 2)
    );
}

#[test]
fn sequences_given_alone_are_fasta() {
    let run = run();
    run.paratope.ingest([run.fasta()]);
    assert_eq!((run.count("count(*)"), run.count("count(cell_id)")), (2, 0));
}

#[test]
fn sequences_of_another_run_are_told_and_nothing_is_joined() {
    let run = run();
    std::fs::write(run.fasta(), ">CELL-1_contig_1\nACGT\n").unwrap();
    run.paratope
        .run_verb("ingest", [run.table()])
        .expect_code(3);
    let reasons = run.paratope.query("SELECT reason FROM system.rejects");
    let reasons = serde_json::to_string(&reasons).unwrap();
    assert!(reasons.contains("not of one run"), "{reasons}");
    assert_eq!(
        (run.count("count(*)"), run.count("count(sequence)")),
        (2, 0)
    );
}

/// The numbers were counted in the file itself.
#[test]
fn real_cells_pair_as_often_as_they_do_in_the_source() {
    let run = run();
    let name = "human_b_cells_filtered_contig_annotations.csv.gz";
    let shipped = repository("flight-server/data/scirpy").join(name);
    let two = run.file(&format!("two_{name}"));
    std::fs::copy(&shipped, &two).unwrap();
    let shipped = shipped.to_str().unwrap();
    run.paratope.ingest(["--sample", "one", shipped]);
    run.paratope.ingest(["--sample", "two", &two]);
    let one = "sample_id = 'one'";
    let count = |sql: &str| run.paratope.count(sql);
    let rows = |condition: &str| {
        count(&format!(
            "SELECT count(*) FROM chains WHERE {one} AND {condition}"
        ))
    };
    assert_eq!(rows("true"), 15_079);
    assert_eq!(rows("NOT productive"), 3_058);
    assert_eq!(rows("cdr3_aa IS NULL"), 2_495);
    assert_eq!(rows("sequence IS NOT NULL"), 0);
    // Four chimeras of kappa and lambda have no locus; their V gene is one of a light chain.
    assert_eq!(
        rows("attributes['chain'] = 'Multi' AND chain = 'light' AND chain_source = 'v_call'"),
        4
    );
    let join = format!(
        "FROM chains h JOIN chains l ON l.pair_id = h.pair_id WHERE h.chain = 'heavy' AND l.chain = 'light' AND h.{one}"
    );
    // With the other sample, which has the same barcodes, they do not pair.
    assert_eq!(count(&format!("SELECT count(*) {join}")), 10_650);
    assert_eq!(
        count(&format!("SELECT count(DISTINCT h.cell_id) {join}")),
        5_439
    );
    let exact = format!(
        "SELECT count(*) FROM (SELECT pair_id FROM chains WHERE {one} AND productive GROUP BY pair_id \
         HAVING count(*) FILTER (WHERE chain = 'heavy') = 1 AND count(*) FILTER (WHERE chain = 'light') = 1)"
    );
    assert_eq!(count(&exact), 4_597);
    let pairs = format!("SELECT count(*) FROM paired_chains WHERE {one}");
    assert_eq!(count(&pairs), 5_293);
    assert_eq!(count(&format!("{pairs} AND NOT ambiguous")), 4_597);
}
