"""Runs side by side end as runs alone do."""

import dataclasses

from book.page.together import train_together
from dmtlib.presets import preset
from dmtlib.training import train


def test_runs_side_by_side_are_the_runs_alone(tmp_path, capsys):
    """Three of them, more than there may be cores: one on pixels, two on images."""
    pixels = dataclasses.replace(preset("scenes-small", "dmt", budget=0.001), alphas=(0.5,))
    configs = [pixels, *(preset("digits-40", method, seed=1, budget=0.005) for method in ("cl", "baseline"))]
    together = train_together(configs, runs=tmp_path, device="cpu")
    assert [record["method"] for record in together] == ["dmt", "cl", "baseline"]
    assert "mean_iou" in together[0] and "test_accuracy" in together[1]
    bars = capsys.readouterr().err
    assert "scenes-small dmt seed 0: 100%" in bars and "model B, step" in bars
    assert "digits-40 cl seed 1: 100%" in bars and "6/6" in bars
    assert "digits-40 baseline seed 1: 100%" in bars and "1/1" in bars and "loss" in bars
    assert together[1]["phases"][0]["test_accuracy"] == together[2]["test_accuracy"]
    for config, record in zip(configs, together, strict=True):
        assert train(config, runs=tmp_path, device="cpu", progress=False) == record  # finished: read, not repeated
