"""Clients of Flight servers, and a bare server to compare with; each in a process of its own, which prints what it measured as JSON.

    python flight_peer.py queries URI --setup SQL --runs 7    # the analysts' queries through ADBC
    python flight_peer.py doget URI SQL --runs 7              # a result through plain Flight; no SQL: of the bare server
    python flight_peer.py bare URI SQL                        # serves the batches of a result from memory
    python flight_peer.py source URI SQL FILE                 # rows to ingest
    python flight_peer.py ingest URI TABLE FILE               # through ADBC
    python flight_peer.py write FOLDER FILE                   # by Python deltalake
    python flight_peer.py crowd URI --clients 200 --seconds 60
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from peers import arrow_rows, canonical
from peers import queries as analysts

SHORT = (
    "SELECT 1",
    "SELECT count(*) FROM chains",
    "SELECT count(*) FROM chains WHERE chain = 'heavy' AND v_gene = 'IGHV1-2' AND cdr3_aa = 'AR'",
    "SELECT * FROM chains WHERE chain = 'light' AND species = 'human' LIMIT 10",
)
INGEST_BATCH = 4_096
"""Rows of a batch that is ingested."""
LONG_SHARE = 0.2
"""Of the queries of a crowd."""


def _connect(uri: str) -> Any:
    import adbc_driver_flightsql.dbapi

    # Neither server has transactions.
    return adbc_driver_flightsql.dbapi.connect(uri, autocommit=True)


def _fetch(connection: Any, sql: str) -> Any:
    """All rows, as a program asks for them: a new cursor prepares the statement again."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetch_arrow_table()


def queries(uri: str, setup: str, runs: int) -> dict[str, Any]:
    """Milliseconds of each run of each query behind a first that is not counted, and the rows."""
    found: dict[str, Any] = {}
    with _connect(uri) as connection:
        if setup:
            _fetch(connection, setup)
        for name, sql in analysts().items():
            rows = canonical(arrow_rows(_fetch(connection, sql)))
            milliseconds = []
            for _ in range(runs):
                start = time.perf_counter()
                result = _fetch(connection, sql)
                milliseconds.append((time.perf_counter() - start) * 1_000)
                del result
            found[name] = {"ms": milliseconds, "rows": rows}
    return found


def _statement(sql: str) -> bytes:
    """`CommandStatementQuery` in its wrapper, by hand: that is all of Flight SQL that is needed here."""

    def part(tag: int, data: bytes) -> bytes:
        size, length = len(data), b""
        while size > 0x7F:
            length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
        return bytes([tag << 3 | 2]) + length + bytes([size]) + data

    kind = "type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery"
    return part(1, kind.encode()) + part(2, part(1, sql.encode()))


def doget(uri: str, sql: str, runs: int) -> dict[str, Any]:
    """Milliseconds from the question to the last batch and to the first, behind a run that is not counted; batches are dropped as they come."""
    from pyarrow import flight

    total, first = [], []
    rows = size = 0
    with flight.connect(uri) as client:
        for _ in range(runs + 1):
            start = time.perf_counter()
            info = client.get_flight_info(flight.FlightDescriptor.for_command(_statement(sql)))
            rows = size = 0
            at_first = None
            for chunk in client.do_get(info.endpoints[0].ticket):
                at_first = at_first or time.perf_counter()
                rows += chunk.data.num_rows
                size += chunk.data.nbytes
            total.append((time.perf_counter() - start) * 1_000)
            first.append(((at_first or time.perf_counter()) - start) * 1_000)
    return {"ms": total[1:], "first_ms": first[1:], "rows": rows, "mib": size / (1 << 20)}


def bare(uri: str, sql: str) -> None:
    """Serves a result from memory until it is stopped."""
    import pyarrow as pa
    from pyarrow import flight

    with flight.connect(uri) as client:
        info = client.get_flight_info(flight.FlightDescriptor.for_command(_statement(sql)))
        reader = client.do_get(info.endpoints[0].ticket)
        schema, batches = reader.schema, [chunk.data for chunk in reader]

    class Server(flight.FlightServerBase):
        def get_flight_info(self, context: Any, descriptor: flight.FlightDescriptor) -> flight.FlightInfo:
            return flight.FlightInfo(schema, descriptor, [flight.FlightEndpoint(b"rows", [])], -1, -1)

        def do_get(self, context: Any, ticket: flight.Ticket) -> flight.FlightDataStream:
            # Read by the C++ of Arrow: no Python runs while batches are sent.
            return flight.RecordBatchStream(pa.RecordBatchReader.from_batches(schema, batches))

    with Server("grpc://127.0.0.1:0") as server:
        told = {"uri": f"grpc://127.0.0.1:{server.port}", "rows": sum(batch.num_rows for batch in batches), "batches": len(batches)}
        print(f"listens: {json.dumps(told)}", flush=True)
        server.serve()


