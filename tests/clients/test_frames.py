"""Polars and pandas through ADBC: the frames are those that the Delta tables themselves give."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from adbc_driver_manager.dbapi import Connection
from deltalake import DeltaTable
from polars.testing import assert_frame_equal
from served import Served

COLUMNS = "sequence_id, domain_index, chain, species, v_gene, cdr3_aa, productive, v_identity, duplicate_count, ingested_at"
KEYS = ["sequence_id", "domain_index", "chain", "species", "ingested_at"]


@pytest.fixture
def connection(served: Served) -> Iterator[Connection]:
    """A connection to the server."""
    with served.connect() as made:
        yield made


@pytest.fixture
def chains(served: Served) -> pl.DataFrame:
    """The rows as they lie in the lake."""
    rows = pl.read_delta(str(served.lake / "main" / "chains")).select(COLUMNS.split(", "))
    return rows.sort(KEYS)


def test_polars_reads_what_lies_in_the_lake(connection: Connection, chains: pl.DataFrame) -> None:
    found = pl.read_database(f"SELECT {COLUMNS} FROM chains", connection)
    assert chains.height > 100
    assert_frame_equal(found.sort(KEYS), chains)


def test_polars_reads_by_address(served: Served, chains: pl.DataFrame) -> None:
    # The scheme names the driver to Polars, which hands the address on as it is; this one would stand for TLS.
    uri = f"flightsql://{served.host}:{served.port}?transport=tcp"
    found = pl.read_database_uri(f"SELECT {COLUMNS} FROM chains", uri, engine="adbc")
    assert_frame_equal(found.sort(KEYS), chains)


def test_polars_reads_in_batches(connection: Connection) -> None:
    sql = "SELECT value FROM generate_series(1, 100000) ORDER BY value"
    batches = list(pl.read_database(sql, connection, iter_batches=True, batch_size=10_000))
    assert len(batches) > 1
    assert pl.concat(batches)["value"].to_list() == list(range(1, 100_001))


def test_polars_reads_with_parameters(connection: Connection, chains: pl.DataFrame) -> None:
    sql = f"SELECT {COLUMNS} FROM chains WHERE chain = $1 AND v_identity > $2"
    found = pl.read_database(sql, connection, execute_options={"parameters": ["heavy", 0.9]})
    expected = chains.filter((pl.col("chain") == "heavy") & (pl.col("v_identity") > 0.9))
    assert_frame_equal(found.sort(KEYS), expected)


def test_polars_writes_and_reads_back(served: Served, connection: Connection) -> None:
    frame = pl.DataFrame(
        {
            "k": [1, 2, 3],
            "text": ["a", None, "a text of more than twelve"],
            "word": pl.Series(["x", "y", None], dtype=pl.Categorical),
            "day": [datetime.date(2024, 2, 29), None, datetime.date(1970, 1, 1)],
            "at": [datetime.datetime(2024, 5, 6, 7, 8, 9, 123456), None, datetime.datetime(1, 1, 1)],
            "price": pl.Series([Decimal("1.50"), None, Decimal("-2.25")], dtype=pl.Decimal(10, 2)),
            "numbers": [[1, None], [], None],
            "pair": [{"a": 1, "b": "x"}, {"a": None, "b": None}, {"a": 2, "b": "y"}],
        }
    )
    assert frame.write_database("from_polars", connection, engine="adbc", if_table_exists="replace") == 3
    assert frame.write_database("from_polars", connection, engine="adbc", if_table_exists="append") == 3
    found = pl.read_database("SELECT * FROM from_polars ORDER BY k", connection)
    expected = pl.concat([frame, frame]).sort("k").with_columns(pl.col("word").cast(pl.String))
    assert_frame_equal(found, expected)
    stored = pl.read_delta(str(served.folder("from_polars")))
    assert_frame_equal(stored.sort("k"), expected)


def test_pandas_reads_what_lies_in_the_lake(served: Served, connection: Connection) -> None:
    found = pd.read_sql(f"SELECT {COLUMNS} FROM chains", connection)
    stored = DeltaTable(served.lake / "main" / "chains").to_pyarrow_table(columns=COLUMNS.split(", "))
    expected = pa.table(stored).to_pandas(types_mapper=None)

    def ordered(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.sort_values(KEYS, ignore_index=True)

    pd.testing.assert_frame_equal(ordered(found), ordered(expected), check_dtype=False)


def test_pandas_writes_and_reads_back(connection: Connection) -> None:
    frame = pd.DataFrame(
        {
            "k": [1, 2, 3],
            "text": ["a", None, "c"],
            "word": pd.Categorical(["x", "y", "x"]),
            "value": [1.5, float("nan"), -2.0],
            "at": pd.to_datetime(["2024-05-06T07:08:09.123456", None, "1970-01-01T00:00:00.0"]),
            "yes": [True, False, True],
        }
    )
    assert frame.to_sql("from_pandas", connection, index=False, if_exists="replace") == 3
    assert frame.to_sql("from_pandas", connection, index=False, if_exists="append") == 3
    found = pd.read_sql("SELECT * FROM from_pandas ORDER BY k", connection)
    expected = pd.concat([frame, frame]).sort_values("k", ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_categorical=False)
    with pytest.raises(ValueError, match="from_pandas"):
        frame.to_sql("from_pandas", connection, index=False, if_exists="fail")
