//! Contig annotations of old and new versions, with and without their sequences, whole and broken.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
use std::io::Cursor;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use rand::{Rng, SeedableRng};

use super::*;
use crate::formats::{decompress, detect};

const HEADER: &str = "barcode,is_cell,contig_id,high_confidence,length,chain,v_gene,d_gene,j_gene,c_gene,full_length,productive,cdr3,cdr3_nt,reads,umis,raw_clonotype_id,raw_consensus_id";
const ROW: &str = "AAAC-1,True,AAAC-1_contig_1,True,8,IGH,IGHV7-4-1,None,IGHJ6,IGHM,True,True,CASW,TGTGCGTCCTGG,791,7,clonotype121,clonotype121_consensus_2";
const MULTI: &str = "AAAC-1,True,AAAC-1_contig_2,True,9,Multi,IGLV2-23,None,IGKJ4,IGLC2,False,None,None,None,403,2,clonotype121,None";
/// Cell Ranger 5 and later; the V domain is that of trastuzumab's heavy chain, cut at 10x's ends.
const REGIONED: &str = "barcode,is_cell,contig_id,chain,productive,fwr1,fwr1_nt,cdr1,fwr2,cdr2,fwr3,cdr3,cdr3_nt,fwr4,reads,umis,raw_clonotype_id";
const REGIONS: [&str; 7] = [
    "EVQLVESGGGLVQPGGSLRLSCAAS",
    "GFNIKDT",
    "YIHWVRQAPGKGLEWVARI",
    "YPTNGY",
    "TRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYY",
    "CSRWGGDGFYAMDYW",
    "GQGTLVTVSS",
];

fn open(text: &[u8], fasta: Option<&str>) -> Result<Box<dyn Records>> {
    let input = decompress(Box::new(Cursor::new(text.to_vec())))?;
    let companion = fasta.map(|fasta| Companion {
        name: "x_contig.fasta".into(),
        input: Box::new(Cursor::new(fasta.as_bytes().to_vec())),
    });
    TenX.open_with(
        input,
        companion,
        "x_contig_annotations.csv",
        &ReadOptions::default(),
    )
}

fn read(text: &[u8], fasta: Option<&str>) -> SourceBatch {
    let mut records = open(text, fasta).unwrap();
    let batch = records.next_batch().unwrap().unwrap();
    assert!(records.next_batch().unwrap().is_none());
    batch
}

fn cell(batch: &RecordBatch, name: &str, row: usize) -> Option<String> {
    let column = batch.column_by_name(name).unwrap().as_string::<i32>();
    (!column.is_null(row)).then(|| column.value(row).to_string())
}

fn attribute(batch: &RecordBatch, row: usize, key: &str) -> Option<String> {
    let map = batch.column_by_name("attributes").unwrap().as_map();
    let entries = map.value(row);
    let keys = entries.column(0).as_string::<i32>();
    let at = keys.iter().position(|known| known == Some(key))?;
    Some(entries.column(1).as_string::<i32>().value(at).to_string())
}

fn regioned() -> String {
    let [fwr1, cdr1, fwr2, cdr2, fwr3, cdr3, fwr4] = REGIONS;
    format!(
        "{REGIONED}\nB-1,TRUE,B-1_contig_1,IGH,TRUE,{fwr1},GAG,{cdr1},{fwr2},{cdr2},{fwr3},{cdr3},TGT,{fwr4},9,3,\n\
         B-1,FALSE,B-1_contig_2,IGK,,DIQ,,,,,,,,,9,3,\n"
    )
}

