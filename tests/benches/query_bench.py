"""The analysts' queries over one Delta table: Paratope beside DuckDB, Polars and DataFusion."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import environment
import ingest_bench
import report
from peers import PEERS, arrow_rows, canonical, queries

FILE_RECORDS = 1_000_000
"""Records of one of the lake's AIRR files."""
ROUNDS = 3
"""How often the engines take turns."""
Times = dict[str, list[float]]
"""Milliseconds of each run, by query."""


def lake(binary: Path, rows: int, seed: int, threads: int, key: str) -> Path:
    """A lake of `rows` simulated chains that this binary ingested, made on the first call."""
    command = [str(binary), "--version"]
    mark = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout if key == "version" else binary.read_bytes()
    folder = environment.data_folder() / f"lake-{rows}-seed{seed}-{hashlib.sha256(mark).hexdigest()[:12]}"
    if folder.exists():
        return folder
    environment.data_folder().mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=environment.data_folder(), prefix="unfinished-"))
    try:
        sizes = [min(FILE_RECORDS, rows - start) for start in range(0, rows, FILE_RECORDS)]
        for number, size in enumerate(sizes):
            print(f"queries: ingesting file {number + 1} of {len(sizes)}", file=sys.stderr)
            file = ingest_bench.generate("airr", size, seed, number)
            ingest_bench.ingest(binary, unfinished, file, threads)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return folder


def table_folder(lake_folder: Path) -> Path:
    """The folder of the table `chains`."""
    found = [log.parent for log in (lake_folder / "main").rglob("_delta_log") if log.parent.name.startswith("chains")]
    if len(found) != 1:
        raise RuntimeError(f"{lake_folder} has {len(found)} tables of chains")
    return found[0]


