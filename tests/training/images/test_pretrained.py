"""Runs on images whose network is one of timm's: how each phase starts, and that predictions find the way back."""

import dataclasses
import json

import pytest
import torch
from PIL import Image

from dmtlib.data.images.datasets import load_digits
from dmtlib.models.backbones import package_weights
from dmtlib.prediction import load_run, predict_folder
from dmtlib.presets import preset
from dmtlib.training import RunDirectory, train
from dmtlib.training.images import curriculum
from dmtlib.training.images.stored import phase_model

LITE = dict(depth=None, widen_factor=None, network="timm:tf_efficientnet_lite0", side=32)
PIP = dict(**LITE, initialisation="pip:efficientnet-lite0", batch_size=16, labeled_per_batch=4)


@pytest.fixture
def run(tmp_path):
    """Start a run of two steps a phase on 100 digits."""

    def start(method="dmt", **changes):
        config = dataclasses.replace(preset("digits-40", method, budget=0.0025), **PIP | changes)
        train(config, runs=tmp_path, device="cpu", progress=False, data=few_digits())
        return RunDirectory.of(config, tmp_path)

    return start


def few_digits():
    whole = load_digits()
    few = {name: getattr(whole, name)[:100] for name in ("train_images", "train_labels", "test_images", "test_labels")}
    return dataclasses.replace(whole, **few)


def test_every_phase_starts_from_the_same_weights_and_a_new_head(run, monkeypatch, capsys):
    states, start = [], curriculum.start_phase

    def remembered(*arguments):
        phase = start(*arguments)
        states.append({key: value.clone() for key, value in phase.model.state_dict().items()})
        return phase

    monkeypatch.setattr(curriculum, "start_phase", remembered)
    done = run(alphas=(1.0,))
    weights = package_weights("efficientnet-lite0", LITE["network"])[0]
    assert len(states) == 2
    for state in states:
        assert torch.equal(state["body.conv_stem.weight"], weights["conv_stem.weight"])
        assert torch.equal(state["body.bn2.running_var"], weights["bn2.running_var"])
    assert not torch.equal(states[0]["head.weight"], states[1]["head.weight"])
    told = [line for line in capsys.readouterr().err.splitlines() if "starts from" in line]
    assert told == [
        "each phase starts from pip:efficientnet-lite0: 245 matched, 2 missing, 2 unexpected, 0 wrongly shaped"
    ]
    config = json.loads((done.path / "config.json").read_text())
    assert all(config[name] == PIP[name] for name in ("depth", "network", "side", "initialisation"))


def test_a_finished_run_predicts_as_it_was_scored(run, tmp_path):
    done = run("baseline")
    images = (255 * torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))).to(torch.uint8)
    model = load_run(done.path, "cpu")
    again = phase_model(done, 0)
    mean, std = (torch.tensor(x).view(1, -1, 1, 1) for x in (model.mean, model.std))
    with torch.no_grad():
        expected = again((images / 255 - mean) / std).softmax(dim=1)
    torch.testing.assert_close(model.probabilities(images), expected, atol=1e-5, rtol=1e-4)
    (tmp_path / "pictures").mkdir()
    Image.new("L", (8, 8), 100).save(tmp_path / "pictures/one.png")
    assert predict_folder(done.path, tmp_path / "pictures", tmp_path / "found.csv", device="cpu") == 1
