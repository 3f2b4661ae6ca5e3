"""Algorithm 1 on one page is the library's: the same labels and the same weights, to the bit."""

import dataclasses

import pytest
import torch

from book.studies import dmt
from dmtlib.data.images.datasets import load_digits
from dmtlib.data.images.splits import split_labeled
from dmtlib.presets import preset
from dmtlib.training import RunDirectory, train
from dmtlib.training.images.stored import phase_model, stored_pseudo_labels

SEED, STEPS = 3, 10


def test_its_labels_and_weights_are_those_of_the_library(tmp_path):
    config = dataclasses.replace(preset("digits-40", "dmt", SEED), phase_steps=STEPS, baseline_steps=STEPS)
    record = train(config, runs=tmp_path, device="cpu", progress=False)
    run = RunDirectory.of(config, tmp_path)

    digits = load_digits()
    split = split_labeled(digits.train_labels, config.num_labels, SEED)
    models = dmt.dmt(digits, split.labeled, split.unlabeled, SEED, STEPS)

    assert len(models) == config.phases
    for phase, (model, entry) in enumerate(zip(models, record["phases"], strict=True)):
        weights, expected = model.state_dict(), phase_model(run, phase).state_dict()
        assert weights.keys() == expected.keys()
        assert all(torch.equal(weights[name], expected[name]) for name in expected), f"weights of phase {phase}"
        assert dmt.accuracy(model, digits) == pytest.approx(entry["test_accuracy"], abs=1e-3)
        if phase:
            said = dmt.pseudo_labels(models[phase - 1], digits, split.unlabeled, dmt.ALPHAS[phase - 1])
            stored = stored_pseudo_labels(run, phase)
            assert all(map(torch.equal, said, stored[:3])), f"pseudo labels of phase {phase}"
    cases = torch.tensor([entry["case_shares"] for entry in record["phases"][1:]])
    assert (cases.sum(dim=0) > 0).all()  # each case of Eq. 3 was met


def test_its_constants_are_those_of_the_preset():
    config = preset("digits-40", "dmt")
    assert tuple(alpha / 100 for alpha in dmt.ALPHAS) == config.alphas
    assert (config.gamma1, config.gamma2) == (dmt.GAMMA1, dmt.GAMMA2)
    assert (config.batch_size, config.labeled_per_batch) == (dmt.BATCH, dmt.LABELED)
    assert dmt.dmt.__defaults__ == (config.phase_steps,) == (config.baseline_steps,)
