"""Chapter 13: what a run costs, before it is run. Only its hours need an assumption, all else is counted."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from dmtlib.data.pixels.datasets import ROWS
from dmtlib.method.dynamic_loss import weighted_cross_entropy
from dmtlib.method.rules import PREDICTION_FREE
from dmtlib.models.deeplab import DeepLabV2
from dmtlib.models.whitened import classifier
from dmtlib.records.costs import CIFAR10_IMAGES, labeled_and_unlabeled, steps_of_a_run
from dmtlib.training.images.config import RunConfig
from dmtlib.training.methods import METHODS
from dmtlib.training.pixels.config import SegmentationConfig


class DataSize(NamedTuple):
    """How much of a data set a run looks at, as the presets use it."""

    classes: int
    pixels: int  # of an image when it is labeled; VOC's differ, most have 375×500
    scored: int
    scored_pixels: int  # with padding


def _of_pixels(name: str, pixels: int, scored_pixels: int) -> DataSize:
    row = ROWS[name]
    return DataSize(len(row.classes), pixels, row.counts["val"] + row.counts.get("test", 0), scored_pixels)


DATA = {
    "cifar10": DataSize(10, 32 * 32, 10_000, 32 * 32),
    "voc": _of_pixels("voc", 375 * 500, 505 * 505),
    "cityscapes": _of_pixels("cityscapes", 512 * 1024, 512 * 1024),
    "camvid": _of_pixels("camvid", 360 * 480, 360 * 480),
}


class Gpu(NamedTuple):
    """From data sheets: dense 16-bit FLOP/s with sums in 32 bits, and bytes of memory."""

    flops_per_second: float
    memory: float


GPUS = {
    "NVIDIA H200": Gpu(989e12, 141e9),
    "NVIDIA A100-SXM4-80GB": Gpu(312e12, 80e9),
    "Tesla T4": Gpu(65e12, 16e9),
    "NVIDIA GeForce RTX 2080 Ti": Gpu(53.8e12, 11e9),  # the paper's (Sec. 5.2)
}


def gpu_named(name: str) -> Gpu:
    """A row of :data:`GPUS`.

    Raises:
        ValueError: no such GPU there.
    """
    if name not in GPUS:
        raise ValueError(f"gpu must be one of {', '.join(GPUS)}, got {name!r}")
    return GPUS[name]


PEAK_SHARES = (0.05, 0.2)
"""The assumption: training reaches between a twentieth and a fifth of the peak. Small batches, small images and slow
disks tend to the first, large ones to the second."""


class RunCost(NamedTuple):
    """What a whole run takes.

    Attributes:
        images: that training passes over, labeled and pseudo-labeled, of all models and phases.
        flops: of convolutions and matrix products, for training, labeling and scoring.
        gpu_bytes: held at once, at least: weights, gradients, momentum, what the forward pass keeps, what is kept from
            before, and for CIFAR-10 the images.
        disk_bytes: in its run directory at the end: weights of each phase, and pseudo labels.
    """

    images: int
    flops: float
    gpu_bytes: float
    disk_bytes: float

    def hours(self, gpu: Gpu) -> tuple[float, float]:
        """At the higher and at the lower of :data:`PEAK_SHARES`."""
        low, high = (self.flops / (gpu.flops_per_second * share) / 3600 for share in sorted(PEAK_SHARES, reverse=True))
        return low, high


class Step(NamedTuple):
    """Of one training step on a batch, under autocast: counted, with nothing computed."""

    forward: float  # FLOPs
    training: float  # FLOPs, forward and backward
    kept: int  # bytes that the forward pass keeps for the backward pass
    parameters: int


def run_cost(config: RunConfig | SegmentationConfig) -> RunCost:
    """Count a run.

    Raises:
        KeyError: its data are not in :data:`DATA`.
    """
    return _segmentation_cost(config) if isinstance(config, SegmentationConfig) else _classification_cost(config)


def _classification_cost(config: RunConfig) -> RunCost:
    """A further forward pass over each batch gives the weights where the rule asks the model and batches are mixed."""
    size = DATA["cifar10"]
    step = count_classification_step(config.depth, config.widen_factor, config.batch_size, size.classes, config.widths)
    first, *later = (sum(models) for models in steps_of_a_run(config))
    asks = config.method not in PREDICTION_FREE and config.mixup_alpha > 0
    flops = (first + sum(later)) * step.training + asks * sum(later) * step.forward
    looked_at = len(later) * (CIFAR10_IMAGES - config.num_labels) + config.phases * size.scored
    flops += looked_at * step.forward / config.batch_size
    data = 3 * size.pixels * (CIFAR10_IMAGES + size.scored)
    return RunCost(
        images=config.batch_size * (first + sum(later)),
        flops=flops,
        gpu_bytes=step.kept + 4 * 4 * step.parameters + data,  # weights, gradients, momentum and moving average
        disk_bytes=config.phases * 4 * step.parameters,
    )


def _segmentation_cost(config: SegmentationConfig) -> RunCost:
    """One forward pass gives gradient and weights; each model labels once a phase, and is scored once."""
    size, (_, unlabeled) = DATA[config.data], labeled_and_unlabeled(config)
    step = count_segmentation_step(config.backbone, config.rates, config.batch_size, config.crop, size.classes)
    steps, models = sum(map(sum, steps_of_a_run(config))), len(config.models)
    labels = METHODS[config.method].labeler is not None
    labeled_images = labels * models * (config.phases - 1) * unlabeled
    looked_at = labeled_images * size.pixels + models * config.phases * size.scored * size.scored_pixels
    per_pixel = step.forward / (config.batch_size * config.crop[0] * config.crop[1])
    return RunCost(
        images=config.batch_size * steps,
        flops=steps * step.training + looked_at * per_pixel,
        # weights, gradients and momentum; the weights of the phase before, and those of a model that is through
        gpu_bytes=step.kept + (3 + 2 * models - 1) * 4 * step.parameters,
        disk_bytes=config.phases * models * 4 * step.parameters + 3 * labeled_images * size.pixels,
    )


@functools.cache
def count_classification_step(
    depth: int | None, widen_factor: int | None, batch: int, classes: int, widths: tuple[int, ...] | None = None
) -> Step:
    """A step of WRN-``depth``-``widen_factor``, or of the whitened network, on images of 32×32 pixels."""
    sizes = {"depth": depth, "widen_factor": widen_factor} if widths is None else {"widths": widths}
    return _count(lambda: classifier(**sizes, num_classes=classes), (batch, 3, 32, 32), (batch,))


@functools.cache
def count_segmentation_step(
    backbone: str, rates: tuple[int, ...], batch: int, crop: tuple[int, int], classes: int
) -> Step:
    """A step of DeepLab-v2 on views of ``crop`` pixels."""
    return _count(lambda: DeepLabV2(backbone, classes, rates), (batch, 3, *crop), (batch, *crop))


def _count(make: Callable[[], nn.Module], images: tuple[int, ...], targets: tuple[int, ...]) -> Step:
    """On fake tensors, which have a shape and no content: a second, whatever the size."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode

    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if not (tensor.is_leaf and tensor.requires_grad):  # the weights are counted apart
            storage = tensor.untyped_storage()
            kept[storage._cdata] = storage.nbytes()
        return tensor

    with FakeTensorMode(), FlopCounterMode(display=False) as counter:
        model = make()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(torch.zeros(images))
            loss = weighted_cross_entropy(logits, torch.zeros(targets, dtype=torch.uint8), torch.ones(targets))
        forward = counter.get_total_flops()
        loss.backward()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Step(forward, counter.get_total_flops(), sum(kept.values()), parameters)
