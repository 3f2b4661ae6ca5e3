"""Lengths of baselines: the rule of Appendix B, the runs that measure it, and what is recorded of it."""

import dataclasses

import pandas as pd
import pytest
import torch

from book.figures.honest_evaluation import lengths
from book.studies import baselines
from dmtlib import presets
from dmtlib.data.images.datasets import load_digits
from dmtlib.training.directory import RunDirectory
from dmtlib.training.images.curriculum import train
from dmtlib.training.images.evaluation import predict


def test_the_rule_gives_the_presets_epochs():
    """An oracle's 300 epochs on CIFAR-10 as steps: the rule's steps are as many epochs of 4,000 as the preset has."""
    config = presets.preset("cifar10-4000", "baseline")
    oracle_steps = 300 * 50_000 / config.batch_size
    steps = baselines.steps_by_rule(oracle_steps, 4000 / 50_000)
    assert steps["the paper's rule"] * config.batch_size / 4000 == pytest.approx(config.baseline_epochs)
    assert steps["as many epochs"] == pytest.approx(config.steps(0, 4000) * 0.08**0.5, rel=1e-3)
    assert steps["the paper's rule"] ** 2 == pytest.approx(steps["as many epochs"] * steps["as many steps"])


def test_runs_of_two_lengths_do_not_share_a_folder():
    config = presets.preset("digits-40", "baseline", seed=3, budget=0.5)
    shorter, longer = (baselines.of_length(config, length) for length in (0.25, 2))
    assert (shorter.budget, longer.budget) == (0.125, 1.0)
    assert len({RunDirectory.of(c, "runs").path for c in (config, shorter, longer)}) == 3


def test_unseen_images_are_labeled_in_no_run():
    data = load_digits()
    configs = [presets.preset("digits-40", "baseline", seed) for seed in (0, 1)]
    (one, _), (both, truth) = (baselines.unseen_images(data, configs[:n]) for n in (1, 2))
    assert len(one) == len(data.train_labels) - 40 + 500
    assert len(one) - 40 <= len(both) < len(one) and len(truth) == len(both)


def test_the_last_checkpoint_is_the_model_that_a_run_ends_with(tmp_path):
    config = presets.preset("digits-40", "baseline", seed=0, budget=0.01)
    data = load_digits()
    states = baselines.checkpoints(config, data, data.test_images, count=4)
    train(config, runs=tmp_path, device="cpu", progress=False)
    final = predict(RunDirectory.of(config, tmp_path).phase_model(0), data.test_images, data.mean, data.std)
    assert states.shape == (4, 500, 10)
    torch.testing.assert_close(states[-1], final, atol=1e-5, rtol=1e-4)
    assert not torch.equal(states[0], states[-1])


def test_what_is_not_recorded_is_said(tmp_path):
    table = baselines.recorded_lengths(tmp_path)
    assert table["epochs by the rule"].tolist() == ["1061", "2121"]
    assert table["test accuracy (%)"].tolist() == ["not run"] * 2 and table["n"].tolist() == [0, 0]


def test_recorded_baselines_of_two_lengths_are_two_rows(tmp_path):
    from dmtlib.records.store import record_path, write_record

    for budget, accuracies in ((1.0, (86.0, 87.0)), (0.1, (80.0,))):
        for seed, accuracy in enumerate(accuracies):
            config = dataclasses.replace(presets.preset("cifar10-4000", "baseline", seed), budget=budget)
            record = {"preset": "cifar10-4000", "method": "baseline", "seed": seed, "test_accuracy": accuracy}
            record["config"] = config.to_json()
            write_record(record_path(tmp_path, record), record)
    table = baselines.recorded_lengths(tmp_path).loc[4000]
    assert table["epochs"].tolist() == ["1061", "106"] and table["n"].tolist() == [2, 1]
    assert table["test accuracy (%)"].tolist() == ["86.50 ± 0.71", "80.00"]


def test_lengths_are_drawn_with_their_marks():
    figure = lengths(pd.DataFrame({0: [50.0, 60.0]}, index=[25, 100]), {"the rule": 50.0})
    assert [text.get_text() for text in figure.axes[0].texts] == ["the rule\n50 steps"]
