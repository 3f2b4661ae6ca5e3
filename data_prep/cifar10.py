"""Pack CIFAR-10 into one file that loads in a fraction of a second and is verified by hash whenever it is opened.

    python data_prep/cifar10.py                          the lossy JPEG copy if DMT_DATA has it, else torchvision
    python data_prep/cifar10.py --source torchvision     the original: 163 MiB from cs.toronto.edu, MD5 checked
    python data_prep/cifar10.py --source PATH            a folder, .tar, .tar.gz, .tar.xz or .zip of
                                                         train/<class>/* and test/<class>/* images, PNG or JPEG

Writes data/cifar10.pt, or data/cifar10-jpeg.pt where images came as JPEG: those pixels are lossy, and accuracies on
them are not the paper's. Each file is 176 MiB. Needs about 0.5 GiB of memory; packing the 60,000 JPEG took 15 s.
Anything wrong with an image or the archive: one line, exit code 2, nothing written.
"""

from __future__ import annotations

import argparse
import os
import sys
import urllib.error
from pathlib import Path

import torch

from dmtlib.data.finding import FORMATS
from dmtlib.data.images.folders import read_own_images
from dmtlib.data.images.packed import PackedImages, check_replaceable, write_packed
from dmtlib.endings import ENDS, refused, stoppable
from dmtlib.files import inside

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32
IMAGES_PER_CLASS = {"train": 5_000, "test": 1_000}
JPEG_COPY = "cifar10-jpeg.tar.xz"


def default_source() -> str:
    """The JPEG copy if DMT_DATA names a folder that has it, else torchvision."""
    copy = Path(os.environ.get("DMT_DATA", ""), JPEG_COPY)
    return str(copy) if os.environ.get("DMT_DATA") and copy.is_file() else "torchvision"


def from_torchvision(folder: Path) -> PackedImages:
    """Download into ``folder`` unless it is there, and verify; both is torchvision's work."""
    from torchvision.datasets import CIFAR10

    try:
        parts = [CIFAR10(folder, train=train, download=True) for train in (True, False)]
    except (urllib.error.URLError, RuntimeError, OSError) as error:
        raise ValueError(f"torchvision could not bring CIFAR-10 into {folder}: {error}") from None
    tensors = []
    for part in parts:
        images = torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous()  # (N, 3, 32, 32)
        tensors += [images, torch.tensor(part.targets)]
    return PackedImages(tuple(parts[0].classes), *tensors, source="CIFAR-10, original, by torchvision")


def from_images(path: str) -> tuple[PackedImages, bool]:
    """Read any mirror that ships images; the second answer is whether any of them is a JPEG."""
    packed, found = read_own_images(path, SIDE, resize=False, progress=True)
    lossy = any(name.lower().endswith((*FORMATS["JPEG"], *FORMATS["WebP"])) for name in found.images)
    kind = "re-encoded as JPEG: lossy" if lossy else "PNG"
    return PackedImages(**{**vars(packed), "source": f"CIFAR-10, {kind}, from {Path(path).name}"}), lossy


def check_complete(images: PackedImages, source: str) -> None:
    """Ten known classes, 5,000 training and 1,000 test images of each, no other."""
    if images.classes != CLASSES:
        raise ValueError(f"{source}: the classes must be {', '.join(CLASSES)}, found {', '.join(images.classes)}")
    for part, expected in IMAGES_PER_CLASS.items():
        for label, count in images.counts(part).items():
            if label not in CLASSES:
                raise ValueError(f"{source}: {part}/{label} has {count:,} images; CIFAR-10 has none there")
            if count != expected:
                raise ValueError(f"{source}: {part}/{label} has {count:,} images, expected {expected:,}")


@stoppable()
def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", help="torchvision, or a folder or archive of images")
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder of the packed file (default: data)")
    options = parser.parse_args(arguments)
    source = options.source or default_source()
    try:
        for name in ("cifar10.pt", "cifar10-jpeg.pt"):  # which of the two, the images will tell
            if source != "torchvision" and inside(options.out / name, source):
                raise ValueError(f"{options.out} must be apart from {source}, which is only read")
            check_replaceable(options.out / name)
        if source == "torchvision":
            images, lossy = from_torchvision(options.out / "torchvision"), False
        else:
            images, lossy = from_images(source)
        check_complete(images, source)
        path = options.out / ("cifar10-jpeg.pt" if lossy else "cifar10.pt")
        content_hash = write_packed(images, path)
    except ENDS as error:
        return refused("cifar10.py", error)
    if lossy:
        print("These are JPEG images, a lossy copy of CIFAR-10: compare methods on it, not with the paper's numbers.")
    counts = f"{len(images.train_images):,} training and {len(images.test_images):,} test images"
    print(f"{path}: {counts}, {path.stat().st_size / 2**20:.0f} MiB, sha256 {content_hash}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
