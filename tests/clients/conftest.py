"""A lake made by the real binary from the data that Paratope ships."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from served import Served, serve

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 300
# Exit status of an ingest with rejects.
PARTLY_DONE = 3
LYSOZYME = "KVFGRCELAAAMKRHGLDNYRGYSLGNWVCAAKFESNFNTQATNRNTDGSTDYGILQINSRWW"


@dataclass(frozen=True)
class Paratope:
    """The binary and the lake it works on."""

    binary: str
    lake: Path

    def run(self, *arguments: str, status: int = 0) -> bytes:
        """Runs a command; what it says on stderr is the failure's message."""
        command = [self.binary, *arguments, "--lake", str(self.lake)]
        done = subprocess.run(
            command, capture_output=True, cwd=self.lake.parent, timeout=SECONDS, check=False
        )
        assert done.returncode == status, done.stderr.decode()
        return done.stdout

    def query(self, sql: str) -> pa.Table:
        """All rows of one statement (or of the last of several)."""
        out = self.run("query", "--format", "arrow", "-c", sql)
        return pa.ipc.open_stream(out).read_all()

    def read_delta(self, folder: Path) -> pa.Table:
        """All rows of a Delta table that somebody else wrote."""
        sql = f"CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION '{folder}'; SELECT * FROM t"
        return self.query(sql)


@pytest.fixture(scope="session")
def paratope(tmp_path_factory: pytest.TempPathFactory) -> Paratope:
    """A lake with everything in it: partitions, a checkpoint, a replaced file, rejects, a protein."""
    folder = tmp_path_factory.mktemp("lake")
    made = Paratope(os.environ["PARATOPE_BIN"], folder / "lake")
    data = ROOT / "flight-server" / "data"
    heavy = data / "abstar" / "hiv_bnabs_heavy.fasta.gz"
    for study in range(10):
        made.run("ingest", str(heavy), "--species", "human", "--study", f"study {study}")
    made.run("ingest", str(data / "abstar" / "hiv_bnabs_light.fasta.gz"), "--species", "mouse")
    made.run("ingest", str(data / "scirpy" / "human_paired_cells.tsv.gz"), "--study", "cells")
    mixed = folder / "mixed.fasta"
    mixed.write_text(">first\nEVQLVESGG\n")
    made.run("ingest", str(mixed))
    mixed.write_text(f">lysozyme\n{LYSOZYME}\n>broken\nEVQ1VES\n")
    made.run("ingest", str(mixed), "--replace", status=PARTLY_DONE)
    log = made.lake / "main" / "chains" / "_delta_log"
    assert list(log.glob("*.checkpoint*")), "there is no checkpoint to read"
    return made


@pytest.fixture(scope="session")
def served(paratope: Paratope, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over a copy of that lake: what clients write there, other checks do not see."""
    lake = tmp_path_factory.mktemp("served") / "lake"
    shutil.copytree(paratope.lake, lake)
    with serve(paratope.binary, lake) as server:
        yield server
