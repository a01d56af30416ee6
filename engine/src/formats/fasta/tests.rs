//! What FASTA files do right and wrong.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::io::{Cursor, Write};

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use rand::{Rng, SeedableRng};

use super::*;
use crate::formats::decompress;

const VH: &str = "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS";

/// Rows as (record, id, nucleotides, residues), and rejects.
type Row = (i64, String, String, String);

fn read_with(bytes: &[u8], options: &ReadOptions) -> (Vec<Row>, Vec<Reject>) {
    let input = decompress(Box::new(Cursor::new(bytes.to_vec()))).unwrap();
    let mut records = Fasta.open(input, "x.fa", options).unwrap();
    let (mut rows, mut rejects, mut consumed) = (Vec::new(), Vec::new(), 0);
    while let Some(batch) = records.next_batch().unwrap() {
        assert_eq!(batch.records.schema(), records.schema());
        assert!(batch.records.num_rows() <= options.batch_records);
        let text = |name: &str, row: usize| {
            let column = batch
                .records
                .column_by_name(name)
                .unwrap()
                .as_string::<i32>();
            if column.is_null(row) {
                String::new()
            } else {
                column.value(row).to_string()
            }
        };
        let numbers = batch.records.column(0).as_primitive::<Int64Type>();
        for row in 0..batch.records.num_rows() {
            rows.push((
                numbers.value(row),
                text("sequence_id", row),
                text("sequence", row),
                text("sequence_aa", row),
            ));
        }
        rejects.extend(batch.rejects);
        consumed += batch.consumed;
    }
    let of_records = rejects
        .iter()
        .filter(|reject| reject.record.is_some())
        .count();
    assert_eq!(
        consumed,
        (rows.len() + of_records) as u64,
        "records consumed are rows or rejects"
    );
    (rows, rejects)
}

fn read(bytes: &[u8]) -> (Vec<Row>, Vec<Reject>) {
    read_with(bytes, &ReadOptions::default())
}

#[test]
fn lines_of_a_record_are_joined_and_white_space_dropped() {
    let (rows, rejects) = read(b">a one\nEVQ\nLVE SGG\t\n\n>b\nDIQm\n");
    assert_eq!(rejects, []);
    assert_eq!(rows[0], (1, "a".into(), String::new(), "EVQLVESGG".into()));
    assert_eq!(rows[1].3, "DIQm", "case is kept");
}

