"""The peers: each runs the queries in a process of its own, and prints times and rows as JSON.

    python peers.py PEER TABLE --threads 2 --runs 7

All read the same Delta table with the same number of threads. A run ends when the whole result is in memory. What a peer
keeps between runs (snapshot, Parquet footers) it may keep, as Paratope does. Peers have several variants where it is
not plain which is the faster; all are run, and the fastest for each query is the one that counts.
"""

from __future__ import annotations

import argparse
import importlib.resources
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

QUERIES = Path(__file__).with_name("queries")


class Peer(Protocol):
    """An engine with the table `chains` open."""

    def version(self) -> str:
        """Name and version."""

    def prepare(self, name: str, sql: str) -> Callable[[], Any]:
        """What runs a query. It returns the result in the engine's own form."""

    def rows(self, result: Any) -> list[tuple[Any, ...]]:
        """The rows of a result."""


class DuckDb:
    """DuckDB: its Delta extension, or its Parquet reader on the files of the table's newest version."""

    def __init__(self, table: Path, threads: int, reader: str) -> None:
        import duckdb

        self._reader = reader
        self._version = f"DuckDB {duckdb.__version__} ({reader})"
        self._connection = duckdb.connect(config={"threads": threads, "allow_unsigned_extensions": "true"})
        run = self._connection.execute
        run("CREATE MACRO regexp_like(text, pattern) AS regexp_matches(text, pattern)")
        if reader == "delta":
            extensions = Path(str(importlib.resources.files("duckdb_extension_delta"))) / "extensions"
            extension = extensions / f"v{duckdb.__version__}" / "delta.duckdb_extension"
            run(f"LOAD '{extension}'")
            run(f"ATTACH '{table}' AS chains (TYPE delta, PIN_SNAPSHOT)")
        else:
            run("SET parquet_metadata_cache = true")
            files = [str(file) for file in active_files(table)]
            run(f"CREATE VIEW chains AS SELECT * FROM read_parquet({files}, hive_partitioning = true)")

    def version(self) -> str:
        return self._version

    def prepare(self, name: str, sql: str) -> Callable[[], Any]:
        return lambda: self._connection.sql(sql).to_arrow_table()

    def rows(self, result: Any) -> list[tuple[Any, ...]]:
        return arrow_rows(result)


class DataFusion:
    """DataFusion for Python: its Parquet listing table with the defaults, or with filters pushed down into Parquet."""

    def __init__(self, table: Path, threads: int, pushdown: bool) -> None:
        import datafusion
        import pyarrow as pa

        self._version = f"DataFusion {datafusion.__version__} (parquet{', pushdown' if pushdown else ''})"
        config = datafusion.SessionConfig().with_target_partitions(threads).with_parquet_pruning(True)
        if pushdown:
            config = config.set("datafusion.execution.parquet.pushdown_filters", "true")
            config = config.set("datafusion.execution.parquet.reorder_filters", "true")
        self._context = datafusion.SessionContext(config)
        self._folder = linked(table)
        partitions = [("chain", pa.string()), ("species", pa.string())]
        self._context.register_parquet("chains", self._folder.name, table_partition_cols=partitions)

    def version(self) -> str:
        return self._version

    def prepare(self, name: str, sql: str) -> Callable[[], Any]:
        return lambda: self._context.sql(sql).collect()

    def rows(self, result: Any) -> list[tuple[Any, ...]]:
        import pyarrow as pa

        return arrow_rows(pa.Table.from_batches(result)) if result else []


class Polars:
    """Polars: its own Delta scan and lazy expressions, in either of its two engines."""

    def __init__(self, table: Path, threads: int, engine: str) -> None:
        os.environ["POLARS_MAX_THREADS"] = str(threads)
        import polars as pl

        self._engine: Any = engine
        self._version = f"Polars {pl.__version__} ({engine})"
        self._chains = pl.scan_delta(str(table))
        if pl.thread_pool_size() != threads:
            raise RuntimeError("Polars has another number of threads")

    def version(self) -> str:
        return self._version

    def prepare(self, name: str, sql: str) -> Callable[[], Any]:
        frame = POLARS[name](self._chains)
        return lambda: frame.collect(engine=self._engine)

    def rows(self, result: Any) -> list[tuple[Any, ...]]:
        return list(result.rows())


def _polars_filter(chains: Any) -> Any:
    import polars as pl

    wanted = (pl.col("chain") == "heavy") & (pl.col("species") == "human") & (pl.col("v_identity") < 0.88)
    return chains.filter(wanted).select("sequence_id", "v_gene", "j_gene", "cdr3_aa", "v_identity", "duplicate_count")


