"""Settings: what a row refuses, and that the configs of before, and those of the records, are still the same."""

import dataclasses
import json
import math
import pickle
from pathlib import Path

import pytest
from tiny_scenes import CONFIG

from dmtlib.data.images.augment import AUGMENTATIONS
from dmtlib.models import pretrained, resnet
from dmtlib.presets import PRESETS, SEGMENTATION_PRESETS, _read_rows, preset
from dmtlib.training.images.config import ImageRun
from dmtlib.training.pixels.config import BACKBONES, INITIALISATIONS

ROWS = [PRESETS["cifar10-4000"], SEGMENTATION_PRESETS["voc-8"], preset("cifar10-4000", "dmt"), preset("voc-8", "dmt")]
ROOT = Path(__file__).resolve().parents[2]
CONFIGS = json.loads(Path(__file__).with_name("configs.json").read_text())
"""Of every preset with seed 1 and budget 0.5 at commit 544693a, where a preset was a dict, and of later ones as they
came; of ``dmt``, for between methods nothing else differs."""

OF_BOTH = [
    (dict(data="mnist"), "data must be .*folder:PATH.*, got 'mnist'"),
    (dict(data="folder:"), "data must be .*, got 'folder:'"),
    (
        dict(phase_steps=3, phase_epochs=2),
        "phase must be either in steps or in epochs, got phase_steps and phase_epochs",
    ),
    (dict(baseline_steps=None, baseline_epochs=None), "baseline must be either in steps or in epochs, got neither"),
    (dict(oracle_steps=0, oracle_epochs=None), "oracle_steps must be a finite number above 0, got 0"),
    (dict(phase_steps=None, phase_epochs=math.inf), "phase_epochs must be a finite number above 0, got inf"),
    (dict(batch_size=0), "batch_size must be a whole number, 1 or more, got 0"),
    (dict(batch_size=7.5), "batch_size must be a whole number, 1 or more, got 7.5"),
    (dict(labeled_per_batch=0), "labeled_per_batch must be a whole number, 1 or more, got 0"),
    (dict(batch_size=8, labeled_per_batch=8), "labeled_per_batch must lie in 1…7, got 8"),
    (dict(learning_rate=-0.1), "learning_rate must be a finite number, 0 or more, got -0.1"),
    (dict(learning_rate="0.1"), "learning_rate must be a finite number, 0 or more, got '0.1'"),
    (dict(supervised_learning_rate=math.nan), "supervised_learning_rate must be a finite number, 0 or more, got nan"),
    (dict(momentum=1), r"momentum must lie in \[0, 1\), got 1"),
    (dict(weight_decay=-1e-4), "weight_decay must be a finite number, 0 or more, got -0.0001"),
    (dict(gamma1=-1), "gamma1 must be a finite number, 0 or more, got -1"),
    (dict(gamma2=math.inf), "gamma2 must be a finite number, 0 or more, got inf"),
    (dict(alphas=(0, 0.5)), r"alphas must lie in \(0, 1\] and not fall, got \(0, 0.5\)"),
    (dict(alphas=(0.5, 1.5)), r"alphas must lie in \(0, 1\] and not fall"),
    (dict(alphas=(0.5, 0.4)), r"alphas must lie in \(0, 1\] and not fall"),
    (dict(precision="bf16"), "precision must be one of auto, fp32, got 'bf16'"),
    (dict(log_every=0), "log_every must be a whole number, 1 or more, got 0"),
]
OF_IMAGES = [
    (dict(data="folder@x:photos"), r"data must be digits, cifar10, .* or folder@SIDE:PATH, got 'folder@x:photos'"),
    (dict(num_labels=0), "num_labels must be 1 or more, or None, got 0"),
    (dict(validation=-1), "validation must be a whole number, 0 or more, got -1"),
    (
        dict(augmentation="cutout"),
        "augmentation must be one of digits, paper, paper-half, photo, authors, got 'cutout'",
    ),
    (dict(depth=12), r"depth must be 6n \+ 4 with n ≥ 1 \(10, 16, 22, 28, …\), got 12"),
    (dict(widen_factor=0), "widen_factor must be a whole number, 1 or more, got 0"),
    (dict(ema_decay=1.1), r"ema_decay must lie in \[0, 1\], got 1.1"),
    (dict(mixup_alpha=-1), "mixup_alpha must be a finite number, 0 or more, got -1"),
    (dict(widths=(1, 2)), r"widths must be three, each 1 or more, got \(1, 2\)"),
    (dict(widths=(1, 2, 0)), r"widths must be three, each 1 or more, got \(1, 2, 0\)"),
    (dict(widths=(1, 2, 3)), "depth must be None beside widths, got 10"),
    (dict(depth=None), "depth must be 6n .*, got None"),
    (dict(network="resnet18"), "network must be timm:NAME, two of them, or None, got 'resnet18'"),
    (dict(network="timm:resnet18"), "depth must be None beside a network, got 10"),
    (dict(side=0), "side must be 1 or more, or None, got 0"),
    (dict(initialisation="pretrained"), "initialisation must be one of random, got 'pretrained'"),
    (
        dict(network="timm:resnet18", depth=None, widen_factor=None, initialisation="imagenet"),
        "initialisation must be one of random, pretrained, pip, got 'imagenet'",
    ),
    (dict(schedule="constant"), "schedule must be one of cosine, triangular, got 'constant'"),
]
OF_PIXELS = [
    (dict(data="folder@32:photos"), "data must be scenes, .*, got 'folder@32:photos'"),
    (dict(labeled_ratio=0.5), "labeled_ratio must be 1 or more, or None, got 0.5"),
    (
        dict(backbone="resnet152"),
        "backbone must be one of resnet18, .*narrow or timm:NAME, or two of them, got 'resnet152'",
    ),
    (dict(backbone=("narrow",)), r"backbone must be one of .*, or two of them, got \('narrow',\)"),
    (dict(backbone=("narrow", "vit")), r"backbone must be one of .*, or two of them, got \('narrow', 'vit'\)"),
    (dict(backbone="timm:resnet18", initialisations=("imagenet",) * 2), "initialisation must be one of random, pretr"),
    (dict(initialisations=("random", "pip:efficientnet-lite0")), "initialisation must be one of random, imagenet, "),
    (dict(head_rate=-1), "head_rate must be a finite number, 0 or more, got -1"),
    (dict(output_stride=7), "output_stride must be 4, 8, 16 or None, got 7"),
    (dict(rates=()), r"rates must be one or more, each 1 or more, got \(\)"),
    (dict(rates=(6, 0)), "rates must be one or more, each 1 or more"),
    (dict(crop=(0, 32)), r"crop must be a height and a width, got \(0, 32\)"),
    (dict(crop=32), "crop must be a height and a width, got 32"),
    (dict(flip=-0.5), r"flip must lie in \[0, 1\], got -0.5"),
    (dict(poly_power=-1), "poly_power must be a finite number, 0 or more, got -1"),
    (dict(initialisations=("random",)), r"initialisations must be two, of A and of B, got \('random',\)"),
    (dict(initialisations=("random", "jft")), "initialisation must be one of random, .*, or NAME:PATH, got 'jft'"),
    (dict(labelers="oldest"), "labelers must be one of previous, newest, got 'oldest'"),
    (dict(goes_on_from="best"), "goes_on_from must be one of last, best-on-val, got 'best'"),
]


