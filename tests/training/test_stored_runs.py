"""Run directories that were begun at commit 544693a, before the library moved: they go on where they were left.

`stored/images.tar.xz` is `digits-40` dmt at budget 0.01, stopped in phase 1 with a checkpoint. `stored/pixels.tar.xz`
is `scenes-small` dst at budget 0.05, stopped when phase 1 had its pseudo labels. TensorBoard's files are left out.
"""

import json
import tarfile
from pathlib import Path

import pytest
import torch

from dmtlib.presets import preset
from dmtlib.training.directory import RunDirectory
from dmtlib.training.images.curriculum import train
from dmtlib.training.pixels.mutual import train_segmentation

STORED = Path(__file__).parent / "stored"
RUNS = {
    "images": (train, dict(name="digits-40", method="dmt", budget=0.01)),
    "pixels": (train_segmentation, dict(name="scenes-small", method="dst", budget=0.05)),
}


@pytest.mark.parametrize("kind", RUNS)
def test_a_run_that_was_begun_before_goes_on(kind, tmp_path):
    with tarfile.open(STORED / f"{kind}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    door, wanted = RUNS[kind]
    config = preset(**wanted)
    run = RunDirectory.of(config, tmp_path)
    kept = ["config.json", "split.json", "phase-0.pt"]
    before = {name: (run.path / name).read_bytes() for name in kept}
    metrics = (run.path / "metrics.jsonl").read_bytes()
    first = torch.load(run.path / "phase-0.pt", weights_only=True)["records"]

    record = door(config, runs=tmp_path, device="cpu", progress=False)

    assert {name: (run.path / name).read_bytes() for name in kept} == before  # neither repeated nor written anew
    assert (run.path / "metrics.jsonl").read_bytes().startswith(metrics)
    assert record["phases"][:1] == first and len(record["phases"]) == config.phases
    settings = json.loads(before["config.json"])
    assert record["config"] == {key: settings[key] for key in record["config"]}
    assert not (run.path / "checkpoint.pt").exists()


def test_the_checkpoint_is_where_it_goes_on(tmp_path, monkeypatch):
    """Not at the phase's beginning: its steps before the checkpoint are not taken again."""
    from dmtlib.training.images.phase import PhaseTrainer

    with tarfile.open(STORED / "images.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    config = preset(**RUNS["images"][1])
    state = torch.load(RunDirectory.of(config, tmp_path).path / "checkpoint.pt", weights_only=True)
    taken = []
    step = PhaseTrainer.step
    monkeypatch.setattr(
        PhaseTrainer, "step", lambda self: (taken.append((self.task.phase, self.state.step)), step(self))
    )
    train(config, runs=tmp_path, device="cpu", progress=False)
    assert state["phase"] == 1 and 0 < state["state"]["step"] < 8
    assert taken[0] == (1, state["state"]["step"])
