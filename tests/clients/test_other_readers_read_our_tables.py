"""Tables of a lake are plain Delta tables: other readers see the rows that Paratope sees."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import Paratope
from deltalake import DeltaTable
from readers import READERS
from rows import assert_same_rows, canonical

TABLES = ["main.chains", "main.proteins", "system.rejects", "system.files", "system.catalog"]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("reader", READERS)
def test_another_reader_sees_the_same_rows(paratope: Paratope, reader: str, table: str) -> None:
    ours = paratope.query(f"SELECT * FROM {table}")
    assert ours.num_rows > 0
    folder = paratope.lake / table.replace(".", "/")
    assert_same_rows(ours, READERS[reader](folder))


def test_partitions_are_those_of_the_definition(paratope: Paratope) -> None:
    delta = DeltaTable(paratope.lake / "main" / "chains")
    assert delta.metadata().partition_columns == ["chain", "species"]
    found = {(p["chain"], p["species"]) for p in delta.partitions()}
    counted = paratope.query("SELECT DISTINCT chain, species FROM chains").to_pylist()
    assert found == {(row["chain"], row["species"]) for row in counted}
    assert found >= {("heavy", "human"), ("light", "mouse"), ("light", "unknown")}


def test_columns_carry_their_comments(paratope: Paratope) -> None:
    delta = DeltaTable(paratope.lake / "main" / "chains")
    comments = {field.name: field.metadata.get("comment") for field in delta.schema().fields}
    assert all(comments.values()), comments


# Each kind of write, and the kinds of change that its feed tells.
WRITES = {
    "INSERT INTO w VALUES (5, 'e', 2), (6, NULL, 2)": {"insert"},
    "UPDATE w SET name = upper(name) WHERE k IN (SELECT k FROM w WHERE k < 3)": {
        "update_preimage",
        "update_postimage",
    },
    "DELETE FROM w WHERE name IS NULL OR k = 2": {"delete"},
    "MERGE INTO w USING (VALUES (1, 'one'), (5, 'five'), (9, 'nine')) AS s (k, name) ON w.k = s.k"
    " WHEN MATCHED AND w.k = 5 THEN DELETE WHEN MATCHED THEN UPDATE SET name = s.name"
    " WHEN NOT MATCHED THEN INSERT (k, name, part) VALUES (s.k, s.name, 3)": {
        "insert",
        "delete",
        "update_preimage",
        "update_postimage",
    },
    "INSERT OVERWRITE w PARTITION (part = 1) VALUES (7, 'seven')": {"insert", "delete"},
    "INSERT OVERWRITE w VALUES (8, 'eight', 1), (9, 'nine', 3)": {"insert", "delete"},
}


def test_other_readers_see_the_same_rows_and_changes_after_each_kind_of_write(
    paratope: Paratope, tmp_path: Path
) -> None:
    made = Paratope(paratope.binary, tmp_path / "lake")
    made.run("init")
    create = (
        "CREATE TABLE w (k INT, name TEXT, part INT) PARTITIONED BY (part)"
        " TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')"
    )
    fill = "INSERT INTO w VALUES (1, 'a', 1), (2, 'b', 1), (3, 'c', 2), (4, NULL, 2)"
    made.run("query", "-c", f"{create}; {fill}")
    [folder] = (made.lake / "main").glob("w*")
    rows = Counter(canonical(made.query("SELECT * FROM w")))
    for statement, kinds in WRITES.items():
        made.run("query", "-c", statement)
        ours = made.query("SELECT * FROM w")
        for read in READERS.values():
            assert_same_rows(ours, read(folder))
        delta = DeltaTable(folder)
        feed = pa.table(delta.load_cdf(starting_version=delta.version()).read_all())
        assert set(feed["_change_type"].to_pylist()) == kinds, statement
        # The rows before, less those that went, and those that came, are the rows after.
        for row in feed.to_pylist():
            plain = pa.Table.from_pylist([{name: row[name] for name in ours.column_names}])
            [cells] = canonical(plain)
            rows[cells] += 1 if row["_change_type"] in ("insert", "update_postimage") else -1
        rows = +rows
        assert rows == Counter(canonical(ours)), statement
