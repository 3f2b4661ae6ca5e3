"""How many images a second does the batched augmentation make ready, and how many the usual per-image pipeline?

    python benchmarks/augmentation.py                     on the CPU, half a minute
    python benchmarks/augmentation.py --device cuda       batches of 8,192 there, unless --batch-size says otherwise

Both do the work of the `paper` variant on 32×32 images: crop with padding 4, flip, one random operation of
RandAugment's list, Cutout 16, normalisation. Batched: one call of dmtlib's RandAugment on the device, with one thread
per core and, in turns of their own, with one thread alone: where other programs use the cores, threads that wait for
each other lose. Per image: Pillow and torchvision.transforms in a DataLoader with one worker process per core, each on
one thread, as people do it; its batches arrive in the main process, and go on to the device if that is another one.
After a warm-up they take turns of about a second each; the figures are the best turn of each, since another program on
the cores can only slow a turn down. The last line is one JSON object: images_per_second (batched),
per_image_images_per_second, their ratio, and what it was measured on; threads is the batched side's better number.

Measured on 2 shared cores (AMD EPYC) with other programs running, load average 3.5 to 5, torch 2.11, Pillow 13.0:
batched 38,185 images/s on one thread (3,928 on two), per image 3,329 on two workers, ratio 11.5. In processor time,
which the others cannot disturb, a core makes 512 images ready in 12 ms batched and in 161 ms one by one: 13 times.
On an H200 with 16 cores (torch 2.11), batches of 512: 130,975 images/s, and per image 21,194 on 16 workers, ratio 6.2.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import time

import PIL
import torch
import torchvision
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from dmtlib.data.images.randaugment import CIFAR10_MEAN, CIFAR10_STD, RandAugment

TURNS = 6
SECONDS = 1.0  # of batched work in a turn, at least
PER_IMAGE_IMAGES = 8_192  # in a turn: more than a second on two cores
PER_IMAGE_BATCH = 512


class Cutout:
    """A square of 16 pixels set to the mean, which is 0 after normalisation."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        y, x = random.randrange(32), random.randrange(32)
        image[:, max(y - 8, 0) : y + 8, max(x - 8, 0) : x + 8] = 0
        return image


class PerImage(Dataset):
    """The usual data set: an array of images, each made a Pillow image and transformed when it is asked for."""

    def __init__(self, images: torch.Tensor) -> None:
        self.images = images.permute(0, 2, 3, 1).contiguous().numpy()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4, fill=128),
                transforms.RandomHorizontalFlip(),
                transforms.RandAugment(num_ops=1),
                transforms.ToTensor(),
                transforms.Normalize(CIFAR10_MEAN, CIFAR10_STD),
                Cutout(),
            ]
        )

    def __len__(self) -> int:
        return PER_IMAGE_IMAGES

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(Image.fromarray(self.images[index % len(self.images)]))


def batched_rate(images: torch.Tensor, augment: RandAugment, generator: torch.Generator, threads: int) -> float:
    """Images per second of calls that run for about a second."""
    torch.set_num_threads(threads)
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        for _ in range(10):
            augment(images, generator)
        synchronise(images.device)
        calls += 10
    return calls * len(images) / (time.perf_counter() - start)


def per_image_rate(loader: DataLoader, device: torch.device) -> float:
    """Images per second of one pass over the loader, whose workers are already there."""
    start = time.perf_counter()
    count = sum(len(batch.to(device, non_blocking=True)) for batch in loader)
    synchronise(device)
    return count / (time.perf_counter() - start)


def synchronise(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, help="default: 512 on the CPU, 8,192 elsewhere")
    options = parser.parse_args()
    device = torch.device(options.device)
    batch_size = options.batch_size or (512 if device.type == "cpu" else 8_192)
    cores = len(os.sched_getaffinity(0))

    images = torch.randint(0, 256, (batch_size, 3, 32, 32), dtype=torch.uint8)
    loader = DataLoader(
        PerImage(images),
        min(batch_size, PER_IMAGE_BATCH),
        num_workers=cores,
        persistent_workers=True,
        multiprocessing_context="fork",
        pin_memory=device.type == "cuda",
    )
    per_image_rate(loader, device)  # the workers start here, before any thread of the batched side
    on_device, augment = images.to(device), RandAugment("paper")
    generator = torch.Generator(device).manual_seed(0)
    batched_rate(on_device, augment, generator, cores)

    batched: dict[int, float] = {1: 0.0, cores: 0.0}  # best rate by number of threads
    per_image = 0.0
    for turn in range(1, TURNS + 1):
        for threads in batched:
            batched[threads] = max(batched[threads], batched_rate(on_device, augment, generator, threads))
        per_image = max(per_image, per_image_rate(loader, device))
        so_far = ", ".join(f"batched, threads={threads}: {rate:,.0f}" for threads, rate in batched.items())
        print(f"best of {turn}: {so_far}, per image: {per_image:,.0f} images/s", flush=True)

    threads, rate = max(batched.items(), key=lambda item: item[1])
    device_name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    print(
        json.dumps(
            {
                "images_per_second": round(rate),
                "per_image_images_per_second": round(per_image),
                "ratio": round(rate / per_image, 2),
                "device": f"{device.type}: {device_name}",
                "batch_size": batch_size,
                "threads": threads,
                "per_image_workers": cores,
                "turns": TURNS,
                "versions": {
                    "python": platform.python_version(),
                    "torch": torch.__version__,
                    "torchvision": torchvision.__version__,
                    "pillow": PIL.__version__,
                },
            }
        )
    )


if __name__ == "__main__":
    main()
