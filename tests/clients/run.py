#!/usr/bin/env python3
"""Runs the client checks in an environment of their own.

    python3 tests/clients/run.py [pytest options]

The environment lies in the Cargo target directory and is made anew when requirements.txt changes.
The `paratope` binary is the debug build of that directory, or what PARATOPE_BIN names.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def environment(folder: Path) -> Path:
    """The interpreter of an environment that holds requirements.txt."""
    requirements = HERE / "requirements.txt"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp = folder / "requirements.sha256"
    python = folder / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", requirements], check=True)
        stamp.write_text(wanted)
    return python


def main() -> int:
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    binary = Path(os.environ.get("PARATOPE_BIN", target / "debug" / "paratope"))
    if not binary.is_file():
        print(f"{binary} does not exist: run `cargo test --workspace` first", file=sys.stderr)
        return 2
    python = environment(target / "client-checks")
    settings = os.environ | {"PARATOPE_BIN": str(binary), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", HERE, *sys.argv[1:]]
    return subprocess.run(command, env=settings, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
