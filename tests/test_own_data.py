"""A user's own folders, from the settings to the split: which images are labeled, and what is refused."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from book.studies.your_data import make_image_folder, make_mask_folder, refusal
from dmtlib.cli import main
from dmtlib.data.images.augment import augment_digits
from dmtlib.data.images.datasets import load_dataset, load_digits
from dmtlib.data.images.splits import split_labeled
from dmtlib.data.pixels.datasets import load_segmentation
from dmtlib.presets import preset
from dmtlib.training import train
from dmtlib.training.pixels.plan import split_of


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return make_image_folder(tmp_path_factory.mktemp("photos") / "photos", labels=30)


@pytest.fixture
def streets(tmp_path) -> Path:
    return make_mask_folder(tmp_path / "streets", labels=5, unlabeled=4, held_out=3)


# --- Images -------------------------------------------------------------------------------------------------------


def test_the_folder_of_digits_is_the_digits(photos):
    data, digits = load_dataset(f"folder@8:{photos}"), load_digits()
    assert data.classes == digits.classes and data.train_images.shape == (1297, 3, 8, 8)
    assert (data.train_labels >= 0).sum() == 30 and len(data.test_labels) == 500
    order = torch.argsort(digits.test_labels, stable=True)  # a class after the other, in the order of names
    assert torch.equal(data.test_images, digits.test_images[order].expand(-1, 3, -1, -1))
    assert torch.equal(data.test_labels, digits.test_labels[order])


def test_a_side_can_be_asked_for(photos):
    assert load_dataset(f"folder:{photos}").train_images.shape[2:] == (32, 32)
    assert load_dataset(f"folder@12:{photos}").train_images.shape[2:] == (12, 12)
    assert "side must lie in 1…4096 pixels, got 0" in refusal(load_dataset, f"folder@0:{photos}")
    for name in ("folder@:x", "folder@-1:x", "folder@big:x", "folder@8:", "folders:x"):
        assert "folder:PATH or folder@SIDE:PATH, got" in refusal(load_dataset, name)


def test_all_labels_are_all_that_there_are(photos):
    config = preset("cifar10-4000", "dmt", data=f"folder@8:{photos}", all_labels=True)
    assert config.num_labels is None and config.validation == 0
    labels = load_dataset(config.data).train_labels
    split = split_labeled(labels, config.num_labels, seed=1)
    assert torch.equal(split.labeled, (labels >= 0).nonzero().squeeze(1)) and len(split.unlabeled) == 1267
    assert len(split_labeled(labels, None, seed=1, validation=10).labeled) == 20
    assert "must lie in 1…30" in refusal(split_labeled, labels, None, seed=1, validation=30)
    assert preset("digits-40", "dmt").num_labels == 40


def test_a_run_labels_what_the_folder_labels(photos, tmp_path, capsys):
    command = ["train", "digits-40", "--data", f"folder@8:{photos}", "--all-labels", "--budget", "0.005"]
    assert main([*command, "--runs", str(tmp_path)]) == 0
    split = json.loads((tmp_path / "digits-40/dmt/seed-0/split.json").read_text())
    assert split["sizes"] == {"labeled": 30, "unlabeled": 1267, "validation": 0}
    assert main([*command, "--runs", str(tmp_path), "--seed", "1", "--method", "baseline"]) == 0
    again = json.loads((tmp_path / "digits-40/baseline/seed-1/split.json").read_text())
    assert again["sha256"] == split["sha256"]  # two baselines with the same labels


def test_without_unlabeled_images_there_is_nothing_to_pseudo_label(tmp_path):
    for label, shade in (("bright", 200), ("dark", 20)):
        for part, i in (("train", 0), ("train", 1), ("test", 2)):
            file = tmp_path / "photos" / part / label / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8), shade + i, np.uint8)).save(file)
    source = f"folder@8:{tmp_path / 'photos'}"
    told = refusal(train, preset("digits-40", "cl", 0, 0.005, source, all_labels=True), runs=tmp_path, device="cpu")
    assert told == "cl needs unlabeled images, and all 4 are labeled"


def test_colours_are_normalised_each_by_its_own_statistics():
    images = torch.tensor([10, 120, 230], dtype=torch.uint8).view(1, 3, 1, 1).expand(64, 3, 16, 16)
    mean, std = (10 / 255, 120 / 255, 230 / 255), (0.1, 0.2, 0.3)
    middle = augment_digits(images, torch.Generator().manual_seed(0), mean, std)[:, :, 7:9, 7:9]
    torch.testing.assert_close(middle, torch.zeros_like(middle), atol=1e-5, rtol=0)


# --- Masks --------------------------------------------------------------------------------------------------------


def test_the_folder_of_streets_has_masks_for_a_few(streets):
    data = load_segmentation(f"folder:{streets}")
    assert data.classes == ("background", "sign") and len(data.parts["train"]) == 9 and len(data.parts["val"]) == 3
    assert len(data.labeled) == 5 and data.parts["train"].without_mask == set(data.parts["train"].names) - set(
        data.labeled
    )
    ids = np.unique(np.concatenate([data.parts["val"].mask(i).numpy().ravel() for i in range(3)]))
    assert ids.tolist() == [0, 1, 255]


def test_all_masks_are_the_labels(streets):
    data = load_segmentation(f"folder:{streets}")
    config = preset("camvid-8", "dmt", data=f"folder:{streets}", all_labels=True)
    split = split_of(config, data)
    assert split.labeled == data.labeled and set(split.unlabeled) == data.parts["train"].without_mask


def test_a_ratio_is_drawn_from_images_with_masks(streets):
    data = load_segmentation(f"folder:{streets}")
    config = preset("scenes", "dmt", data=f"folder:{streets}")
    split = split_of(dataclasses.replace(config, labeled_ratio=3), data)
    assert len(split.labeled) == 3 and set(split.labeled) < set(data.labeled) and len(split.unlabeled) == 6
    assert "with a mask: 5;" in refusal(split_of, dataclasses.replace(config, labeled_ratio=1.2), data)


def test_all_labels_need_an_image_without_one(streets, tmp_path):
    for name in ("scene-005", "scene-006", "scene-007", "scene-008"):
        shutil.copy(streets / "masks/scene-000.png", streets / f"masks/{name}.png")
    config = preset("scenes", "dmt", budget=0.001, data=f"folder:{streets}", all_labels=True)
    told = refusal(train, config, runs=tmp_path, device="cpu")
    assert told.startswith("streets prescribes no labeled subset (labeled.txt), and every training image has a mask")
    (streets / "labeled.txt").write_text("scene-000\nscene-003\n")
    assert split_of(config, load_segmentation(f"folder:{streets}")).labeled == ("scene-000", "scene-003")
