"""Run records: the small JSON files that every measured number in the book comes from."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from ..training.storage import write_json


def record_path(results: Path, record: dict[str, Any]) -> Path:
    """Where a record lives: ``results/<preset>/<method>/seed-<n>.json``."""
    return Path(results) / record["preset"] / record["method"] / f"seed-{record['seed']}.json"


def write_record(file: Path, record: dict[str, Any]) -> None:
    """Write a record, whole or not at all.

    Raises:
        ValueError: the folder cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, record)
    except OSError as error:
        raise ValueError(f"cannot write {file}: {error.strerror or error}") from None


def load_records(results: Path, preset: str, method: str) -> list[dict[str, Any]]:
    """All records of a preset and method, by seed; empty where nothing was run.

    Raises:
        ValueError: a file that is no record.
    """
    records = []
    for file in (Path(results) / preset / method).glob("seed-*.json"):
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            records.append(record)
            _ = record["seed"], record["test_accuracy"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file} is no run record: {error}") from None
    return sorted(records, key=lambda record: record["seed"])


@dataclass(frozen=True)
class Spread:
    """n numbers as the book quotes them: mean ± sample standard deviation."""

    mean: float
    std: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """None of no values; the deviation of one is not a number."""
        if not values:
            return None
        return cls(mean(values), stdev(values) if len(values) > 1 else math.nan, len(values))

    def __str__(self) -> str:
        spread = f" ± {self.std:.2f}" if self.n > 1 else ""
        return f"{self.mean:.2f}{spread} (n = {self.n})"


def paired_differences(
    first: Sequence[dict[str, Any]], second: Sequence[dict[str, Any]], key: str = "test_accuracy"
) -> list[float]:
    """first − second for every seed that both have: both saw the same labels, so what they share cancels."""
    other = {record["seed"]: record[key] for record in second}
    return [record[key] - other[record["seed"]] for record in first if record["seed"] in other]
