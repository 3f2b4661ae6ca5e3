"""Fine-tuning on a folder of photographs: what the preset `folder` makes of a path and of networks, and its runs."""

import dataclasses
import json
import sys

import pytest
import torch

from book.studies.your_data import make_image_folder
from dmtlib.cli import main
from dmtlib.models.backbones import default_weights, package_weights
from dmtlib.prediction import load_run
from dmtlib.presets import PRESETS, preset
from dmtlib.training import RunDirectory, train
from dmtlib.training.images import curriculum
from dmtlib.training.images.config import RunConfig

TWO = ("timm:test_resnet", "timm:test_efficientnet")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_image_folder(tmp_path_factory.mktemp("photos") / "photos")


def test_images_get_the_side_of_the_network_unless_the_path_says_another():
    config = preset("folder", "dmt", data="folder:photos")
    assert (config.data, config.side) == ("folder@224:photos", 224)
    assert (config.network, config.initialisation) == ("timm:tf_efficientnet_lite0", "pip:efficientnet-lite0")
    assert config.num_labels is None and config.validation == 0  # all labels, whether or not that is asked for
    assert preset("folder", "dmt", data="folder:photos", all_labels=True) == config
    smaller = preset("folder", "dmt", data="folder@96:photos", network=["timm:test_resnet"])
    assert (smaller.data, smaller.side, smaller.network) == ("folder@96:photos", 96, "timm:test_resnet")
    two = preset("folder", "dmt", data="folder:photos", network=["timm:test_resnet", "timm:tf_efficientnet_lite0"])
    assert (two.data, two.side) == ("folder@224:photos", 224)  # the larger of 160 and 224
    assert two.initialisation == ("pretrained", "pip:efficientnet-lite0")
    told = json.loads(json.dumps(two.to_json()))
    assert RunConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}) == two


def test_weights_of_pip_go_with_their_networks_alone():
    assert default_weights("timm:tf_efficientnet_lite2.in1k") == "pip:efficientnet-lite2"
    assert default_weights("timm:tf_efficientnet_lite1") == default_weights("timm:resnet50.a1_in1k") == "pretrained"


def test_phases_are_in_epochs_and_have_some_steps():
    config = preset("folder", "dmt", data="folder@96:photos")
    assert config.steps(0, 20) == config.steps(1, 10) == 50
    assert config.steps(0, 3200) == 30 * 3200 / 32 and config.steps(1, 2400) == 10 * 2400 / 24
    assert preset("folder", "dmt", budget=0.1, data="folder@96:photos").steps(0, 20) == 5
    assert preset("digits-40", "dmt").steps(0, 1) == 800  # of other presets nothing changes
    assert "least_steps" not in preset("digits-40", "dmt").to_json()


def test_two_networks_take_turns_where_each_phase_has_a_new_model():
    changes = dict(network=TWO, initialisation=("random", "pretrained"))
    starts = {}
    for method in ("dmt", "dmt-pair", "cbst", "online-st"):
        config = dataclasses.replace(preset("folder", method, data="folder@32:photos"), **changes)
        starts[method] = [config.network_of(phase) for phase in range(config.phases)]
    first, second = zip(TWO, changes["initialisation"], strict=True)
    assert starts["dmt"] == starts["dmt-pair"] == [first, second] * 3
    assert starts["cbst"] == [first] * 6 and starts["online-st"] == [first] * 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(network=["timm:no_such"]), "timm:no_such: timm .* has no network of that name"),
        (dict(network=["resnet18"]), "resnet18: timm .* has no network of that name, timm:NAME"),
        (dict(network=["timm:test_resnet"] * 3), "network must be timm:NAME, two of them, or None"),
        (dict(data="folder@16:photos"), "images of 16 pixels a side are too small"),
        (dict(name="digits-40", network=["timm:test_resnet"]), "only the preset folder lets you choose a network"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(changes, words):
    with pytest.raises(ValueError, match=words) as error:
        preset(**{"name": "folder", "method": "dmt", "data": "folder:photos", **changes})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrong", [dict(initialisation="random"), dict(least_steps=0), dict(network=("a", "b"))])
def test_settings_that_do_not_go_together_are_refused(wrong):
    row = dataclasses.replace(PRESETS["folder"], network=TWO, initialisation=("random",) * 2)
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        dataclasses.replace(row, **wrong)


def test_on_the_command_line_the_folder_is_asked_for_and_timm(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "folder"]) == 2
    assert capsys.readouterr().err == "error: the preset folder needs your images: --data folder:PATH\n"
    monkeypatch.setitem(sys.modules, "timm", None)
    assert main(["train", "folder", "--data", "folder:photos"]) == 2
    assert "needs timm: pip install timm" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_from_the_command_line_to_a_finished_run(photos, tmp_path, monkeypatch):
    """One step a phase, with pip's weights."""
    begun, start = [], curriculum.start_phase

    def remembered(*arguments):
        begun.append(phase := start(*arguments))
        assert torch.equal(phase.model.state_dict()["body.conv_stem.weight"], weights["conv_stem.weight"])
        return phase

    weights = package_weights("efficientnet-lite0", "timm:tf_efficientnet_lite0")[0]
    monkeypatch.setattr(curriculum, "start_phase", remembered)
    arguments = ["--data", f"folder@32:{photos}", "--budget", "0.001", "--runs", str(tmp_path), "--device", "cpu"]
    assert main(["train", "folder", *arguments]) == 0
    assert len(begun) == 6
    run = RunDirectory(tmp_path / "folder/dmt/seed-0")
    assert run.split["sizes"] == {"labeled": 40, "unlabeled": 1257, "validation": 0}
    assert load_run(run.path, "cpu").side == 32


def test_a_run_of_two_networks_keeps_each_phase_s_own(photos, tmp_path):
    config = preset("folder", "dmt", budget=0.001, data=f"folder@32:{photos}")
    config = dataclasses.replace(config, network=TWO, initialisation=("random", "random"), alphas=(0.5, 1.0))
    train(config, runs=tmp_path, device="cpu", progress=False)
    run = RunDirectory.of(config, tmp_path)
    assert [run.load_phase(phase)["architecture"]["network"] for phase in range(3)] == [TWO[0], TWO[1], TWO[0]]
    assert load_run(run.path, "cpu").model.body.default_cfg["architecture"] == "test_resnet"
    assert json.loads((run.path / "config.json").read_text())["network"] == list(TWO)
