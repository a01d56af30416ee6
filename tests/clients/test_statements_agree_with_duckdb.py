"""Statements that change rows do to random tables what they do in DuckDB: the same rows after each,
and the same number of rows affected. A statement that Paratope refuses leaves its table untouched."""

from __future__ import annotations

import datetime
import json
import subprocess
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
from conftest import SECONDS, Paratope
from statements import Writer

BATCHES = 5
TABLES = 30
STATEMENTS = 5


def _plain(value: Any) -> Any:
    match value:
        case datetime.date():
            return value.isoformat()
        case float():
            return value + 0.0
        case _:
            return value


def _rows(rows: list[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(_plain(value) for value in row) for row in rows)


class Refused(Exception):
    """What a statement was refused with."""


def answers(paratope: Paratope, statements: list[str]) -> list[Any]:
    """The answer of each statement: rows, or how it was refused. A refusal ends a script, so the
    rest runs as the next one."""
    found: list[Any] = []
    script = paratope.lake.parent / "script.sql"
    while len(found) < len(statements):
        script.write_text(";\n".join(statements[len(found) :]))
        command = [paratope.binary, "query", "--lake", str(paratope.lake), "--format", "json"]
        done = subprocess.run(
            [*command, "-f", script], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        found += _arrays(done.stdout)
        if done.returncode != 0:
            found.append(Refused(done.stderr.strip()))
    return found


def _arrays(text: str) -> list[Any]:
    decoder, at, arrays = json.JSONDecoder(), 0, []
    while at < len(text):
        array, at = decoder.raw_decode(text, at)
        arrays.append(array)
        at += len(text[at:]) - len(text[at:].lstrip())
    return arrays


@pytest.fixture
def empty(paratope: Paratope, tmp_path: Path) -> Paratope:
    """A lake of its own."""
    made = Paratope(paratope.binary, tmp_path / "lake")
    made.run("init")
    return made


def _count(answer: Any) -> int:
    assert not isinstance(answer, Refused), answer
    [row] = answer
    [count] = row.values()
    return count


@pytest.mark.parametrize("seed", range(BATCHES))
def test_rows_and_counts_are_those_of_duckdb(empty: Paratope, seed: int) -> None:
    rng = Random(seed)
    duck = duckdb.connect()
    tables: list[str] = []
    script: list[str] = []
    expected: list[Any] = []
    for number in range(TABLES):
        writer = Writer.of(rng, number)
        for table in (writer.target, writer.other):
            tables.append(table.create())
            duck.execute(table.create(partitioned=False))
        columns = list(writer.target.columns)
        look = f"SELECT {', '.join(columns)} FROM {writer.target.name}"
        for statement in writer.setting_up():
            [(count,)] = duck.execute(statement).fetchall()
            script.append(statement)
            expected.append(count)
        for statement in [writer.statement() for _ in range(STATEMENTS)]:
            [(count,)] = duck.execute(statement).fetchall()
            script += [statement, look]
            expected += [count, _rows(duck.execute(look).fetchall())]
    empty.run("query", "-c", "; ".join(tables))
    for number, (statement, answer, wanted) in enumerate(
        zip(script, answers(empty, script), expected, strict=True)
    ):
        told = f"seed {seed}: {statement}"
        assert not isinstance(answer, Refused), f"{told}\n{answer}"
        if isinstance(wanted, int):
            assert _count(answer) == wanted, told
        else:
            names = statement.removeprefix("SELECT ").split(" FROM ")[0].split(", ")
            rows = _rows([tuple(row.get(name) for name in names) for row in answer])
            assert rows == wanted, f"seed {seed}, after: {script[number - 1]}"


REFUSED = {
    "MERGE INTO t USING s ON t.k = s.k WHEN MATCHED THEN UPDATE SET v = s.v": "unique",
    "MERGE INTO t USING s ON t.k = s.k WHEN MATCHED THEN DELETE": "unique",
    "MERGE INTO t USING s ON t.k <= s.k WHEN MATCHED THEN UPDATE SET v = 0": "unique",
    "MERGE INTO t USING t AS o ON t.v <= o.v WHEN MATCHED THEN DELETE": "unique",
    "MERGE INTO t USING s ON t.k = s.k WHEN NOT MATCHED THEN DELETE": "NOT MATCHED",
    "MERGE INTO t USING s ON t.k = s.k WHEN NOT MATCHED THEN INSERT VALUES (t.k, 1)": "columns of",
    "DELETE FROM t LIMIT 1": "LIMIT",
    "DELETE FROM t WHERE k = 1 ORDER BY v LIMIT 1": "ORDER BY",
    "DELETE FROM t USING s WHERE t.k = s.k": "USING",
    "DELETE FROM t WHERE v = 1 RETURNING k": "RETURNING",
    "UPDATE t SET v = 1 LIMIT 1": "LIMIT",
    "UPDATE t SET v = 1 FROM s WHERE t.k = s.k": "FROM",
    "UPDATE t SET v = 1, v = 2": "twice",
    "UPDATE t SET nothing = 1": "nothing",
    "UPDATE t SET v = 'no number'": "cast",
    "UPDATE t SET v = (SELECT v FROM s)": "row",
    "UPDATE t SET v = v * 2147483647 WHERE k = 2": "",
    "INSERT INTO t VALUES (1)": "expected 2",
    "INSERT INTO t VALUES (1, 2) ON CONFLICT DO NOTHING": "ON CONFLICT",
}


def test_a_statement_that_is_refused_says_why_and_changes_nothing(empty: Paratope) -> None:
    empty.run("query", "-c", "CREATE TABLE t (k INT, v INT); CREATE TABLE s (k INT, v INT)")
    look = "SELECT k, v FROM t"
    setup = [
        "INSERT INTO t VALUES (1, 10), (2, 20), (NULL, 30)",
        "INSERT INTO t VALUES (1, 11)",
        # Twice the same key: DuckDB would take either row.
        "INSERT INTO s VALUES (1, 100), (1, 101), (2, 200), (NULL, 300)",
        look,
    ]
    before = sorted(map(str, answers(empty, setup)[-1]))
    assert len(before) == 4
    for statement, reason in REFUSED.items():
        # A script each: one with an error of syntax is refused as a whole.
        [answer] = answers(empty, [statement])
        assert isinstance(answer, Refused), f"{statement} was carried out: {answer}"
        assert reason.lower() in str(answer).lower(), statement
        [rows] = answers(empty, [look])
        assert sorted(map(str, rows)) == before, statement


def test_a_double_key_is_no_error_where_no_row_is_changed_twice(empty: Paratope) -> None:
    empty.run("query", "-c", "CREATE TABLE t (k INT, v INT)")
    found = answers(
        empty,
        [
            "INSERT INTO t VALUES (1, 10), (2, 20)",
            "MERGE INTO t USING (VALUES (1, 5), (1, 6), (3, 7), (3, 7)) AS s (k, v) ON t.k = s.k"
            " WHEN MATCHED AND s.v = 6 THEN UPDATE SET v = s.v"
            " WHEN NOT MATCHED THEN INSERT VALUES (s.k, s.v)",
            "SELECT k, v FROM t ORDER BY k, v",
        ],
    )
    assert _count(found[1]) == 3
    assert [tuple(row.values()) for row in found[2]] == [(1, 6), (2, 20), (3, 7), (3, 7)]
