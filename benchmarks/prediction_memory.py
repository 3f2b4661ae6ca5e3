"""How much memory does it take to ask a run on pixels about photographs, and how long?

    python benchmarks/prediction_memory.py                      8 photographs of 12 megapixels, the narrow network
    python benchmarks/prediction_memory.py --backbone resnet101 --classes 21 --photographs 2

The network has random weights, the photographs are noise; the masks are made as `dmtlib predict` makes them. The goal
is 3 GB for 8 photographs. The last line is JSON: megapixels, photographs, backbone, classes, peak_bytes (the highest
resident memory of the process, PyTorch itself included) and seconds. Linux only.

Measured on a shared core (AMD EPYC), one thread, with other programs running, torch 2.11:
    narrow, 21 classes, 2 photographs     2.09 GB, 37 s a photograph
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dmtlib.models.deeplab import DeepLabV2
from dmtlib.prediction import Segmenter, write_masks

SIZE = (3000, 4000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=int, default=8)
    parser.add_argument("--backbone", default="narrow")
    parser.add_argument("--classes", type=int, default=11)
    options = parser.parse_args()
    rates = (1, 2, 4, 6) if options.backbone == "narrow" else (6, 12, 18, 24)
    torch.manual_seed(0)
    network = DeepLabV2(options.backbone, options.classes, rates).eval().to(memory_format=torch.channels_last)
    model = Segmenter(network, tuple(map(str, range(options.classes))))
    with tempfile.TemporaryDirectory() as folder:
        for i in range(options.photographs):
            noise = np.random.default_rng(i).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
            Image.fromarray(noise).save(Path(folder) / f"{i}.jpg", quality=50)
        files = sorted(Path(folder).glob("*.jpg"))
        started = time.perf_counter()
        write_masks(model, files, Path(folder), Path(folder) / "masks")
        seconds = time.perf_counter() - started
    found = {
        "megapixels": SIZE[0] * SIZE[1] / 1e6,
        **vars(options),
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "seconds": round(seconds, 1),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
