"""Two nodes beside one: numbering, a scan and a CTAS; what coordination costs a query that stays; plans over very many files."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import environment
import query_bench
import report
from flight_bench import Server, _process, paratope

NUMBERED = 200_000
"""Chains that are numbered."""
FILES = 100_000
"""Files of the table that is only planned."""
NODES = 100
"""Nodes that it is planned for."""
AIMS = {"numbering": 1.85, "numbering of all": 1.85, "scan": 1.6, "ctas": 1.7}
COORDINATION_AIM_MS = 30.0
PLANNING_AIM_S = 2.0
PLANNING_AIM_MIB = 1_024

SCAN_UNMEASURED = 5
SCAN_RUNS = 21

NUMBERING = "SELECT count(ab_number(sequence_aa)['locus']) AS numbered FROM chains"
SCAN = (
    "SELECT v_gene, j_gene, count(*) AS n, count(DISTINCT cdr3_aa) AS cdr3s, avg(length(sequence_aa)) AS length, "
    "max(v_identity) AS identity FROM chains WHERE cdr3_aa LIKE '%Y%' GROUP BY v_gene, j_gene ORDER BY n DESC LIMIT 20"
)
CTAS = "CREATE TABLE copied AS SELECT * FROM chains"
LOCAL = "SELECT count(*) AS n FROM chains WHERE sequence_id = 'none'"
STATEMENTS = (
    ("numbering", "small", NUMBERING),
    ("numbering of all", "large", NUMBERING),
    ("scan", "large", SCAN),
    ("ctas", "large", CTAS),
)
"""Name, lake, statement. The small table is numbered in less time than a client takes to start."""


@contextmanager
def node(binary: Path, lake: Path, core: int) -> Iterator[str]:
    """`paratope worker` with one thread on one core."""
    command = ["taskset", "--cpu-list", str(core), str(binary), "worker", "--lake", str(lake), "--listen", "127.0.0.1:0"]
    with _process(command, environment.paratope_variables(1), r"Node: (http://\S+)") as (_, found):
        yield found[1]


def ask(binary: Path, server: Server, *statements: str) -> list[float]:
    """Seconds of each statement, to its last row, by one client."""
    script = ";\n".join(statements).encode()
    command = [str(binary), "query", "--connect", server.uri, "--timing", "--rows", "1", "-f", "-"]
    run = subprocess.run(command, input=script, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment.variables())
    told = run.stderr.decode()
    times = [float(value) / 1_000 for value in re.findall(r"^time: ([0-9.]+) ms$", told, re.MULTILINE)]
    if len(times) != len(statements):
        raise RuntimeError(f"paratope query --timing told {len(times)} times of {len(statements)}")
    return times


def cpu_seconds(process: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(binary: Path, server: Server, sql: str, runs: int) -> tuple[list[float], float]:
    """Seconds of each run but the first, and the share of a core that the server took. Of a scan, which is short, there are more, and
    more are not counted: nodes take memory from the kernel in the first."""
    run = [sql, "DROP TABLE copied"] if sql is CTAS else [sql]
    unmeasured, runs = (SCAN_UNMEASURED, max(runs, SCAN_RUNS)) if sql is SCAN else (1, runs)
    before, begin = cpu_seconds(server.process), time.perf_counter()
    times = ask(binary, server, *run * (runs + unmeasured))
    share = (cpu_seconds(server.process) - before) / (time.perf_counter() - begin)
    return times[len(run) * unmeasured :: len(run)], share


def scaling(binary: Path, lakes: dict[str, Path], runs: int) -> dict[str, Any]:
    """Statements on one node that is given both halves of the work, and on two."""
    figures: dict[str, Any] = {}
    rows = []
    for name, size, sql in STATEMENTS:
        lake = lakes[size]
        times: dict[int, list[float]] = {}
        shares: dict[int, float] = {}
        for count in (1, 2):
            with ExitStack() as stack:
                nodes = [stack.enter_context(node(binary, lake, core)) for core in range(count)]
                settings = {"PARATOPE__CLUSTER__WORKERS": json.dumps(nodes), "PARATOPE__CLUSTER__TASK_BYTES": str(8 << 20)}
                server = stack.enter_context(paratope(binary, lake, 2, settings))
                times[count], shares[count] = timed(binary, server, sql, runs)
        ratio = statistics.median(times[1]) / statistics.median(times[2])
        figures[name] = {"one_s": times[1], "two_s": times[2], "ratio": ratio, "server_share": shares}
        rows.append([
            name, f"{statistics.median(times[1]):.2f}", f"{statistics.median(times[2]):.2f}", f"{ratio:.2f}", f"{AIMS[name]:.2f}",
            f"{shares[1]:.2f}", f"{shares[2]:.2f}",
        ])
    head = ["statement", "one node, s", "two nodes, s", "ratio", "aim", "server's cores beside one", "beside two"]
    print(f"\nTwo nodes beside one, each on one core; the server shares both (medians of {runs})\n")
    print(report.table(head, rows))
    return figures


def coordination(binary: Path, lake: Path, runs: int) -> dict[str, Any]:
    """A query that stays, on a server with nodes and on one without."""
    medians = {}
    for name in ("alone", "with two nodes"):
        with ExitStack() as stack:
            settings = {}
            if name != "alone":
                nodes = [stack.enter_context(node(binary, lake, core)) for core in range(2)]
                settings["PARATOPE__CLUSTER__WORKERS"] = json.dumps(nodes)
            server = stack.enter_context(paratope(binary, lake, 2, settings))
            medians[name] = statistics.median(timed(binary, server, LOCAL, 3 * runs)[0]) * 1_000
    added = medians["with two nodes"] - medians["alone"]
    print(f"\nA query that stays: {medians['alone']:.1f} ms alone, {added:+.1f} ms with nodes (aim: below {COORDINATION_AIM_MS:.0f})")
    return {"milliseconds": medians, "added_ms": added}


def synthetic(binary: Path, folder: Path) -> Path:
    """A lake with a table of very many files, of which only the log exists."""
    lake = folder / "lake"
    run = [str(binary), "query", "--lake", str(lake), "-c"]
    subprocess.run([str(binary), "init", "--lake", str(lake)], check=True, stdout=subprocess.DEVNULL, env=environment.variables())
    create = "CREATE TABLE many (chain STRING, sequence_id STRING, cdr3_aa STRING, v_identity DOUBLE) PARTITIONED BY (chain)"
    subprocess.run([*run, create], check=True, stdout=subprocess.DEVNULL, env=environment.variables())
    log = next(path for path in (lake / "main").rglob("_delta_log") if path.parent.name.startswith("many"))
    version = max(int(path.stem) for path in log.glob("*.json"))
    per_commit = FILES // 10
    for commit in range(10):
        with (log / f"{version + 1 + commit:020}.json").open("w") as out:
            out.write(json.dumps({"commitInfo": {"timestamp": int(time.time() * 1_000), "operation": "WRITE", "operationParameters": {}}}) + "\n")
            for number in range(commit * per_commit, (commit + 1) * per_commit):
                chain = ("heavy", "light")[number % 2]
                stats = {
                    "numRecords": 1_000_000,
                    "minValues": {"sequence_id": f"{number:08}", "cdr3_aa": "A", "v_identity": 0.5},
                    "maxValues": {"sequence_id": f"{number:08}~", "cdr3_aa": "W", "v_identity": 1.0},
                    "nullCount": {"sequence_id": 0, "cdr3_aa": 0, "v_identity": 0},
                }
                add = {
                    "path": f"chain={chain}/part-00000-{number:08x}-0000-4000-8000-000000000000-c000.zstd.parquet",
                    "partitionValues": {"chain": chain}, "size": 128 << 20, "modificationTime": 0, "dataChange": True, "stats": json.dumps(stats),
                }
                out.write(json.dumps({"add": add}) + "\n")
    return lake


def planning(binary: Path, runs: int) -> dict[str, Any]:
    """Plans over very many files for very many nodes: one process that answers at as many addresses."""
    folder = Path(tempfile.mkdtemp(dir=environment.data_folder(), prefix="many-"))
    try:
        lake = synthetic(binary, folder)
        token = {"PARATOPE__CLUSTER__TOKEN": "planning"}
        command = [str(binary), "worker", "--lake", str(lake), "--listen", "0.0.0.0:0"]
        with _process(command, environment.paratope_variables(1) | token, r"Node: http://0\.0\.0\.0:(\d+)") as (_, found):
            nodes = [f"http://127.0.0.{number + 1}:{found[1]}" for number in range(NODES)]
            settings = token | {"PARATOPE__CLUSTER__WORKERS": json.dumps(nodes)}
            with paratope(binary, lake, 2, settings) as server:
                sql = "EXPLAIN SELECT chain, count(DISTINCT cdr3_aa) AS n FROM many WHERE v_identity > 0.9 GROUP BY chain"
                first, *times = ask(binary, server, *[sql] * (runs + 1))
                peak = server.peak_mib()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    median = statistics.median(times)
    print(f"\nPlanning over {report.count(FILES)} files for {NODES} nodes: {median:.2f} s (aim: below {PLANNING_AIM_S:.0f}), the first with its log "
          f"{first:.2f} s; the server's peak {peak:,.0f} MiB (aim: below {PLANNING_AIM_MIB:,})")
    return {"first_s": first, "seconds": times, "peak_mib": peak}


def main(binary: Path, rows: int, seed: int, threads: int, runs: int, key: str, given: Path | None) -> dict[str, Any]:
    """All parts."""
    large = given or query_bench.lake(binary, rows, seed, threads, key)
    # Statements change a copy: the lake is for others too.
    with tempfile.TemporaryDirectory(dir=environment.data_folder(), prefix="cluster-") as folder:
        copied = Path(folder) / "lake"
        shutil.copytree(large, copied)
        lakes = {"large": copied, "small": query_bench.lake(binary, NUMBERED, seed, threads, key)}
        figures: dict[str, Any] = {"scaling": scaling(binary, lakes, runs), "coordination": coordination(binary, copied, runs)}
    figures["planning"] = planning(binary, runs)
    return figures