def source(uri: str, sql: str, file: Path) -> dict[str, Any]:
    """Keeps the rows of a query in a file."""
    import pyarrow.parquet as pq

    with _connect(uri) as connection:
        table = _fetch(connection, sql)
    pq.write_table(table, file)
    return {"rows": table.num_rows, "mib": table.nbytes / (1 << 20)}


def ingest(uri: str, table: str, file: Path) -> dict[str, Any]:
    """Writes rows that are in memory into a new table of the lake."""
    import pyarrow.parquet as pq

    rows = pq.read_table(file)
    with _connect(uri) as connection, connection.cursor() as cursor:
        start = time.perf_counter()
        # The driver sends a batch as one message, and none above 16 MiB.
        cursor.adbc_ingest(table, rows.to_reader(max_chunksize=INGEST_BATCH), mode="create")
        seconds = time.perf_counter() - start
        cursor.execute(f"SELECT count(*) FROM {table}")
        [(count,)] = cursor.fetchall()
        cursor.execute(f"DROP TABLE {table}")
    return {"s": seconds, "rows": count}


def write(folder: Path, file: Path) -> dict[str, Any]:
    """The same by Python deltalake, with the same codec."""
    import pyarrow.parquet as pq
    from deltalake import DeltaTable, WriterProperties, write_deltalake

    rows = pq.read_table(file)
    start = time.perf_counter()
    write_deltalake(folder, rows, writer_properties=WriterProperties(compression="ZSTD"))
    seconds = time.perf_counter() - start
    return {"s": seconds, "rows": DeltaTable(folder).to_pyarrow_dataset().count_rows()}


def _kind(error: Exception) -> str:
    """An error without what differs from one to the next."""
    text = re.sub(r"\d+", "N", str(error).split("\n")[0])
    return f"{type(error).__name__}: {text[:120]}"


def crowd(uri: str, clients: int, seconds: float) -> dict[str, Any]:
    """Many clients, each with a connection of its own: milliseconds by kind of query, and errors by kind.

    A client that is told that too many wait already tries again after a moment, as the answer asks it to."""
    long = list(analysts().values())
    found: dict[str, list[float]] = {"short": [], "long": []}
    errors: Counter[str] = Counter()
    lock = threading.Lock()
    began = time.perf_counter()
    end = began + seconds

    def client(number: int) -> None:
        choose = random.Random(number)
        try:
            with _connect(uri) as connection:
                while time.perf_counter() < end:
                    kind = "long" if choose.random() < LONG_SHARE else "short"
                    sql = choose.choice(long if kind == "long" else SHORT)
                    start = time.perf_counter()
                    try:
                        _fetch(connection, sql)
                        with lock:
                            found[kind].append((time.perf_counter() - start) * 1_000)
                    except Exception as error:  # noqa: BLE001 (counted)
                        with lock:
                            errors[_kind(error)] += 1
                        time.sleep(choose.uniform(0.05, 0.2))
        except Exception as error:  # noqa: BLE001 (counted)
            with lock:
                errors[f"connection: {_kind(error)}"] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"ms": found, "errors": dict(errors), "s": time.perf_counter() - began}


def main() -> None:
    """Runs a command and prints what it tells as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    arguments: dict[str, dict[str, Any]] = {
        "queries": {"uri": str},
        "doget": {"uri": str, "sql": str},
        "bare": {"uri": str, "sql": str},
        "source": {"uri": str, "sql": str, "file": Path},
        "ingest": {"uri": str, "table": str, "file": Path},
        "write": {"folder": Path, "file": Path},
        "crowd": {"uri": str},
    }
    made = {name: commands.add_parser(name) for name in arguments}
    for name, places in arguments.items():
        for place, kind in places.items():
            made[name].add_argument(place, type=kind)
    made["queries"].add_argument("--setup", default="", help="a statement to begin with")
    for name in ("queries", "doget"):
        made[name].add_argument("--runs", type=int, default=7)
    made["crowd"].add_argument("--clients", type=int, default=200)
    made["crowd"].add_argument("--seconds", type=float, default=60)
    given = vars(parser.parse_args())
    found = {"queries": queries, "doget": doget, "bare": bare, "source": source, "ingest": ingest, "write": write, "crowd": crowd}
    told = found[given.pop("command")](**given)
    if told is not None:
        json.dump(told, sys.stdout, default=str)


if __name__ == "__main__":
    main()
