"""Benchmarks of ingest, queries, statements, the Flight SQL server, clusters, jobs, language models, neighbours and numbering, in one command.

    python3 tests/benches/run.py all

Needs Python 3.11 and the network on its first run: it makes an environment with the peers (DuckDB, Polars, DataFusion, Sail),
builds `paratope` with `cargo build --release`, generates the files, measures, and prints tables. See README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import environment
import report

PEERS = ("duckdb-delta", "duckdb-parquet", "duckdb-newest", "polars-memory", "polars-streaming", "datafusion", "datafusion-pushdown")
FLIGHT = ("queries", "doget", "ingest", "crowd")
FORMATS = ("fasta-aa", "fasta-nt", "airr", "oas")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("ingest", "queries", "statements", "flight", "cluster", "ballista", "jobs", "models", "neighbours", "numbering", "all"))
    parser.add_argument("--records", type=int, default=1_000_000, help="records of each file to ingest (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=2_000_000, help="chains to query and change (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads and cores of every engine (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=7, help="timed runs of each query (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each statement (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the simulated records (default: %(default)s)")
    parser.add_argument("--paratope", type=Path, metavar="PATH", help="the binary (default: build it)")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS), help="formats to ingest")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="peers to compare with")
    parser.add_argument("--lake", type=Path, metavar="PATH", help="query or change (a copy of) this lake and make none")
    parser.add_argument("--merge-memory", action="store_true", help="statements on a large table within a memory limit, instead of beside the peer")
    parser.add_argument("--memory-rows", type=int, default=5_000_000, help="its chains (default: %(default)s)")
    parser.add_argument("--memory-limit", type=int, default=1024, metavar="MIB", help="query.memory_bytes (default: %(default)s MiB)")
    parser.add_argument("--flight", nargs="+", choices=FLIGHT, default=list(FLIGHT), help="parts of flight")
    parser.add_argument("--clients", type=int, default=200, help="clients at the same time (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="how long they ask (default: %(default)s)")
    parser.add_argument("--doget-rows", type=int, default=0, metavar="ROWS", help="fetch so many chains only, where memory is short")
    parser.add_argument("--ingest-rows", type=int, default=500_000, metavar="ROWS", help="rows that clients ingest (default: %(default)s)")
    parser.add_argument("--small-files", type=int, default=100_000, metavar="N", help="files of the table to maintain (default: %(default)s)")
    parser.add_argument("--fasta", type=Path, metavar="FILE", help="V domains for models, FASTA, perhaps gzip; without it `all` leaves models out")
    parser.add_argument("--sequences", type=int, default=1_000, help="how many of them to embed (default: %(default)s)")
    parser.add_argument("--scored", type=int, default=10, help="how many of them to score, each position masked (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each engine of models (default: %(default)s)")
    parser.add_argument("--vectors", type=int, default=200_000, help="vectors among which neighbours are sought (default: %(default)s)")
    parser.add_argument("--lake-key", choices=("hash", "version"), default="hash",
                        help="make the lake anew whenever the binary changes, or only when its version does (default: %(default)s)")
    parser.add_argument("--profiles", type=Path, metavar="FOLDER", help="EXPLAIN ANALYZE of each query that is slower than a peer")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    return parser.parse_args()


def main() -> None:
    """Runs what is asked for."""
    given = arguments()
    interpreter = environment.python()
    if Path(sys.prefix).resolve() != interpreter.parent.parent.resolve():
        os.execv(interpreter, [str(interpreter), *sys.argv])
    if given.what == "models" and not given.fasta:
        sys.exit("models needs --fasta FILE: real V domains are not part of the repository")
    binary = environment.binary(given.paratope) if given.what != "models" else Path()
    environment.pin(given.threads)
    print(report.machine(given.threads))
    figures: dict[str, object] = {}
    if given.what in ("ingest", "all"):
        import ingest_bench

        figures["ingest"] = ingest_bench.main(binary, given.records, given.seed, given.threads, given.formats)
    if given.what in ("queries", "all"):
        import query_bench

        figures["queries"] = query_bench.main(
            binary, given.rows, given.seed, given.threads, given.runs, given.lake_key, given.lake, given.peers, given.profiles)
    if given.what in ("statements", "all"):
        import statement_bench

        if given.merge_memory:
            figures["memory"] = statement_bench.memory(
                binary, given.memory_rows, given.seed, given.threads, given.lake_key, given.memory_limit)
        else:
            figures["statements"] = statement_bench.main(
                binary, given.rows, given.seed, given.threads, given.repeats, given.lake_key, given.lake)
    if given.what in ("flight", "all"):
        import flight_bench

        figures["flight"] = flight_bench.main(
            binary, given.rows, given.seed, given.threads, given.runs, given.lake_key, given.lake, given.flight, given.clients, given.seconds,
            given.doget_rows, given.ingest_rows)
    if given.what in ("cluster", "all"):
        import cluster_bench

        figures["cluster"] = cluster_bench.main(
            binary, given.rows, given.seed, given.threads, given.runs, given.lake_key, given.lake)
    # Not part of `all`: it builds Ballista first.
    if given.what == "ballista":
        import ballista_bench

        figures["ballista"] = ballista_bench.main(
            binary, given.rows, given.seed, given.threads, given.runs, given.lake_key, given.lake)
    if given.what in ("jobs", "all"):
        import jobs_bench

        figures["jobs"] = jobs_bench.main(binary, given.rows, given.small_files, given.threads)
    if given.what == "models" or given.what == "all" and given.fasta:
        import model_bench

        figures["models"] = model_bench.main(given.fasta, given.sequences, given.scored, given.threads, given.rounds)
    if given.what in ("neighbours", "all"):
        import neighbour_bench

        figures["neighbours"] = neighbour_bench.main(binary, given.vectors, given.seed, given.threads, given.runs)
    if given.what in ("numbering", "all"):
        import numbering_bench

        figures["numbering"] = numbering_bench.main([])
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
