"""The analysts' queries on two nodes, beside Ballista on the same files: two executors, each on one core."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import cluster_bench
import environment
import query_bench
import report
from flight_bench import paratope
from peers import QUERIES, arrow_rows, canonical, linked, queries

CRATE = environment.HERE / "ballista"
NODES = 2
ROUNDS = 2
SECONDS = 60.0
"""A process that does not listen by then never does."""


def peer() -> Path:
    """Ballista's processes as one binary, built on the first call."""
    target = environment.cache() / "target-ballista"
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=CRATE, check=True, env=os.environ | {"CARGO_TARGET_DIR": str(target)})
    return target / "release" / "ballista-peer"


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def _listening(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment.variables())
    try:
        end = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{' '.join(command)} does not listen") from None
                time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def _ballista(binary: Path) -> Iterator[str]:
    """A scheduler that shares both cores, and an executor with one task at a time on each."""
    with ExitStack() as stack:
        work = stack.enter_context(tempfile.TemporaryDirectory(dir=environment.data_folder(), prefix="ballista-"))
        [scheduler, *ports] = _free_ports(1 + 2 * NODES)
        command = [str(binary), "scheduler", "--bind-host", "127.0.0.1", "--external-host", "127.0.0.1", "--bind-port", str(scheduler)]
        stack.enter_context(_listening(command, scheduler))
        for core in range(NODES):
            flight, grpc = ports[2 * core : 2 * core + 2]
            command = ["taskset", "--cpu-list", str(core), str(binary), "executor", "--bind-host", "127.0.0.1", "--external-host", "127.0.0.1"]
            command += ["--scheduler-host", "127.0.0.1", "--scheduler-port", str(scheduler), "--bind-port", str(flight), "--bind-grpc-port", str(grpc)]
            command += ["--vcores", "1", "--work-dir", f"{work}/{core}"]
            stack.enter_context(_listening(command, flight))
        yield f"df://127.0.0.1:{scheduler}"


def _theirs(binary: Path, table: Path, runs: int) -> tuple[dict[str, list[float]], dict[str, list[list[Any]]]]:
    """Milliseconds of each run, and the rows, by query."""
    import pyarrow as pa

    with _ballista(binary) as scheduler, linked(table) as links, tempfile.TemporaryDirectory() as rows:
        command = [str(binary), "query", "--scheduler", scheduler, "--table", links, "--partitions", str(NODES), "--runs", str(runs)]
        command += ["--rows", rows, *(str(QUERIES / f"{name}.sql") for name in queries())]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment.variables()).stdout
        answers = [json.loads(line) for line in told.splitlines()]
        found = {name: canonical(arrow_rows(pa.ipc.open_stream(Path(rows, f"{name}.arrows").read_bytes()).read_all())) for name in queries()}
    return {answer["query"]: answer["ms"] for answer in answers}, found


def _ours(binary: Path, lake: Path, runs: int) -> dict[str, list[float]]:
    with ExitStack() as stack:
        nodes = [stack.enter_context(cluster_bench.node(binary, lake, core)) for core in range(NODES)]
        # Ballista distributes every query; by default, queries as small as these stay where they are planned.
        settings = {"PARATOPE__CLUSTER__WORKERS": json.dumps(nodes), "PARATOPE__CLUSTER__TASK_BYTES": str(8 << 20)}
        server = stack.enter_context(paratope(binary, lake, NODES, settings))
        return {name: [1_000 * time for time in cluster_bench.ask(binary, server, *[sql] * (runs + 1))[1:]] for name, sql in queries().items()}


def main(binary: Path, rows: int, seed: int, threads: int, runs: int, key: str, given: Path | None) -> dict[str, Any]:
    """Verifies that both agree, measures them and prints a table."""
    ballista = peer()
    lake = given or query_bench.lake(binary, rows, seed, threads, key)
    table = query_bench.table_folder(lake)
    ours: dict[str, list[float]] = {name: [] for name in queries()}
    theirs: dict[str, list[float]] = {name: [] for name in queries()}
    for turn in range(1, ROUNDS + 1):
        print(f"ballista, round {turn} of {ROUNDS}", file=sys.stderr)
        times, found = _theirs(ballista, table, runs)
        for name, milliseconds in times.items():
            theirs[name] += milliseconds
        for name, milliseconds in _ours(binary, lake, runs).items():
            ours[name] += milliseconds
        for name, sql in queries().items():
            if difference := query_bench.differences(query_bench.paratope_rows(binary, lake, threads, sql), found[name]):
                raise RuntimeError(f"{name}: {difference}")
    lines = [
        [name, report.milliseconds(ours[name]), report.milliseconds(theirs[name]), f"{min(ours[name]) / min(theirs[name]):.2f}",
         f"{statistics.median(ours[name]) / statistics.median(theirs[name]):.2f}"]
        for name in queries()
    ]
    print(f"\nQueries on {NODES} nodes of one core beside Ballista 55; {ROUNDS} rounds of {runs} runs, least / median ms\n")
    print(report.table(["query", "paratope", "Ballista", "ratio of least", "ratio of medians"], lines))
    return {"paratope": ours, "ballista": theirs}
