"""How much memory does DMT take on a GPU at VOC's settings? "Up to 6GB", say the authors, evaluation included.

    python benchmarks/segmentation_step.py                     counted on the CPU: one step and one batch scored, 45 s
                                                               of one core, 4 GB; measured too where there is CUDA
    python benchmarks/segmentation_step.py --preset cityscapes-8

The step is the training's own SegmentationTrainer.step in phase 1: DeepLab-v2 on ResNet-101, eight crops of 321×321,
one of them labeled; random pixels and labels, which change nothing about memory. Scored are eight images of 505×505,
in float32. Counted is every tensor that lives meanwhile, by torch's own MemTracker, the step in 16 bits as on an
accelerator; to both peaks come the weights that a run keeps beside the model in training. What a count cannot see:
workspaces of cuDNN's convolutions, what the allocator keeps in reserve, and CUDA's own half a gigabyte.

The last line is one JSON object. counted_mib has the peaks in training and in scoring; part of both are the model and
the kept weights, part of the first are the activations, which the forward pass keeps for the backward pass.
measured_mib (None without CUDA) has what was allocated at most in the same two, and reserved; images_per_second is of
STEPS steps there. Convolutions repeat their sums to the bit, as in training; --any-order tells what that costs.

Counted (torch 2.11), voc-106: 4,098 MiB in training, of which 3,058 are activations, 168 the model and 505 the kept
weights; 1,804 MiB in scoring. With cityscapes-8, training takes about 4,800 MiB.
Measured on an H200, voc-106: 4,274 MiB in training, 3,730 in scoring, 149 images/s in training, sums in one order.
The allocator had reserved 9.6 GB, on a card on which there was no need to save.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import torch
from classification_step import KeptActivations
from torch import Tensor, nn
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils.data import Dataset

from dmtlib.data.pixels.datasets import ROWS
from dmtlib.models.deeplab import DeepLabV2
from dmtlib.presets import SEGMENTATION_PRESETS, preset
from dmtlib.training.pixels.batches import SegmentationBatch
from dmtlib.training.pixels.config import SegmentationConfig
from dmtlib.training.pixels.evaluation import PREDICTION_BATCH
from dmtlib.training.pixels.phase import SegmentationTask, SegmentationTrainer, start_segmentation_phase
from dmtlib.training.precision import choose_device, describe_device

STEPS = 20
KEPT = 3  # weights that a run keeps on the device beside the model in training: A and B of the last phase, the new A
AUTHORS_MIB = 6 * 1024
PRESETS = [name for name, row in SEGMENTATION_PRESETS.items() if row.data in ROWS]
MIB = 2**20


class RandomBatches(Dataset):
    """Of a preset's types, shapes and proportions."""

    pseudo = "stored"  # not None: a method that learns stored pseudo labels
    total_steps = 1 + STEPS

    def __init__(self, config: SegmentationConfig, classes: int) -> None:
        self.config, self.classes, self.labeled_per_batch = config, classes, config.labeled_per_batch

    def __len__(self) -> int:
        return self.total_steps

    def __getitem__(self, step: int) -> SegmentationBatch:
        size, crop = self.config.batch_size, self.config.crop
        pseudo = size - self.labeled_per_batch
        return SegmentationBatch(
            images=torch.randint(0, 256, (size, 3, *crop), dtype=torch.uint8),
            targets=torch.randint(0, self.classes, (size, *crop), dtype=torch.uint8),
            confidence=torch.rand(pseudo, *crop),
            truth=torch.randint(0, self.classes, (pseudo, *crop), dtype=torch.uint8),
        )


def make_trainer(config: SegmentationConfig, device: str) -> SegmentationTrainer:
    """In phase 1, with a model of random weights."""
    classes = len(ROWS[config.data].classes)
    task = SegmentationTask(config, 1, "B", RandomBatches(config, classes), torch.device(device))
    model = DeepLabV2(config.backbone, classes, config.rates)
    return SegmentationTrainer(task, start_segmentation_phase(task, model))


def kept_weights(model: nn.Module) -> list[dict[str, Tensor]]:
    """Copies as large as what a run keeps."""
    return [{name: value.clone() for name, value in model.state_dict().items()} for _ in range(KEPT)]


def count(config: SegmentationConfig) -> dict[str, int]:
    """MiB at the peaks of one step and of scoring one batch."""
    trainer = make_trainer(config, "cpu")
    trainer.state.dtype = torch.bfloat16
    model = trainer.state.model
    kept, weights = KeptActivations(), sum(value.nbytes for value in model.state_dict().values())
    with MemTracker() as training, kept:
        training.track_external(model, trainer.state.optimizer)
        trainer.step()
    trainer.state.optimizer.zero_grad()
    with MemTracker() as scoring:
        scoring.track_external(model, trainer.state.optimizer)
        score_a_batch(model.eval(), config, "cpu")
    found = {
        "training": peak(training) + KEPT * weights,
        "scoring": peak(scoring) + KEPT * weights,
        "activations": kept.bytes,
        "model": weights,
        "kept_weights": KEPT * weights,
    }
    return {name: round(size / MIB) for name, size in found.items()}


def peak(tracker: MemTracker) -> int:
    """Bytes."""
    return next(
        size for kind, size in tracker.get_tracker_snapshot("peak")[torch.device("cpu")].items() if kind == "Total"
    )


def measure(config: SegmentationConfig) -> tuple[dict[str, int], float]:
    """MiB allocated and reserved at most on CUDA, and images per second."""
    trainer = make_trainer(config, "cuda")
    weights = kept_weights(trainer.state.model)
    trainer.step()  # chooses kernels
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(STEPS):
        trainer.step()
    torch.cuda.synchronize()
    rate = STEPS * config.batch_size / (time.perf_counter() - start)
    training = torch.cuda.max_memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    score_a_batch(trainer.state.model.eval(), config, "cuda")
    found = {
        "training": training,
        "scoring": torch.cuda.max_memory_allocated(),
        "reserved": torch.cuda.max_memory_reserved(),
        "kept_weights": sum(value.nbytes for copy in weights for value in copy.values()),
    }
    return {name: round(size / MIB) for name, size in found.items()}, rate


@torch.no_grad()
def score_a_batch(model: nn.Module, config: SegmentationConfig, device: str) -> None:
    """As :func:`~dmtlib.training.pixels.evaluation.predict_images` does, on images as large as they come."""
    size = {"voc": (505, 505), "cityscapes": (512, 1024), "camvid": (360, 480)}[config.data]
    images = torch.randint(0, 256, (PREDICTION_BATCH, 3, *size), dtype=torch.uint8, device=device)
    model(images.contiguous(memory_format=torch.channels_last)).float().softmax(dim=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="voc-106", choices=PRESETS)
    parser.add_argument("--any-order", action="store_true", help="convolutions may add up in any order on CUDA")
    options = parser.parse_args()
    config = preset(options.preset, "dmt")
    torch.manual_seed(0)
    cuda = torch.cuda.is_available()
    choose_device("cuda" if cuda else "cpu")
    if options.any_order:
        torch.backends.cudnn.deterministic = False
    counted = count(config)
    measured, rate = measure(config) if cuda else (None, None)
    result: dict[str, Any] = {
        "preset": config.preset,
        "counted_mib": counted,
        "measured_mib": measured,
        "authors_mib": AUTHORS_MIB,
        "images_per_second": rate and round(rate, 1),
        "device": describe_device(torch.device("cuda" if cuda else "cpu")),
        "batch_size": config.batch_size,
        "crop": config.crop,
        "any_order": options.any_order,
        "torch": torch.__version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
