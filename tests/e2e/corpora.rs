//! Real files of the corpora in `PARATOPE_CORPUS`: what is in them is in the lake.

use std::path::PathBuf;

use tests::binary::Paratope;

struct Corpus {
    folder: PathBuf,
    lake: tempfile::TempDir,
}

fn corpus() -> Option<Corpus> {
    let Some(folder) = std::env::var_os("PARATOPE_CORPUS") else {
        eprintln!("skipped: PARATOPE_CORPUS is not set");
        return None;
    };
    Some(Corpus {
        folder: std::path::absolute(folder).unwrap(),
        lake: tempfile::tempdir().unwrap(),
    })
}

impl Corpus {
    fn paratope(&self) -> Paratope {
        Paratope::on(self.lake.path().join("lake"))
    }

    fn ingest(&self, file: &str, code: i32) -> Paratope {
        let paratope = self.paratope();
        let path = self.folder.join(file);
        paratope
            .run_verb("ingest", ["--species", "human", path.to_str().unwrap()])
            .expect_code(code);
        paratope
    }
}

/// Values of the two columns of a query, joined by `=`.
fn pairs(paratope: &Paratope, sql: &str) -> Vec<String> {
    let row = |row: tests::binary::Row| {
        let values: Vec<String> = row
            .values()
            .map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_string)
            })
            .collect();
        values.join("=")
    };
    paratope.query(sql).into_iter().map(row).collect()
}

#[test]
fn ten_thousand_human_v_domains_land_in_the_partitions_of_their_headers() {
    let Some(corpus) = corpus() else { return };
    let paratope = corpus.ingest("fasta/SRR_HKL_10k.fasta.gz", 0);
    let records = paratope.count("SELECT count(DISTINCT source_record) FROM chains");
    let proteins = paratope.count("SELECT count(*) FROM proteins");
    assert_eq!(records + proteins, 10_000);
    // The header's last field is the locus as the source saw it.
    let agree = paratope.count(
        "SELECT count(*) FROM chains WHERE chain = CASE WHEN locus = 'IGH' THEN 'heavy' ELSE 'light' END",
    );
    assert!(
        agree >= 9_990,
        "{agree} of {records} chains lie where their locus says"
    );
    let heavy = paratope.count("SELECT count(*) FROM chains WHERE chain = 'heavy'");
    assert!(
        (4_850..=4_900).contains(&heavy),
        "{heavy} heavy chains of about 4,878"
    );
}

#[test]
fn every_chain_of_the_protein_data_bank_is_a_chain_or_a_protein() {
    let Some(corpus) = corpus() else { return };
    let paratope = corpus.paratope();
    let path = corpus.folder.join("fasta/pdb_sequences.fa.txt.gz");
    let outcome = paratope.run_verb("ingest", [path]);
    assert!(matches!(outcome.code, Some(0 | 3)), "{}", outcome.stderr);
    let chains = paratope.count("SELECT count(DISTINCT source_record) FROM chains");
    let proteins = paratope.count("SELECT count(*) FROM proteins");
    let rejects = paratope.count("SELECT count(*) FROM system.rejects");
    assert_eq!(chains + proteins + rejects, 10_143);
    assert!(chains > 9_500, "{chains} of 10,143 have a V domain");
}

#[test]
fn the_example_of_the_airr_standard_is_read_whole() {
    let Some(corpus) = corpus() else { return };
    for file in [
        "airr/good_rearrangement.tsv",
        "airr/good_rearrangement.tsv.gz",
    ] {
        let corpus = Corpus {
            folder: corpus.folder.clone(),
            lake: tempfile::tempdir().unwrap(),
        };
        let paratope = corpus.ingest(file, 0);
        assert_eq!(paratope.count("SELECT count(*) FROM chains"), 9, "{file}");
        let calls = paratope.count("SELECT count(*) FROM chains WHERE v_call LIKE 'IG%'");
        assert_eq!(calls, 9, "{file}");
    }
}

