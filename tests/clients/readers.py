"""Other readers of Delta tables: all rows of a folder, at its newest version or at an older one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import duckdb_extension_delta
import polars as pl
import pyarrow as pa
from deltalake import DeltaTable


def _deltalake(folder: Path, version: int | None = None) -> pa.Table:
    return DeltaTable(folder, version=version).to_pyarrow_table()


def _duckdb(folder: Path, version: int | None = None) -> pa.Table:
    extension = next(Path(duckdb_extension_delta.__file__).parent.rglob("*.duckdb_extension"))
    at = "" if version is None else f", version => {version}"
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{extension}'; SET TimeZone = 'UTC'")
        return connection.execute(f"SELECT * FROM delta_scan('{folder}'{at})").to_arrow_table()


def _polars(folder: Path, version: int | None = None) -> pa.Table:
    return pl.scan_delta(str(folder), version=version).collect().to_arrow()


READERS: dict[str, Callable[..., pa.Table]] = {
    "deltalake": _deltalake,
    "duckdb": _duckdb,
    "polars": _polars,
}
