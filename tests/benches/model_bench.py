"""Embeddings and likelihoods by AntiBERTy: the crate `models` beside PyTorch and onnxruntime, taking turns, on the same sequences and cores."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import environment
import report

EMBEDDERS = ("models-f32", "models-bf16", "models-int8", "torch-f32", "torch-bf16", "onnxruntime-f32", "onnxruntime-int8")
SCORERS = ("models-f32", "models-bf16", "models-int8", "antiberty", "antiberty-16")
PEER_OF = {"models-f32": "onnxruntime-f32", "models-bf16": "onnxruntime-int8", "models-int8": "onnxruntime-int8"}
"""What each precision is held against."""
SPARE_MIB = 500
"""What a process may take beside its weights."""


def sequences_of(fasta: Path, count: int) -> list[str]:
    """The first sequences of a FASTA file."""
    opened = gzip.open(fasta, "rt") if fasta.suffix == ".gz" else fasta.open()
    found: list[list[str]] = []
    with opened as lines:
        for line in lines:
            if line.startswith(">"):
                found.append([])
            elif found:
                found[-1].append(line.strip())
    return ["".join(parts) for parts in found if parts][:count]


def throughput() -> Path:
    """The example of the crate, built now."""
    subprocess.run(["cargo", "build", "--release", "--package", "models", "--example", "throughput"], cwd=environment.ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", environment.ROOT / "target"))
    return target / "release" / "examples" / "throughput"


class Bench:
    """What the engines need."""

    def __init__(self, threads: int, runs: int) -> None:
        self.threads, self.runs = threads, runs
        self.ours = throughput()
        self.python = environment.model_python()
        self.folder = environment.data_folder() / "antiberty"
        self.peer = environment.HERE / "model_peer.py"
        prepared = self.command([self.python, self.peer, "prepare", self.folder])
        self.weights = Path(prepared.strip().splitlines()[-1])

    def command(self, words: list) -> str:
        """What a process prints."""
        return subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout

    def measure(self, engine: str, what: str, sequences: Path, out: Path) -> dict:
        """One engine, in a process of its own."""
        if engine.startswith("models-"):
            words = [self.ours, self.weights, sequences, what, engine.split("-")[1], self.threads, self.runs, out]
        else:
            words = [self.python, self.peer, engine, self.folder, sequences, self.threads, self.runs, out]
        print(f"  {what}: {engine}", file=sys.stderr)
        return json.loads(self.command(words).strip().splitlines()[-1])


def turns(bench: Bench, engines: tuple[str, ...], what: str, sequences: list[str], rounds: int) -> dict[str, dict]:
    """Each engine once a round: the least times, and the results of the last."""
    found: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "sequences", Path(folder) / "out"
        file.write_text("\n".join(sequences) + "\n")
        for _ in range(rounds):
            for engine in engines:
                figures = bench.measure(engine, what, file, out)
                least = {name: min(figures[name]) for name in ("seconds", "processor_seconds")}
                before = found.get(engine, least)
                found[engine] = {name: min(least[name], before[name]) for name in least}
                found[engine] |= {"peak_mib": figures["peak_mib"], "weights_mib": figures.get("resident_mib"), "bytes": out.read_bytes()}
    return found


def agreement(ours: bytes, exact: bytes, width: int) -> float:
    """Mean cosine of embeddings (or greatest relative difference of single numbers)."""
    import numpy

    left, right = (numpy.frombuffer(data, numpy.float32).astype(float).reshape(-1, width) for data in (ours, exact))
    if width == 1:
        return float(abs(left / right - 1).max())
    norms = numpy.linalg.norm(left, axis=1) * numpy.linalg.norm(right, axis=1)
    return float(((left * right).sum(axis=1) / norms).mean())


def table(found: dict[str, dict], count: int, exact: str, width: int, peers: dict[str, str]) -> dict[str, dict]:
    """Prints the figures."""
    rows, figures = [], {}
    for engine, one in found.items():
        near = agreement(one["bytes"], found[exact]["bytes"], width)
        ratios = ["", ""]
        if engine in peers:
            peer = found[peers[engine]]
            ratios = [f"{peer[name] / one[name]:.2f}" for name in ("seconds", "processor_seconds")]
        weights = one["weights_mib"]
        excess = "EXCEEDED" if weights and one["peak_mib"] > weights + SPARE_MIB else ""
        rows.append([engine, f"{count / one['seconds']:.1f}", f"{count / one['processor_seconds']:.1f}", *ratios, peers.get(engine, ""),
                     f"{near:.6f}" if width > 1 else f"{near:.1e}", f"{one['peak_mib']}{excess and ' ' + excess}"])
        figures[engine] = {name: one[name] for name in one if name != "bytes"} | {"agreement": near}
    head = ["engine", "sequences/s", "a CPU-second", "ratio", "of CPU time", "to", "cosine" if width > 1 else "difference", "peak MiB"]
    print(report.table(head, rows))
    return figures


def main(fasta: Path, count: int, scored: int, threads: int, rounds: int) -> dict[str, object]:
    """Both tables; a ratio above 1 says that the crate is faster."""
    bench = Bench(threads, runs=1)
    sequences = sequences_of(fasta, count)
    lengths = sorted(map(len, sequences))
    print(f"\n## Models: embeddings of {len(sequences)} V domains of {lengths[0]} to {lengths[-1]} residues, {threads} threads\n")
    embedded = turns(bench, EMBEDDERS, "embed", sequences, rounds)
    figures: dict[str, object] = {"embed": table(embedded, len(sequences), "torch-f32", 512, PEER_OF)}
    few = sequences[:scored]
    print(f"\n## Models: exact pseudo-log-likelihoods of {len(few)} of them, {threads} threads\n")
    peers = dict.fromkeys(("models-f32", "models-bf16", "models-int8"), "antiberty")
    figures["likelihood"] = table(turns(bench, SCORERS, "likelihood", few, rounds), len(few), "antiberty", 1, peers)
    return figures
