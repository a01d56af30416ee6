//! Summaries, whole and broken. The rows are laid out as SAbDab's and made for the tests.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
use std::io::Cursor;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int32Type};
use rand::{Rng, SeedableRng};

use super::*;
use crate::formats::{decompress, detect};

const HEADER: &str = "pdb\tHchain\tLchain\tmodel\tantigen_chain\tantigen_type\tantigen_het_name\tantigen_name\tshort_header\tdate\tcompound\torganism\theavy_species\tlight_species\tantigen_species\tauthors\tresolution\tmethod\tr_free\tr_factor\tscfv\tengineered\theavy_subclass\tlight_subclass\tlight_ctype\taffinity\tdelta_g\taffinity_method\ttemperature\tpmid";
const ROW: &str = "1N8Z\tB\tA\t0\tC\tprotein\tNA\treceptor tyrosine-protein kinase erbb-2\tTRANSFERASE\t02/25/03\tComplex with herceptin Fab\tHOMO SAPIENS\thomo sapiens\tmus musculus\thomo sapiens\tCho, H.S.\t2.52\tX-RAY DIFFRACTION\t0.285\t0.242\tFalse\tTrue\tIGHV3\tIGKV1\tKappa\t1e-10\t-13.6\tSPR\t25\t12610629";
const TWO: &str = "6xyz\tH\tNA\t1\tA | B | NA\tprotein | peptide | Hapten\tNA | NA | heme\tspike | tail | NA\tVIRAL\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNOT\tSOLUTION NMR\tNA\tNA\tFalse\tFalse\tNA\tNA\tNA\tNone\tNone\tNone\tNA\tNA";

fn open(text: &[u8]) -> Result<Box<dyn Records>> {
    let input = decompress(Box::new(Cursor::new(text.to_vec())))?;
    Sabdab.open(input, "x.tsv", &ReadOptions::default())
}

fn read(text: &[u8]) -> SourceBatch {
    let mut records = open(text).unwrap();
    let batch = records.next_batch().unwrap().unwrap();
    assert!(records.next_batch().unwrap().is_none());
    batch
}

fn cell(rows: &RecordBatch, name: &str, row: usize) -> Option<String> {
    let column = rows.column_by_name(name).unwrap().as_string::<i32>();
    (!column.is_null(row)).then(|| column.value(row).to_string())
}

fn real(rows: &RecordBatch, name: &str, row: usize) -> Option<f64> {
    let column = rows
        .column_by_name(name)
        .unwrap()
        .as_primitive::<Float64Type>();
    (!column.is_null(row)).then(|| column.value(row))
}

fn attribute(rows: &RecordBatch, row: usize, key: &str) -> Option<String> {
    let map = rows.column_by_name("attributes").unwrap().as_map();
    let entries = map.value(row);
    let keys = entries.column(0).as_string::<i32>();
    let at = keys.iter().position(|known| known == Some(key))?;
    Some(entries.column(1).as_string::<i32>().value(at).to_string())
}

/// Chain, kind and name of each antigen.
fn antigens(rows: &RecordBatch, row: usize) -> Vec<[String; 3]> {
    let lists = rows.column_by_name("antigens").unwrap().as_list::<i32>();
    let list = lists.value(row);
    let antigens = list.as_struct();
    let part = |column: usize, at: usize| {
        let texts = antigens.column(column).as_string::<i32>();
        if texts.is_null(at) {
            String::new()
        } else {
            texts.value(at).to_string()
        }
    };
    (0..antigens.len())
        .map(|at| [0, 1, 2].map(|column| part(column, at)))
        .collect()
}

#[test]
fn a_row_is_an_fv_with_its_antigen_and_affinity() {
    let text = format!("{HEADER}\n{ROW}\n");
    assert_eq!(detect(text.as_bytes(), "x.tsv").unwrap().name(), "sabdab");
    let batch = read(text.as_bytes());
    let rows = &batch.records;
    assert_eq!((batch.consumed, batch.rejects.len()), (1, 0));
    assert_eq!(rows.schema(), Sabdab.schema().unwrap());
    for (name, expected) in [
        ("pdb_id", "1n8z"),
        ("heavy_chain", "B"),
        ("light_chain", "A"),
        ("pairing", "summary"),
        ("heavy_organism", "homo sapiens"),
        ("method", "X-RAY DIFFRACTION"),
    ] {
        assert_eq!(cell(rows, name, 0).as_deref(), Some(expected), "{name}");
    }
    let models = rows
        .column_by_name("model")
        .unwrap()
        .as_primitive::<Int32Type>();
    assert_eq!(models.value(0), 1, "the first model is 0 there and 1 here");
    assert_eq!(real(rows, "affinity_kd_m", 0), Some(1e-10));
    assert_eq!(real(rows, "resolution", 0), Some(2.52));
    let expected = [["C", "protein", "receptor tyrosine-protein kinase erbb-2"].map(String::from)];
    assert_eq!(antigens(rows, 0), expected);
    for (key, value) in [
        ("pmid", Some("12610629")),
        ("light_ctype", Some("Kappa")),
        ("pdb", None),
        ("affinity", None),
    ] {
        assert_eq!(attribute(rows, 0, key).as_deref(), value, "{key}");
    }
}

