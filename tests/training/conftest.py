import dataclasses
from pathlib import Path

import pytest
import torch
from killed_run import RUN

from dmtlib.presets import preset
from dmtlib.training import RunDirectory, train
from dmtlib.training.images.config import RunConfig


@pytest.fixture(autouse=True)
def one_thread():
    """Bits on a CPU depend on how sums are split among threads; the killed runs below have one, too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A short run of DMT that nothing disturbed."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("uninterrupted")
    train(RUN, runs=folder, device="cpu", progress=False)
    return RunDirectory.of(RUN, folder)


@pytest.fixture
def tiny(tmp_path: Path):
    """Start runs of four steps a phase below tmp_path: tiny("cl", seed=1) → its record."""

    def run(method: str = "dmt", seed: int = 0, **changes) -> tuple[RunDirectory, dict]:
        config: RunConfig = dataclasses.replace(preset("digits-40", method, seed, budget=0.005), **changes)
        record = train(config, runs=tmp_path, device="cpu", progress=False)
        return RunDirectory.of(config, tmp_path), record

    return run
