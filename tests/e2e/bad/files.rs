//! Files that are damaged, empty, or not what they seem.

use tests::formats::{airr, fasta, gzip, oas, oas_table};

use super::{Bench, set};

#[test]
fn a_truncated_gzip_keeps_what_is_whole_and_the_whole_file_can_take_its_place() {
    let bench = Bench::new();
    let set = set("cut", 2_000);
    let whole = gzip(fasta(&set).as_bytes());
    let file = bench.write("cut.fasta.gz", &whole[..whole.len() / 2]);
    bench.ingest(&file).expect_code(3);
    let kept = bench.ids("cut");
    assert!(kept > 0 && kept < 2_000, "{kept}");
    let rejects = bench.rejects();
    assert_eq!(rejects.len(), 1, "{rejects:?}");
    assert!(rejects[0].1.contains("ends early"), "{rejects:?}");

    std::fs::write(&file, whole).unwrap();
    bench.paratope.ingest(["--replace", file.to_str().unwrap()]);
    assert_eq!(bench.ids("cut"), 2_000);
    assert_eq!(
        bench.count("SELECT count(DISTINCT sequence_id) FROM chains"),
        2_000
    );
    assert_eq!(bench.rejects(), []);
}

#[test]
fn an_empty_file_is_named() {
    let bench = Bench::new();
    let file = bench.write("empty.fasta", "");
    bench.assert_hopeless(&file, &["empty"]);
}

#[test]
fn a_file_of_no_known_format_is_named_with_the_remedy() {
    let bench = Bench::new();
    let file = bench.write("notes.txt", "Dear diary,\ntoday I numbered antibodies.\n");
    bench.assert_hopeless(&file, &["--input-format"]);
}

#[test]
fn a_table_with_a_header_only_is_ingested_with_no_rows() {
    let bench = Bench::new();
    for (name, text) in [("header.tsv", airr(&[])), ("header.csv", oas(&[], "RUN-0"))] {
        let file = bench.write(name, text);
        bench.ingest(&file).expect_code(0);
    }
    assert_eq!(bench.count("SELECT count(*) FROM chains"), 0);
    assert_eq!(
        bench.count("SELECT count(*) FROM system.files WHERE records = 0"),
        2
    );
}

#[test]
fn byte_order_marks_line_ends_of_windows_and_a_missing_last_one_do_not_matter() {
    let bench = Bench::new();
    let bom = |text: String| format!("\u{feff}{text}");
    let windows = |text: String| text.replace('\n', "\r\n");
    let unfinished = |text: String| text.trim_end().to_string();
    let files = [
        ("bom-fasta", bom(fasta(&set("bom-fasta", 4)))),
        ("bom-airr", bom(airr(&set("bom-airr", 4)))),
        ("crlf-fasta", windows(fasta(&set("crlf-fasta", 4)))),
        ("crlf-airr", windows(airr(&set("crlf-airr", 4)))),
        ("end-fasta", unfinished(fasta(&set("end-fasta", 4)))),
        ("end-airr", unfinished(airr(&set("end-airr", 4)))),
        (
            "all-airr",
            bom(windows(unfinished(airr(&set("all-airr", 4))))),
        ),
    ];
    for (name, text) in files {
        let file = bench.write(name, text);
        bench.ingest(&file).expect_code(0);
        assert_eq!(bench.ids(name), 4, "{name}");
    }
    let with_returns = bench.count(
        "SELECT count(*) FROM chains WHERE sequence_id LIKE '%\r%' OR sequence_aa LIKE '%\r%' OR v_call LIKE '%\r%'",
    );
    assert_eq!(with_returns, 0);
    for (name, text) in [
        ("oas-bom", bom(oas(&set("x", 2), "BOM"))),
        ("oas-crlf", windows(oas(&set("y", 3), "CRLF"))),
    ] {
        let file = bench.write(name, text);
        bench.ingest(&file).expect_code(0);
    }
    let repertoires = bench.count("SELECT count(*) FROM repertoires");
    assert_eq!(repertoires, 2);
}

#[test]
fn an_oas_unit_without_its_line_of_json_says_so() {
    let bench = Bench::new();
    let file = bench.write("headless.csv", oas_table(&set("oas", 3)));
    bench.assert_hopeless(&file, &["json"]);
}

#[test]
fn an_oas_unit_whose_json_is_broken_says_so() {
    let bench = Bench::new();
    let text = oas(&set("oas", 3), "R").replacen("\"\"Run\"\":", "\"\"Run\"\"", 1);
    let file = bench.write("broken.csv", text);
    bench.assert_hopeless(&file, &["json"]);
}

#[test]
fn an_airr_file_without_required_columns_names_them() {
    let bench = Bench::new();
    let file = bench.write(
        "columns.tsv",
        "sequence_id\tv_call\trev_comp\nx\tIGHV1-2*01\tF\n",
    );
    bench.assert_hopeless(&file, &["column", "sequence"]);
}

#[test]
fn a_folder_is_read_for_its_files_and_an_empty_one_is_named() {
    let bench = Bench::new();
    let folder = bench.folder.path().join("inbox");
    std::fs::create_dir(&folder).unwrap();
    bench
        .ingest(&folder)
        .expect_code(1)
        .expect_message(&["inbox", "no files"]);
    std::fs::write(folder.join("one.fasta"), fasta(&set("one", 2))).unwrap();
    std::fs::write(folder.join("two.tsv"), airr(&set("two", 2))).unwrap();
    bench.ingest(&folder).expect_code(0);
    assert_eq!((bench.ids("one"), bench.ids("two")), (2, 2));
}

#[test]
fn a_missing_file_is_named_and_the_others_go_on() {
    let bench = Bench::new();
    let file = bench.folder.path().join("missing.fasta");
    bench.paratope.init();
    bench.assert_hopeless(&file, &["does not exist"]);
}

#[test]
fn a_line_of_fifty_million_characters_is_rejected_and_the_rest_goes_on() {
    let bench = Bench::new();
    let set = set("long", 4);
    let mut text = fasta(&set[..2]);
    text.push_str(">endless\n");
    text.push_str(&"A".repeat(50_000_000));
    text.push('\n');
    text.push_str(&fasta(&set[2..]));
    let file = bench.write("long.fasta", text);
    bench.ingest(&file).expect_code(3);
    assert_eq!(bench.ids("long"), 4);
    let rejects = bench.rejects();
    assert_eq!(rejects.len(), 1, "{rejects:?}");
    assert_eq!(rejects[0].0, Some(3));
    assert!(rejects[0].2.len() <= 4_096, "the text is cut");
}
