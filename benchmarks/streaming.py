"""What does it cost that images stay on the disk, in memory and in speed?

    python benchmarks/streaming.py                       200,000 images of 224×224: 30 GB of disk, for a while
    python benchmarks/streaming.py --images 50000        with less room
    python benchmarks/streaming.py --folder /mnt/fast    the file goes there; by default among temporary files

The images are random, and written straight into a file as `dmtlib train --data folder:…` packs it. From it come the
batches of a step of DMT, the training's own PhaseTrainer.step with a small WhitenedCNN: a larger network would hide
more of the reading. Then every image is read once in order, as when data are labeled. The goals: at most 2 GB
resident, whatever the number of images, and 80% of the speed of a step whose images are in memory.

Resident memory is the kernel's highest count for this process (ru_maxrss, PyTorch included, the page cache not), taken
before there are images in memory. Those are few, so that they fit; both kinds of steps take turns, so that what else
the machine does hits both, and the rates and the ratios are the medians of the turns. cpu_ratio compares the seconds
that all threads computed, which other programs change less. The last line is JSON. Linux and macOS only.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from classification_step import seconds
from torch import Tensor
from tqdm.auto import tqdm

from dmtlib.data.images.augment import AUGMENTATIONS
from dmtlib.data.images.packed import ImageFile, read_ahead
from dmtlib.presets import preset
from dmtlib.training.images.evaluation import PREDICTION_BATCH
from dmtlib.training.images.phase import PhaseTask, PhaseTrainer, PseudoLabels, start_phase
from dmtlib.training.precision import DEVICES, choose_device, describe_device

WIDTHS = (16, 32, 32)
IN_MEMORY = 2000  # images
BLOCK = 500  # images that are drawn at once


def random_file(path: Path, images: int, side: int) -> ImageFile:
    """Images of noise, in a file."""
    draws = np.random.Generator(np.random.SFC64(0))
    with open(path, "wb") as file:
        for first in tqdm(range(0, images, BLOCK), "images are made", unit=f"·{BLOCK}", disable=None):
            file.write(draws.bytes(min(BLOCK, images - first) * 3 * side * side))
    return ImageFile(open(path, "rb"), torch.arange(images), (3, side, side))


def trainer(images: Tensor | ImageFile, device: torch.device, batch_size: int) -> PhaseTrainer:
    """Phase 1 of DMT on images, a tenth of them labeled, with random labels."""
    config = dataclasses.replace(
        preset("cifar10-4000-fast", "dmt"),
        widths=WIDTHS,
        batch_size=batch_size,
        labeled_per_batch=max(1, batch_size // 8),
        augmentation="photo",
    )
    torch.manual_seed(0)
    labels, confidence = torch.randint(0, 10, (len(images),)).to(device), torch.rand(len(images)).to(device)
    labeled, pseudo = torch.arange(len(images), device=device).tensor_split([len(images) // 10])
    task = PhaseTask(
        config=config,
        phase=1,
        total_steps=10_000,
        num_classes=10,
        augment=AUGMENTATIONS[config.augmentation]((0.5,) * 3, (0.3,) * 3),
        images=images.to(device),
        labeled=labeled,
        labeled_targets=labels[labeled],
        pseudo=PseudoLabels(pseudo, labels[pseudo], confidence[pseudo], labels[pseudo]),
        whitening=torch.randn(24, 3, 2, 2),
    )
    return PhaseTrainer(task, start_phase(task), graph=device.type == "cuda")


def peak() -> int:
    """Bytes of this process that were resident at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=2, help="in a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--device", default="auto", help=", ".join(DEVICES))
    parser.add_argument("--folder", type=Path, help="where the file goes")
    options = parser.parse_args()
    device, size = choose_device(options.device), options.images * 3 * options.side**2
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if (room := shutil.disk_usage(folder).free) < size:
            parser.error(f"{size / 1e9:.1f} GB are needed, and {room / 1e9:.1f} GB are free: fewer --images")
        started = time.perf_counter()
        images = random_file(Path(folder) / "pixels", options.images, options.side)
        made = time.perf_counter() - started
        print(f"{options.images:,} images made, {size / 1e9:.1f} GB, {made:.0f} s", flush=True)
        begun = peak()

        def steps(of: PhaseTrainer) -> tuple[float, float]:
            """Images a second, and a second of the processor's."""

            def work() -> None:
                for _ in range(options.steps):
                    of.step()

            computed = time.process_time()
            taken = seconds(work, device)
            images = options.steps * options.batch_size
            return images / taken, images / (time.process_time() - computed)

        from_file = trainer(images, device, options.batch_size)
        for _ in range(3):  # fills caches; on CUDA a graph is recorded
            steps(from_file)
        started = time.perf_counter()
        bar = tqdm(total=options.images, desc="all in order", disable=None)
        for batch in read_ahead(images.split(PREDICTION_BATCH)):
            batch.to(device, non_blocking=True)
            bar.update(len(batch))
        bar.close()
        in_order = options.images / (time.perf_counter() - started)
        resident = peak()
        print(f"resident at most {resident / 1e9:.2f} GB; in order {in_order:,.0f} images/s", flush=True)

        in_memory = trainer(images[: min(IN_MEMORY, options.images)].read(), device, options.batch_size)
        for _ in range(3):
            steps(in_memory)
        turns = []
        for turn in range(1, options.turns + 1):
            pair = (from_file, in_memory)[:: 1 if turn % 2 else -1]
            rates = [steps(each) for each in pair][:: 1 if turn % 2 else -1]
            turns.append(rates)
            print(f"turn {turn}: from the file {rates[0][0]:,.1f} images/s, in memory {rates[1][0]:,.1f}", flush=True)
    file_rate, memory_rate = (median(rate for rate, _ in rates) for rates in zip(*turns, strict=True))
    ratios, cpu_ratios = ([ours[i] / theirs[i] for ours, theirs in turns] for i in range(2))
    found = {
        "images": options.images,
        "side": options.side,
        "packed_bytes": size,
        "resident_bytes": resident,
        "resident_bytes_before": begun,
        "in_order_images_per_second": round(in_order),
        "images_per_second": round(file_rate, 1),
        "in_memory_images_per_second": round(memory_rate, 1),
        "in_memory_images": min(IN_MEMORY, options.images),
        "ratio": round(median(ratios), 3),
        "ratio_by_turn": [round(ratio, 3) for ratio in ratios],
        "cpu_ratio": round(median(cpu_ratios), 3),
        "device": describe_device(device),
        "batch_size": options.batch_size,
        "steps": options.steps,
        "widths": WIDTHS,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
