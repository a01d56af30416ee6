"""Tables of a lake are plain Delta tables: other readers see the rows that Paratope sees."""

from __future__ import annotations

from pathlib import Path

import duckdb
import duckdb_extension_delta
import polars as pl
import pyarrow as pa
import pytest
from conftest import Paratope
from deltalake import DeltaTable
from rows import assert_same_rows

TABLES = ["main.chains", "main.proteins", "system.rejects", "system.files", "system.catalog"]


def _duckdb(folder: Path) -> pa.Table:
    extension = next(Path(duckdb_extension_delta.__file__).parent.rglob("*.duckdb_extension"))
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{extension}'; SET TimeZone = 'UTC'")
        return connection.execute(f"SELECT * FROM delta_scan('{folder}')").to_arrow_table()


READERS = {
    "deltalake": lambda folder: DeltaTable(folder).to_pyarrow_table(),
    "duckdb": _duckdb,
    "polars": lambda folder: pl.scan_delta(str(folder)).collect().to_arrow(),
}


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