#[test]
fn deliberately_broken_airr_files_are_named() {
    let Some(corpus) = corpus() else { return };
    for file in ["airr/bad_rearrangement.tsv", "airr/extra_rearrangement.tsv"] {
        let paratope = corpus.paratope();
        let path = corpus.folder.join(file);
        let outcome = paratope.run_verb("ingest", [path.to_str().unwrap()]);
        assert!(matches!(outcome.code, Some(1 | 3)), "{file}: {outcome:?}");
        if outcome.code == Some(1) {
            let name = path.file_name().unwrap().to_str().unwrap();
            outcome.expect_message(&[name]);
        } else {
            assert!(
                paratope.count("SELECT count(*) FROM system.rejects") > 0,
                "{file}"
            );
        }
    }
}

#[test]
fn single_cell_airr_keeps_its_loci_and_cells() {
    let Some(corpus) = corpus() else { return };
    let paratope = corpus.ingest("airr/scirpy_issue_625.tsv", 0);
    let loci = pairs(
        &paratope,
        "SELECT locus, count(*) AS n FROM chains WHERE domain_index = 1 GROUP BY locus ORDER BY locus",
    );
    assert_eq!(loci, ["IGH=79", "IGK=41", "IGL=38"]);
    let without_cell = paratope.count("SELECT count(*) FROM chains WHERE cell_id IS NULL");
    assert_eq!(without_cell, 0);
}

#[test]
fn therapeutics_with_both_chains_in_one_cell_are_paired() {
    let Some(corpus) = corpus() else { return };
    let paratope = corpus.paratope();
    let file = corpus.folder.join("humanness/imgt_mab_db_all_scores.tsv");
    paratope.ingest([
        "--map",
        "Antibody=name",
        "--map",
        "Species=organism",
        "--map",
        "Seqs (comma-separated)=chains",
        file.to_str().unwrap(),
    ]);
    let count = |sql: &str| paratope.count(sql);
    assert_eq!(
        count("SELECT count(*) FROM proteins WHERE kind = 'antibody'"),
        553
    );
    // 533 cells hold two chains, 5 one, 10 three and 5 four.
    assert_eq!(
        count("SELECT count(*) FROM chains"),
        533 * 2 + 5 + 10 * 3 + 5 * 4
    );
    let paired = "SELECT count(*) FROM (SELECT pair_id FROM chains WHERE pair_id IS NOT NULL GROUP BY pair_id \
                  HAVING count(*) = 2 AND count(*) FILTER (WHERE chain = 'heavy') = 1)";
    assert_eq!(count(paired), 533 + 10 + 5 * 2);
    assert_eq!(count("SELECT count(*) FROM system.rejects"), 0);
}

#[test]
fn structures_feed_three_tables_whose_rows_join() {
    let Some(corpus) = corpus() else { return };
    let paratope = corpus.ingest("structures", 0);
    let entries = pairs(
        &paratope,
        "SELECT pdb_id, count(*) AS n FROM structures GROUP BY pdb_id ORDER BY pdb_id",
    );
    assert_eq!(
        entries,
        [
            "12e8=4", "1kb5=4", "5omm=3", "6y1l=2", "8ee8=2", "8kdm=7", "8oi2=2"
        ]
    );
    let fvs = pairs(
        &paratope,
        "SELECT pairing, count(*) AS n FROM fvs GROUP BY pairing ORDER BY pairing",
    );
    assert_eq!(fvs, ["geometry=2", "remark=7"]);
    // Both chains of each pair that is in its file, by the pair, by the identifier and by the V domain.
    let joined = paratope.count(
        "SELECT count(*) FROM fvs JOIN chains AS h ON h.pair_id = fvs.pair_id AND h.sequence_id = fvs.heavy_sequence_id \
         JOIN chains AS l ON l.pair_id = fvs.pair_id AND l.sequence_id = fvs.light_sequence_id \
         WHERE h.v_domain_hash = fvs.heavy_v_domain_hash AND l.v_domain_hash = fvs.light_v_domain_hash \
           AND h.chain = 'heavy' AND l.chain = 'light'",
    );
    assert_eq!(joined, 7);
    let whole = paratope.count(
        "SELECT count(*) FROM structures JOIN chains USING (sequence_hash, source_file) \
         WHERE pdb_id = '8kdm' AND cardinality(structures.residues) = length(structures.sequence)",
    );
    assert_eq!(whole, 8, "two Fabs, each chain twice");
    // Once more: nothing is added.
    corpus.ingest("structures", 0);
    assert_eq!(paratope.count("SELECT count(*) FROM fvs"), 9);
}
