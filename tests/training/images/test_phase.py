"""A step waits for nothing, survives an overflow, and goes on from its state; the average follows the model."""

import copy
import dataclasses
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from random_phase import random_phase, small_task
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dmtlib.models.wideresnet import WideResNet
from dmtlib.presets import preset
from dmtlib.training import descent
from dmtlib.training.descent import SCHEDULES, start_descent
from dmtlib.training.images.config import METHODS
from dmtlib.training.images.phase import PhaseTask, PhaseTrainer, batch_statistics_only, start_phase
from dmtlib.training.images.start import StartTrainer
from dmtlib.training.precision import choose_device

CPU = torch.device("cpu")
PRECISIONS = [None, torch.bfloat16, torch.float16]


class Unread(TorchDispatchMode):
    """Fails where a host would wait for its device: data read or sent there, shapes that depend on data.

    For tensors of the device "meta", which have a shape and no data: most readings fail of themselves.
    """

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        assert all(tensor.is_meta for tensor in tensors), f"{operator} sends data to the device"
        if "index" in operator.__name__:
            assert all(tensor.dtype != torch.bool for tensor in tensors), f"{operator} counts the True ones of a mask"
        return operator(*args, **(kwargs or {}))


def begun(task: PhaseTask) -> PhaseTrainer:
    return PhaseTrainer(task, start_phase(task))


def step_without_data(task: PhaseTask, monkeypatch: pytest.MonkeyPatch, make=begun) -> None:
    """The second step of a phase on a device that has shapes only; the first may send constants there."""
    task = dataclasses.replace(task, config=dataclasses.replace(task.config, precision="fp32"))  # the only one there
    generator = torch.Generator()
    with monkeypatch.context() as patch:
        patch.setattr(torch, "Generator", lambda device: generator)  # there is none for "meta"
        trainer = make(task)
    trainer.step()
    with Unread():
        trainer.step()


@pytest.mark.parametrize("method", METHODS)
def test_a_step_never_asks_what_is_in_a_tensor(method, monkeypatch):
    step_without_data(small_task(torch.device("meta"), method), monkeypatch)


def test_nor_does_one_of_a_start_without_labels(monkeypatch):
    step_without_data(small_task(torch.device("meta")), monkeypatch, lambda task: StartTrainer(task, task.labeled))


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: 1 if x.sum() > 0 else 0,
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: x.clone().__setitem__(x > 0, x[0]),
        lambda x: x.cpu(),
        lambda x: torch.ones(2).to(x.device),
    ],
    ids=["item", "if", "nonzero", "mask", "masked writing", "to the host", "from the host"],
)
def test_that_would_be_noticed(wait, monkeypatch):
    task, steps = small_task(torch.device("meta")), []

    def augment(images: Tensor, generator: torch.Generator) -> Tensor:
        augmented = task.augment(images, generator)
        steps.append("begun")
        if len(steps) == 2:
            wait(augmented)
            pytest.fail("nobody noticed")
        return augmented

    with pytest.raises((RuntimeError, AssertionError)):
        step_without_data(dataclasses.replace(task, augment=augment), monkeypatch)
    assert len(steps) == 2


class NoNumberCrosses(TorchDispatchMode):
    """Fails where a tensor's element becomes a number of Python's, and where a tensor is made of such numbers."""

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        assert torch.Tag.data_dependent_output not in operator.tags, "a number is read"
        assert operator.overloadpacket != torch.ops.aten.lift_fresh, "a number is written"
        return operator(*args, **(kwargs or {}))


def compute_in(dtype, monkeypatch):
    """As on hardware whose native precision this is."""
    monkeypatch.setattr(descent, "autocast_dtype", lambda device, precision: dtype)


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_the_fused_optimiser_and_the_gradient_scaler_keep_to_that(dtype, monkeypatch):
    compute_in(dtype, monkeypatch)
    task = small_task(CPU)
    trainer = PhaseTrainer(task, start_phase(task))
    assert trainer.state.scaler.is_enabled() == (dtype is torch.float16)
    trainer.step()  # makes constants
    with NoNumberCrosses():
        trainer.step()
        with pytest.raises(AssertionError, match="read"):
            trainer.state.window[0].item()
        with pytest.raises(AssertionError, match="written"):
            torch.tensor(1.0)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", PRECISIONS)
