"""Labeled subsets: nested, balanced, apart from the validation images, and the same ones for ever."""

import dataclasses
import hashlib
import json

import pytest
import torch

from dmtlib.data.images.datasets import load_digits
from dmtlib.data.images.packed import UNKNOWN
from dmtlib.data.images.splits import balanced_subset, split_labeled
from dmtlib.presets import preset

DIGITS = load_digits()
CIFAR10_LABELS = torch.arange(50_000) % 10  # as many of each class as CIFAR-10 has
SIZES = (40, 250, 1000, 4000)


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


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_papers_subsets_are_nested_and_apart_from_validation(seed):
    splits = [split_labeled(CIFAR10_LABELS, n, seed, validation=200) for n in SIZES]
    subsets = [set(split.labeled.tolist()) for split in splits]
    assert subsets[0] < subsets[1] < subsets[2] < subsets[3]
    assert [len(subset) for subset in subsets] == list(SIZES)
    validation = set(splits[0].validation.tolist())
    assert len(validation) == 200
    for split, subset in zip(splits, subsets, strict=True):
        assert set(split.validation.tolist()) == validation
        assert not validation & (subset | set(split.unlabeled.tolist()))
        assert len(split.unlabeled) == 49_800 - len(subset)
        assert torch.bincount(CIFAR10_LABELS[split.labeled]).tolist() == [len(subset) // 10] * 10


@pytest.mark.parametrize(
    ("seed", "sha256"),
    [
        (0, "7ff2653c5625b0d7ed7802958e86a2645c730f71390cafba4900e7b665beeb22"),
        (1, "41745fe1e399440ef168aedab9cdcecc26c408a81ce3a32b2fd7ddc46ac22ce4"),
        (2, "4e42ca7bba3c7a124d2aaa1fe68985ea67d6db363bb6458d089267f670b8651d"),
    ],
)
def test_the_digits_splits_never_change(seed, sha256):
    config = preset("digits-40", "dmt", seed)
    split = split_labeled(DIGITS.train_labels, config.num_labels, seed, config.validation)
    assert split.to_json(DIGITS.fingerprint)["sha256"] == sha256


@pytest.mark.parametrize(
    ("seed", "num_labels", "sha256"),
    [
        (1, 40, "c66369fbda3e77e4588d44dfd53605838b409e9a11839ccfb11050bb98611a20"),
        (1, 250, "eccdce31671f557436538b35d0b289b08be8f5a890878110b65aea81e9ee7632"),
        (1, 1000, "04c014e81807d557336a520ff9a0f8e3d8c14a6dd5ae65f0ec27ad3a391f2faf"),
        (1, 4000, "303924f02e61202de3ed51ab5927b6a3a50f1b820bbefbbfbd73bae77c123481"),
        (2, 4000, "bcde9769fdcc263241448831a5aceef5f0feb53f64b25bb2438823cbcf0ac84a"),
        (3, 4000, "53a66b90f08e53735cb0b29bd1fad98937bf57d9f4db12115cf8d17a477add34"),
    ],
)
def test_the_papers_splits_never_change(seed, num_labels, sha256):
    split = split_labeled(CIFAR10_LABELS, num_labels, seed, validation=200)
    assert split.to_json("no pixels")["sha256"] == sha256


def test_the_hash_is_over_both_lists_and_the_data():
    split = split_labeled(CIFAR10_LABELS, 40, seed=1, validation=200)
    written = split.to_json("some data")
    assert json.loads(json.dumps(written)) == written
    assert written["sizes"] == {"labeled": 40, "unlabeled": 49_760, "validation": 200}
    hashed = {key: written[key] for key in ("data_fingerprint", "labeled", "validation")}
    assert written["sha256"] == hashlib.sha256(json.dumps(hashed).encode()).hexdigest()
    others = [
        split.to_json("other data"),
        dataclasses.replace(split, labeled=split.labeled[1:]).to_json("some data"),
        dataclasses.replace(split, validation=split.validation.flip(0)).to_json("some data"),
    ]
    assert len({written["sha256"], *(other["sha256"] for other in others)}) == 4


def test_subsets_for_small_presets_are_balanced_nested_and_always_the_same():
    labels = CIFAR10_LABELS.clone()
    labels[::7] = UNKNOWN
    small, large = balanced_subset(labels, 1000), balanced_subset(labels, 10_000)
    assert torch.bincount(labels[small]).tolist() == [100] * 10
    assert set(small.tolist()) < set(large.tolist()) and UNKNOWN not in labels[large]
    assert torch.equal(small, balanced_subset(labels, 1000))
    with pytest.raises(ValueError, match="training images must lie in 1…1297, those of known class, got 1298"):
        balanced_subset(DIGITS.train_labels, 1298)
