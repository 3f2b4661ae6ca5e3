"""CamVid at a quarter of the side: which pixels it is made of, and where it is looked for."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dmtlib.data import finding
from dmtlib.data.pixels.datasets import ROWS, load_segmentation
from dmtlib.data.pixels.images import shrink
from dmtlib.data.pixels.masks import VOID


def test_a_pixel_is_a_mean_and_a_label_one_of_those_below_it():
    image = torch.arange(3 * 8 * 12, dtype=torch.uint8).reshape(3, 8, 12)
    mask = torch.arange(8 * 12, dtype=torch.uint8).reshape(8, 12)
    small, labels = shrink(image, mask, 4)
    assert small.shape == (3, 2, 3) and labels.shape == (2, 3) and small.dtype == labels.dtype == torch.uint8
    assert small[1, 1, 2] == image[1, 4:, 8:].double().mean().round()
    assert torch.equal(labels, mask[[2, 6]][:, [2, 6, 10]])


def test_a_thin_pole_is_not_outvoted():
    mask = torch.zeros(8, 8, dtype=torch.uint8)
    mask[:, 2] = 1
    assert shrink(torch.zeros(3, 8, 8, dtype=torch.uint8), mask, 4)[1].tolist() == [[1, 0], [1, 0]]


def test_sides_that_do_not_divide_lose_their_end():
    small, labels = shrink(torch.zeros(3, 10, 7, dtype=torch.uint8), torch.full((10, 7), VOID, dtype=torch.uint8), 4)
    assert small.shape == (3, 2, 1) and labels.shape == (2, 1)


@pytest.fixture
def camvid(tmp_path, monkeypatch) -> Path:
    """Six pictures in the place of CamVid's."""
    monkeypatch.setitem(ROWS, "camvid", dataclasses.replace(ROWS["camvid"], counts={"train": 3, "val": 1, "test": 2}))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/camvid"
    rng = np.random.default_rng(0)
    for part, names in {"train": "abc", "val": "d", "test": "ef"}.items():
        for name in names:
            for kind, pixels in (
                ("images", rng.integers(0, 256, (360, 480, 3), dtype=np.uint8)),
                ("masks", rng.integers(0, 11, (360, 480), dtype=np.uint8)),
            ):
                (folder / kind).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(folder / kind / f"{name}.png")
        (folder / f"{part}.txt").write_text("\n".join(names))
    return folder


@pytest.mark.parametrize(("name", "factor"), [("camvid-quarter", 4), ("camvid-half", 2)])
def test_camvid_at_a_quarter_and_at_half_of_the_side(name, factor, camvid):
    data = load_segmentation(name)
    assert data.name == name and data.classes == ROWS["camvid"].classes
    assert {part: images.names for part, images in data.parts.items()} == {"train": ("a", "b", "c"), "val": ("d",)}
    image, mask = data.parts["val"][0]
    whole, labels = load_segmentation("camvid").parts["val"][0]
    assert image.shape == (3, 360 // factor, 480 // factor)
    assert torch.equal(torch.as_tensor(image), shrink(whole, labels, factor)[0])
    middle = slice(factor // 2, None, factor)
    assert torch.equal(torch.as_tensor(mask), torch.as_tensor(labels)[middle, middle])


def test_the_working_directory_comes_before_the_clone(tmp_path, monkeypatch):
    clone = tmp_path / "clone"
    monkeypatch.setattr(finding, "__file__", str(clone / "dmtlib/data/finding.py"))
    monkeypatch.chdir(tmp_path)
    assert finding.prepared("voc") == Path("data/voc")  # where it would be
    (clone / "data/voc").mkdir(parents=True)
    assert finding.prepared("voc") == clone / "data/voc"
    Path("data/voc").mkdir(parents=True)
    assert finding.prepared("voc") == Path("data/voc")
