import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import killed_run
import pytest
import torch
from killed_run import AGAIN, POINTS, RUN

from dmtlib.training import RunDirectory, train
from dmtlib.training.images.stored import phase_model, stored_pseudo_labels

TIMES = {"seconds", "images_per_second"}


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    """A folder of runs, each killed at the point that it is named after. Tests copy them."""
    folder = tmp_path_factory.mktemp("killed")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, killed_run.__file__, folder], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [-signal.SIGKILL] * (len(POINTS) + len(AGAIN)), done.stderr
    return folder


def assert_same_bits(run: RunDirectory, other: RunDirectory) -> None:
    assert (run.path / "metrics.jsonl").read_bytes() == (other.path / "metrics.jsonl").read_bytes()
    for phase in range(6):
        ours, theirs = phase_model(run, phase).state_dict(), phase_model(other, phase).state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), f"weights of phase {phase}"
        if phase:
            ours, theirs = stored_pseudo_labels(run, phase), stored_pseudo_labels(other, phase)
            assert all(map(torch.equal, ours, theirs)), f"pseudo labels of phase {phase}"
    ours, theirs = run.record, other.record
    assert {k: v for k, v in ours.items() if k not in TIMES} == {k: v for k, v in theirs.items() if k not in TIMES}


@pytest.mark.parametrize("point", [*POINTS, "again"])
def test_a_killed_run_ends_with_the_bits_of_one_that_was_not(point, killed, uninterrupted, tmp_path):
    shutil.copytree(killed / point, tmp_path, dirs_exist_ok=True)
    run = RunDirectory.of(RUN, tmp_path)
    assert run.record is None
    train(RUN, runs=tmp_path, device="cpu", progress=False)
    assert_same_bits(run, uninterrupted)


@pytest.mark.parametrize("damage", ["flipped bit", "truncated", "empty", "no zip"])
def test_a_damaged_checkpoint_is_set_aside(damage, killed, uninterrupted, tmp_path):
    shutil.copytree(killed / "between two checkpoints", tmp_path, dirs_exist_ok=True)
    run = RunDirectory.of(RUN, tmp_path)
    file = run.path / "checkpoint.pt"
    content = bytearray(file.read_bytes())
    if damage == "flipped bit":
        content[len(content) // 2] ^= 1
    file.write_bytes({"truncated": content[:1000], "empty": b"", "no zip": b"hello"}.get(damage, content))
    with pytest.warns(UserWarning, match=r"checkpoint\.pt is damaged .* set aside as checkpoint\.pt\.damaged-1"):
        train(RUN, runs=tmp_path, device="cpu", progress=False)
    assert (run.path / "checkpoint.pt.damaged-1").exists()
    assert_same_bits(run, uninterrupted)


def test_a_damaged_phase_falls_back_to_the_one_before(killed, uninterrupted, tmp_path):
    shutil.copytree(killed / "between two checkpoints", tmp_path, dirs_exist_ok=True)
    run = RunDirectory.of(RUN, tmp_path)
    (run.path / "phase-1.pt").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"phase-1\.pt is damaged"):
        train(RUN, runs=tmp_path, device="cpu", progress=False)
    assert_same_bits(run, uninterrupted)


def test_the_metrics_have_no_gap_and_no_double(uninterrupted):
    lines = [json.loads(line) for line in (uninterrupted.path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["phase"], line["step"]) for line in lines] == [(p, s) for p in range(6) for s in (4, 8, 10)]
