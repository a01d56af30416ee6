"""Where the benchmarks live on this machine: caches, the Python environment with the peers, the binary. Standard library only."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NEWEST_DUCKDB = "duckdb==2.0.0"
"""Has no Delta extension on PyPI yet; installed beside the environment, for its own process."""


def cache() -> Path:
    """The folder for environments, data and lakes: `$CARGO_TARGET_DIR`, else the user's cache."""
    target = os.environ.get("CARGO_TARGET_DIR")
    return Path(target).resolve() if target else Path.home() / ".cache" / "paratope"


def data_folder() -> Path:
    """The folder for generated files and lakes."""
    return cache() / "bench-data"


def newest_duckdb() -> Path:
    """The folder that holds the newest DuckDB."""
    return cache() / "bench-venv" / "newest-duckdb"


def model_python() -> Path:
    """The interpreter of the environment with PyTorch and onnxruntime, made likewise."""
    folder = cache() / "model-venv"
    interpreter = folder / "bin" / "python"
    requirements = HERE / "model_requirements.txt"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    stamp = folder / "stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return interpreter
    print(f"making the Python environment {folder}", file=sys.stderr)
    venv.create(folder, with_pip=True, clear=True)
    pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", str(requirements)], check=True)
    stamp.write_text(wanted)
    return interpreter


def python() -> Path:
    """The interpreter of the environment, made on the first call and again when the pinned versions change."""
    folder = cache() / "bench-venv"
    interpreter = folder / "bin" / "python"
    requirements = HERE / "requirements.txt"
    wanted = hashlib.sha256(requirements.read_bytes() + NEWEST_DUCKDB.encode() + sys.version.encode()).hexdigest()
    stamp = folder / "stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return interpreter
    print(f"making the Python environment {folder}", file=sys.stderr)
    venv.create(folder, with_pip=True, clear=True)
    pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", str(requirements)], check=True)
    subprocess.run([*pip, "--no-deps", "--target", str(newest_duckdb()), NEWEST_DUCKDB], check=True)
    stamp.write_text(wanted)
    return interpreter


def binary(given: Path | None) -> Path:
    """The binary as it is deployed: the one given, else built now."""
    if given:
        return given.resolve()
    subprocess.run(["cargo", "build", "--profile", "dist"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "dist" / "paratope"


def variables() -> dict[str, str]:
    """The environment of every engine: without backtraces, which Rust libraries otherwise take for errors that nobody sees."""
    return {name: value for name, value in os.environ.items() if name not in ("RUST_BACKTRACE", "RUST_LIB_BACKTRACE")}


def paratope_variables(threads: int) -> dict[str, str]:
    """The environment of the binary: its own defaults, but for the threads."""
    kept = {name: value for name, value in variables().items() if not name.startswith("PARATOPE__")}
    return kept | {"PARATOPE__QUERY__THREADS": str(threads), "PARATOPE__INGEST__THREADS": str(threads)}


def pin(threads: int) -> None:
    """Keeps this process, and those it starts, on as many cores as there are threads."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:threads])
