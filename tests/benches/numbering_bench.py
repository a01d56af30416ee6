"""Numbering on one pinned core, beside the immunum crate in the same run: sequences a second of processor time."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def main(named: list[str]) -> list[dict[str, object]]:
    """Builds and runs `cargo bench -p antibody`; needs the corpora that PARATOPE_CORPUS names. `named`: instructions, sets."""
    if "PARATOPE_CORPUS" not in os.environ:
        print("numbering: skipped, PARATOPE_CORPUS is not set")
        return []
    command = ["cargo", "bench", "-p", "antibody", "--bench", "numbering"]
    subprocess.run([*command, "--no-run"], check=True, cwd=REPOSITORY)
    core = str(sorted(os.sched_getaffinity(0))[-1])
    run = subprocess.run(["taskset", "-c", core, *command, "--", *named], check=True, cwd=REPOSITORY, capture_output=True, text=True)
    figures = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    print("\n### Numbering\n\n| set | loci | domains | with | mode | seq/s | × immunum |\n|---|---:|---|---|---|---:|---:|")
    for figure in (figure for figure in figures if "set" in figure):
        name = Path(str(figure["set"])).name.split(".")[0]
        print(f"| {name} | {figure['loci']} | {figure['domains']} | {figure['with']} | {figure['mode']} | {figure['seq_per_s']:,} | {figure['times_immunum']} |")
    return figures
