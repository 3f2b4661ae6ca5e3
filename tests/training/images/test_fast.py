"""The fast recipe: its rows, one pass without mixup, its schedule; a run that is stopped ends with the same bits."""

import copy
import dataclasses
import json

import pytest
import torch

from dmtlib.data.images.augment import AUGMENTATIONS
from dmtlib.data.images.packed import PackedImages, write_packed
from dmtlib.models.whitened import WhitenedCNN, whitening_filters
from dmtlib.prediction import load_run
from dmtlib.presets import PRESETS, preset
from dmtlib.training import RunDirectory, train
from dmtlib.training.images.config import METHODS
from dmtlib.training.images.phase import PhaseTask, PhaseTrainer, PseudoLabels, start_phase

CPU = torch.device("cpu")
FAST = ("cifar10-4000-fast", "cifar10-1000-fast")
SMALL = dict(widths=(4, 6, 8), batch_size=16, labeled_per_batch=4)


def random_images(n: int, side: int = 12) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))


def small_trainer(method: str, **changes) -> PhaseTrainer:
    """A phase of ten steps on 96 random images, the first third labeled."""
    config = dataclasses.replace(preset(FAST[0], method), **SMALL | {"precision": "fp32"} | changes)
    images, labels = random_images(96), torch.arange(96) % 10
    confidence = torch.rand(64, generator=torch.Generator().manual_seed(0))
    task = PhaseTask(
        config=config,
        phase=1,
        total_steps=10,
        num_classes=10,
        augment=AUGMENTATIONS[config.augmentation]((0.5,) * 3, (0.2,) * 3),
        images=images,
        labeled=torch.arange(32),
        labeled_targets=labels[:32],
        pseudo=PseudoLabels(torch.arange(32, 96), labels[32:], confidence, labels[32:]),
        whitening=whitening_filters(images, (0.5,) * 3, (0.2,) * 3),
        normalised={"mean": [0.5] * 3, "std": [0.2] * 3},
    )
    return PhaseTrainer(task, start_phase(task))


# The rows


def test_the_rows_differ_in_labels_widths_and_supervised_lengths_alone():
    first = preset(FAST[0], "dmt").to_json()
    for name in (*FAST, *(f"{name}-wide" for name in FAST)):
        row = preset(name, "dmt").to_json()
        differing = {key for key in row if row[key] != first[key]} - {"preset"}
        assert differing <= {"num_labels", "widths", "labeled_per_batch", "baseline_steps", "oracle_steps"}
        assert row["oracle_steps"] == (10_000 if name.endswith("wide") else 5000)
        assert row["num_labels"] == (4000 if "4000" in name else 1000)
        assert row["widths"] == ([64, 256, 256] if name.endswith("wide") else [32, 128, 128])


def test_what_the_paper_fixes_stays():
    """Alg. 1 and its loss: shares, strengths, the images set apart."""
    paper, fast = preset("cifar10-4000", "dmt"), preset(FAST[0], "dmt")
    kept = ("data", "num_labels", "validation", "gamma1", "gamma2", "alphas", "precision", "phases")
    assert all(getattr(fast, name) == getattr(paper, name) for name in kept)


def test_settings_that_came_later_are_not_told_at_their_defaults():
    later = {"widths", "schedule", "nesterov", "network", "side", "initialisation"}
    silent = (None, "cosine", False, "random")
    for name, row in PRESETS.items():
        told = preset(name, "dmt").to_json()
        assert later & told.keys() == {key for key in later if getattr(row, key) not in silent}
        json.dumps(told)
    assert {"widths", "schedule", "nesterov"} <= preset(FAST[0], "dmt").to_json().keys()


# The step


@pytest.mark.parametrize("method", [name for name, m in METHODS.items() if m.labeler or m.online])
def test_one_pass_gives_what_two_passes_give(method):
    """Mixup with λ = 1 mixes nothing, and finds the weights in a pass of their own."""
    once, twice = small_trainer(method), small_trainer(method, mixup_alpha=0.75)
    twice.lam = torch.ones(10)
    for _ in range(4):
        once.step()
        twice.step()
    ours, theirs = once.state.model.state_dict(), twice.state.model.state_dict()
    for key in ours:
        torch.testing.assert_close(ours[key], theirs[key], rtol=1e-3, atol=1e-5)
    ours, theirs = once.close_window(), twice.close_window()
    assert ours["mean_weight"] == pytest.approx(theirs["mean_weight"], rel=1e-4)
    assert ours["case_shares"] == theirs["case_shares"]


