"""Whether an incremental job costs in proportion to what its source gained, and how fast and in how much memory tables are maintained."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import environment
import report

GROWTH = 0.01
"""Part of the source that is new in the second run."""
AIM = 0.03
"""The second run should cost at most this part of the first."""
QUERY = "SELECT k, md5(repeat(CAST(k AS VARCHAR), 40)) AS digest FROM src"
JOB = f"-- job: digests\n-- target: digests\n-- mode: incremental on src\n{QUERY}\n"


@dataclass(frozen=True)
class Run:
    """What one command took."""

    what: str
    wall_s: float
    cpu_s: float
    peak_mib: float


@contextmanager
def lake() -> Iterator[Path]:
    """An empty folder for a lake."""
    environment.data_folder().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=environment.data_folder(), prefix="jobs-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def run(binary: Path, folder: Path, threads: int, what: str, *arguments: str) -> tuple[Run, str]:
    """Runs a command: what it took, and what it printed."""
    command = [str(binary), "--lake", str(folder / "lake"), *arguments]
    with tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, env=environment.paratope_variables(threads))
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Run(what, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), text


def growth(binary: Path, rows: int, threads: int) -> dict[str, object]:
    """A job over a table, again over nothing new, and again after the table grew."""
    with lake() as folder:
        job = folder / "digests.sql"
        job.write_text(JOB)
        run(binary, folder, threads, "init", "init")
        run(binary, folder, threads, "source", "query", "-c", f"CREATE TABLE src AS SELECT value AS k FROM generate_series(1, {rows})")
        full, _ = run(binary, folder, threads, "first run, all rows", "job", "run", str(job))
        idle, _ = run(binary, folder, threads, "nothing new", "job", "run", str(job))
        more = round(rows * GROWTH)
        run(binary, folder, threads, "growth", "query", "-c", f"INSERT INTO src SELECT value FROM generate_series({rows + 1}, {rows + more})")
        grown, _ = run(binary, folder, threads, f"after {GROWTH:.0%} growth", "job", "run", str(job))
        wrong = f"SELECT count(*) AS n FROM ({QUERY} EXCEPT ALL SELECT k, digest FROM digests)"
        _, text = run(binary, folder, threads, "check", "query", "--format", "json", "-c", wrong)
        if json.loads(text)[0]["n"] != 0:
            raise RuntimeError("the target lacks rows")
    ratio, own = grown.cpu_s / full.cpu_s, (grown.cpu_s - idle.cpu_s) / (full.cpu_s - idle.cpu_s)
    print(f"\nIncremental run over {report.count(rows)} rows\n")
    print(report.table(["run", "wall s", "CPU s", "peak MiB"], [
        [it.what, f"{it.wall_s:.2f}", f"{it.cpu_s:.2f}", report.count(it.peak_mib)] for it in (full, idle, grown)]))
    verdict = "within" if own <= AIM else "BEYOND"
    print(f"\nAfter growth: {ratio:.1%} of a full run's CPU time, {own:.1%} without what a run costs that finds nothing; {verdict} the aim of {AIM:.0%}", flush=True)
    return {"rows": rows, "runs": [asdict(it) for it in (full, idle, grown)], "ratio": ratio, "ratio_without_idle": own}


def location(binary: Path, folder: Path, threads: int, table: str) -> Path:
    """The folder of a table."""
    _, text = run(binary, folder, threads, "detail", "query", "--format", "json", "-c", f"DESCRIBE DETAIL {table}")
    return Path(json.loads(text)[0]["location"].removeprefix("file://"))


LINKS = 30_000
"""Links to one file: file systems have a limit of about twice as many."""


def copies(table: Path, count: int) -> None:
    """Makes as many files of a table's only one, in one commit: links to one file, under names of their own."""
    log = table / "_delta_log"
    newest = max(log.glob("*.json"))
    add = next(json.loads(line)["add"] for line in newest.read_text().splitlines() if '"add"' in line)
    original = table / add["path"]
    lines = []
    for number in range(count):
        name = f"part-{number:06}.parquet"
        if number % LINKS == 0:
            shutil.copyfile(original, table / name)
            linked = table / name
        else:
            os.link(linked, table / name)
        lines.append(json.dumps({"add": add | {"path": name}}))
    (log / f"{int(newest.stem) + 1:020}.json").write_text("\n".join(lines) + "\n")


def compaction(binary: Path, files: int, rows: int, threads: int) -> dict[str, object]:
    """Compaction of the same files by paratope and by Python's deltalake."""
    import deltalake

    with lake() as folder:
        run(binary, folder, threads, "init", "init")
        run(binary, folder, threads, "source", "query", "-c",
            f"CREATE TABLE t AS SELECT value AS k, md5(CAST(value AS VARCHAR)) AS h FROM generate_series(1, {rows})")
        table = location(binary, folder, threads, "t")
        copies(table, files)
        peer = folder / "peer"
        shutil.copytree(table, peer)
        size = sum(part.stat().st_size for part in table.glob("*.parquet")) / (1 << 20)
        ours, _ = run(binary, folder, threads, "paratope OPTIMIZE", "query", "-c", "OPTIMIZE t")
        start, before = time.perf_counter(), os.times()
        deltalake.DeltaTable(str(peer)).optimize.compact(max_concurrent_tasks=threads)
        wall, after = time.perf_counter() - start, os.times()
        theirs = Run("deltalake compact", wall, after.user + after.system - before.user - before.system, 0)
    print(f"\nCompaction of {report.count(files)} files, {size:.0f} MiB\n")
    print(report.table(["engine", "wall s", "MiB/s", "CPU s"], [
        [it.what, f"{it.wall_s:.2f}", f"{size / it.wall_s:.1f}", f"{it.cpu_s:.2f}"] for it in (ours, theirs)]), flush=True)
    return {"files": files, "mib": size, "runs": [asdict(ours), asdict(theirs)]}


def maintain(binary: Path, files: int, threads: int) -> dict[str, object]:
    """`paratope maintain` on a table of many small files."""
    with lake() as folder:
        run(binary, folder, threads, "init", "init")
        run(binary, folder, threads, "source", "query", "-c", "CREATE TABLE t AS SELECT value AS k FROM generate_series(1, 10)")
        copies(location(binary, folder, threads, "t"), files)
        done, text = run(binary, folder, threads, "maintain", "maintain", "--table", "t", "--format", "json")
        after = json.loads(text)[0]["files_after"]
    print(f"\nMaintenance of a table of {report.count(files)} small files\n")
    print(report.table(["files", "files after", "wall s", "CPU s", "peak MiB"], [
        [report.count(files), report.count(after), f"{done.wall_s:.1f}", f"{done.cpu_s:.1f}", report.count(done.peak_mib)]]), flush=True)
    return {"files": files, "files_after": after, **asdict(done)}


def main(binary: Path, rows: int, small_files: int, threads: int) -> dict[str, object]:
    """Measures and prints tables."""
    print("jobs: growth", file=sys.stderr)
    figures = {"growth": growth(binary, rows, threads)}
    print("jobs: compaction", file=sys.stderr)
    figures["compaction"] = compaction(binary, 200, 20_000, threads)
    print("jobs: maintain", file=sys.stderr)
    figures["maintain"] = maintain(binary, small_files, threads)
    return figures
