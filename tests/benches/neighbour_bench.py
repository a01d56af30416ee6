"""Nearest neighbours over stored embeddings, as plain SQL: beside DuckDB, on the same Parquet rows."""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import environment
import report

DIMENSION = 512
BATCH = 50_000
SQL = "SELECT id FROM {rows} ORDER BY {distance}(e, (SELECT e FROM {rows} WHERE id = 17)), id LIMIT 10"


def write(file: Path, rows: int, seed: int) -> None:
    """Random vectors of the width of AntiBERTy's, as lists of 32-bit numbers."""
    import numpy
    import pyarrow
    from pyarrow import parquet

    random = numpy.random.default_rng(seed)
    schema = pyarrow.schema([("id", pyarrow.int64()), ("e", pyarrow.list_(pyarrow.float32()))])
    with parquet.ParquetWriter(file, schema, compression="zstd", use_dictionary=["id"]) as writer:
        for start in range(0, rows, BATCH):
            count = min(BATCH, rows - start)
            numbers = pyarrow.array(random.standard_normal(count * DIMENSION, dtype=numpy.float32))
            ends = pyarrow.array(range(0, count * DIMENSION + 1, DIMENSION), pyarrow.int32())
            vectors = pyarrow.ListArray.from_arrays(ends, numbers)
            writer.write_table(pyarrow.table({"id": range(start, start + count), "e": vectors}, schema=schema))


def ours(binary: Path, lake: Path, threads: int, runs: int) -> tuple[list[float], list[int]]:
    """Milliseconds of each run but the first, and the neighbours."""
    sql = SQL.format(rows="embeddings", distance="cosine_distance")
    command = [str(binary), "query", "--lake", str(lake), "--timing", "--format", "csv", "-c", "; ".join([sql] * (runs + 1))]
    run = subprocess.run(command, check=True, capture_output=True, text=True, env=environment.paratope_variables(threads))
    times = [float(value) for value in re.findall(r"^time: ([0-9.]+) ms$", run.stderr, re.MULTILINE)]
    numbers = [int(line) for line in run.stdout.splitlines() if line.isdigit()]
    return times[1:], numbers[:10]


def peer(file: Path, threads: int, runs: int) -> tuple[list[float], list[int]]:
    """The same of DuckDB."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}")
    sql = SQL.format(rows=f"'{file}'", distance="list_cosine_distance")
    times, found = [], []
    for _ in range(runs + 1):
        begin = time.perf_counter()
        found = connection.execute(sql).fetchall()
        times.append((time.perf_counter() - begin) * 1_000)
    return times[1:], [row[0] for row in found]


def main(binary: Path, rows: int, seed: int, threads: int, runs: int) -> dict[str, Any]:
    """A ratio above 1 says that DuckDB is faster."""
    with tempfile.TemporaryDirectory(dir=environment.data_folder()) as folder:
        file, lake = Path(folder) / "vectors.parquet", Path(folder) / "lake"
        write(file, rows, seed)
        for words in (["init"], ["query", "-c", f"CREATE TABLE embeddings AS SELECT id, e FROM '{file}'"]):
            subprocess.run([str(binary), *words, "--lake", str(lake)], check=True, stdout=subprocess.DEVNULL, env=environment.variables())
        times, found = ours(binary, lake, threads, runs)
        peer_times, expected = peer(file, threads, runs)
    if found != expected:
        raise RuntimeError(f"the neighbours differ: {found} and {expected}")
    print(f"\n## The ten nearest of {report.count(rows)} vectors of {DIMENSION} numbers, {threads} threads\n")
    figures = {"paratope": times, "DuckDB": peer_times}
    table = [[name, f"{min(each):.0f}", f"{statistics.median(each):.0f}"] for name, each in figures.items()]
    print(report.table(["engine", "least, ms", "median, ms"], table))
    print(f"\nratio of least {min(times) / min(peer_times):.2f}, of medians {statistics.median(times) / statistics.median(peer_times):.2f}")
    return {"milliseconds": figures}
