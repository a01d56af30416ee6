"""Python deltalake's side of the statements, and what both sides share: data made from a table, rows told of one.

    python statement_peer.py source TABLE FILE     # rows to merge
    python statement_peer.py fragment FROM TO      # the rows of a table into another, in many small files
    python statement_peer.py run STATEMENT TABLE   # one statement, timed
    python statement_peer.py rows TABLE            # how many rows, and which

Each in a process of its own, whose peak memory its parent reads: nothing is imported that the command does not need.
"""

from __future__ import annotations

import argparse
import importlib.resources
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MATCHED = 8_000
"""Rows of the source whose key is in the table."""
NEW = 2_000
"""Rows of the source whose key is not."""
PIECES = 64
"""Small files of each partition."""
TARGET_BYTES = 128 << 20
"""Size of optimized files, the default of Paratope."""
TOLD = ("sequence_id", "domain_index", "chain", "species", "v_gene", "cdr3_aa", "v_identity", "duplicate_count", "clone_id")
"""Columns that are compared: keys, and what the statements change."""


def _duckdb() -> Any:
    import duckdb

    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    extensions = Path(str(importlib.resources.files("duckdb_extension_delta"))) / "extensions"
    connection.execute(f"LOAD '{extensions / f'v{duckdb.__version__}' / 'delta.duckdb_extension'}'")
    return connection


def source(table: Path, file: Path) -> dict[str, Any]:
    """Writes rows to merge: some of the table with other values, and some under new keys. Which ones depends on their keys only."""
    # The simulated files count their records each by itself: identifiers that two of them have are no keys.
    chosen = f"""
        SELECT sequence_id AS key, row_number() OVER (ORDER BY hash(sequence_id), sequence_id) AS place
        FROM delta_scan('{table}') GROUP BY sequence_id HAVING count(*) = 1"""
    changed = f"""
        SELECT rows.* REPLACE (
            CASE WHEN place <= {MATCHED} THEN sequence_id ELSE 'new-' || sequence_id END AS sequence_id,
            coalesce(duplicate_count, 0) + 1000 AS duplicate_count,
            'merged-' || place AS clone_id)
        FROM delta_scan('{table}') AS rows JOIN ({chosen}) AS chosen ON rows.sequence_id = chosen.key
        WHERE place <= {MATCHED + NEW}"""
    connection = _duckdb()
    connection.execute(f"COPY ({changed}) TO '{file}' (FORMAT parquet)")
    [(rows, keys)] = connection.execute(f"SELECT count(*), count(DISTINCT sequence_id) FROM read_parquet('{file}')").fetchall()
    if not rows == keys == MATCHED + NEW:
        raise RuntimeError(f"{rows} rows with {keys} keys to merge: the table is too small, or its keys are not unique")
    return {"rows": rows}


def fragment(table: Path, into: Path) -> dict[str, Any]:
    """Appends the rows of a table to another, in as many small files a partition as there are pieces."""
    import pyarrow as pa
    from deltalake import DeltaTable, WriterProperties, write_deltalake

    delta = DeltaTable(table)
    dataset = delta.to_pyarrow_dataset()
    properties = WriterProperties(compression="ZSTD")
    for values in delta.partitions():
        files = list(zip(*values.items(), strict=True))
        names, wanted = files[0], files[1]
        condition = None
        for name, value in zip(names, wanted, strict=True):
            here = pa.compute.field(name) == value
            condition = here if condition is None else condition & here
        size = -(-dataset.count_rows(filter=condition) // PIECES)
        held: list[Any] = []
        for batch in dataset.to_batches(filter=condition, batch_size=min(size, 8_192)):
            held.append(batch)
            while sum(part.num_rows for part in held) >= size:
                rows = pa.Table.from_batches(held)
                write_deltalake(into, rows.slice(0, size), mode="append", writer_properties=properties)
                held = rows.slice(size).to_batches()
        if held:
            write_deltalake(into, pa.Table.from_batches(held), mode="append", writer_properties=properties)
    written = DeltaTable(into)
    written.create_checkpoint()
    return {"files": len(written.file_uris())}


def _merge(delta: Any, properties: Any, file: Path) -> Any:
    import pyarrow.parquet as pq

    # Paratope reads the file within the statement.
    merger = delta.merge(
        pq.read_table(file), "t.sequence_id = s.sequence_id", source_alias="s", target_alias="t", writer_properties=properties)
    values = {"duplicate_count": "s.duplicate_count", "clone_id": "s.clone_id"}
    return merger.when_matched_update(values).when_not_matched_insert_all().execute()


STATEMENTS: dict[str, Callable[[Any, Any, Path], Any]] = {
    "merge": _merge,
    "delete": lambda delta, properties, _: delta.delete("v_identity < 0.88", writer_properties=properties),
    "optimize": lambda delta, properties, _: delta.optimize.compact(target_size=TARGET_BYTES, writer_properties=properties),
    "zorder": lambda delta, properties, _: delta.optimize.z_order(
        ["v_gene", "cdr3_aa"], target_size=TARGET_BYTES, writer_properties=properties),
}
"""Each statement by name. The codec is that of Paratope."""


STATEMENTS["optimize-sorted"] = STATEMENTS["optimize"]


def run(statement: str, table: Path, file: Path) -> dict[str, Any]:
    """Carries out a statement: the table is opened within the time, as Paratope opens it."""
    from deltalake import DeltaTable, WriterProperties

    if statement == "merge":
        import pyarrow.parquet  # noqa: F401 (before the clock starts)
    properties = WriterProperties(compression="ZSTD")
    start = time.perf_counter()
    done = STATEMENTS[statement](DeltaTable(table), properties, file)
    return {"s": time.perf_counter() - start, "told": done}


def rows(table: Path) -> dict[str, Any]:
    """How many rows the newest version has, and a sum of their hashes, which is the same in whatever order they lie."""
    from deltalake import DeltaTable

    # Of one type each, whoever wrote them.
    cells = ", ".join(f"CAST({name} AS VARCHAR)" for name in TOLD)
    sql = f"SELECT count(*), CAST(sum(hash({cells})) AS VARCHAR) FROM delta_scan('{table}')"
    [(count, digest)] = _duckdb().execute(sql).fetchall()
    return {"rows": count, "digest": digest, "files": len(DeltaTable(table).file_uris())}


def main() -> None:
    """Runs a command and prints what it tells as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, paths in {"source": ["table", "file"], "fragment": ["table", "into"], "rows": ["table"]}.items():
        command = commands.add_parser(name)
        for path in paths:
            command.add_argument(path, type=Path)
    timed = commands.add_parser("run")
    timed.add_argument("statement", choices=STATEMENTS)
    timed.add_argument("table", type=Path)
    timed.add_argument("file", type=Path, help="rows to merge")
    given = vars(parser.parse_args())
    command = {"source": source, "fragment": fragment, "run": run, "rows": rows}[given.pop("command")]
    json.dump(command(**given), sys.stdout, default=str)


if __name__ == "__main__":
    main()
