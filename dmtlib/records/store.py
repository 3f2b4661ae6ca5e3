"""Run records: the small JSON files that every measured number in the book comes from."""

import os
from pathlib import Path
from typing import Any

from ..files import write_json
from ..training.directory import is_run_directory
from ..training.provenance import read_record
from ..training.settings import Config


def records_folder(results: Path, preset: str, method: str, budget: float = 1.0) -> Path:
    """``results/<preset>/<method>``; for a budget other than 1, ``results/<preset>-budget-<budget>/<method>``."""
    return Path(results) / (preset if budget == 1 else f"{preset}-budget-{budget:.12g}") / method


def record_path(results: Path, record: dict[str, Any]) -> Path:
    """Where a record lives: ``seed-<n>.json`` in the folder of its preset, method and budget."""
    folder = records_folder(results, record["preset"], record["method"], record["config"]["budget"])
    return folder / f"seed-{record['seed']}.json"


def find_record(results: Path, config: Config) -> dict[str, Any] | None:
    """The record in the place that belongs to a run of ``config``; None where there is none yet. A ValueError, if it
    is of a run on other data, and must not be overwritten or taken for this one."""
    records = load_records(results, config.preset, config.method, config.budget)
    record = next((record for record in records if record["seed"] == config.seed), None)
    if record is not None and (data := record["config"]["data"]) != config.data:
        what = f"is a record on {data}, not on {config.data}"
        raise ValueError(f"{record_path(results, record)} {what}; choose another --results")
    for name in {"num_labels", "labeled_ratio"} & (record["config"].keys() if record else set()):
        if record["config"][name] != getattr(config, name, None):
            raise ValueError(f"{record_path(results, record)} has another {name}; choose another --results")
    return record


def check_writable(results: Path, config: Config) -> None:
    """Where the record of ``config`` is to go can be written, as far as that can be known before. A ValueError, if
    there is a file where a folder is needed, it lies in a run directory, or is not ours to write."""
    folder = Path(os.path.realpath(records_folder(results, config.preset, config.method, config.budget)))
    if not (there := next(place for place in (folder, *folder.parents) if place.exists())).is_dir():
        raise ValueError(f"{results} cannot be a folder of records: {there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{results} cannot be a folder of records: {there} cannot be written")
    if run := next((place for place in (there, *there.parents) if is_run_directory(place)), None):
        raise ValueError(f"{results} cannot be a folder of records: {run} is a run directory")


def write_record(file: Path, record: dict[str, Any]) -> None:
    """Write a record, whole or not at all; an OSError, if it cannot be written."""
    write_json(file, record)


def keep_record(results: Path, config: Config, record: dict[str, Any]) -> Path:
    """Write the ``record`` of a run of ``config`` to its place among others, which is returned. A ValueError, if there
    is one of other data, images or labels; an OSError, if it cannot be written."""
    file, there = record_path(results, record), find_record(results, config)
    if there and there.get("split_sha256") not in (None, record["split_sha256"]):
        raise ValueError(f"{file} is a record on other images or labels; choose another --results")
    write_record(file, record)
    return file


def in_words(record: dict[str, Any], file: Path, again: str = "") -> str:
    """Which run it was, its score, and where the record is."""
    if "mean_iou" in record:
        score = f"mean IoU {record['mean_iou']:.2f}% on {record['scored_on']} (model {record['best']})"
    else:
        score = f"test accuracy {record['test_accuracy']:.2f}% (fine-grained {record['fine_grained_accuracy']:.2f}%)"
    return f"{record['preset']} {record['method']} seed {record['seed']}{again}: {score}, record {file}"


def load_records(results: Path, preset: str, method: str, budget: float = 1.0, *needed: str) -> list[dict[str, Any]]:
    """All records of a preset, method and budget, by seed; empty where nothing was run. A ValueError for a file that
    is no record, or one that belongs elsewhere. Which data a run was on, the preset's or others, its
    ``record["config"]["data"]`` tells. What is ``needed`` besides the score, such as "seconds", is there in each."""
    records = []
    for file in records_folder(results, preset, method, budget).glob("seed-*.json"):
        record = read_record(file, *needed)
        if (place := record_path(results, record)) != file:
            raise ValueError(f"{file} is a record that belongs in {place}")
        records.append(record)
    return sorted(records, key=lambda record: record["seed"])


def score(record: dict[str, Any]) -> float:
    """The number of a run that stands in tables, in percent: mean IoU on pixels, test accuracy on images."""
    return record["mean_iou" if "mean_iou" in record else "test_accuracy"]
