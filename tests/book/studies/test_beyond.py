"""Views, calibration and both models' word: by hand, and on runs of a few steps."""

import json

import pytest
import torch

from book.figures import beyond as draw
from book.studies import beyond


def test_calibration_by_hand():
    """Two bins of ten: 0.85 and 0.95 twice, of which one is right; and 0.1, which falls into the second bin."""
    confidence = torch.tensor([0.95, 0.95, 0.1])
    right = torch.tensor([True, False, True])
    table = beyond.reliability(confidence, right)
    assert table["labels"].tolist() == [1, 2]
    assert table["confidence"].tolist() == pytest.approx([10, 95], abs=1e-4)
    assert table["right"].tolist() == [100, 50]
    assert beyond.calibration_error(confidence, right, bins=10) == pytest.approx((90 + 2 * 45) / 3, abs=1e-4)
    assert beyond.calibration_error(torch.ones(4), torch.ones(4, dtype=torch.bool)) == 0


def test_views_of_baselines_that_have_hardly_learned():
    found = beyond.labelings("digits-10", (100, 101), (1, 3), budget=0.02)
    assert [len(seeds) for seeds in found.values()] == [2, 2]
    for one, three in zip(found[1], found[3], strict=True):
        assert torch.equal(one.truth, three.truth) and not torch.equal(one.confidence, three.confidence)
    table = beyond.error_by_views(found)
    assert table.index.tolist() == [1, 3] and table["top 100%"][1] == pytest.approx(
        100 * torch.cat([labeling.wrong for labeling in found[1]]).double().mean().item(), abs=1e-6
    )
    assert ((table >= 0) & (table <= 100)).all(axis=None)
    assert beyond.pooled(found[3], 10**6).empty and len(beyond.pooled(found[3], 0)) > 1
    figure = draw.reliability({count: beyond.pooled(seeds) for count, seeds in found.items()})
    assert "3 views: " in figure.get_label()


def record(preset, seed, accuracy, **more):
    config = {"preset": preset, "method": "dmt", "seed": seed, "budget": 1.0, "data": "digits"}
    told = {"preset": preset, "method": "dmt", "seed": seed, "config": config, "test_accuracy": accuracy}
    return told | {"fine_grained_accuracy": 1.0, "seconds": 60.0} | more


def test_runs_beside_plain_ones_of_the_same_seeds(tmp_path):
    for name, scores in {"digits-10": (80.0, 82.0), "digits-10-views-4": (81.0, 84.0, 99.0)}.items():
        for seed, accuracy in enumerate(scores):
            file = tmp_path / name / "dmt" / f"seed-{seed}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(record(name, seed, accuracy)))
    names = [("digits-10-views-4", "dmt"), ("digits-10-views-16", "dmt")]
    table = beyond.against(tmp_path, names, ("digits-10", "dmt"))
    assert table["seeds"].tolist() == [2, 3, 0] and table["score (%)"].tolist() == [81.0, 88.0, "not run"]
    assert table["difference"].iloc[1].startswith("+1.50") and table["difference"].iloc[2] == "not run"


def test_what_both_models_are_worth():
    models = {"A": {"val_mean_iou": 40.0}, "B": {"val_mean_iou": 42.0}}
    old = {"scored_on": "val", "phases": [{"models": models}]}
    new = {"scored_on": "val", "phases": [{"models": models, "both": {"val_mean_iou": 43.5}}]}
    assert beyond.together([old, new], 0) == [{"A": 40.0, "B": 42.0, "both": 43.5}]
    assert beyond.worth_of_both([old], 0) == "not run"
    assert beyond.worth_of_both([new], 0) == "+1.50 points (n = 1)"
    assert beyond.worth_of_both([new], 0, beyond.mean_of_two) == "+2.50 points (n = 1)"
    assert beyond.worth_of_both([new, new], 0) == "+1.50 points (95% interval +1.50 to +1.50, n = 2)"
