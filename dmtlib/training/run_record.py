"""What a run's record is: which values it must have, in its run directory and among others in ``results/``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ..files import read_json

NUMBER = (int, float)
RECORDED: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("preset", "method", "data", "best", "scored_on", "device"), str),
    **dict.fromkeys(("budget", "test_accuracy", "fine_grained_accuracy", "mean_iou", "seconds"), NUMBER),
    "seed": int,
    "config": dict,
    "phases": list,
    "commit": (str, type(None)),
    "images_per_second": NUMBER,
}
"""What a value must be, of those that are read again."""


def read_record(file: Path, *needed: str) -> dict[str, Any]:
    """A finished run's record, in its run directory or among others; what is ``needed`` it holds besides what every
    record does. A ValueError of one line names the file, if it is none, or has something else where a number must
    be."""
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
        for name in ("preset", "method", "seed", "config", score, *needed):
            _check_value(name, record[name])
        for name in ("data", "budget"):
            _check_value(name, record["config"][name])
        for name in RECORDED.keys() & record.keys():
            _check_value(name, record[name])
        if "phases" in record:
            _check_score(record, score)
    except KeyError as error:
        raise ValueError(f"{file} is no run record: there is no {error} in it") from None
    except ValueError as error:
        raise ValueError(f"{file} is no run record: {error}") from None
    return record


def _check_score(record: dict[str, Any], score: str) -> None:
    """The number that stands in tables is that of the last phase; on pixels, of the better of its two models."""
    try:
        for phase in record["phases"]:
            for model in phase.get("models", {}).values():
                model.get("steps", 0) + 0
        if score == "mean_iou":
            last = phase.get("models", {}).get(record.get("best"), {}).get(f"{record.get('scored_on')}_mean_iou")
        else:
            last = phase.get(score)
    except (TypeError, AttributeError):
        raise ValueError(f"phases is {json.dumps(record['phases'])[:40]}") from None
    if last not in (None, record[score]):
        raise ValueError(f"{score} is not that of its last phase")


def _check_value(name: str, value: Any) -> None:
    kind = RECORDED[name]
    right = isinstance(value, kind) and not isinstance(value, bool) and value != []
    if not right or (kind == NUMBER and abs(value) > sys.float_info.max):
        raise ValueError(f"{name} is {json.dumps(value)[:40]}")