#[test]
fn cells_become_what_airr_calls_them() {
    let batch = read(format!("{HEADER}\n{ROW}\n").as_bytes(), None);
    let rows = &batch.records;
    assert_eq!((batch.consumed, batch.rejects.len()), (1, 0));
    assert_eq!(rows.schema(), TenX.schema().unwrap());
    for (name, expected) in [
        ("sequence_id", Some("AAAC-1_contig_1")),
        ("cell_id", Some("AAAC-1")),
        ("locus", Some("IGH")),
        ("v_call", Some("IGHV7-4-1")),
        ("d_call", None),
        ("j_call", Some("IGHJ6")),
        ("c_call", Some("IGHM")),
        ("junction_aa", Some("CASW")),
        ("junction", Some("TGTGCGTCCTGG")),
        ("clone_id", Some("clonotype121")),
        ("sequence", None),
        ("sequence_aa", None),
    ] {
        assert_eq!(cell(rows, name, 0).as_deref(), expected, "{name}");
    }
    let count = |name: &str| {
        rows.column_by_name(name)
            .unwrap()
            .as_primitive::<Int64Type>()
            .value(0)
    };
    assert_eq!((count("consensus_count"), count("umi_count")), (791, 7));
    for (key, value) in [
        ("raw_consensus_id", "clonotype121_consensus_2"),
        ("full_length", "True"),
        ("length", "8"),
    ] {
        assert_eq!(attribute(rows, 0, key).as_deref(), Some(value), "{key}");
    }
}

#[test]
fn flags_are_known_in_every_case_and_none_is_null() {
    for (word, expected) in [
        ("True", Some(true)),
        ("true", Some(true)),
        ("TRUE", Some(true)),
        ("False", Some(false)),
        ("FALSE", Some(false)),
        ("None", None),
        ("", None),
    ] {
        let row = ROW.replacen("True,True,CASW", &format!("True,{word},CASW"), 1);
        let batch = read(format!("{HEADER}\n{row}\n").as_bytes(), None);
        let flags = batch
            .records
            .column_by_name("productive")
            .unwrap()
            .as_boolean();
        let flag = flags.is_valid(0).then(|| flags.value(0));
        assert_eq!(flag, expected, "{word}");
    }
}

#[test]
fn a_contig_of_several_loci_has_none_and_says_so() {
    let batch = read(format!("{HEADER}\n{MULTI}\n").as_bytes(), None);
    assert_eq!(cell(&batch.records, "locus", 0), None);
    assert_eq!(
        cell(&batch.records, "v_call", 0).as_deref(),
        Some("IGLV2-23")
    );
    assert_eq!(
        attribute(&batch.records, 0, "chain").as_deref(),
        Some("Multi")
    );
    assert_eq!(cell(&batch.records, "junction_aa", 0), None);
}

#[test]
fn sequences_are_joined_by_contig_and_not_by_order() {
    let fasta = ">AAAC-1_contig_2\nACGTACGTA\n>AAAC-1_contig_1\nACGT\nACGT\n>other\nAC\n";
    let batch = read(
        format!("{HEADER}\n{ROW}\n{MULTI}\n").as_bytes(),
        Some(fasta),
    );
    assert_eq!(batch.rejects, []);
    assert_eq!(
        cell(&batch.records, "sequence", 0).as_deref(),
        Some("ACGTACGT")
    );
    assert_eq!(
        cell(&batch.records, "sequence", 1).as_deref(),
        Some("ACGTACGTA")
    );
}

#[test]
fn a_contig_that_the_sequences_lack_is_a_row_without_one() {
    let batch = read(
        format!("{HEADER}\n{ROW}\n{MULTI}\n").as_bytes(),
        Some(">AAAC-1_contig_1\nACGTACGT\n"),
    );
    assert_eq!((batch.records.num_rows(), batch.rejects.len()), (2, 0));
    assert_eq!(cell(&batch.records, "sequence", 1), None);
}

#[test]
fn sequences_of_another_run_are_told_by_their_length() {
    let batch = read(
        format!("{HEADER}\n{ROW}\n{MULTI}\n").as_bytes(),
        Some(">AAAC-1_contig_1\nACGT\n"),
    );
    assert_eq!((batch.records.num_rows(), batch.consumed), (1, 2));
    let reason = &batch.rejects[0].reason;
    for word in [
        "line 2",
        "AAAC-1_contig_1 has 8 bases here and 4 in x_contig.fasta",
        "side by side",
    ] {
        assert!(reason.contains(word), "{reason}");
    }
}

