"""A server over a lake, as a process of its own, and connections to it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi
import pyarrow as pa
from adbc_driver_manager.dbapi import Connection

SECONDS = 30


@dataclass(frozen=True)
class Served:
    """Where a server listens, and what it is made of."""

    binary: str
    lake: Path
    outside: Path
    """A folder beside the lake that statements may read."""
    host: str
    port: int
    http: str
    process: int

    @property
    def uri(self) -> str:
        """Where Flight SQL is spoken."""
        return f"grpc://{self.host}:{self.port}"

    def connect(self, **options: str) -> Connection:
        """An ADBC connection. It says that it commits by itself: the server has no other mode."""
        return adbc_driver_flightsql.dbapi.connect(self.uri, db_kwargs=options, autocommit=True)

    def query(self, sql: str) -> pa.Table:
        """All rows of a statement, through a connection of its own that does not wait for ever."""
        kinds = ("fetch", "query", "update")
        patience = {f"adbc.flight.sql.rpc.timeout_seconds.{kind}": str(SECONDS) for kind in kinds}
        with self.connect(**patience) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetch_arrow_table()

    def run(self, *statements: str) -> None:
        """Carries statements out, one after another."""
        for statement in statements:
            self.query(statement)

    def in_process(self, sql: str) -> pa.Table:
        """The rows that the command line reads from the same lake, without the server."""
        command = [self.binary, "query", "--format", "arrow", "-c", sql, "--lake", str(self.lake)]
        out = subprocess.run(command, check=True, capture_output=True, timeout=SECONDS).stdout
        return pa.ipc.open_stream(out).read_all()

    def folder(self, table: str) -> Path:
        """Where the Delta table `main.<table>` lies."""
        [log] = (self.lake / "main").glob(f"{table}*/_delta_log")
        return log.parent

    def running(self) -> list[dict[str, Any]]:
        """The statements at work, but for the one that asks."""
        rows = self.query("SHOW QUERIES").to_pylist()
        return [row for row in rows if not row["statement"].startswith("SHOW QUERIES")]

    def healthy(self) -> bool:
        """Whether the server says that it is alive."""
        with urllib.request.urlopen(f"{self.http}/healthz", timeout=SECONDS) as answer:
            return bool(answer.status == 200)


def eventually(holds: Callable[[], bool], seconds: float = SECONDS) -> bool:
    """Whether something comes to hold within the time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def serve(binary: str, lake: Path, **settings: str) -> Iterator[Served]:
    """A server on free ports until the block ends; SIGTERM must then end it without a complaint."""
    said = lake.parent / f"{lake.name}-server.log"
    command = [binary, "serve", "--lake", str(lake), "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    outside = lake.parent / f"{lake.name}-outside"
    outside.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARATOPE__")}
    kept["PARATOPE__ACCESS__READ"] = json.dumps([str(outside)])
    kept["PARATOPE__SERVER__LIMITS__DRAIN_S"] = "5"
    with said.open("wb") as log:
        process = subprocess.Popen(command, stderr=log, cwd=lake.parent, env=kept | settings)
    try:
        text = ""

        def listens() -> bool:
            nonlocal text
            text = said.read_text()
            assert process.poll() is None, text
            return "/healthz" in text

        assert eventually(listens), text
        [(host, port)] = re.findall(r"^Flight SQL: grpc://([0-9.]+):(\d+)$", text, re.MULTILINE)
        [http] = re.findall(r"^Health: +(http://\S+)/healthz$", text, re.MULTILINE)
        served = Served(binary, lake, outside, host, int(port), http, process.pid)
        yield served
        assert served.healthy()
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0, said.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert "panicked" not in said.read_text()


def session_options(connection: Connection) -> dict[str, Any]:
    """The options that the server tells of a connection's session."""
    told = connection.adbc_connection.get_option("adbc.flight.sql.session.options")
    options: dict[str, Any] = json.loads(told)
    return options