#[test]
fn a_hapten_with_a_name_keeps_its_component_as_an_attribute() {
    let hapten = ROW
        .replace("\tC\tprotein\tNA\t", "\tB\tHapten\tMMP\t")
        .replace(
            "receptor tyrosine-protein kinase erbb-2",
            "N-METHYLMESOPORPHYRIN",
        );
    let batch = read(format!("{HEADER}\n{hapten}\n{ROW}\n").as_bytes());
    let rows = &batch.records;
    let expected = [["B", "hapten", "N-METHYLMESOPORPHYRIN"].map(String::from)];
    assert_eq!(antigens(rows, 0), expected);
    let component = |row| attribute(rows, row, "antigen_het_name");
    assert_eq!(component(0).as_deref(), Some("MMP"));
    assert_eq!(component(1), None, "a protein has none");
}

#[test]
fn several_antigens_are_taken_apart_and_missing_cells_are_null() {
    let batch = read(format!("{HEADER}\n{TWO}\n").as_bytes());
    let rows = &batch.records;
    let expected = [
        ["A", "protein", "spike"],
        ["B", "peptide", "tail"],
        ["", "hapten", "heme"],
    ]
    .map(|antigen| antigen.map(String::from));
    assert_eq!(antigens(rows, 0), expected);
    assert_eq!(cell(rows, "light_chain", 0), None);
    assert_eq!(cell(rows, "pairing", 0).as_deref(), Some("none"));
    assert_eq!(
        (real(rows, "resolution", 0), real(rows, "affinity_kd_m", 0)),
        (None, None)
    );
    let models = rows
        .column_by_name("model")
        .unwrap()
        .as_primitive::<Int32Type>();
    assert_eq!(models.value(0), 2);
}

#[test]
fn an_fv_without_antigen_has_none() {
    let row = ROW.replace(
        "\tC\tprotein\tNA\treceptor tyrosine-protein kinase erbb-2\t",
        "\tNA\tNA\tNA\tNA\t",
    );
    let batch = read(format!("{HEADER}\n{row}\n{ROW}\n").as_bytes());
    let lists = batch.records.column_by_name("antigens").unwrap();
    assert_eq!((lists.is_null(0), lists.is_null(1)), (true, false));
}

#[test]
fn the_first_of_several_resolutions_is_taken() {
    let row = ROW.replace("\t2.52\t", "\t2.6, 2.8\t");
    let batch = read(format!("{HEADER}\n{row}\n").as_bytes());
    assert_eq!(real(&batch.records, "resolution", 0), Some(2.6));
}

#[test]
fn broken_rows_are_rejected_with_their_place_and_the_rest_goes_on() {
    for (broken, reason) in [
        (
            ROW.replacen("1N8Z", "NA", 1),
            "column pdb: there is no entry",
        ),
        (
            ROW.replacen("\tB\tA\t", "\tNA\tNA\t", 1),
            "neither Hchain nor Lchain",
        ),
        (
            ROW.replacen("\t0\t", "\tfirst\t", 1),
            "column model: not a whole number",
        ),
        (
            ROW.replacen("\t1e-10\t", "\t12 nM\t", 1),
            "column affinity: no dissociation constant in mol/L",
        ),
        (
            ROW.replacen("\tSPR", "", 1),
            "29 cells under a header of 30",
        ),
    ] {
        let batch = read(format!("{HEADER}\n{ROW}\n{broken}\n{TWO}\n").as_bytes());
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
fn a_header_without_chains_is_refused_and_a_header_alone_has_no_rows() {
    let text = format!("{HEADER}\n{ROW}\n").replacen("Hchain", "heavy", 1);
    let error = open(text.as_bytes()).err().unwrap().to_string();
    for word in ["x.tsv", "line 1", "Hchain", "summary"] {
        assert!(error.contains(word), "{error}");
    }
    assert!(
        open(HEADER.as_bytes())
            .unwrap()
            .next_batch()
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_mark_windows_line_ends_and_a_missing_last_newline_change_nothing() {
    let plain = read(format!("{HEADER}\n{ROW}\n{TWO}\n").as_bytes());
    let windows = format!("\u{feff}{HEADER}\n{ROW}\n\n{TWO}").replace('\n', "\r\n");
    let windows = read(windows.as_bytes());
    assert_eq!(plain.records, windows.records);
    assert_eq!(windows.rejects, []);
}

#[test]
fn random_damage_makes_neither_a_panic_nor_a_loss() {
    let good = format!("{HEADER}\n{ROW}\n{TWO}\n{ROW}\n").into_bytes();
    let mut random = rand::rngs::StdRng::seed_from_u64(29);
    let bytes = b"\"\",\n\r\t\0;|:\xff1A";
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
        let Ok(mut records) = open(&text) else {
            continue;
        };
        while let Some(batch) = records.next_batch().unwrap() {
            let seen = batch.records.num_rows() + batch.rejects.len();
            assert_eq!(seen as u64, batch.consumed);
        }
    }
}
