//! FASTA.

use super::*;

fn proteins() -> RecordBatch {
    batch(vec![
        (
            "sequence_id",
            texts(&[Some("a"), Some("b c"), None, Some("d")]),
        ),
        (
            "sequence_aa",
            texts(&[Some("EVQLVES"), Some("DIQ MTQ"), Some("QVQ"), None]),
        ),
        ("v_call", texts(&[Some("IGHV1-2*01"), None, None, None])),
        ("note", texts(&[Some("two words"), Some("x"), None, None])),
        (
            "duplicate_count",
            Arc::new(Int64Array::from(vec![Some(3), None, None, None])),
        ),
    ])
}

#[tokio::test]
async fn fasta_has_identifiers_descriptions_and_lines_of_a_width() {
    let ground = ground();
    let options = ["line_width=4", "description=v_call, duplicate_count,note"];
    let exported = ground
        .export("x.fa", &options, vec![proteins()])
        .await
        .unwrap();
    assert_eq!((exported.rows, exported.skipped), (3, 1));
    assert!(
        exported.warnings[0].contains("1 rows have no sequence"),
        "{exported:?}"
    );
    assert!(
        exported.warnings[1].starts_with("2 identifiers"),
        "{exported:?}"
    );
    let text = std::fs::read_to_string(ground.path("x.fa")).unwrap();
    assert_eq!(
        text,
        ">a v_call=IGHV1-2*01 duplicate_count=3 [note=two words]\nEVQL\nVES\n>b_c note=x\nDIQM\nTQ\n>row_3\nQVQ\n"
    );
}

#[tokio::test]
async fn a_fasta_file_that_is_written_is_read_back() {
    let ground = ground();
    let options = ["description=v_call,duplicate_count,note"];
    ground
        .export("x.fasta.gz", &options, vec![proteins()])
        .await
        .unwrap();
    let read = ground.read(&Fasta, "x.fasta.gz");
    let column = |name: &str| {
        let column = read
            .column_by_name(name)
            .unwrap()
            .as_string::<i32>()
            .clone();
        column
            .iter()
            .map(|text| text.map(str::to_string))
            .collect::<Vec<_>>()
    };
    let some = |texts: [&str; 3]| texts.map(|text| Some(text.to_string())).to_vec();
    assert_eq!(column("sequence_id"), some(["a", "b_c", "row_3"]));
    assert_eq!(column("sequence_aa"), some(["EVQLVES", "DIQMTQ", "QVQ"]));
    assert_eq!(
        column("v_call"),
        [Some("IGHV1-2*01".to_string()), None, None]
    );
}

#[tokio::test]
async fn columns_that_fasta_cannot_take_are_named_with_the_remedy() {
    let ground = ground();
    let one = || Arc::new(Int32Array::from(vec![1])) as ArrayRef;
    let text = || texts(&[Some("EVQ")]);
    for (columns, options, words) in [
        (vec![("x", text())], vec![], ["sequence_id", "id 'column'"]),
        (
            vec![("sequence_id", text())],
            vec![],
            ["neither sequence_aa nor sequence", "sequence 'column'"],
        ),
        (
            vec![("sequence_id", text()), ("sequence", one())],
            vec![],
            ["column sequence", "holds no sequences"],
        ),
        (
            vec![("sequence_id", text()), ("s", text())],
            vec!["sequence=t"],
            ["column t", "sequence_id, s"],
        ),
        (
            vec![
                ("sequence_id", text()),
                ("sequence", texts(&[Some("AC>G")])),
            ],
            vec![],
            ["'>'", "EVQ"],
        ),
    ] {
        let error = ground.refused("x.fa", &options, batch(columns)).await;
        for word in words {
            assert!(error.contains(word), "{error}");
        }
    }
    let fine = batch(vec![("name", text()), ("vh", text())]);
    let written = ground
        .text("y.fa", &["id=name", "sequence=vh", "line_width=0"], fine)
        .await;
    assert_eq!(written, ">EVQ\nEVQ\n");
}