def test_the_accelerator_is_never_waited_for(dtype, monkeypatch):
    compute_in(dtype, monkeypatch)
    task = small_task(torch.device("cuda"))
    trainer = PhaseTrainer(task, start_phase(task))
    trainer.step()  # constants reach the device once
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(20):  # several passes over the labeled and the pseudo-labeled images
            trainer.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert trainer.close_window()["loss"] > 0


def test_an_overflow_in_the_first_step_leaves_no_trace(monkeypatch):
    """fp16 gradients overflow until the scaler has found its scale, often from the very first step on."""
    compute_in(torch.float16, monkeypatch)
    torch.use_deterministic_algorithms(True)  # memory that nobody wrote to is NaN
    try:
        task = small_task(CPU)
        trainer = PhaseTrainer(task, start_phase(task))
        trainer.state.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, backoff_factor=2.0**-30)
        before = [weight.clone() for weight in trainer.state.model.parameters()]
        trainer.step()
        assert trainer.state.scaler.get_scale() == 2.0**10, "it was to overflow"
        assert all(map(torch.equal, before, trainer.state.model.parameters()))
        trainer.step()
    finally:
        torch.use_deterministic_algorithms(False)
    after = list(trainer.state.model.parameters())
    assert not any(map(torch.equal, before, after))
    assert all(weight.isfinite().all() for weight in after)


def test_batch_statistics_only_uses_the_batch_and_leaves_the_running_ones():
    model = WideResNet(10, 1, 10, 1).train()
    images = torch.randn(16, 1, 8, 8)
    with torch.no_grad(), batch_statistics_only(model):
        before = {key: value.clone() for key, value in model.state_dict().items()}
        logits = model(images)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(logits, model(images))  # this pass is a training one, and does move them
    assert not torch.equal(model.norm.running_mean, before["norm.running_mean"])


