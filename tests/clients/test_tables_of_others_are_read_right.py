"""Tables that Python deltalake wrote are read as it reads them itself."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Paratope
from deltalake import DeltaTable, write_deltalake
from rows import assert_same_rows

import vectors

ODD = ["plain", "with space", "50%", "a%20b", "x/y", "a=b", "ü", "日本", "q'uote", "#", "?", ":", None]


def _agrees(paratope: Paratope, folder: Path) -> pa.Table:
    ours = paratope.read_delta(folder)
    assert_same_rows(ours, DeltaTable(folder).to_pyarrow_table())
    return ours


def test_odd_and_missing_partition_values(paratope: Paratope, tmp_path: Path) -> None:
    table = pa.table({"p": pa.array(ODD, pa.string()), "n": list(range(len(ODD)))})
    write_deltalake(tmp_path, table, partition_by=["p"])
    ours = _agrees(paratope, tmp_path)
    assert set(ours["p"].to_pylist()) == set(ODD)


@pytest.mark.parametrize("value", [v for v in ODD if v is not None])
def test_an_odd_partition_value_prunes_to_its_rows(
    paratope: Paratope, tmp_path: Path, value: str
) -> None:
    table = pa.table({"p": pa.array(ODD, pa.string()), "n": list(range(len(ODD)))})
    write_deltalake(tmp_path, table, partition_by=["p"])
    quoted = value.replace("'", "''")
    sql = f"""CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION '{tmp_path}';
              SELECT n FROM t WHERE p = '{quoted}'"""
    assert paratope.query(sql)["n"].to_pylist() == [ODD.index(value)]


def test_partition_columns_of_other_types(paratope: Paratope, tmp_path: Path) -> None:
    days = [datetime.date(2024, 2, 29), datetime.date(1969, 12, 31), None]
    times = [
        datetime.datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=datetime.timezone.utc),
        datetime.datetime(1960, 1, 1, tzinfo=datetime.timezone.utc),
        None,
    ]
    table = pa.table(
        {
            "i": pa.array([-1, 7, None], pa.int64()),
            "b": pa.array([True, False, None]),
            "d": pa.array(days, pa.date32()),
            "t": pa.array(times, pa.timestamp("us", "UTC")),
            "f": pa.array([0.5, -2.25, None], pa.float64()),
            "n": [1, 2, 3],
        }
    )
    write_deltalake(tmp_path, table, partition_by=["i", "b", "d", "t", "f"])
    _agrees(paratope, tmp_path)


def test_columns_added_later_are_null_in_older_files(paratope: Paratope, tmp_path: Path) -> None:
    write_deltalake(tmp_path, pa.table({"a": [1, 2]}))
    write_deltalake(
        tmp_path, pa.table({"a": [3], "b": ["new"]}), mode="append", schema_mode="merge"
    )
    ours = _agrees(paratope, tmp_path)
    assert sorted(ours["b"].to_pylist(), key=str) == [None, None, "new"]


def test_columns_in_another_order_than_the_files(paratope: Paratope, tmp_path: Path) -> None:
    write_deltalake(tmp_path, pa.table({"z": [1], "p": ["x"], "a": ["1"]}), partition_by=["p"])
    _agrees(paratope, tmp_path)


def test_every_kind_of_column(paratope: Paratope, tmp_path: Path) -> None:
    table = pa.table(
        {
            "i8": pa.array([1, None], pa.int8()),
            "i32": pa.array([-5, None], pa.int32()),
            "f32": pa.array([1.5, None], pa.float32()),
            "dec": pa.array([decimal.Decimal("12.34"), None], pa.decimal128(10, 2)),
            "bin": pa.array([b"\x00\xff", None], pa.binary()),
            "day": pa.array([datetime.date(2000, 1, 1), None], pa.date32()),
            "ts": pa.array([datetime.datetime(2001, 2, 3, 4, 5, 6), None], pa.timestamp("us", "UTC")),
            "list": pa.array([["a", None], None], pa.list_(pa.string())),
            "struct": pa.array([{"x": 1, "y": "z"}, None]),
            "map": pa.array([[("k", "v"), ("l", None)], None], pa.map_(pa.string(), pa.string())),
        }
    )
    write_deltalake(tmp_path, table)
    _agrees(paratope, tmp_path)


def test_deleted_rewritten_and_checkpointed_tables(paratope: Paratope, tmp_path: Path) -> None:
    for start in range(0, 30, 10):
        table = pa.table({"n": list(range(start, start + 10)), "p": ["a", "b"] * 5})
        write_deltalake(tmp_path, table, mode="append", partition_by=["p"])
    delta = DeltaTable(tmp_path)
    delta.delete("n % 3 = 0")
    delta.optimize.compact()
    delta.create_checkpoint()
    write_deltalake(tmp_path, pa.table({"n": [100], "p": ["c"]}), mode="append")
    assert _agrees(paratope, tmp_path).num_rows == 21


def test_file_skipping_keeps_every_matching_row(paratope: Paratope, tmp_path: Path) -> None:
    long = "x" * 100
    for text in ["apple", "zebra", long + "a", long + "z"]:
        write_deltalake(tmp_path, pa.table({"s": [text], "n": [len(text)]}), mode="append")
    for text in ["apple", long + "a", long + "z"]:
        sql = f"""CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION '{tmp_path}';
                  SELECT count(*) AS c FROM t WHERE s = '{text}'"""
        assert paratope.query(sql)["c"].to_pylist() == [1]


def test_column_mapping_is_resolved(paratope: Paratope, tmp_path: Path) -> None:
    table = pa.table({"odd name": [1, 2], "p": ["x", "y"]})
    write_deltalake(
        tmp_path,
        table,
        partition_by=["p"],
        configuration={"delta.columnMapping.mode": "name"},
    )
    file = next(tmp_path.rglob("*.parquet"))
    assert "odd name" not in pq.read_schema(file).names, "the mapping is what is tested"
    # deltalake's own reader into Arrow does not resolve the mapping: the rows written are the truth.
    assert_same_rows(paratope.read_delta(tmp_path), table)


def test_deletion_vectors_are_respected(paratope: Paratope, tmp_path: Path) -> None:
    vectors.write(tmp_path, 10, {0, 3, 9})
    assert sorted(paratope.read_delta(tmp_path)["id"].to_pylist()) == [1, 2, 4, 5, 6, 7, 8]
    sql = f"""CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION '{tmp_path}';
              SELECT count(*) AS n, max(id) AS largest FROM t"""
    assert paratope.query(sql).to_pylist() == [{"n": 7, "largest": 8}]
