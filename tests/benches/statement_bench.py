"""MERGE, DELETE, OPTIMIZE and Z-order: Paratope beside Python deltalake on copies of the same table, time and peak memory."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import environment
import query_bench
import report

FRAGMENTS = "fragments"
"""The table in many small files."""
MERGE = """
    MERGE INTO {table} AS t USING (SELECT * FROM '{file}') AS s ON t.sequence_id = s.sequence_id
    WHEN MATCHED THEN UPDATE SET duplicate_count = s.duplicate_count, clone_id = s.clone_id
    WHEN NOT MATCHED THEN INSERT ROW"""
STATEMENTS = {
    "merge": MERGE,
    "delete": "DELETE FROM {table} WHERE v_identity < 0.88",
    "optimize": "OPTIMIZE {table}",
    "optimize-sorted": "OPTIMIZE {table}",
    "zorder": "OPTIMIZE {table} ZORDER BY (v_gene, cdr3_aa)",
}
"""As `statement_peer.py` has them."""
BEFORE = {"optimize-sorted": "ALTER TABLE {table} SET TBLPROPERTIES ('paratope.sortColumns' = 'v_gene, cdr3_aa')"}
"""What Paratope is told before the clock starts. The peer has nothing like it and does the same with and without."""
ENGINES = ("paratope", "deltalake")
MIB = 1 << 20


@dataclass(frozen=True)
class Base:
    """A lake that each engine gets a copy of."""

    lake: Path
    table: str
    file: Path
    """Rows to merge."""


@dataclass(frozen=True)
class Run:
    """What one statement took, and what it left."""

    seconds: float
    peak_mib: float
    rows: int
    digest: str
    files: int


def _peer(command: str, *paths: object) -> dict[str, Any]:
    return _peer_measured(command, *paths)[0]


def _peer_measured(command: str, *paths: object) -> tuple[dict[str, Any], float]:
    """What `statement_peer.py` answers, and its peak (MiB)."""
    full = [sys.executable, str(environment.HERE / "statement_peer.py"), command, *map(str, paths)]
    answer, _, peak = _measured(full, environment.variables())
    return json.loads(answer), peak


def _measured(command: list[str], variables: dict[str, str]) -> tuple[str, str, float]:
    """Runs a process: what it says on stdout and on stderr, and its peak resident memory (MiB)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=variables)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        said, told = out.read().decode(), err.read().decode()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{told}")
    return said, told, usage.ru_maxrss / 1024


def _paratope(binary: Path, lake: Path, threads: int, sql: str, memory: int | None = None) -> tuple[float, float]:
    """Carries out a statement: its time (s), the peak of the process (MiB)."""
    variables = environment.paratope_variables(threads)
    if memory:
        variables["PARATOPE__QUERY__MEMORY_BYTES"] = str(memory)
    command = [str(binary), "query", "--timing", "--format", "csv", "--lake", str(lake), f"--command={sql}"]
    _, told, peak = _measured(command, variables)
    [took] = re.findall(r"^time: ([0-9.]+) ms$", told, re.MULTILINE)
    return float(took) / 1_000, peak


def _folder(lake: Path, table: str) -> Path:
    """The folder of a table: its name, with or without an id."""
    [found] = [log.parent for log in (lake / "main").glob("*/_delta_log") if re.fullmatch(rf"{table}(-[0-9a-f]+)?", log.parent.name)]
    return found


def _made_of(lake: Path, what: str) -> Path:
    """Where things made of a lake are kept: with the generated files, wherever it lies itself."""
    key = hashlib.sha256(str(lake).encode()).hexdigest()[:8]
    return environment.data_folder() / f"{lake.name}-{key}-{what}"


def merge_base(lake: Path) -> Base:
    """The table `chains` with a file of rows to merge into it, made on the first call."""
    file = _made_of(lake, "source.parquet")
    if not file.exists():
        unfinished = file.with_suffix(".unfinished")
        _peer("source", _folder(lake, "chains"), unfinished)
        unfinished.rename(file)
    return Base(lake, "chains", file)


def fragmented_base(binary: Path, base: Base, threads: int) -> Base:
    """The same rows in a table of small files, made on the first call."""
    folder = _made_of(base.lake, FRAGMENTS)
    if not folder.exists():
        print("statements: writing small files", file=sys.stderr)
        unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix="unfinished-"))
        try:
            lake = unfinished / "lake"
            # Its other tables are not looked at; those of chains would be copied for nothing.
            shutil.copytree(base.lake, lake)
            create = f"CREATE TABLE {FRAGMENTS} PARTITIONED BY (chain, species) AS SELECT * FROM chains WHERE false"
            _paratope(binary, lake, threads, create)
            _peer("fragment", _folder(lake, "chains"), _folder(lake, FRAGMENTS))
            shutil.rmtree(_folder(lake, "chains"))
            lake.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return Base(folder, FRAGMENTS, base.file)


