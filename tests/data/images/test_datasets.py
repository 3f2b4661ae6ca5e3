import math
from pathlib import Path

import pytest
import torch

from dmtlib.data import finding
from dmtlib.data.images.augment import augment_digits, normalise
from dmtlib.data.images.datasets import load_dataset, load_digits

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


@pytest.mark.parametrize("data", ["packed:nowhere.pt", "folder:nowhere", "cifar10"])
def test_missing_data_are_told(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(finding, "__file__", str(tmp_path / "dmtlib/data/finding.py"))
    with pytest.raises(ValueError, match="nowhere|cifar10"):
        load_dataset(data)


def test_packed_data_lie_here_or_in_the_clone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(finding, "__file__", str(tmp_path / "clone/dmtlib/data/finding.py"))
    here, clone = Path("data/cifar10.pt"), tmp_path / "clone/data/cifar10.pt"
    assert finding.prepared("cifar10.pt") == here  # where the message says that it is missing
    for file in (clone, here):  # what lies here comes first
        file.parent.mkdir(parents=True)
        file.touch()
        assert finding.prepared("cifar10.pt") == file
