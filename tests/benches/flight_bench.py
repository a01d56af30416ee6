"""What travels over Flight SQL: the analysts' queries beside Sail, a whole table beside a bare server, ingest, and a crowd of clients."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environment
import query_bench
import report
from peers import queries

ROUNDS = 3
"""How often the servers take turns."""
QUERY_AIM = 1.0
DOGET_AIM = 1.2
HEALTH_AIM_MS = 50.0
CROWD_MEMORY_MIB = 2_048
"""Memory of all queries of a crowd together; the program itself comes on top."""
SECONDS = 60
"""How long a server may take to start or to stop."""


@dataclass(frozen=True)
class Server:
    """A server that listens."""

    uri: str
    http: str | None
    process: int

    def peak_mib(self) -> float:
        """Its largest resident memory so far."""
        status = Path(f"/proc/{self.process}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024


@contextmanager
def _process(command: list[str], variables: dict[str, str], announced: str) -> Iterator[tuple[subprocess.Popen[bytes], re.Match[str]]]:
    """A process from the line that announces it until the block ends; SIGTERM stops it."""
    with tempfile.NamedTemporaryFile(prefix="server-", suffix=".log") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=variables)
        try:
            end = time.monotonic() + SECONDS
            while (found := re.search(announced, Path(log.name).read_text(), re.DOTALL)) is None:
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{' '.join(command)} does not listen:\n{Path(log.name).read_text()}")
                time.sleep(0.05)
            yield process, found
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def paratope(binary: Path, lake: Path, threads: int, settings: dict[str, str] | None = None) -> Iterator[Server]:
    """`paratope serve` with its defaults, but for the threads and what is set."""
    command = [str(binary), "serve", "--lake", str(lake), "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    announced = r"Flight SQL: (grpc://\S+)\n.*Health: +(http://\S+)/healthz"
    with _process(command, environment.paratope_variables(threads) | (settings or {}), announced) as (process, found):
        yield Server(found[1], found[2], process.pid)


@contextmanager
def sail(folder: Path) -> Iterator[Server]:
    """Sail's Flight SQL server. Its threads are as many as the cores that this process is pinned to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("sail")
    command = [str(program), "flight", "server", "--port", str(port), "--directory", str(folder)]
    with _process(command, environment.variables(), "Starting the Flight SQL server") as (process, _):
        yield Server(f"grpc://127.0.0.1:{port}", None, process.pid)


@contextmanager
def bare(source: Server, sql: str) -> Iterator[tuple[Server, dict[str, Any]]]:
    """A plain Arrow Flight server (C++) that holds the batches which `source` sends for a query, and sends them as they are."""
    command = [sys.executable, str(environment.HERE / "flight_peer.py"), "bare", source.uri, sql]
    with _process(command, environment.variables(), r"listens: (\{.*\})\n") as (process, found):
        told = json.loads(found[1])
        yield Server(told["uri"], None, process.pid), told


def _peer(*arguments: object) -> dict[str, Any]:
    """What `flight_peer.py` answers."""
    command = [sys.executable, str(environment.HERE / "flight_peer.py"), *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment.variables())
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@contextmanager
def _copy(lake: Path) -> Iterator[Path]:
    """A lake to serve: a server writes its log into it, and data files, which nobody changes, are shared by hard links."""

    def copy(source: str, to: str) -> None:
        try:
            if source.endswith(".parquet") and "_delta_log" not in source:
                os.link(source, to)
                return
        except OSError:
            pass
        shutil.copy2(source, to)

    environment.data_folder().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=environment.data_folder(), prefix="flight-"))
    try:
        shutil.copytree(lake, folder / "lake", copy_function=copy)
        yield folder / "lake"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _queries(binary: Path, lake: Path, threads: int, runs: int) -> dict[str, Any]:
    """The analysts' queries through ADBC, round trip, by both servers in turn; both must give the rows that the command line gives."""
    table = query_bench.table_folder(lake)
    expected = {name: query_bench.paratope_rows(binary, lake, threads, sql) for name, sql in queries().items()}
    times: dict[str, dict[str, list[float]]] = {server: {name: [] for name in expected} for server in ("paratope", "sail")}
    setups = {"paratope": "", "sail": f"CREATE TABLE chains USING delta LOCATION '{table}'"}
    for turn in range(1, ROUNDS + 1):
        for name, setup in setups.items():
            print(f"flight, queries, round {turn} of {ROUNDS}: {name}", file=sys.stderr)
            with tempfile.TemporaryDirectory() as empty:
                made = paratope(binary, lake, threads) if name == "paratope" else sail(Path(empty))
                with made as server:
                    answer = _peer("queries", server.uri, "--setup", setup, "--runs", runs)
            for query, result in answer.items():
                if difference := query_bench.differences(expected[query], result["rows"]):
                    raise RuntimeError(f"{name}, {query}: {difference}")
                times[name][query] += result["ms"]
    rows = []
    for query in expected:
        ours, theirs = times["paratope"][query], times["sail"][query]
        least, median = min(ours) / min(theirs), statistics.median(ours) / statistics.median(theirs)
        verdict = "ahead" if median <= QUERY_AIM else "BEHIND"
        rows.append([query, report.count(len(expected[query])), report.milliseconds(ours), report.milliseconds(theirs),
                     f"{least:.2f}", f"{median:.2f}", verdict])
    print(f"\nQueries through ADBC: {ROUNDS} rounds of {runs} runs, least / median ms\n")
    print(report.table(["query", "rows", "paratope", "sail", "ratio of least", "ratio of medians", "aim"], rows), flush=True)
    return times


