"""Runs side by side end as runs alone do."""

import dataclasses
from concurrent.futures import Future

import pytest
import torch

from book.page import together
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


@pytest.mark.parametrize(("device", "dealt", "workers"), [("cuda", [0, 1, 0, 1, 0], 4), ("cuda:1", [1] * 5, 2)])
def test_gpus_are_dealt_out_and_take_two_runs_each(device, dealt, workers, tmp_path, monkeypatch):
    """On a machine that says it has two, and many cores."""
    given, pools = [], []

    class Pool:
        def __init__(self, workers, **_):
            pools.append(workers)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def submit(self, _, config, *, device, **__):
            given.append(device)
            job = Future()
            job.set_result({})
            return job

    for name, value in dict(is_available=True, device_count=2, set_device=None).items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
    monkeypatch.setattr(together, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(together.os, "cpu_count", lambda: 16)
    configs = [preset("digits-40", "cl", seed) for seed in range(5)]
    with torch.backends.cudnn.flags(enabled=True):
        train_together(configs, runs=tmp_path, device=device, progress=False)
    assert given == [f"cuda:{index}" for index in dealt] and pools == [workers]
