"""Pseudo labels of pixels come back as they were selected, or not at all."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch

from dmtlib.method.pixel_selection import decode_confidence, encode_confidence, select_top_pixels
from dmtlib.training.pixels.pixel_labels import FORMAT, PixelLabels, read_pixel_labels, write_pixel_labels

FILES = ["confidence.npy", "labels.npy", "manifest.json"]
SIZES = [(4, 6), (5, 5), (1, 7), (6, 4)]


def predictions(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    for i, size in enumerate(SIZES):
        labels = torch.randint(0, 3, size, dtype=torch.uint8, generator=generator)
        labels[0, -2:] = 255
        yield f"image-{i}", labels, torch.rand(size, generator=generator)


@pytest.fixture
def folder(tmp_path):
    write_pixel_labels(tmp_path / "phase-1", predictions(), num_classes=4, alpha=0.4)
    return tmp_path / "phase-1"


def same(a: PixelLabels, b: PixelLabels) -> bool:
    return a == b and all(torch.equal(x, y) for i in range(len(a)) for x, y in zip(a[i], b[i], strict=True))


def test_what_was_selected_is_read(tmp_path):
    folder = tmp_path / "new" / "phase-1"
    written = write_pixel_labels(folder, predictions(), num_classes=4, alpha=0.4)
    read = read_pixel_labels(folder)
    assert same(written, read)
    assert sorted(path.name for path in folder.iterdir()) == FILES and list(folder.parent.iterdir()) == [folder]

    coded = [(labels, encode_confidence(confidence)) for _, labels, confidence in predictions()]
    expected = list(select_top_pixels(coded, 4, 0.4))
    assert len(read) == len(expected) == 4
    for i, (labels, confidence) in enumerate(read):
        assert labels.dtype == torch.uint8 and torch.equal(labels, expected[i])
        assert torch.equal(confidence, decode_confidence(coded[i][1]))  # of ignored pixels too
    assert read.names == ("image-0", "image-1", "image-2", "image-3") and read.sizes == tuple(SIZES)
    assert read.kept == tuple(int(sum((labels == c).sum() for labels in expected)) for c in range(4))
    assert sum(read.kept) > 20 and read.kept[3] == 0


def test_three_bytes_a_pixel_that_numpy_can_read(folder):
    pixels = sum(height * width for height, width in SIZES)
    labels, codes = np.load(folder / "labels.npy"), np.load(folder / "confidence.npy")
    assert labels.shape == codes.shape == (pixels,) and labels.dtype == np.uint8 and codes.dtype == np.uint16


def test_alpha_1_keeps_what_was_predicted(tmp_path):
    stored = write_pixel_labels(tmp_path / "all", predictions(), num_classes=3, alpha=1.0)
    for (labels, _), (_, predicted, _) in zip(stored, predictions(), strict=True):
        assert torch.equal(labels, predicted)


def test_views_of_tensors_are_stored_as_they_look(tmp_path):
    labels, confidence = torch.arange(6, dtype=torch.uint8).reshape(2, 3).T, torch.rand(2, 3).T
    stored = write_pixel_labels(tmp_path / "view", [("a", labels, confidence)], num_classes=6, alpha=1.0)
    assert torch.equal(stored[0][0], labels) and torch.allclose(stored[0][1], confidence, atol=2e-5)


def test_a_worker_gets_no_pixels(tmp_path):
    large = torch.zeros(500, 500, dtype=torch.uint8)
    stored = write_pixel_labels(tmp_path / "large", [("a", large, large.float())], num_classes=1, alpha=0.5)
    stored[0]
    assert len(pickle.dumps(stored)) < 1000
    assert same(pickle.loads(pickle.dumps(stored)), stored)
    with pytest.raises(IndexError):
        stored[1]


# --- Whole or absent ----------------------------------------------------------------------------------------------


def test_a_second_write_replaces_the_first(folder):
    written = write_pixel_labels(folder, predictions(seed=1), num_classes=4, alpha=0.8)
    assert same(read_pixel_labels(folder), written)
    assert sorted(path.name for path in folder.iterdir()) == FILES and list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_the_old_folder(folder, stop):
    def interrupted():
        yield from list(predictions(seed=1))[:2]
        raise stop

    before = {name: (folder / name).read_bytes() for name in FILES}
    with pytest.raises(stop):
        write_pixel_labels(folder, interrupted(), num_classes=4, alpha=0.4)
    assert {name: (folder / name).read_bytes() for name in FILES} == before
    assert list(folder.parent.iterdir()) == [folder]


def refusal(folder) -> str:
    with pytest.raises(ValueError) as error:
        read_pixel_labels(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0, 0.3, 0.6, -1])
def test_a_changed_byte_is_noticed(folder, name, place):
    content = bytearray((folder / name).read_bytes())
    content[int(place * len(content)) if place >= 0 else place] ^= 1
    (folder / name).write_bytes(content)
    assert str(folder / name) in refusal(folder) and "damaged" in refusal(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_a_truncated_file_is_noticed(folder, name, keep):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(keep * len(content))])
    assert str(folder / name) in refusal(folder) and "damaged" in refusal(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert str(folder / name) in refusal(folder)


@pytest.mark.parametrize("content", [[], {}, {"contents": []}, {"contents": {"format": "other"}, "sha256": ""}])
def test_another_manifest_is_refused(folder, content):
    (folder / "manifest.json").write_text(json.dumps(content))
    assert f"manifest.json: damaged, or not the manifest of pixel labels of this version ({FORMAT})" in refusal(folder)


# --- Bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("classes", "alpha"), [(4, 0), (4, 1.5), (0, 0.5), (256, 0.5)])
def test_bad_settings_are_refused_before_anything_is_predicted(tmp_path, classes, alpha):
    def never():
        raise AssertionError("predicted")
        yield

    with pytest.raises(ValueError, match=r"^(alpha|num_classes) must lie in"):
        write_pixel_labels(tmp_path / "phase-1", never(), classes, alpha)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.wrong_shapes
@pytest.mark.parametrize(
    ("labels", "confidence", "message"),
    [
        (torch.full((2, 2), 4, dtype=torch.uint8), torch.ones(2, 2), "labels must lie in 0…3, or be 255, got 4"),
        (torch.zeros(2, 2, dtype=torch.uint8), torch.full((2, 2), 1.5), "confidence must lie in"),
        (torch.zeros(2, 2, dtype=torch.uint8), torch.ones(2, 3), "labels and codes must be .* of one shape"),
        (torch.zeros(2, 2, dtype=torch.long), torch.ones(2, 2), "labels and codes must be uint8 and uint16"),
        (torch.zeros(4, dtype=torch.uint8), torch.ones(4), r"labels must be of shape \(H, W\), got \(4,\)"),
    ],
)
def test_bad_predictions_are_refused_by_name(tmp_path, labels, confidence, message):
    bad = [*predictions(), ("the-bad-one", labels, confidence)]
    with pytest.raises(ValueError, match=f"^the-bad-one: {message}"):
        write_pixel_labels(tmp_path / "phase-1", bad, num_classes=4, alpha=0.4)
    assert list(tmp_path.iterdir()) == []


def test_no_predictions(tmp_path):
    with pytest.raises(ValueError, match=r"^predictions must hold at least one image"):
        write_pixel_labels(tmp_path / "phase-1", [], num_classes=4, alpha=0.4)
