"""Tables and figures of a report."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *rest = (cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(zip(cells, widths, strict=True)))
        return f"| {' | '.join([first, *rest])} |"

    rule = "|".join("-" * (width + 1) + ("-" if at == 0 else ":") for at, width in enumerate(widths))
    return "\n".join([line(head), f"|{rule}|", *map(line, rows)])


def count(value: float) -> str:
    """A whole number with thousands separated."""
    return f"{value:,.0f}"


def milliseconds(values: Sequence[float]) -> str:
    """Least and median."""
    return f"{min(values):.1f} / {statistics.median(values):.1f}"


def machine(threads: int) -> str:
    """The machine that a report is from, and how busy it was."""
    model = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")),
        platform.machine(),
    )
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores, pinned to {threads}; load before: {load:.1f}"
