"""One door for runs on images and on pixels."""

import dataclasses
import json
import subprocess
import sys

import pytest
from tiny_scenes import CONFIG, scenes

from dmtlib.data.images.datasets import load_digits
from dmtlib.presets import preset
from dmtlib.training import RunDirectory, RunError, train

IMAGES = preset("digits-40", "baseline", budget=0.005)
PIXELS = dataclasses.replace(CONFIG, method="baseline", baseline_steps=2)


@pytest.mark.parametrize(("config", "load"), [(IMAGES, load_digits), (PIXELS, scenes)], ids=["images", "pixels"])
def test_a_run_is_opened_in_one_way(config, load, tmp_path):
    data, run = load(), RunDirectory.of(config, tmp_path)
    run.path.mkdir(parents=True)
    (run.path / ".checkpoint.pt.tmp").write_text("half, by a process that was killed")
    record = train(config, runs=tmp_path, device="cpu", progress=False, data=data)
    assert not list(run.path.glob(".*"))
    assert record == run.record and record["data_fingerprint"] == data.fingerprint == run.split["data_fingerprint"]
    settings = {**config.to_json(), "device": "cpu", "data_fingerprint": data.fingerprint}
    text = (run.path / "config.json").read_text()
    assert json.loads(text) == settings and list(json.loads(text)) == list(settings)

    before = {file: file.stat().st_mtime_ns for file in run.path.glob("*.*")}
    assert train(config, runs=tmp_path, device="cpu", progress=False, data=data) == record
    assert {file: file.stat().st_mtime_ns for file in run.path.glob("*.*")} == before, "a finished run is read"
    with run.lock(), pytest.raises(RunError, match="is in use by another process"):
        train(config, runs=tmp_path, device="cpu", progress=False, data=data)
    with pytest.raises(RunError, match="log_every is"):
        train(dataclasses.replace(config, log_every=7), runs=tmp_path, device="cpu", progress=False, data=data)


def test_nothing_is_made_where_the_device_is_unknown(tmp_path):
    with pytest.raises(ValueError, match="device must be one of"):
        train(IMAGES, runs=tmp_path, device="tpu")
    assert not list(tmp_path.iterdir())


IMPORT = """
import sys, dmtlib.training.train
from dmtlib.training import RunDirectory, RunError, train
assert train.__name__ == "train" and train is sys.modules["dmtlib.training.train"].train
print(*sys.modules)
"""


def test_the_name_is_the_function_s_and_importing_it_costs_little():
    modules = subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True, text=True).stdout.split()
    assert "dmtlib.training.train" in modules
    assert not {"torchvision", "pandas", "sklearn", "tensorboard", "dmtlib.training.pixels.mutual"} & set(modules)
