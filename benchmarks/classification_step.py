"""How many images a second does a whole step of DMT train on, and how many the same step written plainly?

    python benchmarks/classification_step.py                   on the accelerator if there is one, else on the CPU
    python benchmarks/classification_step.py --device cpu --steps 1
                                                               one step a turn: 5 minutes on two busy cores

Both take the step of preset cifar10-4000 with WRN-28-2: augmentation, a pass for the weights, mixup, forward,
backward, SGD, moving average. Ours is the training's own PhaseTrainer.step; plain_step.py says what the other one is.
They take turns, so that what else the machine does hits both; rates and ratio are the medians over the turns. On the
CPU both run on as many threads as ours is quicker with, all or one: where other programs use the cores, threads that
wait for each other lose. Data are random: neither pixels nor labels change what a step costs.

The last line is one JSON object. FLOPs are those of the step's convolutions and matrix products, counted by
torch.utils.flop_counter; bytes are an estimate, as if every operator read its inputs from memory and wrote its outputs
there once. The peaks beside them come from PEAKS, or, on other devices, from a large matrix product in the same
precision and a large copy, measured in every turn on as many threads. activations_mib is what the forward pass keeps
for the backward pass, counted; memory_mib the most that CUDA had allocated for the data, our model and its step.

Measured on a busy 2-core machine (AMD EPYC with avx512_bf16, load average 5, torch 2.11), batch 512, --steps 1, one
thread each: 148 images/s against 27, ratio 3.7 (its best turns: 158 against 45, 3.5; at load 6, in an earlier run: 68
against 20, 3.4). 1.71 GFLOP an image, at 69% of what a matrix product reached meanwhile; 26 MB an image, at 12% of
what a copy reached: convolutions bound this step. 934 MiB of activations in 16 bits, 2.0 GiB for a whole process that
ran our step alone: 15 GB, a T4, is several times as much. By the same counts, 60,000 images/s would take 10% of an
H200's FLOP/s and 32% of its bandwidth.

On CUDA all from augmentation to gradients is recorded once and replayed, as one graph, as in training; --eager has it
operation by operation, and so has --compile, which compiles our model alone. Measured on an H200 with 16 cores (torch
2.11, bf16): 39,854 images/s, 17,706 with --eager, plainly written 9,840 to 10,193; ratios 4.1 and 1.8. So the eager
step waits for the host. With the graph it takes 7% of the FLOP/s and 22% of the bandwidth of the data sheet; memory
is 1,080 MiB. No GPU has run --compile yet. On CUDA our convolutions repeat their sums to the bit, as in training, and
the plain ones need not; --any-order frees ours, too, and so tells what that costs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable
from statistics import median

import torch
from augmentation import synchronise
from plain_step import PlainTrainer
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from dmtlib.data.images.augment import AUGMENTATIONS
from dmtlib.data.images.randaugment import CIFAR10_MEAN, CIFAR10_STD
from dmtlib.presets import preset
from dmtlib.training.images.phase import PhaseTask, PhaseTrainer, PseudoLabels, start_phase
from dmtlib.training.precision import DEVICES, choose_device, describe_device

TURNS = 5
IMAGES = 10_000  # in the synthetic training set; what a step costs does not depend on it

# By torch's name of the device, from NVIDIA's data sheets: dense 16-bit FLOP/s, and bytes/s of its memory.
PEAKS = {
    "NVIDIA H200": (989e12, 4.8e12),
    "NVIDIA H100 80GB HBM3": (989e12, 3.35e12),
    "NVIDIA A100-SXM4-80GB": (312e12, 2.039e12),
    "NVIDIA A100-SXM4-40GB": (312e12, 1.555e12),
    "Tesla T4": (65e12, 0.32e12),
}


def synthetic_task(device: torch.device, batch_size: int, total_steps: int) -> PhaseTask:
    """Phase 1 of cifar10-4000 on random pixels and labels, of the preset's types, shapes and proportions."""
    config = preset("cifar10-4000", "dmt")
    labeled_per_batch = max(1, batch_size * config.labeled_per_batch // config.batch_size)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8)
    labels, confidence = torch.randint(0, 10, (IMAGES,)).to(device), torch.rand(IMAGES).to(device)
    labeled, pseudo = torch.arange(IMAGES, device=device).tensor_split([IMAGES // 10])
    return PhaseTask(
        config=dataclasses.replace(config, batch_size=batch_size, labeled_per_batch=labeled_per_batch),
        phase=1,
        total_steps=total_steps,
        num_classes=10,
        augment=AUGMENTATIONS[config.augmentation](CIFAR10_MEAN, CIFAR10_STD),
        images=images.to(device),
        labeled=labeled,
        labeled_targets=labels[labeled],
        pseudo=PseudoLabels(pseudo, labels[pseudo], confidence[pseudo], labels[pseudo]),
    )


class Traffic(TorchDispatchMode):
    """Counts bytes as if every operator read its inputs from memory and wrote its outputs there, once each."""

    bytes = 0

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        result = operator(*args, **(kwargs or {}))
        if not (operator.is_view or "empty" in operator.__name__ or "unsafe_view" in operator.__name__):
            tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
            self.bytes += sum(min(t.nbytes, t.untyped_storage().nbytes()) for t in tensors)  # expanded ones are small
        return result


class KeptActivations(torch.autograd.graph.saved_tensors_hooks):
    """Counts the bytes that the forward pass keeps for the backward pass, the model's weights apart."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        super().__init__(self._keep, lambda tensor: tensor)

    def _keep(self, tensor: Tensor) -> Tensor:
        if not (tensor.is_leaf and tensor.requires_grad):
            self._sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    @property
    def bytes(self) -> int:
        return sum(self._sizes.values())


def seconds(work: Callable[[], object], device: torch.device) -> float:
    synchronise(device)
    start = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - start


def set_quicker_threads(work: Callable[[], object]) -> None:
    """All threads or one: where other programs use the cores, threads that wait for each other lose."""
    durations = {}
    for threads in {torch.get_num_threads(), 1}:
        torch.set_num_threads(threads)
        durations[threads] = seconds(work, torch.device("cpu"))
    torch.set_num_threads(min(durations, key=durations.get))


def measure_peaks(device: torch.device, dtype: torch.dtype) -> tuple[float, float]:
    """FLOP/s of a large matrix product; bytes/s of a large copy, reading and writing counted; the best of three."""
    side = 2048 if device.type == "cpu" else 8192
    a, b = torch.randn(2, side, side, device=device).to(dtype)
    source, target = torch.zeros(2, 2**28, dtype=torch.uint8, device=device)
    product = min(seconds(lambda: a @ b, device) for _ in range(3))
    copying = min(seconds(lambda: target.copy_(source), device) for _ in range(3))
    return 2 * side**3 / product, 2 * source.nbytes / copying


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", help=", ".join(DEVICES))
    parser.add_argument("--batch-size", type=int, default=512, help="default: 512, the preset's")
    parser.add_argument("--steps", type=int, help="in a turn; default: 2 on the CPU, 50 elsewhere")
    parser.add_argument("--compile", action="store_true", help="our model under torch.compile")
    parser.add_argument("--any-order", action="store_true", help="our convolutions may add up in any order on CUDA")
    parser.add_argument("--eager", action="store_true", help="our step without a CUDA graph")
    options = parser.parse_args()
    try:
        device = choose_device(options.device)
    except ValueError as error:
        parser.error(str(error))
    if options.any_order:
        torch.backends.cudnn.deterministic = False
    steps = options.steps or (2 if device.type == "cpu" else 50)
    if options.batch_size < 2 or steps < 1:
        parser.error("--batch-size must be at least 2 and --steps at least 1")
    workers = torch.get_num_threads()
    graph = device.type == "cuda" and not (options.eager or options.compile)

    task = synthetic_task(device, options.batch_size, total_steps=100 * steps)  # more than are run here
    trainer = PhaseTrainer(task, start_phase(task), graph=graph)
    kept = KeptActivations()
    with FlopCounterMode(display=False) as flops, Traffic() as traffic, kept:
        trainer.step()
    if options.compile:
        trainer.state.model.compile()

    def ours() -> None:
        for _ in range(steps):
            trainer.step()

    seconds(ours, device)  # compiles, chooses kernels, fills the allocator's cache
    if device.type == "cpu":
        set_quicker_threads(ours)
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    plain = PlainTrainer(task, steps, workers)
    seconds(plain.run, device)

    dtype = trainer.state.dtype or torch.float32
    known = PEAKS.get(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
    rates, plain_rates, peaks = [], [], []
    for turn in range(1, TURNS + 1):
        rates.append(steps * options.batch_size / seconds(ours, device))
        plain_rates.append(steps * options.batch_size / seconds(plain.run, device))
        peaks.append(known or measure_peaks(device, dtype))
        print(f"turn {turn}: {rates[-1]:,.1f} images/s, plainly written {plain_rates[-1]:,.1f}", flush=True)

    rate, ratios = median(rates), [r / p for r, p in zip(rates, plain_rates, strict=True)]
    peak_flops, peak_bandwidth = (median(values) for values in zip(*peaks, strict=True))
    flops_per_second = rate * flops.get_total_flops() / options.batch_size
    bytes_per_second = rate * traffic.bytes / options.batch_size
    print(
        json.dumps(
            {
                "images_per_second": round(rate, 1),
                "plain_images_per_second": round(median(plain_rates), 1),
                "ratio": round(median(ratios), 2),
                "ratio_by_turn": [round(ratio, 2) for ratio in ratios],
                "model_flops_per_second": round(flops_per_second),
                "peak_flops_per_second": round(peak_flops),
                "peak_share": round(flops_per_second / peak_flops, 3),
                "bytes_per_second": round(bytes_per_second),
                "peak_bytes_per_second": round(peak_bandwidth),
                "bandwidth_share": round(bytes_per_second / peak_bandwidth, 3),
                "peaks_from": "data sheet" if known else "measured in this run",
                "activations_mib": round(kept.bytes / 2**20),
                "memory_mib": memory and round(memory / 2**20),
                "device": describe_device(device),
                "precision": str(dtype).removeprefix("torch."),
                "compiled": options.compile,
                "graph": graph,
                "any_order": options.any_order,
                "batch_size": options.batch_size,
                "steps": steps,
                "turns": TURNS,
                "threads": torch.get_num_threads(),
                "plain_workers": workers,
                "torch": torch.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
