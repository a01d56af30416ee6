"""Rows in a form in which those of different readers can be compared to the letter."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import json
from typing import Any

import pyarrow as pa


def _plain(value: Any) -> Any:
    match value:
        case datetime.datetime():
            utc = value if value.tzinfo is None else value.astimezone(datetime.timezone.utc)
            return utc.replace(tzinfo=None).isoformat(timespec="microseconds")
        case datetime.date():
            return value.isoformat()
        case decimal.Decimal():
            return str(value)
        case bytes():
            return value.hex()
        case float():
            return repr(value)
        case dict() if set(value) == {"key", "value"}:
            return [_plain(value["key"]), _plain(value["value"])]
        case dict():
            return {name: _plain(inner) for name, inner in sorted(value.items())}
        case list() | tuple():
            items = [_plain(inner) for inner in value]
            # Maps come as lists of pairs, in any order.
            pairs = bool(items) and all(isinstance(i, list) and len(i) == 2 for i in items)
            return sorted(items, key=json.dumps) if pairs else items
        case _:
            return value


def canonical(table: pa.Table) -> list[str]:
    """One text a row, columns by name, rows sorted."""
    names = sorted(table.column_names)
    rows = table.select(names).to_pylist()
    return sorted(json.dumps(_plain(row), sort_keys=True, ensure_ascii=True) for row in rows)


def digest(table: pa.Table) -> str:
    """SHA-256 over all rows: equal for equal multisets of rows."""
    return hashlib.sha256("\n".join(canonical(table)).encode()).hexdigest()


def assert_same_rows(ours: pa.Table, theirs: pa.Table) -> None:
    """Equal rows, whatever their order; the message shows the first that differ."""
    assert sorted(ours.column_names) == sorted(theirs.column_names)
    if digest(ours) == digest(theirs):
        return
    left, right = canonical(ours), canonical(theirs)
    only_left = sorted(set(left) - set(right))[:2]
    only_right = sorted(set(right) - set(left))[:2]
    raise AssertionError(
        f"{len(left)} and {len(right)} rows; only ours: {only_left}; only theirs: {only_right}"
    )
