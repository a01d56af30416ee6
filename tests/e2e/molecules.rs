//! Molecules with metadata: rows of `proteins`, `protein_chains` and `chains` that belong together, and Fvs of entries.

use std::path::{Path, PathBuf};

use tests::binary::Paratope;
use tests::lake::contents;

fn repository(path: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    path.to_str().unwrap().to_string()
}

fn lake() -> (tempfile::TempDir, Paratope) {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"));
    (folder, paratope)
}

const THERAPEUTICS: &str = "flight-server/data/therapeutics/therapeutics.tsv";

#[test]
fn shipped_therapeutics_have_two_v_domains_each_and_all_hashes_lead_to_chains() {
    let (_folder, paratope) = lake();
    let file = repository(THERAPEUTICS);
    paratope.ingest([&file]);
    let count = |sql: &str| paratope.count(sql);
    assert_eq!(
        count("SELECT count(*) FROM proteins WHERE kind = 'antibody'"),
        40
    );
    assert_eq!(count("SELECT count(*) FROM protein_chains"), 80);
    assert_eq!(count("SELECT count(*) FROM chains"), 80);
    assert_eq!(
        count(
            "SELECT count(*) FROM chains WHERE chain_source = 'v_domain' AND imgt_aligned_aa IS NOT NULL"
        ),
        80
    );
    let joined = "SELECT count(*) FROM protein_chains m JOIN chains c ON c.v_domain_hash = m.v_domain_hash \
                  AND c.sequence_hash = m.sequence_hash AND c.attributes['protein_id'] = m.protein_id \
                  AND (m.role = 'VH') = (c.chain = 'heavy')";
    assert_eq!(count(joined), 80);
    let pairs = "SELECT count(*) FROM (SELECT pair_id FROM chains GROUP BY pair_id HAVING count(DISTINCT chain) = 2 AND count(*) = 2)";
    assert_eq!(count(pairs), 40);
    assert_eq!(
        count("SELECT count(*) FROM chains WHERE species = 'unknown'"),
        0
    );
    // What the table says of the light chain's kind is what the V domain says.
    let kinds = |word: &str, locus: &str| {
        let sql = format!(
            "SELECT count(*) FROM proteins p JOIN chains c ON c.attributes['protein_id'] = p.protein_id \
             WHERE p.attributes['VD LC'] = '{word}' AND c.locus = '{locus}'"
        );
        count(&sql)
    };
    assert_eq!(kinds("Kappa", "IGK") + kinds("Lambda", "IGL"), 40);
    let before = contents(&paratope);
    paratope.ingest([&file]);
    assert_eq!(contents(&paratope), before);
}

#[test]
fn replace_takes_the_place_of_all_rows_that_a_table_brought() {
    let (folder, paratope) = lake();
    let file = folder.path().join("t.csv");
    let table = std::fs::read_to_string(repository("tests/data/molecules.csv")).unwrap();
    std::fs::write(&file, &table).unwrap();
    let file = file.to_str().unwrap();
    let mapping = [
        "--map", "INN=name", "--map", "VH=heavy", "--map", "VL=light",
    ];
    let ingest = |more: &[&str]| {
        let arguments: Vec<&str> = mapping.iter().chain(more).copied().chain([file]).collect();
        paratope.ingest(arguments);
    };
    let counts = || {
        ["proteins", "protein_chains", "chains"]
            .map(|table| paratope.count(&format!("SELECT count(*) FROM {table}")))
    };
    ingest(&[]);
    assert_eq!(counts(), [2, 2, 2]);
    ingest(&["--map", "Antigen=target"]);
    assert_eq!(counts(), [4, 4, 4], "another mapping is new data");
    ingest(&["--replace", "--map", "Antigen=target"]);
    assert_eq!(counts(), [2, 2, 2]);
    assert_eq!(
        paratope.count("SELECT count(*) FROM proteins WHERE target = 'HER2'"),
        1
    );
}

#[test]
fn a_table_that_nobody_explains_is_refused_with_the_remedy() {
    let (_folder, paratope) = lake();
    let file = repository("tests/data/molecules.csv");
    paratope
        .run_verb("ingest", [&file])
        .expect_code(1)
        .expect_message(&["molecules.csv", "--input-format"]);
    paratope
        .run_verb("ingest", ["--input-format", "table", &file])
        .expect_code(1)
        .expect_message(&["molecules.csv", "--map COLUMN=name", "INN"]);
    paratope
        .run_verb("ingest", ["--map", "INN=nmae", &file])
        .expect_code(2)
        .expect_message(&["INN=nmae"]);
}

#[test]
fn a_summary_of_sabdab_becomes_fvs() {
    let (_folder, paratope) = lake();
    paratope.ingest([repository("tests/data/sabdab_summary.tsv")]);
    let rows = paratope.query(
        "SELECT pdb_id, model, heavy_chain, light_chain, pairing, affinity_kd_m, antigens[1]['name'] AS antigen FROM fvs ORDER BY pdb_id",
    );
    assert_eq!(
        serde_json::to_string(&rows).unwrap(),
        r#"[{"pdb_id":"1n8z","model":1,"heavy_chain":"B","light_chain":"A","pairing":"summary","affinity_kd_m":1e-10,"antigen":"receptor protein-tyrosine kinase erbb-2"},{"pdb_id":"6xyz","model":1,"heavy_chain":"H","light_chain":null,"pairing":"none","affinity_kd_m":null,"antigen":"spike"}]"#
    );
    assert_eq!(paratope.count("SELECT count(*) FROM chains"), 0);
}

/// The V domains that we ship stand in the SEQRES records of the chains that we name.
#[test]
fn shipped_therapeutics_agree_with_the_protein_data_bank() {
    let Some(corpus) = std::env::var_os("PARATOPE_CORPUS") else {
        eprintln!("skipped: PARATOPE_CORPUS is not set");
        return;
    };
    let (_folder, paratope) = lake();
    paratope.init();
    let corpus = std::path::absolute(corpus).unwrap();
    let pdb = corpus.join("fasta/pdb_sequences.fa.txt.gz");
    let agree = format!(
        "WITH t AS (SELECT attributes['HeavySequence'] AS vh, attributes['LightSequence'] AS vl, \
                           split_part(attributes['100% SI Structure'], ':', 1) AS entry, \
                           split_part(attributes['100% SI Structure'], ':', 2) AS chains FROM read_table('{}')), \
              p AS (SELECT sequence_id, sequence_aa FROM read_fasta('{}')) \
         SELECT count(*) FROM t JOIN p h ON h.sequence_id = concat(t.entry, '_', substr(t.chains, 1, 1)) \
                                JOIN p l ON l.sequence_id = concat(t.entry, '_', substr(t.chains, 2, 1)) \
         WHERE strpos(h.sequence_aa, t.vh) > 0 AND strpos(l.sequence_aa, t.vl) > 0",
        repository(THERAPEUTICS),
        pdb.display()
    );
    assert_eq!(paratope.count(&agree), 40);
}
