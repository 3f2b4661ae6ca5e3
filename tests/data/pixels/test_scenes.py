"""The generated scenes: what a label says is what is drawn there."""

import pytest
import torch

from dmtlib.data.images.datasets import load_digits
from dmtlib.data.pixels.datasets import load_scenes, load_segmentation
from dmtlib.data.pixels.masks import VOID
from dmtlib.data.pixels.scenes import KINDS, generate_scenes

DIGITS = load_digits()


def draw(count=40, seed=0, digits=DIGITS.train_images[:, 0], labels=DIGITS.train_labels):
    return generate_scenes(count, digits, labels, seed)


@pytest.fixture(scope="module")
def scenes():
    return load_scenes()


def test_as_many_scenes_as_their_names_promise():
    data = load_segmentation("scenes")
    assert {part: len(images) for part, images in data.parts.items()} == {"train": 600, "val": 150}
    image, mask = data.parts["train"][0]
    assert image.shape == (3, 64, 64) and mask.shape == (64, 64) and image.dtype == mask.dtype == torch.uint8
    assert data.classes == ("background", "3", "8", "1", "7")
    assert {part: len(images) for part, images in load_segmentation("scenes-300").parts.items()} == {
        "train": 300,
        "val": 75,
    }


def test_the_scenes_never_change(scenes):
    assert scenes.fingerprint == load_scenes().fingerprint


def test_a_seed_gives_the_same_scenes_another_other_ones():
    images, masks = draw(seed=5)
    again, other = draw(seed=5), draw(seed=6)
    assert torch.equal(images, again[0]) and torch.equal(masks, again[1])
    assert not torch.equal(images, other[0]) and not torch.equal(masks, other[1])


def test_every_class_is_there_often_enough(scenes):
    for images in scenes.parts.values():
        counts = torch.bincount(images.masks.flatten().long(), minlength=256)
        assert set(counts.nonzero().flatten().tolist()) == {0, 1, 2, 3, 4, VOID}
        share = counts / images.masks.numel()
        assert 0.5 < share[0] < 0.75 and (share[1:5] > 0.05).all() and 0.02 < share[VOID] < 0.08


def test_objects_lie_in_their_rims(scenes):
    """Two neighbouring pixels of different classes always have a void pixel among them: no label stands at an edge."""
    masks = scenes.parts["train"].masks.int()
    for a, b in ((masks[:, 1:], masks[:, :-1]), (masks[:, :, 1:], masks[:, :, :-1])):
        assert not ((a != b) & (a != VOID) & (b != VOID)).any()


def test_signs_have_the_outline_and_the_digit_of_their_class():
    """One kind of digit only, white on black: the class is there, and no other; discs fill less of their box."""
    fill = {}
    for k, digit in enumerate(KINDS, start=1):
        mine = DIGITS.train_labels == digit
        _, masks = draw(200, 1, DIGITS.train_images[mine, 0], DIGITS.train_labels[mine])
        assert set(masks.unique().tolist()) == {0, k, VOID}
        fill[digit] = (masks == k).float().mean().item()
    assert fill[3] < 0.9 * fill[1] and fill[8] < 0.9 * fill[7]  # π/4 of a square, nearly


def test_the_digit_is_printed_dark_in_the_middle_of_a_light_sign():
    """A scan of full ink makes dark signs, an empty one light signs, the rest being equal."""
    labels = torch.tensor([3])
    full, mask = draw(40, 3, torch.full((1, 8, 8), 255, dtype=torch.uint8), labels)
    empty, same = draw(40, 3, torch.zeros(1, 8, 8, dtype=torch.uint8), labels)
    assert torch.equal(mask, same)
    sign, rest = (mask == 1).unsqueeze(1).expand_as(full), (mask == 0).unsqueeze(1).expand_as(full)
    assert full[sign].float().mean() < 80 and empty[sign].float().mean() > 190
    assert (full[rest] != empty[rest]).float().mean() < 0.03  # pixels that the sign covers by less than half


def test_other_digits_are_left_out():
    fours = torch.full_like(DIGITS.train_labels, 4)
    fours[0] = 8
    _, masks = draw(20, 0, labels=fours)
    assert set(masks.unique().tolist()) == {0, 2, VOID}


def test_scored_scenes_show_digits_that_no_training_scene_shows(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "dmtlib.data.pixels.datasets.generate_scenes",
        lambda count, digits, labels, seed: asked.append((digits, seed)) or draw(count=1, seed=seed),
    )
    load_scenes()
    (train, first), (val, second) = asked
    assert first != second and len(torch.cat([train, val]).flatten(1).unique(dim=0)) == 1797
