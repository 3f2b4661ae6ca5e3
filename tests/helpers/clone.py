"""This clone, and make in it or in another."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    """Run make in a clone with the environment of these tests, untouched by a `make test` that they may stand in."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONPATH")}
    command = ["make", *arguments, f"VENV={sys.prefix}"]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
