"""The script for an accelerator, on a CPU: a step of training, random images, one run or two."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dmtlib.data.packed import PackedImages, write_packed

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    """Random images, enough for 4,000 labels and 200 to validate on."""
    generator = torch.Generator().manual_seed(0)

    def part(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=generator), torch.arange(n) % 10

    path = tmp_path_factory.mktemp("data") / "random.pt"
    write_packed(PackedImages(tuple("abcdefghij"), *part(4300), *part(20), source="noise"), path)
    return f"packed:{path}"


def reproduce(folder: Path, **settings: str) -> subprocess.CompletedProcess:
    tiny = dict(DEVICE="cpu", BUDGET="0.00002", SEEDS="1", METHODS="baseline", PYTHON=sys.executable)
    places = dict(RUNS=str(folder / "runs"), RESULTS=str(folder / "results"), OMP_NUM_THREADS="1")
    return subprocess.run(
        [ROOT / "reproduce/cifar10.sh"],
        cwd=folder,
        env={**os.environ, **tiny, **places, **settings},
        capture_output=True,
        text=True,
    )


def test_a_run_is_recorded_and_a_second_one_skips_it(data, tmp_path):
    settings = dict(DATA=data, PRESETS="cifar10-4000")
    first = reproduce(tmp_path, **settings)
    assert first.returncode == 0, first.stderr
    file = tmp_path / "results/cifar10-4000-budget-2e-05/baseline/seed-1.json"
    record, written = json.loads(file.read_text()), file.stat().st_mtime_ns
    assert record["config"]["data"] == data and record["phases"][0]["steps"] == 1
    (tmp_path / "runs").rename(tmp_path / "elsewhere")  # the record alone is what counts
    again = reproduce(tmp_path, **settings)
    assert again.returncode == 0, again.stderr
    assert again.stdout == f"cifar10-4000 baseline seed 1: recorded before in {file}\n"
    assert file.stat().st_mtime_ns == written


def test_a_run_that_fails_stops_no_other_and_is_told(tmp_path):
    done = reproduce(tmp_path, DATA="digits", PRESETS="digits-40", METHODS="sgd baseline", JOBS="2")
    assert done.returncode == 1
    (told,) = done.stderr.splitlines()
    assert told.startswith("failed: digits-40 sgd seed 1 budget 0.00002: error: method must be one of baseline, o")
    records = [file.relative_to(tmp_path / "results") for file in (tmp_path / "results").rglob("*.json")]
    assert records == [Path("digits-40-budget-2e-05/baseline/seed-1.json")]