def test_one_pass_is_one_pass(monkeypatch):
    trainer, passes = small_trainer("dmt"), []
    forward = WhitenedCNN.forward
    monkeypatch.setattr(WhitenedCNN, "forward", lambda self, x: (passes.append(len(x)), forward(self, x))[1])
    trainer.step()
    assert passes == [16]
    assert trainer.state.model.blocks[0].norm1.num_batches_tracked == 1


def test_the_schedule_is_a_triangle():
    trainer, rates = small_trainer("cl", learning_rate=1.0), []
    for _ in range(10):
        rates.append(trainer.state.scheduler.get_last_lr()[0])
        trainer.step()
    assert rates == pytest.approx([0.2, 0.6, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])
    assert trainer.state.scheduler.get_last_lr() == [0.0]
    assert trainer.state.optimizer.defaults["nesterov"]


def test_the_filters_stay_as_they_began():
    trainer = small_trainer("dmt")
    before = copy.deepcopy(trainer.state.model.state_dict())
    for _ in range(3):
        trainer.step()
    for model in (trainer.state.model, trainer.state.averaged):
        after = model.state_dict()
        assert torch.equal(after["whitening"], trainer.task.whitening)
        same = {key for key in after if torch.equal(after[key], before[key])}
        assert same == {key for key in after if key == "whitening" or ("norm" in key and key.endswith("weight"))}


# The run


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> str:
    """Random images of 12×12 pixels: 120 to learn from, 30 to test on."""
    file = tmp_path_factory.mktemp("data") / "random.pt"
    labels = torch.arange(120) % 10
    write_packed(
        PackedImages(tuple("abcdefghij"), random_images(120), labels, random_images(30), labels[:30], source="noise"),
        file,
    )
    return f"packed:{file}"


def tiny(packed: str, method: str):
    return dataclasses.replace(
        preset(FAST[0], method, seed=1, budget=0.003, data=packed), **SMALL, num_labels=40, validation=20, log_every=2
    )


@pytest.mark.parametrize("method", ["dmt", "dst"])
def test_a_run_that_is_stopped_ends_with_the_same_bits(method, packed, tmp_path, monkeypatch):
    config = tiny(packed, method)
    whole = train(config, runs=tmp_path / "whole", device="cpu", progress=False)
    steps = whole["phases"][0]["steps"] + 3
    monkeypatch.setattr("dmtlib.training.loop.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("dmtlib.training.loop.CHECKPOINT_SHARE", float("inf"))
    step, taken = PhaseTrainer.step, []

    def dies_once(self):
        if len(taken) == steps:
            taken.append("died")
            raise KeyboardInterrupt
        taken.append(self.state.step)
        step(self)

    monkeypatch.setattr(PhaseTrainer, "step", dies_once)
    with pytest.raises(KeyboardInterrupt):
        train(config, runs=tmp_path / "stopped", device="cpu", progress=False)
    record = train(config, runs=tmp_path / "stopped", device="cpu", progress=False)
    assert taken[steps:][:2] == ["died", 3]  # it goes on in the phase that it was in
    times = {"seconds", "images_per_second"}
    assert {k: v for k, v in record.items() if k not in times} == {k: v for k, v in whole.items() if k not in times}
    for phase in range(6):
        ours, theirs = (RunDirectory.of(config, tmp_path / n).load_phase(phase) for n in ("whole", "stopped"))
        assert all(torch.equal(value, theirs["model"][key]) for key, value in ours["model"].items())


def test_a_finished_run_predicts_and_says_how_it_computed(packed, tmp_path):
    config = tiny(packed, "baseline")
    record = train(config, runs=tmp_path, device="cpu", progress=False)
    assert record["computed_in"] in ("float32", "bfloat16") and record["config"]["widths"] == [4, 6, 8]
    classifier = load_run(RunDirectory.of(config, tmp_path).path, "cpu")
    assert isinstance(classifier.model, WhitenedCNN) and classifier.side == 12
    assert classifier.probabilities(random_images(5)).sum(dim=1).tolist() == pytest.approx([1] * 5)