def _doget(binary: Path, lake: Path, threads: int, runs: int, limit: int) -> dict[str, Any]:
    """A whole table through DoGet, against its scan within the process and a bare server with the same batches in memory."""
    sql = "SELECT * FROM chains" + (f" LIMIT {limit}" if limit else "")
    print("flight, DoGet: scan", file=sys.stderr)
    scan = query_bench.paratope_times(binary, lake, threads, sql, runs)
    with paratope(binary, lake, threads) as server:
        print("flight, DoGet: paratope", file=sys.stderr)
        ours = _peer("doget", server.uri, sql, "--runs", runs)
        peak = server.peak_mib()
        with bare(server, sql) as (plain, told):
            print("flight, DoGet: bare server", file=sys.stderr)
            theirs = _peer("doget", plain.uri, "", "--runs", runs)
    if not ours["rows"] == theirs["rows"] == told["rows"]:
        raise RuntimeError(f"DoGet gives {ours['rows']} rows, the bare server {theirs['rows']} of {told['rows']}")
    allowed = [statistics.median(scan) + statistics.median(theirs["ms"]), min(scan) + min(theirs["ms"])]
    ratios = [statistics.median(ours["ms"]) / allowed[0], min(ours["ms"]) / allowed[1]]
    verdict = "ok" if ratios[0] <= DOGET_AIM else "EXCEEDED"
    row = [report.count(ours["rows"]), report.count(ours["mib"]), report.milliseconds(scan), report.milliseconds(theirs["ms"]),
           report.milliseconds(ours["ms"]), report.milliseconds(ours["first_ms"]), report.count(peak), f"{ratios[1]:.2f}", f"{ratios[0]:.2f}", verdict]
    head = ["rows", "MiB", "scan in process", "bare server", "paratope DoGet", "first batch", "server peak MiB", "ratio of least", "ratio of medians",
            f"<= {DOGET_AIM}"]
    print(f"\n{sql} through DoGet: {runs} runs, least / median ms; ratio to scan + bare server\n")
    print(report.table(head, [row]), flush=True)
    return {"scan_ms": scan, "bare": theirs, "paratope": ours, "server_peak_mib": peak}


def _ingest(binary: Path, lake: Path, threads: int, runs: int, rows: int) -> dict[str, Any]:
    """Rows of `chains` as a client holds them into a new table: `adbc_ingest`, and Python deltalake's own writer."""
    folder = lake.parent / "ingest"
    folder.mkdir()
    times: dict[str, list[float]] = {"paratope": [], "deltalake": []}
    with paratope(binary, lake, threads) as server:
        told = _peer("source", server.uri, f"SELECT * FROM chains LIMIT {rows}", folder / "rows.parquet")
        for run in range(runs):
            print(f"flight, ingest, run {run + 1} of {runs}", file=sys.stderr)
            ours = _peer("ingest", server.uri, f"ingested_{run}", folder / "rows.parquet")
            theirs = _peer("write", folder / f"written_{run}", folder / "rows.parquet")
            if not ours["rows"] == theirs["rows"] == told["rows"]:
                raise RuntimeError(f"of {told['rows']} rows, {ours['rows']} were ingested and {theirs['rows']} written")
            times["paratope"].append(ours["s"])
            times["deltalake"].append(theirs["s"])
            shutil.rmtree(folder / f"written_{run}")
        peak = server.peak_mib()
    speeds = {name: [told["rows"] / value for value in values] for name, values in times.items()}
    ratio = statistics.median(speeds["paratope"]) / statistics.median(speeds["deltalake"])
    row = [report.count(told["rows"]), report.count(told["mib"]), *(report.count(statistics.median(speeds[name])) for name in times),
           f"{ratio:.2f}", report.count(peak)]
    print(f"\nIngest of rows from a client's memory into a new table: median of {runs} runs; the ratio is that of speeds: below 1, Paratope is slower\n")
    print(report.table(["rows", "MiB", "adbc_ingest rows/s", "write_deltalake rows/s", "ratio", "server peak MiB"], [row]), flush=True)
    return {"s": times, "rows": told["rows"], "server_peak_mib": peak}


