"""The chapter on CIFAR-10 as a parameterised run: what papermill does with it is what the command line does."""

import json
import os
import subprocess
import sys

import nbformat
import papermill
import pytest
import torch
from chapters import ROOT

from dmtlib.data.images.packed import PackedImages, write_packed

pytestmark = pytest.mark.book

RUN = {"preset": "cifar10-small", "method": "dmt", "seed": 3, "budget": 0.002, "device": "cpu", "variant": "paper"}
RUN |= {"runs": "elsewhere"}
MEASURED = ("seconds", "images_per_second")  # of time: two runs don't have them in common


@pytest.fixture
def data(tmp_path) -> str:
    """Two classes of noise, a dark and a bright one: what the images show is nothing to these tests."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 2
    noise = torch.randint(0, 128, (400, 3, 16, 16), generator=generator)
    images = (noise + 100 * labels[:, None, None, None]).to(torch.uint8)
    few = PackedImages(("dark", "bright"), images[:300], labels[:300], images[300:], labels[300:], source="noise")
    write_packed(few, tmp_path / "few.pt")
    return "packed:few.pt"


def command_line(data: str, folder) -> str:
    options = [f"--{name}={value}" for name, value in RUN.items() if name != "preset"]
    command = [sys.executable, "-m", "dmtlib", "train", RUN["preset"], f"--data={data}", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_goes_on_from_the_command_line_to_papermill_and_back(data, tmp_path, monkeypatch):
    command_line(data, tmp_path)
    run = tmp_path / "elsewhere/cifar10-small/dmt/seed-3"
    whole = json.loads((run / "result.json").read_text())
    for file in ("result.json", "phase-5.pt"):  # as if it had been killed in its last phase
        (run / file).unlink()

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("DMT_STATIC", "1")
    out = tmp_path / "out.ipynb"
    parameters = {**RUN, "data": data, "results": "records"}
    papermill.execute_notebook(ROOT / "book/06_cifar10.ipynb", out, parameters, cwd=tmp_path, progress_bar=False)

    record = json.loads((run / "result.json").read_text())
    assert {k: v for k, v in record.items() if k not in MEASURED} == {
        k: v for k, v in whole.items() if k not in MEASURED
    }
    copy = tmp_path / "records/cifar10-small-budget-0.002/dmt/seed-3.json"
    assert json.loads(copy.read_text()) == record
    shown = json.dumps([cell.get("outputs", []) for cell in nbformat.read(out, as_version=4).cells])
    assert "img/s" in shown and f"test accuracy {record['test_accuracy']:.2f}%" in shown

    assert "was finished before" in command_line(data, tmp_path)


def test_without_its_data_the_chapter_says_what_is_missing(tmp_path, monkeypatch):
    if (ROOT / "data/cifar10.pt").exists():
        pytest.skip("CIFAR-10 is packed in this clone")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("DMT_STATIC", "1")
    out = tmp_path / "out.ipynb"
    parameters = {"preset": "cifar10-4000", "variant": "authors", "method": "dmt", "budget": 0.1}
    papermill.execute_notebook(ROOT / "book/06_cifar10.ipynb", out, parameters, cwd=tmp_path, progress_bar=False)
    shown = json.dumps([cell.get("outputs", []) for cell in nbformat.read(out, as_version=4).cells])
    assert "Not run on this page: data/cifar10.pt is not there" in shown
    assert "python data_prep/cifar10.py --source torchvision" in shown
    assert not (tmp_path / "runs").exists()
