"""Alg. 1 on real colour images at the paper's settings, with a smaller network and two steps a phase."""

import dataclasses
import json
import os
import tarfile
from pathlib import Path

import pytest

from dmtlib.data.images.datasets import load_dataset
from dmtlib.data.images.folders import read_own_images
from dmtlib.data.images.packed import write_packed
from dmtlib.presets import preset
from dmtlib.training import train
from dmtlib.training.images.config import METHODS

ARCHIVE = Path(os.environ.get("DMT_DATA", "")) / "cifar10-jpeg.tar.xz"
SMALL = dict(depth=10, widen_factor=1, batch_size=32, labeled_per_batch=4, num_labels=50, validation=50)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Every hundredth image of the JPEG copy: 500 to train on, 100 to test on."""
    if not os.environ.get("DMT_DATA") or not ARCHIVE.is_file():
        pytest.skip("DMT_DATA names no folder with cifar10-jpeg.tar.xz")
    folder = tmp_path_factory.mktemp("cifar10")
    with tarfile.open(ARCHIVE) as archive:
        files = [member for member in archive if member.isfile() and Path(member.name).stem.endswith("00")]
        archive.extractall(folder / "images", files, filter="data")
    images, _ = read_own_images(folder / "images")
    assert images.counts("train") == dict.fromkeys(images.classes, 50)
    write_packed(images, folder / "cifar10-few.pt")
    return f"packed:{folder / 'cifar10-few.pt'}"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_ends_with_a_record(method, packed, tmp_path):
    config = preset("cifar10-4000", method, seed=1, budget=1e-6, data=packed)
    record = train(dataclasses.replace(config, **SMALL), runs=tmp_path, device="cpu", progress=False)
    assert record["config"]["data"] == packed
    assert 0 <= record["test_accuracy"] <= 100 and 0 <= record["phases"][0]["validation_accuracy"] <= 100
    if METHODS[method].labeler or METHODS[method].online:
        counts = [80, 160, 240, 320, 400] if METHODS[method].labeler else [400]
        assert [p["pseudo_labels"] for p in record["phases"]] == [0, *counts]
    json.dumps(record)


def test_a_folder_of_images_is_a_data_set(tmp_path):
    from PIL import Image

    for part, each in (("train", 6), ("test", 2)):
        for label, colour in (("cat", "red"), ("dog", "magenta")):
            folder = tmp_path / "pets" / part / label
            folder.mkdir(parents=True)
            for n in range(each):
                image = Image.new("RGB", (50 + n, 40), colour)
                image.paste("gray", (n, n, n + 20, n + 20))
                image.save(folder / f"{n}.png")
    data = load_dataset(f"folder:{tmp_path / 'pets'}")
    assert data.classes == ("cat", "dog")
    assert data.train_images.shape == (12, 3, 32, 32) and data.test_images.shape == (4, 3, 32, 32)
    assert 0 < data.mean[1] < 0.5 < data.mean[0] < 1
    config = preset("cifar10-4000", "dmt", budget=1e-6, data=f"folder:{tmp_path / 'pets'}")
    small = SMALL | {"num_labels": 4, "validation": 0}
    record = train(dataclasses.replace(config, **small), runs=tmp_path / "runs", device="cpu", progress=False)
    assert record["phases"][-1]["pseudo_labels"] == 8
