"""How fast `paratope ingest` reads each format into a fresh lake, and how much memory it takes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import environment
import report

MEMORY_LIMIT_MIB = 1024
"""Ingest promises to stay below."""
FORMATS = ("fasta-aa", "fasta-nt", "airr", "oas")


@dataclass(frozen=True)
class Generated:
    """A file of simulated records."""

    path: Path
    options: list[str]
    """What `paratope ingest` has to be told about it."""


@dataclass(frozen=True)
class Ingested:
    """What one run of `paratope ingest` took."""

    format: str
    records: int
    chains: int
    rejects: int
    with_v_domain: int
    file_mib: float
    lake_mib: float
    wall_s: float
    cpu_s: float
    peak_mib: float

    @property
    def is_within_memory(self) -> bool:
        """Whether the peak stayed below the limit."""
        return self.peak_mib < MEMORY_LIMIT_MIB


def generate(form: str, records: int, seed: int, file: int = 0) -> Generated:
    """A file of simulated records, made on the first call, by a process of its own: a large parent would count as its child's memory."""
    command = [sys.executable, str(environment.HERE / "writers.py"), form, str(environment.data_folder())]
    command += ["--records", str(records), "--seed", str(seed), "--file", str(file)]
    made = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return Generated(Path(made["path"]), made["options"])


def ingest(binary: Path, lake: Path, file: Generated, threads: int) -> tuple[dict[str, int], float, float, float]:
    """Runs `paratope ingest`: counts, wall time and CPU time (s), peak resident memory (MiB)."""
    command = [str(binary), "ingest", "--format", "json", "--lake", str(lake), *file.options, str(file.path)]
    with tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, env=environment.paratope_variables(threads))
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read()
    if process.returncode not in (0, 3):
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    counts = json.loads(text)["inputs"][0]
    if counts["status"] != "ingested":
        raise RuntimeError(f"{file.path}: {counts['status']}: {counts['error']}")
    return counts, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def run(binary: Path, form: str, records: int, seed: int, threads: int) -> Ingested:
    """Ingests a generated file into a fresh lake."""
    file = generate(form, records, seed)
    folder = Path(tempfile.mkdtemp(dir=environment.data_folder(), prefix="ingest-"))
    try:
        counts, wall, cpu, peak = ingest(binary, folder / "lake", file, threads)
        size = sum(part.stat().st_size for part in folder.rglob("*") if part.is_file())
        sql = "SELECT count(v_domain_aa) AS domains FROM chains"
        command = [str(binary), "query", "--lake", str(folder / "lake"), "--format", "json", "-c", sql]
        domains = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment.paratope_variables(threads)).stdout)[0]["domains"]
    finally:
        shutil.rmtree(folder)
    if counts["records"] != records:
        raise RuntimeError(f"{file.path}: {counts['records']} records read, {records} written")
    mib = 1 << 20
    return Ingested(form, records, counts["chains"], counts["rejects"], int(domains), file.path.stat().st_size / mib, size / mib,
                    wall, cpu, peak)


def main(binary: Path, records: int, seed: int, threads: int, formats: list[str]) -> list[dict[str, object]]:
    """Measures the formats and prints a table."""
    results = []
    for form in formats:
        print(f"ingest: {form}", file=sys.stderr)
        results.append(run(binary, form, records, seed, threads))
    head = ["format", "records", "file MiB", "wall s", "records/s", "MiB/s", "cores busy", "peak MiB", f"< {MEMORY_LIMIT_MIB} MiB", "V domains", "rejects",
            "lake MiB"]
    rows = [
        [
            result.format, report.count(result.records), report.count(result.file_mib), f"{result.wall_s:.1f}",
            report.count(result.records / result.wall_s), f"{result.file_mib / result.wall_s:.1f}", f"{result.cpu_s / result.wall_s:.2f}",
            report.count(result.peak_mib), "ok" if result.is_within_memory else "EXCEEDED",
            f"{100 * result.with_v_domain / result.chains:.2f} %", report.count(result.rejects), report.count(result.lake_mib),
        ]
        for result in results
    ]
    print(f"\nIngest of {report.count(records)} records a format into a fresh lake\n")
    print(report.table(head, rows), flush=True)
    return [asdict(result) for result in results]
