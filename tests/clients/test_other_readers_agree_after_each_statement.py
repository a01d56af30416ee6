"""Whatever a statement does to a table, other readers see it as Paratope does: the rows after each,
the rows of each version, and what a checkpoint alone still tells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Paratope
from deltalake import DeltaTable
from histories import HISTORIES, History
from readers import READERS
from rows import assert_same_rows, digest


class Table:
    """A table `t` of the shared lake, and a digest of its rows for each version it had."""

    def __init__(self, paratope: Paratope, history: History) -> None:
        self._paratope = paratope
        self.digests: dict[int, str] = {}
        before = set(self._folders())
        self.run(history.create, check=False)
        [self.folder] = set(self._folders()) - before
        self.check(history.create)

    def _folders(self) -> list[Path]:
        return list((self._paratope.lake / "main").glob("t-*"))

    def run(self, statement: str, check: bool = True) -> list[dict[str, Any]]:
        """Carries out a statement, after which all have to agree; what it answers."""
        answer = self._paratope.run("query", "--format", "json", "-c", statement)
        if check:
            self.check(statement)
        return json.loads(answer or b"[]")

    def rows(self, version: int | None = None) -> pa.Table:
        """As Paratope reads them."""
        at = "" if version is None else f" VERSION AS OF {version}"
        return self._paratope.query(f"SELECT * FROM t{at}")

    def check(self, statement: str) -> None:
        """All readers agree on the newest version."""
        ours = self.rows()
        for name, read in READERS.items():
            _assert_same(ours, read(self.folder), f"{name} after {statement}")
        self.digests[self.version()] = digest(ours)

    def check_versions(self) -> set[int]:
        """All readers agree on every version, or none reads it any more; those that are gone."""
        gone = set()
        for version, then in self.digests.items():
            try:
                theirs = READERS["deltalake"](self.folder, version)
            except (FileNotFoundError, OSError):
                gone.add(version)
                sql = f"SELECT * FROM t VERSION AS OF {version}"
                self._paratope.run("query", "-c", sql, status=1)
                continue
            ours = self.rows(version)
            assert digest(ours) == then, f"version {version} is not what it was"
            _assert_same(ours, theirs, f"version {version}")
            for name in ["duckdb", "polars"]:
                _assert_same(ours, READERS[name](self.folder, version), f"{name}, version {version}")
        return gone

    def version(self) -> int:
        """The newest, as deltalake sees it."""
        return DeltaTable(self.folder).version()

    def commit(self) -> Path:
        """The newest commit's file."""
        return self.folder / "_delta_log" / f"{self.version():020}.json"


def _assert_same(ours: pa.Table, theirs: pa.Table, told: str) -> None:
    try:
        assert_same_rows(ours, theirs)
    except AssertionError as error:
        raise AssertionError(f"{told}: {error}") from None


@pytest.fixture(params=HISTORIES)
def history(request: pytest.FixtureRequest) -> History:
    """Each of them."""
    return HISTORIES[request.param]


@pytest.fixture
def table(paratope: Paratope, history: History) -> Iterator[Table]:
    """Its table; other tests have the name for tables of theirs."""
    yield Table(paratope, history)
    paratope.run("query", "-c", "DROP TABLE IF EXISTS t; DROP TABLE IF EXISTS renamed")