#[test]
fn what_is_wrong_with_the_sequences_is_said_with_their_file() {
    let fasta = ">AAAC-1_contig_1\nACGTACGT\n>AAAC-1_contig_2\nAC5T\n>AAAC-1_contig_1\nTTTTTTTT\n";
    let batch = read(
        format!("{HEADER}\n{ROW}\n{MULTI}\n").as_bytes(),
        Some(fasta),
    );
    assert_eq!((batch.records.num_rows(), batch.consumed), (2, 2));
    let reasons: Vec<&str> = batch
        .rejects
        .iter()
        .map(|reject| reject.reason.as_str())
        .collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(
        reasons
            .iter()
            .all(|reason| reason.starts_with("x_contig.fasta: ")),
        "{reasons:?}"
    );
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("'5' at position 3")),
        "{reasons:?}"
    );
    assert!(
        reasons.iter().any(|reason| reason.contains("stands twice")),
        "{reasons:?}"
    );
    assert!(batch.rejects.iter().all(|reject| reject.record.is_none()));
    let mut records = open(format!("{HEADER}\n").as_bytes(), Some(fasta)).unwrap();
    assert_eq!(
        records.next_batch().unwrap().unwrap().rejects.len(),
        2,
        "without rows too"
    );
    assert!(records.next_batch().unwrap().is_none());
}

#[test]
fn regions_are_joined_where_there_is_no_sequence_and_all_of_them_are_there() {
    let batch = read(regioned().as_bytes(), None);
    let rows = &batch.records;
    assert_eq!(batch.rejects, []);
    assert_eq!(cell(rows, "sequence_aa", 0), Some(REGIONS.concat()));
    assert_eq!(cell(rows, "sequence_aa", 1), None);
    assert_eq!(attribute(rows, 0, "cdr1").as_deref(), Some("GFNIKDT"));
    let batch = read(regioned().as_bytes(), Some(">B-1_contig_1\nACGT\n"));
    assert_eq!(
        cell(&batch.records, "sequence_aa", 0),
        None,
        "the contig has it all"
    );
}

#[test]
fn a_mark_windows_line_ends_and_a_missing_last_newline_change_nothing() {
    let plain = read(format!("{HEADER}\n{ROW}\n{MULTI}\n").as_bytes(), None);
    let windows = format!("\u{feff}{HEADER}\n\n{ROW}\n{MULTI}").replace('\n', "\r\n");
    let windows = read(windows.as_bytes(), None);
    assert_eq!(plain.records, windows.records);
    assert_eq!(windows.rejects, []);
}

#[test]
fn a_broken_row_is_rejected_with_its_place_and_the_rest_goes_on() {
    for (broken, reason) in [
        (
            ROW.replace("True,True,CASW", "True,perhaps,CASW"),
            "column productive: 'perhaps' is not T or F",
        ),
        (
            ROW.replace(",791,7,", ",791,many,"),
            "column umis: 'many' is not a whole number",
        ),
        (ROW.replace(",IGH,", ","), "17 cells under a header of 18"),
        (
            ROW.replace("IGHM", "\"IGHM"),
            "a quote is opened and not closed",
        ),
    ] {
        let batch = read(
            format!("{HEADER}\n{ROW}\n{broken}\n{MULTI}\n").as_bytes(),
            None,
        );
        assert_eq!(
            (batch.records.num_rows(), batch.consumed),
            (2, 3),
            "{broken}"
        );
        let reject = &batch.rejects[0];
        assert_eq!(
            (reject.record, reject.text.as_str()),
            (Some(2), broken.as_str())
        );
        assert!(reject.reason.starts_with("line 3: "), "{}", reject.reason);
        assert!(reject.reason.contains(reason), "{}", reject.reason);
    }
}