#[test]
fn windows_line_ends_a_mark_and_a_missing_last_newline_change_nothing() {
    let expected = read(b">a\nEVQ\n>b\nDIQ\n").0;
    for text in [
        &b"\xef\xbb\xbf>a\nEVQ\n>b\nDIQ\n"[..],
        b">a\r\nEVQ\r\n>b\r\nDIQ\r\n",
        b"\xef\xbb\xbf>a\r\nEVQ\r\n>b\r\nDIQ",
        b"\n\n;comment\n>a\nEVQ\n\n>b\nDIQ",
    ] {
        assert_eq!(read(text).0, expected, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn an_empty_file_has_no_records() {
    assert_eq!(read(b""), (vec![], vec![]));
    assert_eq!(read(b"\n\r\n"), (vec![], vec![]));
}

#[test]
fn a_record_without_a_sequence_is_rejected_with_its_line() {
    let (rows, rejects) = read(b">a\n>b\nEVQ\n>c\n");
    assert_eq!(rows.len(), 1);
    assert_eq!(rejects.len(), 2);
    assert_eq!(rejects[0].record, Some(1));
    assert!(
        rejects[0].reason.contains("line 1 has no sequence"),
        "{rejects:?}"
    );
    assert_eq!(rejects[1].record, Some(3));
}

#[test]
fn a_header_without_an_identifier_is_rejected() {
    let (rows, rejects) = read(b">\nEVQ\n>  \nEVQ\n>|IGHV1-2*01|x\nEVQ\n>ok\nEVQ\n");
    assert_eq!(rows.len(), 1);
    assert_eq!(rejects.len(), 3);
    assert!(
        rejects.iter().all(|r| r.reason.contains("no identifier")),
        "{rejects:?}"
    );
}

#[test]
fn text_before_the_first_record_is_rejected_once() {
    let (rows, rejects) = read(b"hello\nworld\n>a\nEVQ\n");
    assert_eq!(rows.len(), 1);
    assert_eq!(rejects.len(), 1);
    assert_eq!(
        (rejects[0].record, rejects[0].text.as_str()),
        (None, "hello")
    );
    let (rows, rejects) = read(b"no fasta at all\n");
    assert_eq!((rows.len(), rejects.len()), (0, 1));
}

#[test]
fn unusual_residues_are_allowed_and_others_are_named() {
    let (rows, rejects) =
        read(b">a\nEVXQ*-.BZJUO\n>b\nEVQ1\n>c\nEV\xc3\xa9\n>d\nEV?\n>e\nEV\xff\n");
    assert_eq!(rows[0].3, "EVXQ*-.BZJUO");
    let reasons: Vec<&str> = rejects.iter().map(|r| r.reason.as_str()).collect();
    assert!(reasons[0].contains("'1' at position 4"), "{reasons:?}");
    assert!(reasons[1].contains("'é' at position 3"), "{reasons:?}");
    assert!(reasons[2].contains("'?' at position 3"), "{reasons:?}");
    assert!(reasons[3].contains("not valid UTF-8"), "{reasons:?}");
    assert_eq!(rejects[0].text, ">b\nEVQ1");
}

#[test]
fn a_header_that_is_not_utf_8_is_rejected_with_its_line() {
    let (rows, rejects) = read(b">a\nEVQ\n>b\xff\nEVQ\n>c\nEVQ\n");
    assert_eq!(rows.len(), 2);
    assert!(
        rejects[0]
            .reason
            .contains("line 3: the header is not valid UTF-8")
    );
}

#[test]
fn equal_identifiers_are_both_rows() {
    assert_eq!(read(b">a\nEVQ\n>a\nEVQ\n").0.len(), 2);
}

#[test]
fn nucleotides_are_told_from_the_first_records_and_can_be_overridden() {
    let text = b">a\nGAGGTGCAGCTGGTGGAGTCTGGG\n>b\nacguNNNN\n";
    let (rows, _) = read(text);
    assert_eq!(
        (rows[0].2.as_str(), rows[0].3.as_str()),
        ("GAGGTGCAGCTGGTGGAGTCTGGG", "")
    );
    assert_eq!(rows[1].2, "acguNNNN");
    let options = ReadOptions {
        alphabet: Alphabet::AminoAcid,
        ..ReadOptions::default()
    };
    assert_eq!(read_with(text, &options).0[0].3, "GAGGTGCAGCTGGTGGAGTCTGGG");
}

#[test]
fn a_protein_in_a_file_of_nucleotides_is_rejected_with_the_remedy() {
    let text = format!(">a\nGAGGTGCAGCTG\n>b\nGAGGTGCAGCTG\n>c\n{VH}\n");
    let (rows, rejects) = read(text.as_bytes());
    assert_eq!(rows.len(), 2);
    assert!(rejects[0].reason.contains("amino_acid"), "{rejects:?}");
    assert!(
        rejects[0].reason.contains("'E' at position 1"),
        "{rejects:?}"
    );
}

#[test]
fn a_record_beyond_the_limit_is_rejected_and_the_file_goes_on() {
    let options = ReadOptions {
        max_record_bytes: 1_000,
        ..ReadOptions::default()
    };
    let long = "A".repeat(2_001);
    let wrapped = "ACDEFGHIKL\n".repeat(150);
    let text = format!(">a\n{long}\n>b\nEVQ\n>c\n{wrapped}>{long}\nEVQ\n>d\nEVQ\n");
    let (rows, rejects) = read_with(text.as_bytes(), &options);
    assert_eq!(
        rows.iter().map(|r| r.1.as_str()).collect::<Vec<_>>(),
        ["b", "d"]
    );
    assert_eq!(rejects.len(), 3);
    assert!(
        rejects[0]
            .reason
            .contains("2001 bytes, more than the limit of 1000"),
        "{rejects:?}"
    );
    assert!(rejects[1].reason.contains("1500 bytes"), "{rejects:?}");
    assert!(
        rejects[2].reason.contains("header has 2002 bytes"),
        "{rejects:?}"
    );
    assert!(
        rejects
            .iter()
            .all(|r| r.text.chars().count() <= Reject::TEXT_LIMIT)
    );
}

#[test]
fn a_line_of_fifty_million_characters_does_not_sink_the_file() {
    let mut text = b">long\n".to_vec();
    text.resize(50_000_006, b'A');
    text.extend_from_slice(b"\n>b\nEVQ\n");
    let (rows, rejects) = read(&text);
    assert_eq!((rows.len(), rejects.len()), (1, 1));
    assert!(rejects[0].reason.contains("50000000 bytes"), "{rejects:?}");
}

#[test]
fn a_cut_gzip_file_gives_its_whole_records_and_a_reject() {
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    let letters = b"ACDEFGHIKLMNPQRSTVWY";
    let mut text = Vec::new();
    for record in 0..3_000 {
        writeln!(text, ">r{record}").unwrap();
        text.extend((0..120).map(|_| letters[random.random_range(0..20)]));
        text.push(b'\n');
    }
    let whole = read(&text).0;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&text).unwrap();
    let packed = encoder.finish().unwrap();
    let (rows, rejects) = read(&packed[..packed.len() / 2]);
    assert!(rows.len() > 1_000);
    assert_eq!(rows, whole[..rows.len()]);
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0].record, Some(rows.len() as i64 + 1));
    assert!(rejects[0].reason.contains("cut off"), "{rejects:?}");
}

#[test]
fn the_rows_do_not_depend_on_the_size_of_batches() {
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    for _ in 0..200 {
        // Any mixture of pieces: no panic, and the same records in batches of any size.
        let pieces: [&[u8]; 12] = [
            b">a",
            b">",
            b"\n",
            b"\r\n",
            b"EVQ",
            b"acgt",
            b"ACGTACGT",
            b"\xff",
            b";",
            b" |IGHV1-2*01|H",
            b"*",
            b"9",
        ];
        let text: Vec<u8> = (0..random.random_range(0..60))
            .flat_map(|_| pieces[random.random_range(0..pieces.len())].to_vec())
            .collect();
        let expected = read(&text);
        for batch_records in [1, 2, 7] {
            let options = ReadOptions {
                batch_records,
                ..ReadOptions::default()
            };
            assert_eq!(
                read_with(&text, &options),
                expected,
                "{:?}",
                String::from_utf8_lossy(&text)
            );
        }
        let options = ReadOptions {
            batch_bytes: 1,
            ..ReadOptions::default()
        };
        assert_eq!(read_with(&text, &options), expected);
    }
}