def test_after_each_statement_and_at_each_version(
    paratope: Paratope, table: Table, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    for statement in history.changes:
        known = table.version()
        table.run(statement)
        assert table.version() == known + 1, statement
    rows = table.rows()
    commits = {}
    for statement in history.upkeep:
        known = table.version()
        table.run(statement)
        commits[statement] = table.version() - known
        assert digest(table.rows()) == digest(rows), statement
        assert not _changes_data(table.folder, known), statement
    *compactions, zorder = commits.values()
    assert sum(compactions) > 0 < zorder, "OPTIMIZE did nothing"
    assert len(set(table.digests.values())) > len(history.changes) // 2, "statements did nothing"
    table.run(f"RESTORE TABLE t TO VERSION AS OF {history.version}")
    assert table.digests[table.version()] == table.digests[history.version]
    table.run("CHECKPOINT t")
    assert table.check_versions() == set()
    table.run(f"RESTORE TABLE t TO VERSION AS OF {table.version() - 1}")
    assert digest(table.rows()) == digest(rows)
    # Removed files go at once.
    monkeypatch.setenv("PARATOPE__MAINTENANCE__VACUUM_FLOOR_HOURS", "0")
    [vacuum] = table.run("VACUUM t RETAIN 0 HOURS")
    assert vacuum["files_deleted"] > 0
    gone = table.check_versions()
    assert gone and table.version() not in gone
    table.run("INSERT INTO t SELECT * FROM t LIMIT 3")
    table.run("INSERT OVERWRITE t SELECT * FROM t LIMIT 2")
    paratope.run("query", "-c", "ALTER TABLE t RENAME TO renamed")
    ours = paratope.query("SELECT * FROM renamed")
    assert ours.num_rows == 2
    for read in READERS.values():
        assert_same_rows(ours, read(table.folder))
    paratope.run("query", "-c", "ALTER TABLE renamed RENAME TO t")
    table.run("DELETE FROM t")
    assert table.rows().num_rows == 0


def test_a_checkpoint_alone_tells_all(table: Table, history: History) -> None:
    for statement in [*history.changes, *history.upkeep]:
        table.run(statement, check=False)
    known, files = table.rows(), _files(DeltaTable(table.folder))
    logged = _adds(table.folder)
    [checkpointed] = table.run("CHECKPOINT t")
    version = checkpointed["version"]
    assert version == table.version()
    newest = table.commit()
    last = newest.read_bytes()
    for commit in (table.folder / "_delta_log").glob("*.json"):
        commit.unlink()
    checkpoint = table.folder / "_delta_log" / f"{version:020}.checkpoint.parquet"
    assert checkpoint.is_file()

    ours = table.rows()
    assert_same_rows(ours, known)
    for name, read in READERS.items():
        _assert_same(ours, read(table.folder), name)
    # Statistics as deltalake reads them, and to the letter as they were.
    assert _files(DeltaTable(table.folder)) == files
    kept = {add["path"]: add for add in pq.read_table(checkpoint)["add"].to_pylist() if add}
    assert len(kept) == len(files)
    for path, add in kept.items():
        told = logged[path]
        assert json.loads(add["stats"]) == json.loads(told["stats"]), path
        assert dict(add["tags"] or {}) == (told.get("tags") or {}), path
        assert dict(add["tags"])["paratope.zorder"] == history.zorder
    # Log cleaning keeps the commit that a checkpoint is of, and writers want it.
    newest.write_bytes(last)
    # What has the order already is left alone: its tags are known.
    [again] = table.run(f"OPTIMIZE t ZORDER BY ({history.zorder})")
    assert again["files_removed"] == again["files_added"] == 0
    # The table goes on from its checkpoint.
    table.run("INSERT INTO t SELECT * FROM t LIMIT 2")
    table.run("DELETE FROM t WHERE true")


def _changes_data(folder: Path, since: int) -> bool:
    """Whether a commit after a version says that rows changed."""
    log = folder / "_delta_log"
    commits = [log / f"{version:020}.json" for version in range(since + 1, DeltaTable(folder).version() + 1)]
    actions = [json.loads(line) for commit in commits for line in commit.read_text().splitlines()]
    files = [file for action in actions for file in (action.get("add"), action.get("remove")) if file]
    return any(file["dataChange"] for file in files)


def _adds(folder: Path) -> dict[str, Any]:
    """The adds of all commits by path, the latest of each."""
    adds = {}
    for commit in sorted((folder / "_delta_log").glob("*.json")):
        for action in map(json.loads, commit.read_text().splitlines()):
            if "add" in action:
                adds[action["add"]["path"]] = action["add"]
    return adds


def _files(delta: DeltaTable) -> list[dict[str, Any]]:
    """Path, size, partition and statistics of each file."""
    files = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
    return sorted(files, key=lambda file: file["path"])
