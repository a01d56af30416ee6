"""`table_changes` gives what Python deltalake's `load_cdf` gives, for each kind of statement and each range of versions."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from conftest import Paratope
from deltalake import DeltaTable
from rows import assert_same_rows

CREATE = (
    "CREATE TABLE t (k INT, name TEXT, score DOUBLE, at TIMESTAMP, part INT){by}"
    " TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')"
)
# Each with the kinds of change it has, in the order of versions.
STATEMENTS = [
    (
        "INSERT INTO t VALUES (1, 'a', 0.5, '2024-01-01T00:00:00.000001Z', 1), (2, NULL, NULL, NULL, 1),"
        " (3, 'c', 1.5, NULL, 2), (4, 'd', -0.5, '1969-12-31T23:59:59Z', NULL)",
        {"insert"},
    ),
    ("INSERT INTO t SELECT k + 10, name, score, at, part FROM t", {"insert"}),
    ("OPTIMIZE t", set()),
    ("UPDATE t SET name = upper(name), part = 3 WHERE k < 3", {"update_preimage", "update_postimage"}),
    ("DELETE FROM t WHERE part IS NULL OR name = 'c' AND k > 10", {"delete"}),
    (
        "MERGE INTO t USING (VALUES (1, 'one'), (2, 'two'), (50, 'new')) AS s (k, name) ON t.k = s.k"
        " WHEN MATCHED AND s.k = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET name = s.name"
        " WHEN NOT MATCHED THEN INSERT (k, name, part) VALUES (s.k, s.name, 2)"
        " WHEN NOT MATCHED BY SOURCE AND t.k = 12 THEN UPDATE SET score = 9",
        {"insert", "delete", "update_preimage", "update_postimage"},
    ),
    ("MERGE INTO t USING (VALUES (60), (61)) AS s (k) ON t.k = s.k WHEN NOT MATCHED THEN INSERT (k) VALUES (s.k)", {"insert"}),
    ("MERGE INTO t USING (VALUES (60)) AS s (k) ON t.k = s.k WHEN MATCHED THEN DELETE", {"delete"}),
    ("INSERT OVERWRITE t SELECT k, name, score, at, 7 FROM t WHERE k > 2", {"insert", "delete"}),
    ("DELETE FROM t WHERE part = 7 AND k < 100", {"delete"}),
    ("INSERT INTO t VALUES (99, 'last', 0, NULL, 1)", {"insert"}),
    ("RESTORE t TO VERSION AS OF 4", {"insert", "delete"}),
    ("ALTER TABLE t ADD COLUMN later TEXT", set()),
    ("UPDATE t SET later = name WHERE k > 10", {"update_preimage", "update_postimage"}),
]


def _theirs(folder: Path, first: int, last: int) -> pa.Table:
    # With the columns of the last version, as ours.
    delta = DeltaTable(folder, version=last)
    return pa.table(delta.load_cdf(starting_version=first, ending_version=last).read_all())


@pytest.mark.parametrize("by", ["", " PARTITIONED BY (part)"], ids=["plain", "partitioned"])
def test_changes_are_the_same_in_each_range_of_versions(paratope: Paratope, by: str, tmp_path: Path) -> None:
    made = Paratope(paratope.binary, tmp_path / "lake")
    made.run("init")
    made.run("query", "-c", CREATE.format(by=by))
    [folder] = (made.lake / "main").glob("t-*")
    versions = {}
    for statement, kinds in STATEMENTS:
        before = DeltaTable(folder).version()
        made.run("query", "-c", statement)
        versions[statement] = (before + 1, DeltaTable(folder).version())
        first, last = versions[statement]
        assert first <= last, statement
        ours = made.query(f"SELECT * FROM table_changes('t', {first}, {last})")
        assert set(ours["_change_type"].to_pylist()) == kinds, statement
        theirs = _theirs(folder, first, last)
        if kinds:
            assert_same_rows(ours, theirs)
        else:
            assert ours.num_rows == theirs.num_rows == 0
    newest = DeltaTable(folder).version()
    for first in range(0, newest + 1, 2):
        for last in range(first, newest + 1, 3):
            ours = made.query(f"SELECT * FROM table_changes('t', {first}, {last})")
            theirs = _theirs(folder, first, last)
            assert ours.num_rows == theirs.num_rows, (first, last)
            if theirs.num_rows:
                assert_same_rows(ours, theirs)
    whole = made.query("SELECT * FROM table_changes('t', 0)")
    assert_same_rows(whole, _theirs(folder, 0, newest))


def test_changes_without_a_feed_are_those_of_inserts(paratope: Paratope, tmp_path: Path) -> None:
    made = Paratope(paratope.binary, tmp_path / "lake")
    made.run("init")
    made.run("query", "-c", "CREATE TABLE t (k INT); INSERT INTO t VALUES (1), (2); INSERT INTO t VALUES (2)")
    ours = made.query("SELECT k, _change_type FROM table_changes('t', 0)").to_pylist()
    assert sorted(row["k"] for row in ours) == [1, 2, 2]
    assert {row["_change_type"] for row in ours} == {"insert"}
