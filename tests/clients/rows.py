"""Rows of any reader in one form, so that they can be compared by hash and not by count."""

import datetime
import hashlib
from pathlib import Path


def plain(value):
    """A value without what readers differ in: maps as sorted pairs, times as microseconds."""
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            value = value.replace(tzinfo=datetime.timezone.utc)
        delta = value - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        return delta // datetime.timedelta(microseconds=1)
    if isinstance(value, dict):
        return sorted((str(key), plain(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        items = list(value)
        if items and all(isinstance(item, dict) and set(item) == {"key", "value"} for item in items):
            return sorted((item["key"], plain(item["value"])) for item in items)
        if items and all(isinstance(item, tuple) and len(item) == 2 for item in items):
            return sorted((key, plain(item)) for key, item in items)
        return [plain(item) for item in items]
    return value


def rows(table):
    """Rows of an Arrow table as sorted text; columns by name."""
    names = sorted(table.column_names)
    columns = [table.column(name).to_pylist() for name in names]
    return sorted(repr([(name, plain(value)) for name, value in zip(names, row)]) for row in zip(*columns))


def digest(lines):
    """SHA-256 over sorted rows."""
    hashed = hashlib.sha256()
    for line in lines:
        hashed.update(line.encode())
        hashed.update(b"\n")
    return hashed.hexdigest()


def with_deltalake(path):
    import deltalake

    return deltalake.DeltaTable(path).to_pyarrow_table()


def with_duckdb(path):
    import duckdb
    import duckdb_extension_delta

    folder = Path(duckdb_extension_delta.__file__).parent / "extensions"
    (extension,) = folder.glob(f"v{duckdb.__version__}/delta.duckdb_extension")
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"LOAD '{extension}'")
    quoted = str(path).replace("'", "''")
    return connection.execute(f"SELECT * FROM delta_scan('{quoted}')").to_arrow_table()


def with_polars(path):
    import polars

    return polars.read_delta(str(path)).to_arrow()


READERS = {"deltalake": with_deltalake, "duckdb": with_duckdb, "polars": with_polars}