def run(engine: str, statement: str, base: Base, binary: Path, threads: int, memory: int | None = None) -> Run:
    """Carries out a statement on a copy of the lake and looks at what it left."""
    folder = Path(tempfile.mkdtemp(dir=environment.data_folder(), prefix="statement-"))
    try:
        lake = folder / "lake"
        shutil.copytree(base.lake, lake)
        table = _folder(lake, base.table)
        if engine == "paratope":
            if statement in BEFORE:
                _paratope(binary, lake, threads, BEFORE[statement].format(table=base.table))
            sql = STATEMENTS[statement].format(table=base.table, file=base.file)
            seconds, peak = _paratope(binary, lake, threads, sql, memory)
        else:
            answer, peak = _peer_measured("run", statement, table, base.file)
            seconds = answer["s"]
        return Run(seconds, peak, **_peer("rows", table))
    finally:
        shutil.rmtree(folder)


def _check(statement: str, before: dict[str, Any], runs: dict[str, list[Run]]) -> None:
    """Both engines leave the same rows, and those that the statement is to leave."""
    results = {(run.rows, run.digest) for of_engine in runs.values() for run in of_engine}
    if len(results) != 1:
        raise RuntimeError(f"{statement}: the engines leave different rows: {sorted(results)}")
    [(rows, digest)] = results
    same = (rows, digest) == (before["rows"], before["digest"])
    if same != (statement in ("optimize", "optimize-sorted", "zorder")):
        raise RuntimeError(f"{statement}: {before['rows']} rows before and {rows} after, {'the same' if same else 'others'}")
    for of_engine in runs.values():
        if statement.startswith("optimize") and of_engine[0].files >= before["files"]:
            raise RuntimeError("optimize left the small files as they were")


def main(binary: Path, rows: int, seed: int, threads: int, repeats: int, key: str, given_lake: Path | None) -> dict[str, Any]:
    """Measures each statement by both engines in turn, compares what they leave, and prints a table."""
    lake = given_lake.resolve() if given_lake else query_bench.lake(binary, rows, seed, threads, key)
    chains = merge_base(lake)
    fragments = fragmented_base(binary, chains, threads)
    bases = {name: fragments if name.startswith("optimize") else chains for name in STATEMENTS}
    figures: dict[str, Any] = {}
    lines = []
    for statement, base in bases.items():
        before = _peer("rows", _folder(base.lake, base.table))
        runs: dict[str, list[Run]] = {engine: [] for engine in ENGINES}
        for _ in range(repeats):
            for engine in ENGINES:
                print(f"statements: {statement}, {engine}", file=sys.stderr)
                runs[engine].append(run(engine, statement, base, binary, threads))
        _check(statement, before, runs)
        lines.append(_line(statement, before, runs))
        figures[statement] = {engine: [asdict(found) for found in of_engine] for engine, of_engine in runs.items()}
    head = ["statement", "rows", "rows after", "files", *(f"{engine}'s files" for engine in ENGINES), *(f"{engine} s" for engine in ENGINES),
            "ratio of least", "ratio of medians", *(f"{engine} peak MiB" for engine in ENGINES), "ratio of peaks"]
    print(f"\nStatements on copies of {lake.name}: {repeats} runs, least / median s; peaks of the largest run\n")
    print(report.table(head, lines), flush=True)
    return figures


def _line(statement: str, before: dict[str, Any], runs: dict[str, list[Run]]) -> list[str]:
    ours, theirs = ([found.seconds for found in runs[engine]] for engine in ENGINES)
    peaks = [max(found.peak_mib for found in runs[engine]) for engine in ENGINES]
    return [
        statement, report.count(before["rows"]), report.count(runs["paratope"][0].rows), report.count(before["files"]),
        *(report.count(runs[engine][0].files) for engine in ENGINES),
        *(f"{min(times):.2f} / {statistics.median(times):.2f}" for times in (ours, theirs)),
        f"{min(ours) / min(theirs):.2f}", f"{statistics.median(ours) / statistics.median(theirs):.2f}",
        *(report.count(peak) for peak in peaks), f"{peaks[0] / peaks[1]:.2f}",
    ]


def memory(binary: Path, rows: int, seed: int, threads: int, key: str, limit_mib: int) -> dict[str, Any]:
    """Measures whether a MERGE into a large table and an OPTIMIZE of it stay within the configured memory, and prints a table."""
    chains = merge_base(query_bench.lake(binary, rows, seed, threads, key))
    folder = _folder(chains.lake, chains.table)
    stored = sum(file.stat().st_size for file in folder.rglob("*.parquet")) / MIB
    before = _peer("rows", folder)
    figures: dict[str, Any] = {}
    lines = []
    for statement in ("merge", "zorder"):
        print(f"statements: {statement} within {limit_mib} MiB", file=sys.stderr)
        found = run("paratope", statement, chains, binary, threads, limit_mib * MIB)
        _check(statement, before, {"paratope": [found]})
        figures[statement] = asdict(found)
        verdict = "ok" if found.peak_mib <= limit_mib else "EXCEEDED"
        lines.append([statement, report.count(before["rows"]), report.count(stored), f"{found.seconds:.1f}", report.count(found.peak_mib), verdict])
    print(f"\nStatements with query.memory_bytes = {limit_mib} MiB on a copy of {chains.lake.name}\n")
    print(report.table(["statement", "rows", "stored MiB", "s", "peak MiB", f"<= {limit_mib} MiB"], lines), flush=True)
    return figures
