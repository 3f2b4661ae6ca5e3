"""Where the book's own files are: its records and its pages, and how data get there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dmtlib.data.finding import prepared


def repository() -> Path:
    """The clone that this book is read in."""
    return Path(__file__).resolve().parents[2]


def results() -> Path:
    """The folder of run records."""
    return repository() / "results"


def missing_data(name: str) -> str | None:
    """What keeps a data set from being read here, in one line that says how to get it; None if nothing does.

    The JPEG copy of CIFAR-10 and CamVid are brought into the clone's ``data/`` now, if ``DMT_DATA`` has them: 20 and
    10 seconds, once. Nothing is ever downloaded.
    """
    packed = {"cifar10": "cifar10", "cifar10-jpeg": "cifar10-jpeg", "cifar10-mini": "cifar10-jpeg"}.get(name)
    if packed is not None:
        source = "torchvision" if packed == "cifar10" else "PATH"
        made_from = "" if packed == "cifar10" else " from CIFAR-10's images as JPEG (data_prep/README.md)"
        archive = "" if packed == "cifar10" else "cifar10-jpeg.tar.xz"
        told = f"data/{packed}.pt is not there; `python data_prep/cifar10.py --source {source}` makes it{made_from}."
        return None if prepared(f"{packed}.pt").exists() else _bring("cifar10.py", archive, told)
    if name in ("camvid", "camvid-quarter", "camvid-half"):
        told = "data/camvid is not there; `python data_prep/camvid.py --source PATH` makes it (data_prep/README.md)."
        return None if prepared("camvid").is_dir() else _bring("camvid.py", "camvid.tar", told)
    return None


def _bring(script: str, archive: str, told: str) -> str | None:
    """Run a script of data_prep/ on an archive of ``DMT_DATA``; what to say if there is none, or if it fails."""
    source = Path(os.environ.get("DMT_DATA") or "nowhere", archive)
    if not source.is_file():
        return told
    made, out = repository() / "data_prep" / script, repository() / "data"
    environment = {**os.environ, "PYTHONPATH": str(repository())}
    bringing = subprocess.run(
        [sys.executable, made, "--source", source, "--out", out], env=environment, capture_output=True, text=True
    )
    if bringing.returncode == 0:
        return None
    what = told.partition(";")[0]
    return f"{what} and could not be made: {bringing.stderr.strip().splitlines()[-1]}"
