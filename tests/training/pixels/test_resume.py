"""Alg. 2, interrupted: whatever a run dies of, it ends with the bits of one that nothing disturbed."""

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import killed_mutual_run
import pytest
import torch
from killed_mutual_run import POINTS, RUN
from tiny_scenes import CONFIG, assert_same_bits, metrics, scenes

from dmtlib.training import RunDirectory, loop, train
from dmtlib.training.pixels import phase as phases


@pytest.fixture(scope="module")
def data():
    return scenes()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, data) -> RunDirectory:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("uninterrupted")
    train(RUN, runs=folder, device="cpu", progress=False, data=data)
    return RunDirectory.of(RUN, folder)


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    """A folder of runs, each killed at the point that it is named after."""
    folder = tmp_path_factory.mktemp("killed")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, killed_mutual_run.__file__, folder], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == dict.fromkeys(POINTS, -signal.SIGKILL), done.stderr
    return folder


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_run_ends_with_the_bits_of_one_that_was_not(point, killed, uninterrupted, data):
    run = RunDirectory.of(RUN, killed / point)
    assert run.record is None
    train(RUN, runs=killed / point, device="cpu", progress=False, data=data)
    assert_same_bits(run, uninterrupted)
    assert not (run.path / "checkpoint.pt").exists() and not list(run.path.glob(".*"))


class Killed(BaseException):
    pass


@pytest.mark.parametrize(("every", "variant"), [(5, {}), (2, {"labelers": "newest", "goes_on_from": "best-on-val"})])
def test_a_run_killed_again_and_again_ends_with_the_same_bits(every, variant, monkeypatch, tmp_path, data):
    """Checkpoints after each step; every few of them the run dies, before writing the next or after."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "CHECKPOINT_SHARE", float("inf"))
    monkeypatch.setattr(phases, "LOOK_STEPS", 2)
    config = dataclasses.replace(CONFIG, alphas=(0.4, 1.0), phase_steps=5, **variant)
    train(config, runs=tmp_path / "whole", device="cpu", progress=False, data=data)
    save = RunDirectory.save_checkpoint

    def save_and_die(self, state):
        if next(saves) < every:
            save(self, state)
            return
        if life % 2:
            save(self, state)
        raise Killed

    monkeypatch.setattr(RunDirectory, "save_checkpoint", save_and_die)
    for life in itertools.count():
        saves = itertools.count(1)
        try:
            train(config, runs=tmp_path / "killed", device="cpu", progress=False, data=data)
            break
        except Killed:
            assert life < 30
    assert life >= 3
    assert_same_bits(RunDirectory.of(config, tmp_path / "killed"), RunDirectory.of(config, tmp_path / "whole"))


def test_damaged_labels_are_made_again(uninterrupted, monkeypatch, tmp_path, data):
    def damage_and_die(self, record):
        file = self.path / "pseudo-labels-2-B" / "labels.npy"
        file.write_bytes(file.read_bytes()[:-1])
        (self.path / "phase-2.pt").unlink()
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(RunDirectory, "finish", damage_and_die)
        train(RUN, runs=tmp_path, device="cpu", progress=False, data=data)
    with pytest.warns(UserWarning, match=r"labels\.npy: missing or damaged.*; they are made again"):
        train(RUN, runs=tmp_path, device="cpu", progress=False, data=data)
    assert_same_bits(RunDirectory.of(RUN, tmp_path), uninterrupted)


def test_files_need_no_trust(uninterrupted):
    files = list(uninterrupted.path.glob("*.pt"))
    assert len(files) == 3 and all(torch.load(file, weights_only=True) for file in files)


def test_the_metrics_have_no_gap_and_no_double(uninterrupted):
    lines = [(line["phase"], line["model"], line["step"]) for line in metrics(uninterrupted)]
    assert lines == [(p, m, s) for p in range(3) for m in "AB" for s in ((2, 4, 6, 8) if p == 0 else (2, 4, 6, 7))]
