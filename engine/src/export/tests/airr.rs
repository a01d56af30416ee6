//! Rearrangement tables.

use super::*;

#[tokio::test]
async fn an_airr_table_that_is_read_and_written_and_read_is_the_same() {
    let ground = ground();
    let rows = rearrangements();
    let exported = ground
        .export("x.tsv", &[], vec![rows.clone()])
        .await
        .unwrap();
    assert_eq!((exported.rows, exported.warnings), (2, vec![]));
    assert_eq!(ground.read(&Airr, "x.tsv"), rows);
    let text = std::fs::read_to_string(ground.path("x.tsv")).unwrap();
    let header: Vec<&str> = text.lines().next().unwrap().split('\t').collect();
    for required in crate::formats::AIRR_REQUIRED {
        assert_eq!(
            header.iter().filter(|name| **name == required).count(),
            1,
            "{required}"
        );
    }
    assert!(text.contains("\tT\t") && !text.contains("true"), "{text}");
    assert!(header.contains(&"mine") && !header.contains(&"attributes"));
}

#[tokio::test]
async fn attributes_can_be_chosen() {
    let ground = ground();
    let header = async |name: &str, options: &[&str]| {
        let text = ground.text(name, options, rearrangements()).await;
        text.lines().next().unwrap().to_string()
    };
    let none = header("x.tsv", &["attributes=none"]).await;
    assert!(!none.contains("mine") && none.contains("v_cigar"), "{none}");
    let some = header("y.tsv", &["attributes=mine, v_score"]).await;
    assert!(some.ends_with("\tmine\tv_score"), "{some}");
}

#[tokio::test]
async fn columns_of_the_lake_are_custom_columns_that_ingest_computes_anew() {
    let ground = ground();
    let one = |text: &str| texts(&[Some(text)]);
    let rows = batch(vec![
        ("sequence_id", one("r")),
        ("sequence_aa", one("EVQ")),
        ("v_gene", one("IGHV1-2")),
        ("species", one("human")),
        ("species_reported", texts(&[None])),
        ("is_cell", Arc::new(BooleanArray::from(vec![true]))),
        ("v_identity", Arc::new(Float64Array::from(vec![f64::NAN]))),
        ("mine", Arc::new(Int64Array::from(vec![5]))),
    ]);
    let text = ground.text("x.tsv", &[], rows).await;
    let (header, row) = text.split_once('\n').unwrap();
    let cells: std::collections::HashMap<&str, &str> = header
        .split('\t')
        .zip(row.trim_end_matches('\n').split('\t'))
        .collect();
    assert_eq!(cells["paratope_v_gene"], "IGHV1-2");
    assert_eq!(cells["paratope_species"], "human");
    assert_eq!(cells["species_reported"], "human");
    assert_eq!(
        (cells["is_cell"], cells["v_identity"], cells["mine"]),
        ("T", "", "5")
    );
    let read = ground.read(&Airr, "x.tsv");
    let reported = read.column_by_name("species_reported").unwrap();
    assert_eq!(reported.as_string::<i32>().value(0), "human");
    let attributes = read.column_by_name("attributes").unwrap().as_map();
    assert_eq!(
        attributes
            .keys()
            .as_string::<i32>()
            .iter()
            .flatten()
            .collect::<Vec<_>>(),
        ["mine"]
    );
}

#[tokio::test]
async fn cells_that_would_break_the_table_are_made_safe_and_counted() {
    let ground = ground();
    let rows = batch(vec![
        (
            "sequence_id",
            texts(&[Some("a\tb"), Some("c"), Some("\"d")]),
        ),
        ("sequence", texts(&[Some("ACGT"); 3])),
        (
            "note",
            texts(&[Some("two\r\nlines"), None, Some("say \"x\"")]),
        ),
    ]);
    let exported = ground.export("x.tsv", &[], vec![rows]).await.unwrap();
    assert!(
        exported.warnings[0].starts_with("3 cells"),
        "{:?}",
        exported.warnings
    );
    let read = ground.read(&Airr, "x.tsv");
    let ids = read
        .column_by_name("sequence_id")
        .unwrap()
        .as_string::<i32>();
    assert_eq!(ids.iter().flatten().collect::<Vec<_>>(), ["a b", "c", "'d"]);
}

#[tokio::test]
async fn columns_that_airr_cannot_take_are_named_with_the_remedy() {
    let ground = ground();
    let id = || ("sequence_id", texts(&[Some("r")]));
    let sequence = || ("sequence", texts(&[Some("ACGT")]));
    let one = || Arc::new(Int32Array::from(vec![1])) as ArrayRef;
    for (columns, words) in [
        (vec![sequence()], ["sequence_id", "AS sequence_id"]),
        (vec![id()], ["sequence", "one of the columns"]),
        (
            vec![id(), sequence(), ("productive", one())],
            ["productive", "AS BOOLEAN"],
        ),
        (
            vec![id(), sequence(), ("duplicate_count", texts(&[Some("1")]))],
            ["duplicate_count", "AS BIGINT"],
        ),
        (vec![id(), ("sequence", one())], ["sequence", "AS VARCHAR"]),
        (
            vec![
                id(),
                sequence(),
                ("b", Arc::new(BinaryArray::from(vec![&b"x"[..]]))),
            ],
            ["column b", "hex"],
        ),
    ] {
        let error = ground.refused("x.tsv", &[], batch(columns)).await;
        for word in words {
            assert!(error.contains(word), "{error}");
        }
    }
}
