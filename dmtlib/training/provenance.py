"""What a run's record is: which values it must have, and where its number comes from, the commit and the versions."""

import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..files import read_json
from .precision import describe_device, describe_precision
from .processes import count
from .settings import Config

SOURCE = Path(__file__).resolve().parents[2]
TRAINING_CODE = [f"dmtlib/{p}" for p in ("method", "models", "data", "training", "files.py", "words.py", "presets.py")]
NUMBER = (int, float)
RECORDED: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("preset", "method", "data", "best", "scored_on", "device"), str),
    **dict.fromkeys(("budget", "test_accuracy", "fine_grained_accuracy", "mean_iou", "seconds"), NUMBER),
    **dict.fromkeys(("seed", "processes"), int),
    "config": dict,
    "phases": list,
    "commit": (str, type(None)),
    "images_per_second": NUMBER,
}
"""What a value must be, of those that are read again."""


def run_record(
    config: Config, found: dict, phases: Sequence[dict], split: dict, steps: int, seconds: float, device: torch.device
) -> dict[str, Any]:
    """A finished run: the score that was ``found`` of its last phase, and all that it depends on, and what it cost:
    ``steps`` of all phases, ``seconds`` of all processes with a part in it. ``split`` is from ``split.json``."""
    return {
        **{name: getattr(config, name) for name in ("preset", "method", "seed")},
        **found,
        "phases": phases,
        "config": config.to_json(),
        "data_fingerprint": split["data_fingerprint"],
        "split_sha256": split["sha256"],
        "seconds": round(seconds, 3),
        "images_per_second": round(config.batch_size * steps / seconds, 1),
        "device": describe_device(device),
        **({"processes": count()} if count() > 1 else {}),
        "computed_in": describe_precision(device, config.precision),
        "commit": commit(),
        "versions": versions() | (cuda_versions() if device.type == "cuda" else {}),
    }


def commit() -> str | None:
    """The git commit of the source, with "+changes" when training code differs from it. Outside a checkout None; a
    copy may be told in DMT_COMMIT what it is a copy of, which nobody can verify: "+copy"."""
    try:
        return _git("rev-parse", "HEAD") + ("+changes" if _git("status", "--porcelain", "--", *TRAINING_CODE) else "")
    except (OSError, subprocess.SubprocessError):
        told = os.environ.get("DMT_COMMIT")
        return f"{told}+copy" if told else None


def versions() -> dict[str, str]:
    """Versions of what a result may depend on."""
    import numpy

    import dmtlib

    return {"python": platform.python_version()} | {m.__name__: m.__version__ for m in (dmtlib, torch, numpy)}


def cuda_versions() -> dict[str, str | None]:
    """More of them on a GPU; the driver is None where nvidia-smi doesn't tell."""
    found = {"cuda": torch.version.cuda, "cudnn": str(torch.backends.cudnn.version()), "driver": None}
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        found["driver"] = _said_by("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader").split("\n")[0]
    return found


def _git(*arguments: str) -> str:
    if not (SOURCE / ".git").exists():
        raise OSError("not a checkout")
    mine = f"safe.directory={SOURCE}"  # or git refuses another user's checkout, as root meets it in a container
    return _said_by("git", "-c", mine, "-C", str(SOURCE), *arguments)


def _said_by(*command: str) -> str:
    others = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR")  # the repository whose hook this runs in
    environment = {name: value for name, value in os.environ.items() if name not in others}
    how = {"check": True, "capture_output": True, "text": True, "timeout": 10, "env": environment}
    return subprocess.run(command, **how).stdout.strip()


def read_record(file: Path, *needed: str) -> dict[str, Any]:
    """A finished run's record, in its run directory or among others; what is ``needed`` it holds besides what each
    does. A ValueError of one line names the file, if it is none, or has something else where a number must be."""
    try:
        record = read_json(file, what="run record")
    except OSError as error:
        raise ValueError(f"{file} is no run record: {error.strerror}") from None
    score = "mean_iou" if "mean_iou" in record else "test_accuracy"
    if needed and score == "test_accuracy":
        needed = (*needed, "fine_grained_accuracy")
    elif "phases" in needed:
        needed = (*needed, "best", "scored_on")
    try:
        if {"mean_iou", "test_accuracy"} <= record.keys():
            raise ValueError("it has the scores of both kinds of runs")
        for name in ("preset", "method", "seed", "config", score, *needed):
            _check_value(name, record[name])
        for name in ("data", "budget"):
            _check_value(name, record["config"][name])
        for name in RECORDED.keys() & record.keys():
            _check_value(name, record[name])
        scores = record[score], record.get("fine_grained_accuracy", 0)
        if not (0 <= min(scores) <= max(scores) <= 100 and 0 < record.get("seconds", 1) < 1e9):
            raise ValueError("its score or its seconds can't be")
        if "phases" in record:
            _check_score(record, score)
    except KeyError as error:
        raise ValueError(f"{file} is no run record: there is no {error} in it") from None
    except ValueError as error:
        raise ValueError(f"{file} is no run record: {error}") from None
    return record


def _check_score(record: dict[str, Any], score: str) -> None:
    """The number that stands in tables is that of the last phase; on pixels, of the better of its two models."""
    name = f"{record.get('scored_on')}_mean_iou" if score == "mean_iou" else score
    try:
        for phase in record["phases"]:
            models = phase["models"] if score == "mean_iou" else {"": phase}
            scores = {model: found[name] + 0 * found["steps"] for model, found in models.items()}
        last = scores[record.get("best", "")]
    except (TypeError, AttributeError, KeyError):
        raise ValueError(f"phases is {json.dumps(record['phases'])[:40]}") from None
    if last != record[score]:
        raise ValueError(f"{score} is not that of its last phase")


def _check_value(name: str, value: Any) -> None:
    kind = RECORDED[name]
    right = isinstance(value, kind) and not isinstance(value, bool) and value != []
    if not right or (kind == NUMBER and abs(value) > sys.float_info.max):
        raise ValueError(f"{name} is {json.dumps(value)[:40]}")