class _Health(threading.Thread):
    """Asks for health ten times a second, each time over a connection of its own."""

    def __init__(self, http: str) -> None:
        super().__init__(daemon=True)
        self.milliseconds: list[float] = []
        self.failures = 0
        self._url = f"{http}/healthz"
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.1):
            start = time.perf_counter()
            try:
                with urllib.request.urlopen(self._url, timeout=5) as answer:
                    answer.read()
                self.milliseconds.append((time.perf_counter() - start) * 1_000)
            except OSError:
                self.failures += 1

    def stop(self) -> None:
        """Ends it."""
        self._over.set()
        self.join()


def percentile(values: list[float], share: float) -> float:
    """The value below which a share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def _spread(values: list[float]) -> list[str]:
    return [f"{percentile(values, share):,.0f}" for share in (0.5, 0.9, 0.99)] + [f"{max(values, default=float('nan')):,.0f}"]


def _crowd(binary: Path, lake: Path, threads: int, clients: int, seconds: float) -> dict[str, Any]:
    """Many clients at once with short and long queries, and how the server bears it."""
    with paratope(binary, lake, threads, {"PARATOPE__QUERY__MEMORY_BYTES": str(CROWD_MEMORY_MIB << 20)}) as server:
        assert server.http
        health = _Health(server.http)
        health.start()
        print(f"flight, {clients} clients for {seconds:g} s", file=sys.stderr)
        told = _peer("crowd", server.uri, "--clients", clients, "--seconds", seconds)
        health.stop()
        peak = server.peak_mib()
    answered = sum(len(values) for values in told["ms"].values())
    print(f"\n{clients} clients for {told['s']:.0f} s: {answered / told['s']:,.1f} queries/s\n")
    rows = [[kind, report.count(len(values)), f"{len(values) / told['s']:,.1f}", *_spread(values)] for kind, values in told["ms"].items()]
    rows.append(["health", report.count(len(health.milliseconds)), "", *_spread(health.milliseconds)])
    print(report.table(["kind", "answers", "/s", "median ms", "90 % ms", "99 % ms", "worst ms"], rows))
    verdict = "ok" if not health.failures and max(health.milliseconds, default=HEALTH_AIM_MS) < HEALTH_AIM_MS else "EXCEEDED"
    print(f"\nhealth below {HEALTH_AIM_MS:.0f} ms throughout: {verdict} ({health.failures} failures)")
    within = "ok" if peak <= CROWD_MEMORY_MIB else "EXCEEDED"
    print(f"server's peak: {peak:,.0f} MiB with query.memory_bytes = {CROWD_MEMORY_MIB} MiB: {within}")
    print("errors: " + (", ".join(f"{count} × {kind}" for kind, count in told["errors"].items()) or "none"), flush=True)
    return {**told, "health_ms": health.milliseconds, "health_failures": health.failures, "server_peak_mib": peak}


def main(
    binary: Path, rows: int, seed: int, threads: int, runs: int, key: str, given_lake: Path | None, parts: list[str], clients: int, seconds: float,
    doget_rows: int, ingest_rows: int
) -> dict[str, Any]:
    """Measures what is asked for on a copy of the lake and prints tables."""
    original = given_lake.resolve() if given_lake else query_bench.lake(binary, rows, seed, threads, key)
    figures: dict[str, Any] = {}
    with _copy(original) as lake:
        if "queries" in parts:
            figures["queries"] = _queries(binary, lake, threads, runs)
        if "doget" in parts:
            figures["doget"] = _doget(binary, lake, threads, runs, doget_rows)
        if "ingest" in parts:
            figures["ingest"] = _ingest(binary, lake, threads, min(runs, 3), ingest_rows)
        if "crowd" in parts:
            figures["crowd"] = _crowd(binary, lake, threads, clients, seconds)
    return figures