def _paratope(binary: Path, lake_folder: Path, threads: int, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [str(binary), "query", "--lake", str(lake_folder), *arguments]
    return subprocess.run(command, check=True, env=environment.paratope_variables(threads), **options)


def paratope_rows(binary: Path, lake_folder: Path, threads: int, sql: str) -> list[list[Any]]:
    """The rows of a query."""
    import pyarrow as pa

    answer = _paratope(binary, lake_folder, threads, "--format", "arrow", f"--command={sql}", stdout=subprocess.PIPE).stdout
    return canonical(arrow_rows(pa.ipc.open_stream(answer).read_all()))


def paratope_times(binary: Path, lake_folder: Path, threads: int, sql: str, runs: int) -> list[float]:
    """Milliseconds of each run behind a first that is not counted. One process runs them all.

    A table of one row takes all rows as Arrow batches, as the peers' results are, formats the first and counts the others."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.sql"
        script.write_text(f"{sql.rstrip()};\n" * (runs + 1))
        arguments = ("--timing", "--format", "table", "--rows", "1", "-f", str(script))
        told = _paratope(binary, lake_folder, threads, *arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE).stderr
    times = [float(value) for value in re.findall(r"^time: ([0-9.]+) ms$", told.decode(), re.MULTILINE)]
    if len(times) != runs + 1:
        raise RuntimeError(f"paratope query --timing told {len(times)} times of {runs + 1}")
    return times[1:]


def peer(name: str, table: Path, threads: int, runs: int) -> dict[str, Any]:
    """What a peer says of all queries."""
    command = [sys.executable, str(environment.HERE / "peers.py"), name, str(table), "--threads", str(threads), "--runs", str(runs)]
    variables = environment.variables()
    if name == "duckdb-newest":
        variables["PYTHONPATH"] = str(environment.newest_duckdb())
    answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=variables).stdout)
    return answer


def differences(mine: list[list[Any]], theirs: list[list[Any]]) -> str | None:
    """How rows differ, if they do."""
    if mine == theirs:
        return None
    if len(mine) != len(theirs):
        return f"{len(mine)} rows, the peer {len(theirs)}"
    return next(f"{left}, the peer {right}" for left, right in zip(mine, theirs, strict=True) if left != right)


def main(
    binary: Path, rows: int, seed: int, threads: int, runs: int, key: str, given_lake: Path | None, peers: list[str], profiles: Path | None
) -> dict[str, Any]:
    """Verifies that all engines agree, measures them and prints tables."""
    folder = given_lake.resolve() if given_lake else lake(binary, rows, seed, threads, key)
    table = table_folder(folder)
    answers: dict[str, dict[str, Any]] = {}
    expected = {name: paratope_rows(binary, folder, threads, sql) for name, sql in queries().items()}
    ours: Times = {name: [] for name in expected}
    theirs: dict[str, Times] = {name: {query: [] for query in expected} for name in peers}
    # The engines take turns: a machine that is slow for a minute is slow for all of them.
    for turn in range(1, ROUNDS + 1):
        for name in peers:
            print(f"queries, round {turn} of {ROUNDS}: {name}", file=sys.stderr)
            answers[name] = peer(name, table, threads, runs)
            for query, result in answers[name]["queries"].items():
                theirs[name][query] += result["ms"]
        print(f"queries, round {turn} of {ROUNDS}: paratope", file=sys.stderr)
        for name, sql in queries().items():
            ours[name] += paratope_times(binary, folder, threads, sql, runs)
    wrong = [
        f"{name}, {query}: {difference}"
        for name, answer in answers.items()
        for query, result in answer["queries"].items()
        if (difference := differences(expected[query], result["rows"]))
    ]
    if wrong:
        raise RuntimeError("engines disagree:\n" + "\n".join(wrong))
    _print(folder, table, expected, ours, theirs, {name: answer["version"] for name, answer in answers.items()}, runs)
    lost = [query for query, (_, ratio) in verdicts(ours, theirs).items() if ratio > 1]
    if profiles:
        _profile(binary, folder, threads, lost, profiles)
    return {"paratope": ours, "peers": theirs}


def verdicts(ours: Times, theirs: dict[str, Times]) -> dict[str, tuple[str, float]]:
    """The fastest peer for each query, and the ratio of medians: above 1, Paratope is slower."""
    found: dict[str, tuple[str, float]] = {}
    for query, times in ours.items():
        medians = {name: statistics.median(peer[query]) for name, peer in theirs.items()}
        fastest = min(medians, key=medians.__getitem__)
        found[query] = (fastest, statistics.median(times) / medians[fastest])
    return found


def _print(
    folder: Path, table: Path, expected: dict[str, list[list[Any]]], ours: Times, theirs: dict[str, Times], versions: dict[str, str], runs: int
) -> None:
    files = [file for file in table.rglob("*.parquet") if "_delta_log" not in file.parts]
    size = sum(file.stat().st_size for file in files) / (1 << 20)
    families = list(dict.fromkeys(name.split("-")[0] for name in theirs))
    verdict = verdicts(ours, theirs)
    rows = []
    for query, times in ours.items():
        best = {
            family: min((peer[query] for name, peer in theirs.items() if name.split("-")[0] == family), key=statistics.median)
            for family in families
        }
        fastest, ratio = verdict[query]
        least = min(times) / min(theirs[fastest][query])
        rows.append([query, report.count(len(expected[query])), report.milliseconds(times), *(report.milliseconds(best[family]) for family in families),
                     fastest, f"{least:.2f}", f"{ratio:.2f}"])
    print(f"\nQueries over {folder.name}: {len(files)} data files, {size:,.0f} MiB; {ROUNDS} rounds of {runs} runs, least / median ms\n")
    print(report.table(["query", "rows", "paratope", *families, "fastest peer", "ratio of least", "ratio of medians"], rows))
    print("\nEvery variant of the peers, median ms\n")
    variants = [[query, *(f"{statistics.median(peer[query]):.1f}" for peer in theirs.values())] for query in ours]
    print(report.table(["query", *theirs], variants))
    print("\n" + "\n".join(f"- {name}: {version}" for name, version in versions.items()), flush=True)


def _profile(binary: Path, folder: Path, threads: int, lost: list[str], profiles: Path) -> None:
    profiles.mkdir(parents=True, exist_ok=True)
    for query, sql in queries().items():
        if query in lost:
            arguments = ("--format", "table", "--rows", "0", f"--command=EXPLAIN ANALYZE {sql}")
            told = _paratope(binary, folder, threads, *arguments, stdout=subprocess.PIPE).stdout
            (profiles / f"{query}.txt").write_bytes(told)


ALL_PEERS = list(PEERS)