def names(value: object) -> str | None:
    return ",".join(f"{key}={v}" for key, v in value.items()) if isinstance(value, dict) else ""


@pytest.mark.parametrize(("changes", "message"), OF_BOTH + OF_IMAGES, ids=names)
@pytest.mark.parametrize("whole", [PRESETS["digits-40"], preset("digits-40", "dmt")], ids=["row", "config"])
def test_refused_on_images(whole, changes, message):
    refused(whole, changes, message)


@pytest.mark.parametrize(("changes", "message"), OF_BOTH + OF_PIXELS, ids=names)
@pytest.mark.parametrize("whole", [SEGMENTATION_PRESETS["scenes"], CONFIG], ids=["row", "config"])
def test_refused_on_pixels(whole, changes, message):
    refused(whole, changes, message)


def refused(whole, changes, message):
    with pytest.raises(ValueError, match=f"^{message.format(row=type(whole).__name__)}") as error:
        dataclasses.replace(whole, **changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("whole", ROWS, ids=type)
def test_a_length_is_in_steps_or_in_epochs(whole):
    assert dataclasses.replace(whole, phase_steps=7, phase_epochs=None) != whole
    with pytest.raises(ValueError, match="got phase_steps and phase_epochs"):
        dataclasses.replace(whole, phase_steps=7)


@pytest.mark.parametrize("data", ["cifar10-jpeg", "packed:a/b.pt", "folder:photos", "folder@64:photos"])
def test_data_of_one_s_own(data):
    assert preset("digits-40", "dmt", data=data).data == data


def test_names_that_are_listed_here_are_those_of_the_models():
    """The models need torchvision, which takes seconds to import; lists of presets don't."""
    assert tuple(resnet.ARCHITECTURES) == BACKBONES
    assert ("random", *pretrained.PRETRAINED) == INITIALISATIONS
    assert {row.augmentation for row in PRESETS.values()} == set(AUGMENTATIONS)


@pytest.mark.parametrize("name", CONFIGS)
def test_configs_are_those_of_before(name):
    """Run directories compare a config's JSON, records and pages read it: keys, values and their order."""
    for method in CONFIGS[name]["methods"]:
        config = preset(name, method, seed=1, budget=0.5)
        assert json.dumps(config.to_json()) == json.dumps(CONFIGS[name]["config"] | {"method": method})
        assert config == preset(name, method, 1, 0.5) == pickle.loads(pickle.dumps(config))
        assert hash(config) == hash(preset(name, method, 1, 0.5)) and config != preset(name, method, 2, 0.5)


def test_every_preset_of_before_is_there():
    assert list(CONFIGS) == [name for name in (*PRESETS, *SEGMENTATION_PRESETS) if name in CONFIGS]


# A row's setting that was another when the older of its records were made, of runs that it has no part in.
CHANGED_SINCE = {"scenes": "difference_maximized", "camvid-small": "oracle_steps"}


def test_records_are_of_the_presets():
    """Records of before a setting was added lack its key, which then had its default."""
    files = list((ROOT / "results").glob("*/*/seed-*.json"))
    assert len(files) > 100
    for file in files:
        stored = json.loads(file.read_text())["config"]
        copy = stored["data"] if stored["data"] == "cifar10-jpeg" else None  # what stands in for CIFAR-10 offline
        now = preset(*(stored[key] for key in ("preset", "method", "seed", "budget")), data=copy).to_json()
        assert now.keys() - stored.keys() <= {"weight_pass_moves_statistics"}
        if changed := CHANGED_SINCE.get(stored["preset"]):
            now[changed] = stored[changed]
        assert json.dumps({key: now[key] for key in now if key in stored}) == json.dumps(stored), file


def test_rows_of_a_file_say_what_they_are_like_and_how_long(tmp_path):
    file = tmp_path / "rows.yml"
    file.write_text("b: {like: a, widths: [1, 2, 3], phase: 7 steps}\n" + ROW_A)
    rows = _read_rows(file, ImageRun)
    assert list(rows) == ["b", "a"]
    assert (rows["a"].phase_epochs, rows["a"].baseline_epochs, rows["a"].oracle_steps) == (4, 300 * math.sqrt(12.5), 5)
    changes = dict(widths=(1, 2, 3), phase_steps=7, phase_epochs=None)
    assert rows["b"] == dataclasses.replace(rows["a"], **changes) and rows["b"].phase_epochs is None
    for old, new, unknown in (("num_labels", "labels", "labels"), ("phase:", "phases:", "phases_steps")):
        file.write_text(ROW_A.replace(old, new))
        with pytest.raises(ValueError, match=f"^{unknown} is no setting of ImageRun; there are data, num_labels, .*"):
            _read_rows(file, ImageRun)


ROW_A = """a:
  num_labels: 8
  depth: null
  widen_factor: null
  widths: [2, 2, 2]
  phase: 4 epochs
  baseline: 300 epochs, one label in 12.5
  oracle: 5 steps
"""
