import math

import pytest
import torch

from dmtlib.data.augment import augment_digits, normalise
from dmtlib.data.classification import load_dataset, load_digits
from dmtlib.data.packed import UNKNOWN
from dmtlib.data.splits import split_labeled

DIGITS = load_digits()


def test_digits_are_the_1797_real_scans_with_500_for_the_test():
    assert DIGITS.train_images.shape == (1297, 1, 8, 8)
    assert DIGITS.test_images.shape == (500, 1, 8, 8)
    assert DIGITS.train_images.dtype == torch.uint8 and DIGITS.train_images.max() == 255
    assert DIGITS.classes == tuple("0123456789")
    assert torch.bincount(DIGITS.test_labels).min() >= 48
    both = torch.cat([DIGITS.train_images, DIGITS.test_images]).flatten(1)
    assert len(both.unique(dim=0)) == 1797  # no scan is in both


def test_the_test_images_never_change():
    assert DIGITS.fingerprint == load_digits().fingerprint
    assert DIGITS.fingerprint.startswith("d1a035c8f6cfcb20")


def test_unknown_data_are_told():
    with pytest.raises(ValueError, match="data must be digits, cifar10, "):
        load_dataset("mnist")


def test_normalised_training_images_have_mean_0_and_deviation_1():
    images = normalise(DIGITS.train_images, DIGITS.mean, DIGITS.std)
    assert images.dtype == torch.float32 and images.is_contiguous(memory_format=torch.channels_last)
    assert abs(images.mean().item()) < 1e-4 and abs(images.std().item() - 1) < 1e-3


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_labeled_subsets_are_balanced_and_nested(seed):
    labels = DIGITS.train_labels
    subsets = [split_labeled(labels, n, seed) for n in (10, 40, 250, 1000)]
    for small, large in zip(subsets, subsets[1:], strict=False):
        assert set(small.labeled.tolist()) < set(large.labeled.tolist())
    for split, each in zip(subsets[:2], (1, 4), strict=True):
        assert torch.bincount(labels[split.labeled]).tolist() == [each] * 10
    for split in subsets:
        everything = torch.cat([split.labeled, split.unlabeled, split.validation])
        assert everything.sort().values.tolist() == list(range(len(labels)))


def test_validation_is_apart_and_the_same_for_every_seed():
    labels = torch.arange(1000) % 10
    splits = [split_labeled(labels, 100, seed, validation=200) for seed in (1, 2)]
    assert torch.equal(splits[0].validation, splits[1].validation)
    assert not torch.equal(splits[0].labeled, splits[1].labeled)
    assert torch.bincount(labels[splits[0].validation]).tolist() == [20] * 10
    assert not set(splits[0].labeled.tolist()) & set(splits[0].validation.tolist())
    nested = split_labeled(labels, 40, 1, validation=200)
    assert set(nested.labeled.tolist()) < set(splits[0].labeled.tolist())


def test_images_of_unknown_class_are_never_labeled():
    labels = torch.tensor([0, 1, UNKNOWN, 0, 1, UNKNOWN])
    split = split_labeled(labels, 4, seed=0)
    assert split.unlabeled.tolist() == [2, 5]
    with pytest.raises(ValueError, match="must lie in 1…4"):
        split_labeled(labels, 5, seed=0)


@pytest.mark.parametrize("n", [0, -1, 1298])
def test_impossible_subsets_are_told(n):
    with pytest.raises(ValueError, match="labels \\+ validation"):
        split_labeled(DIGITS.train_labels, n, seed=0)


def draw(seed, images=DIGITS.train_images[:64]):
    return augment_digits(images, torch.Generator().manual_seed(seed), DIGITS.mean, DIGITS.std)


def test_augmentation_is_seeded_and_each_image_has_its_own():
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    same = draw(1, DIGITS.train_images[:1].expand(8, -1, -1, -1))
    assert len(same.unique(dim=0)) == 8


def test_augmented_digits_keep_their_ink():
    images = DIGITS.train_images[:512]
    ink = (draw(3, images) - normalise(torch.zeros_like(images), DIGITS.mean, DIGITS.std)).mean()
    clean = (normalise(images, DIGITS.mean, DIGITS.std) - normalise(images * 0, DIGITS.mean, DIGITS.std)).mean()
    assert math.isclose(ink, clean, rel_tol=0.15)
