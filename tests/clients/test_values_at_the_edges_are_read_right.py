"""Values that partitions and statistics cannot tell as they are: filters still find them, and all readers agree."""

from __future__ import annotations

import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import Paratope
from deltalake import DeltaTable, write_deltalake
from readers import READERS
from rows import assert_same_rows

# Statistics hold whole milliseconds, cut off (Delta protocol, per-file statistics).
MOMENT = datetime.datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=datetime.timezone.utc)
CONDITIONS = [
    "at = '2024-05-06T07:08:09.123456Z'",
    "at > '2024-05-06T07:08:09.1234Z'",
    "at BETWEEN '2024-05-06T07:08:09.123400Z' AND '2024-05-06T07:08:09.123500Z'",
]


@pytest.fixture
def empty(paratope: Paratope, tmp_path: Path) -> Paratope:
    """A lake of its own."""
    made = Paratope(paratope.binary, tmp_path / "lake")
    made.run("init")
    return made


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMP_NTZ"])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_time_between_two_milliseconds_is_found(empty: Paratope, kind: str, condition: str) -> None:
    zone = "Z" if kind == "TIMESTAMP" else ""
    condition = condition.replace("Z'", f"{zone}'")
    moment = f"2024-05-06T07:08:09.123456{zone}"
    empty.run("query", "-c", f"CREATE TABLE t (k INT, at {kind}); INSERT INTO t VALUES (1, '{moment}')")
    assert empty.query(f"SELECT k FROM t WHERE {condition}")["k"].to_pylist() == [1]
    assert empty.query(f"DELETE FROM t WHERE {condition}")["count"].to_pylist() == [1]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_time_between_two_milliseconds_is_found_in_tables_of_others(
    empty: Paratope, tmp_path: Path, condition: str
) -> None:
    folder = tmp_path / "theirs"
    write_deltalake(folder, pa.table({"k": [1], "at": pa.array([MOMENT], pa.timestamp("us", "UTC"))}))
    sql = f"CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION '{folder}'; SELECT k FROM t WHERE {condition}"
    assert empty.query(sql)["k"].to_pylist() == [1]


def test_an_empty_text_in_a_partition_column_is_one_thing_to_all(empty: Paratope) -> None:
    """Delta's log has no empty partition value: it is NULL."""
    empty.run("query", "-c", "CREATE TABLE t (k INT, part TEXT) PARTITIONED BY (part)")
    empty.run("query", "-c", "INSERT INTO t VALUES (1, ''), (2, NULL), (3, 'a')")
    [folder] = (empty.lake / "main").glob("t-*")
    ours = empty.query("SELECT * FROM t")
    for read in READERS.values():
        assert_same_rows(ours, read(folder))


def test_a_statement_never_leaves_a_table_that_nobody_reads(empty: Paratope) -> None:
    empty.run("query", "-c", "CREATE TABLE t (k INT, part TEXT NOT NULL) PARTITIONED BY (part)")
    empty.run("query", "-c", "INSERT INTO t VALUES (1, 'a')")
    # The empty text would be stored as NULL, which the column does not take.
    empty.run("query", "-c", "INSERT INTO t VALUES (2, '')", status=1)
    assert empty.query("SELECT k FROM t")["k"].to_pylist() == [1]
    [folder] = (empty.lake / "main").glob("t-*")
    assert DeltaTable(folder).to_pyarrow_table().num_rows == 1