def test_the_average_follows_the_model_and_keeps_its_buffers():
    trainer = random_phase(preset("digits-40", "dmt"), CPU)
    start = [p.clone() for p in trainer.state.averaged.parameters()]
    trainer.step()  # at step 0 the memory is 1/10
    moved = [0.1 * s + 0.9 * p for s, p in zip(start, trainer.state.model.parameters(), strict=True)]
    for expected, averaged in zip(moved, trainer.state.averaged.parameters(), strict=True):
        torch.testing.assert_close(averaged, expected, rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(trainer.state.averaged.buffers(), trainer.state.model.buffers(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_state_of_a_phase_survives_its_state_dict():
    config = preset("digits-40", "dmt")
    trainer = random_phase(config, CPU)
    torch.manual_seed(0)
    for _ in range(3):
        trainer.step()
    state = copy.deepcopy(trainer.state.state_dict())
    for _ in range(3):
        trainer.step()
    again = PhaseTrainer(trainer.task, start_phase(trainer.task))
    again.state.load_state_dict(state)
    for _ in range(3):
        again.step()
    for ours, theirs in zip(again.state.model.parameters(), trainer.state.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert again.close_window() == trainer.close_window()


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["cl", "dmt", "dmt-naive", "dmt-flip"])
def test_a_step_never_waits_for_the_device(method):
    trainer = random_phase(preset("digits-40", method), torch.device("cuda"))
    trainer.step()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(5):
            trainer.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_forty_steps_are_twenty_and_a_stop_and_twenty(device):
    """To the bit; on one GPU because cuDNN was told to repeat its sums."""
    task = small_task(choose_device(device))
    through, stopped, again = (PhaseTrainer(task, start_phase(task)) for _ in range(3))
    for step in range(40):
        through.step()
        if step < 20:
            stopped.step()
    again.state.load_state_dict(copy.deepcopy(stopped.state.state_dict()))
    for _ in range(20):
        again.step()
    for ours, theirs in zip(again.state.model.parameters(), through.state.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def ten_steps(**changes):
    """Of DMT: how often batch norm's running statistics moved, and how far the average is from the model."""
    trainer = random_phase(dataclasses.replace(preset("digits-40", "dmt"), **changes), CPU)
    for _ in range(10):
        trainer.step()
    model, averaged = trainer.state.model, trainer.state.averaged
    apart = (model.classifier.weight - averaged.classifier.weight).norm() / model.classifier.weight.norm()
    return model.norm.num_batches_tracked.item(), apart.item()


def test_the_authors_weight_pass_moves_the_running_statistics_too():
    assert ten_steps()[0] == 10
    assert ten_steps(weight_pass_moves_statistics=True)[0] == 20


def test_the_authors_average_is_the_last_iterate():
    assert ten_steps(ema_decay=0.001)[1] < 1e-3 < ten_steps(ema_decay=0.999)[1]


def test_the_benchmark_ends_with_one_line_of_json():
    script = Path(__file__).resolve().parents[3] / "benchmarks/classification_step.py"
    done = subprocess.run(
        [sys.executable, script, "--device", "cpu", "--batch-size", "8", "--steps", "1"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["ratio"] == sorted(result["ratio_by_turn"])[2] > 0
    assert result["images_per_second"] > 0 and result["plain_images_per_second"] > 0
    assert result["peak_share"] > 0 and result["bandwidth_share"] > 0 and result["activations_mib"] > 0

    # WRN-28-2 by hand: products of its convolutions, (output side, kernel side, channels in, channels out, how many).
    first = 32**2 * 3**2 * 3 * 16
    convolutions = [(32, 3, 16, 32, 1), (32, 3, 32, 32, 7), (32, 1, 16, 32, 1)]
    convolutions += [(16, 3, 32, 64, 1), (16, 3, 64, 64, 7), (16, 1, 32, 64, 1)]
    convolutions += [(8, 3, 64, 128, 1), (8, 3, 128, 128, 7), (8, 1, 64, 128, 1)]
    others = sum(n * side**2 * kernel**2 * c * d for side, kernel, c, d, n in convolutions) + 128 * 10
    flops = 2 * (4 * others + 3 * first)  # two passes forward, two products backward; none for the input's gradient
    assert result["model_flops_per_second"] / result["images_per_second"] == pytest.approx(flops, rel=0.02)


@pytest.mark.parametrize("method", ["cl", "dmt", "fixmatch", "flexmatch"])
def test_the_class_of_number_255_is_learned_as_others_are(method):
    """On pixels 255 means ignored."""
    config = dataclasses.replace(
        preset("digits-40", method), mixup_alpha=0.0, precision="fp32", gamma1=0.0, gamma2=0.0
    )
    task = random_phase(config, CPU).task
    pseudo = task.pseudo._replace(labels=torch.full((160,), 255))
    task = dataclasses.replace(task, num_classes=256, labeled_targets=torch.full((40,), 255), pseudo=pseudo)
    trainer = PhaseTrainer(task, start_phase(task))
    trainer.step()
    uniform = torch.tensor(256.0).log().item()  # what an untrained network loses on each, or not far from it
    losses = 2 if method == "flexmatch" else 1  # it has two, and begins with all labels; FixMatch is sure of none
    assert trainer.state.window[1].item() == pytest.approx(losses * uniform, rel=0.3)


def test_dropout_draws_by_seed_and_step():
    config, model = preset("digits-40", "dmt"), torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(64, 10))
    state, ones = start_descent(config, 1, model, partial(SCHEDULES["cosine"], total_steps=9)), torch.ones(4, 64)

    def said(step: int, elsewhere: int) -> Tensor:
        torch.manual_seed(elsewhere)
        state.step = step
        return state.logits(ones)

    assert torch.equal(said(3, 0), said(3, 1)) and not torch.equal(said(3, 0), said(4, 0))
    model[0].p = 0.0
    assert start_descent(config, 1, model, partial(SCHEDULES["cosine"], total_steps=9)).drops is None
