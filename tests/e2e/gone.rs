//! Files of a table that are not there any more: the error names the table, the version and the remedy.

use tests::binary::Paratope;

/// A table whose first rows were deleted with the file that held them; versions 0 to 2.
fn emptied(paratope: &Paratope) {
    paratope.query("CREATE TABLE t (id BIGINT)");
    paratope.query("INSERT INTO t VALUES (1), (2)");
    paratope.query("DELETE FROM t WHERE id = 1");
}

#[test]
fn a_version_whose_files_vacuum_deleted_is_named_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let paratope = Paratope::on(folder.path().join("lake"))
        .with("PARATOPE__MAINTENANCE__VACUUM_FLOOR_HOURS", "0");
    paratope.init();
    emptied(&paratope);
    paratope.query("CREATE VIEW old AS SELECT * FROM t VERSION AS OF 1");
    assert_eq!(paratope.count("SELECT sum(id) FROM old"), 3);
    paratope.query("VACUUM t RETAIN 0 HOURS");
    for sql in [
        "SELECT * FROM t VERSION AS OF 1",
        "SELECT sum(id) FROM old",
        "SELECT count(*) FROM t JOIN (SELECT id FROM t VERSION AS OF 1) AS o ON o.id <= t.id",
        "INSERT INTO t SELECT * FROM t VERSION AS OF 1",
        "CREATE TABLE u AS SELECT * FROM t VERSION AS OF 1",
    ] {
        paratope
            .run_verb("query", ["-c", sql])
            .expect_code(1)
            .expect_message(&[
                "main.t at version 1 cannot be read any more: VACUUM",
                "read a newer version",
            ]);
    }
    assert_eq!(paratope.count("SELECT sum(id) FROM t"), 2);
}

#[test]
fn a_file_that_the_newest_version_needs_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake");
    let paratope = Paratope::on(&lake);
    paratope.init();
    emptied(&paratope);
    let tables = std::fs::read_dir(lake.join("main")).unwrap();
    let table = tables.map(|entry| entry.unwrap().path()).find(|path| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("t-")
    });
    for entry in std::fs::read_dir(table.unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "parquet")
        {
            std::fs::remove_file(path).unwrap();
        }
    }
    paratope
        .run_verb("query", ["-c", "SELECT * FROM t"])
        .expect_code(1)
        .expect_message(&[
            "main.t at version 2: its file",
            ".parquet is not there",
            "RESTORE",
        ]);
}
