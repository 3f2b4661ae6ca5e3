"""How long does it take to find the top pixels of each class, how much memory, and how long would sorting take?

    python benchmarks/selection.py                        10^6, 10^7 and 10^8 pixels: about two minutes when idle,
                                                          1 GB in the temporary folder, 2 GB of memory for sorting
    python benchmarks/selection.py --pixels 1000000       other numbers of pixels

Both sides select the top 20% of 21 classes and write the labels that are left to a file; the two files must be equal.
Ours streams labels and 16-bit codes from files, an image of 375×500 pixels at a time. The plain way concatenates the
labels and float32 confidences of all images and, for each class, sorts its confidences (stably, because ties go to the
earlier pixel). The labels come in runs as in images, the first class has 36% of them; confidences are those of logits
that differ by N(0, 6²). Each side has a process and a thread of its own; the files are in the page cache.

The last line is JSON, a list of: pixels; seconds (ours) and sort_seconds, the best of 3 turns each; ratio, the latter
by the former; extra_bytes, by how much our first turn raised the peak of the process's resident memory. Linux only.

Measured on 2 shared cores (AMD EPYC) with other programs running, load average 8 to 12, torch 2.11:
    10^6 pixels    0.07 s, sorting  0.39 s, ratio 5.7, 28 MB
    10^7 pixels    0.56 s, sorting  4.80 s, ratio 8.6, 26 MB
    10^8 pixels    6.26 s, sorting 52.6 s,  ratio 8.4, 25 MB (the plain way: 1,765 MB)
In processor time, which the others disturb less, 10^8 pixels take 1.9 to 2.9 s and 18 s. A cleverer sort, NumPy's
vectorised one of the values alone, with the ties at the threshold looked up afterwards, takes 9 s.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from dmtlib.method.pixel_selection import IGNORED, decode_confidence, encode_confidence, select_top_pixels
from dmtlib.method.pseudo_labels import count_selected

CLASSES = 21
ALPHA = 0.2
IMAGE = 375 * 500  # pixels
RUN = 100  # neighbours of one class
TURNS = 3


def generate(folder: Path, pixels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    with (
        open(folder / "labels", "wb") as labels,
        open(folder / "codes", "wb") as codes,
        open(folder / "confidence", "wb") as confidence,
    ):
        for start in range(0, pixels, IMAGE):
            size = min(IMAGE, pixels - start)
            runs = torch.rand(size // RUN + 1, generator=generator) ** 3 * CLASSES
            labels.write(runs.to(torch.uint8).repeat_interleave(RUN)[:size].numpy())
            logits = 6 * torch.randn(size, generator=generator)
            coded = encode_confidence(logits.abs().sigmoid())
            codes.write(coded.numpy())
            confidence.write(decode_confidence(coded).numpy())


class Images:
    """Labels and codes from the files, an image at a time: nothing of them stays in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        with open(self.folder / "labels", "rb") as labels, open(self.folder / "codes", "rb") as codes:
            while len(image := np.fromfile(labels, np.uint8, IMAGE)):
                yield torch.from_numpy(image), torch.from_numpy(np.fromfile(codes, np.uint16, IMAGE))


def ours(folder: Path) -> None:
    with open(folder / "ours", "wb") as file:
        for kept in select_top_pixels(Images(folder), CLASSES, ALPHA):
            file.write(kept.numpy())


def plain(folder: Path) -> None:
    labels = torch.from_numpy(np.fromfile(folder / "labels", np.uint8))
    confidence = torch.from_numpy(np.fromfile(folder / "confidence", np.float32))
    kept = torch.full_like(labels, IGNORED)
    for c in range(CLASSES):
        places = (labels == c).nonzero().squeeze(1)
        order = confidence[places].argsort(descending=True, stable=True)
        kept[places[order[: count_selected(ALPHA, len(places))]]] = c
    kept.numpy().tofile(folder / "plain")


def measure(select: Callable[[Path], None], folder: Path) -> tuple[float, int]:
    """Seconds of the best turn, and bytes by which the first one raised the peak."""
    torch.set_num_threads(1)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is resident now
    before, seconds = resident("VmHWM"), []
    for turn in range(TURNS):
        start = time.perf_counter()
        select(folder)
        seconds.append(time.perf_counter() - start)
        if turn == 0:
            extra = resident("VmHWM") - before
    return min(seconds), extra


def resident(what: str) -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixels", type=int, nargs="+", default=[10**6, 10**7, 10**8])
    results = []
    for pixels in parser.parse_args().pixels:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            generate(folder, pixels)
            sides = {}
            for select in (ours, plain):
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                    seconds, extra = process.submit(measure, select, folder).result()
                print(f"{pixels:,} pixels, {select.__name__}: {seconds:.3f} s, {extra / 1e6:,.0f} MB", flush=True)
                sides[select.__name__] = seconds, extra
            if not filecmp.cmp(folder / "ours", folder / "plain", shallow=False):
                raise SystemExit("the two ways selected different pixels")
        (seconds, extra), (sort_seconds, _) = sides["ours"], sides["plain"]
        ratio = round(sort_seconds / seconds, 2)
        results.append(
            {
                "pixels": pixels,
                "seconds": round(seconds, 4),
                "sort_seconds": round(sort_seconds, 4),
                "ratio": ratio,
                "extra_bytes": extra,
            }
        )
    print(json.dumps(results))


if __name__ == "__main__":
    main()
