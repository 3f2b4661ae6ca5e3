"""Runs of a few steps on folders of images, which lie beside them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from dmtlib.presets import preset
from dmtlib.training import RunDirectory, train
from dmtlib.training.settings import Config


def run_on_photos(photos: Path, method: str) -> RunDirectory:
    """Four steps a phase."""
    return _trained(preset("digits-40", method, budget=0.005, data=f"folder@8:{photos}", all_labels=True), photos)


def run_on_streets(streets: Path, method: str) -> RunDirectory:
    """A step or two a phase."""
    config = preset("scenes", method, budget=0.001, data=f"folder:{streets}", all_labels=True)
    return _trained(dataclasses.replace(config, crop=(32, 32), batch_size=4, labeled_per_batch=1), streets)


def _trained(config: Config, data: Path) -> RunDirectory:
    train(config, runs=data.parent / "runs", device="cpu", progress=False)
    return RunDirectory.of(config, data.parent / "runs")
