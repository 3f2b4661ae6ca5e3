"""Where a chapter's runs lie, and the finished ones that chapters hand to each other while the book is made.

By hand it is a temporary folder. While the book is made, ``tools/run_chapter.py`` names a store in ``DMT_RUNS``. A
chapter begins with copies of what lies there, and what it has finished is added when it ends. Each works in a folder
of its own, so two chapters at a time never meet in a run directory. At worst both train the same, and on a CPU to the
same bits.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dmtlib.training.images.config import RunConfig
    from dmtlib.training.pixels.config import SegmentationConfig

STORE = "DMT_RUNS"
OWN = "runs-of-this-page"  # in the working folder of a chapter that becomes a page
FOUND = "found"  # a file in a run directory that was copied from the store
OF_THE_MACHINE = ("device", "data_fingerprint", "classes")  # stand in config.json, and not in the settings of a run


def runs_folder(*configs: RunConfig | SegmentationConfig) -> Path:
    """A new folder for these runs, which ``train`` won't repeat where another chapter has finished them."""
    store = os.environ.get(STORE)
    if not store:
        return Path(tempfile.mkdtemp())
    folder = Path(OWN).resolve()
    for config in configs:
        there = Path(store) / _key(config.to_json())
        if there.is_dir():
            own = folder / config.preset / config.method / f"seed-{config.seed}"
            shutil.copytree(there, own, dirs_exist_ok=True)
            (own / FOUND).touch()
    return folder


def keep_finished(work: Path, store: Path) -> float:
    """Move the finished runs of a chapter that worked in ``work`` into the store, each whole or not at all.

    Returns:
        The seconds that the runs had taken which the chapter found there.
    """
    seconds = 0.0
    for result in sorted((work / OWN).glob("*/*/seed-*/result.json")):
        run = result.parent
        if (run / FOUND).exists():
            seconds += json.loads(result.read_text())["seconds"]
            continue
        settings = json.loads((run / "config.json").read_text())
        there = store / _key({name: value for name, value in settings.items() if name not in OF_THE_MACHINE})
        (run / "lock").unlink(missing_ok=True)
        store.mkdir(parents=True, exist_ok=True)
        try:
            run.rename(there)
        except OSError:
            if not there.is_dir():  # if it is, another chapter was faster, with the same run
                raise
    return seconds


def _key(settings: dict[str, Any]) -> str:
    """All settings of a run in a word: runs that share preset, method and seed may differ in others."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