def _polars_top(chains: Any) -> Any:
    import polars as pl

    heavy = chains.filter((pl.col("chain") == "heavy") & pl.col("cdr3_aa").is_not_null())
    counted = heavy.group_by("cdr3_aa").agg(pl.len().alias("chains"))
    return counted.sort("chains", "cdr3_aa", descending=[True, False]).head(20)


def _polars_histogram(chains: Any) -> Any:
    import polars as pl

    lengths = chains.filter(pl.col("cdr3_aa").is_not_null()).select("chain", pl.col("cdr3_aa").str.len_chars().alias("length"))
    return lengths.group_by("chain", "length").agg(pl.len())


def _polars_pairs(chains: Any) -> Any:
    import polars as pl

    heavy = chains.filter(pl.col("chain") == "heavy").select("pair_id", pl.col("v_gene").alias("heavy_v_gene"))
    light = chains.filter(pl.col("chain") == "light").select("pair_id", pl.col("v_gene").alias("light_v_gene"))
    return heavy.join(light, on="pair_id").group_by("heavy_v_gene", "light_v_gene").agg(pl.len())


def _polars_count(by: str, column: str | None = None, pattern: str = "", literal: bool = False) -> Callable[[Any], Any]:
    def query(chains: Any) -> Any:
        import polars as pl

        if column:
            chains = chains.filter(pl.col(column).str.contains(pattern, literal=literal))
        return chains.group_by(by).agg(pl.len())

    return query


POLARS: dict[str, Callable[[Any], Any]] = {
    "01_count_by_v_gene": _polars_count("v_gene"),
    "02_filter_and_project": _polars_filter,
    "03_top_cdr3": _polars_top,
    "04_cdr3_length_histogram": _polars_histogram,
    "05_heavy_light_pairs": _polars_pairs,
    "06_regexp_cdr3": _polars_count("v_gene", "cdr3_aa", "C[A-Z]{3,5}C"),
    "07_regexp_v_domain": _polars_count("chain", "v_domain_aa", "N[^P][ST]"),
    "08_like_v_domain": _polars_count("v_gene", "v_domain_aa", "YYYGMDVWGQG", literal=True),
}
"""The queries of `queries/` as lazy expressions, which is how Polars is used."""

PEERS: dict[str, Callable[[Path, int], Peer]] = {
    "duckdb-delta": lambda table, threads: DuckDb(table, threads, "delta"),
    "duckdb-parquet": lambda table, threads: DuckDb(table, threads, "parquet"),
    "duckdb-newest": lambda table, threads: DuckDb(table, threads, "parquet"),
    "polars-memory": lambda table, threads: Polars(table, threads, "in-memory"),
    "polars-streaming": lambda table, threads: Polars(table, threads, "streaming"),
    "datafusion": lambda table, threads: DataFusion(table, threads, pushdown=False),
    "datafusion-pushdown": lambda table, threads: DataFusion(table, threads, pushdown=True),
}


def queries() -> dict[str, str]:
    """The text of each query, by name."""
    return {file.stem: file.read_text() for file in sorted(QUERIES.glob("*.sql"))}


def active_files(table: Path) -> list[Path]:
    """The data files of the table's newest version."""
    from deltalake import DeltaTable

    return sorted(Path(unquote(uri.removeprefix("file://"))) for uri in DeltaTable(str(table)).file_uris())


def linked(table: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder of hard links to them, for engines that list folders: those would read the files of old versions and of the log, too."""
    folder = tempfile.TemporaryDirectory(dir=table.parent, prefix="links-")
    for file in active_files(table):
        link = Path(folder.name) / file.relative_to(table)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.hardlink_to(file)
    return folder


def arrow_rows(table: Any) -> list[tuple[Any, ...]]:
    """The rows of an Arrow table."""
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def canonical(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows in an order of their own, reals rounded."""
    plain = [[round(cell, 9) if isinstance(cell, float) else cell for cell in row] for row in rows]
    return sorted(plain, key=lambda row: [(cell is not None, str(cell)) for cell in row])


def main() -> None:
    """Runs a peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("table", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=7)
    given = parser.parse_args()
    peer = PEERS[given.peer](given.table.resolve(), given.threads)
    results: dict[str, Any] = {}
    for name, sql in queries().items():
        run = peer.prepare(name, sql)
        rows = canonical(peer.rows(run()))
        milliseconds = []
        for _ in range(given.runs):
            start = time.perf_counter()
            result = run()
            milliseconds.append((time.perf_counter() - start) * 1_000)
            del result
        results[name] = {"ms": milliseconds, "rows": rows}
    json.dump({"version": peer.version(), "queries": results}, sys.stdout)


if __name__ == "__main__":
    main()
