"""A step waits for nothing, survives an overflow, and runs in the precision that the hardware has."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dmtlib.data.images.augment import AUGMENTATIONS
from dmtlib.presets import preset
from dmtlib.training import descent
from dmtlib.training.images import phase
from dmtlib.training.images.config import METHODS
from dmtlib.training.images.phase import PhaseTask, PhaseTrainer, start_phase
from dmtlib.training.precision import autocast_dtype

CPU = torch.device("cpu")
PRECISIONS = [None, torch.bfloat16, torch.float16]


def small_task(device: torch.device, method: str = "dmt") -> PhaseTask:
    """The paper's step with a smaller network and batch, on 96 random images, the first third labeled."""
    config = preset("cifar10-4000", method)
    config = dataclasses.replace(config, depth=10, widen_factor=1, batch_size=16, labeled_per_batch=4)
    labels = torch.arange(96, device=device) % 10
    pseudo = dict(
        pseudo=torch.arange(32, 96, device=device),
        pseudo_labels=labels[32:],
        pseudo_confidence=torch.rand(64).to(device),
        pseudo_truth=labels[32:],
    )
    return PhaseTask(
        config=config,
        phase=int(config.iterative),
        total_steps=100,
        num_classes=10,
        augment=AUGMENTATIONS["paper"]((0.5,) * 3, (0.2,) * 3),
        images=torch.randint(0, 256, (96, 3, 32, 32), dtype=torch.uint8).to(device),
        labeled=torch.arange(32, device=device),
        labeled_targets=labels[:32],
        **(pseudo if config.iterative else {}),
    )


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


def step_without_data(task: PhaseTask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second step of a phase on a device that has shapes only; the first may send constants there."""
    task = dataclasses.replace(task, config=dataclasses.replace(task.config, precision="fp32"))  # the only one there
    state, generator = start_phase(task), torch.Generator()
    with monkeypatch.context() as patch:
        patch.setattr(torch, "Generator", lambda device: generator)  # there is none for "meta"
        trainer = PhaseTrainer(task, state)
    trainer.step()
    with Unread():
        trainer.step()


@pytest.mark.parametrize("method", METHODS)
def test_a_step_never_asks_what_is_in_a_tensor(method, monkeypatch):
    step_without_data(small_task(torch.device("meta"), method), monkeypatch)


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
    for module in (phase, descent):
        monkeypatch.setattr(module, "autocast_dtype", lambda device, precision: dtype)


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


@pytest.mark.parametrize(
    ("device", "hardware", "expected"),
    [
        ("cpu", True, torch.bfloat16),
        ("cpu", False, None),
        ("cuda", (9, 0), torch.bfloat16),
        ("cuda", (8, 0), torch.bfloat16),
        ("cuda", (7, 5), torch.float16),  # a T4 computes bf16, too, but slowly
        ("mps", None, torch.float16),
    ],
)
def test_auto_takes_what_the_hardware_multiplies_fast(device, hardware, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: hardware)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: hardware)
    assert autocast_dtype(torch.device(device), "auto") == expected
    assert autocast_dtype(torch.device(device), "fp32") is None


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