#[test]
fn a_table_without_contigs_is_refused_with_the_remedy() {
    let text = format!("{HEADER}\n{ROW}\n").replacen("contig_id", "id", 1);
    let error = open(text.as_bytes(), None).err().unwrap().to_string();
    for word in [
        "x_contig_annotations.csv",
        "line 1",
        "contig_id",
        "all_contig_annotations.csv",
    ] {
        assert!(error.contains(word), "{error}");
    }
    let empty = open(b"", None).err().unwrap().to_string();
    assert!(empty.contains("empty"), "{empty}");
    let latin = open(b"barcode,contig_id,\xe9\n", None)
        .err()
        .unwrap()
        .to_string();
    assert!(latin.contains("not valid UTF-8"), "{latin}");
}

#[test]
fn a_cut_gzip_table_gives_its_whole_records_and_a_reject() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writeln!(encoder, "{HEADER}").unwrap();
    let mut random = rand::rngs::StdRng::seed_from_u64(5);
    for record in 0..3_000 {
        let reads: u64 = random.random();
        writeln!(
            encoder,
            "{}",
            ROW.replace("791", &format!("{}", reads >> 2))
                .replace("AAAC", &format!("C{record}"))
        )
        .unwrap();
    }
    let packed = encoder.finish().unwrap();
    let mut records = open(&packed[..packed.len() / 2], None).unwrap();
    let (mut rows, mut rejects, mut consumed) = (0, Vec::new(), 0);
    while let Some(batch) = records.next_batch().unwrap() {
        rows += batch.records.num_rows();
        consumed += batch.consumed;
        rejects.extend(batch.rejects);
    }
    assert!(rows > 1_000, "{rows}");
    assert_eq!((rejects.len(), consumed), (1, rows as u64 + 1));
    assert!(rejects[0].reason.contains("cut off"), "{rejects:?}");
}

#[test]
fn tables_are_known_by_their_columns() {
    let name = |text: &str| detect(text.as_bytes(), "x.csv").map(|format| format.name());
    assert_eq!(name(&format!("{HEADER}\n{ROW}\n")).unwrap(), "10x");
    assert_eq!(name(&regioned()).unwrap(), "10x");
    assert!(name("clonotype_id,frequency,proportion\n").is_err());
}

#[test]
fn the_sequences_of_a_table_have_its_prefix() {
    let companions = TenX.companions("s1_filtered_contig_annotations.csv.gz");
    assert_eq!(companions[0], "s1_filtered_contig.fasta");
    assert!(companions.contains(&"s1_filtered_contig.fasta.gz".to_string()));
    for other in [
        "filtered_contig.fasta",
        "clonotypes.csv",
        "all_contig_annotations.json",
    ] {
        assert_eq!(TenX.companions(other), Vec::<String>::new(), "{other}");
    }
}

#[test]
fn random_damage_makes_neither_a_panic_nor_a_loss() {
    let good = format!("{HEADER}\n{ROW}\n{MULTI}\n{ROW}\n").into_bytes();
    let mut random = rand::rngs::StdRng::seed_from_u64(17);
    let bytes = b"\"\",\n\r\t\0;\xff1A";
    for _ in 0..3_000 {
        let mut text = good.clone();
        for _ in 0..random.random_range(1..8) {
            let at = random.random_range(0..text.len());
            match random.random_range(0..3) {
                0 => text[at] = bytes[random.random_range(0..bytes.len())],
                1 => text.insert(at, bytes[random.random_range(0..bytes.len())]),
                _ => text.truncate(at.max(1)),
            }
        }
        let fasta = String::from_utf8_lossy(&text).replace(',', "\n>");
        let Ok(mut records) = open(&text, Some(&fasta)) else {
            continue;
        };
        while let Some(batch) = records.next_batch().unwrap() {
            let of_rows = batch
                .rejects
                .iter()
                .filter(|reject| reject.record.is_some());
            let seen = batch.records.num_rows() + of_rows.count();
            assert_eq!(seen as u64, batch.consumed);
        }
    }
}
