"""What pixels teach: weights from stored labels and a stored model, against Eq. 3 written out; and their means."""

import math

import pytest
import torch

from book.studies.mutual_training import Lessons, fewest_wrong_first, lessons, mean_weights
from dmtlib.data.images.datasets import load_digits
from dmtlib.data.pixels.images import StoredImages
from dmtlib.data.pixels.scenes import generate_scenes
from dmtlib.models.deeplab import DeepLabV2
from dmtlib.presets import preset
from dmtlib.training.directory import RunDirectory
from dmtlib.training.pixels.evaluation import label_images, predict_images
from dmtlib.training.pixels.pixel_labels import write_pixel_labels
from dmtlib.training.pixels.stored import pixel_label_folder

ARCHITECTURE = {"backbone": "narrow", "num_classes": 5, "rates": (1, 2)}
UNLABELED = [4, 1, 3]  # not in the order of the images


@pytest.fixture
def images() -> StoredImages:
    digits = load_digits()
    scenes = generate_scenes(5, digits.train_images[:, 0], digits.train_labels, seed=0)
    return StoredImages([f"scene-{i}" for i in range(5)], *scenes)


@pytest.fixture
def run(tmp_path, images) -> tuple[RunDirectory, DeepLabV2]:
    """A run whose phase 0 is done and whose A has labeled for B, and B."""
    models = {}
    for seed, name in enumerate("AB"):
        torch.manual_seed(seed)
        models[name] = DeepLabV2(**ARCHITECTURE)
    directory = RunDirectory(tmp_path)
    weights = {name: model.state_dict() for name, model in models.items()}
    directory.save_phase(0, {"architecture": ARCHITECTURE, "models": weights})
    labels = label_images(models["A"], images, UNLABELED)
    write_pixel_labels(pixel_label_folder(directory, 1, "B"), labels, 5, alpha=0.6)
    return directory, models


def test_weights_are_eq_3_of_the_labelers_labels_and_the_learner(images, run):
    directory, models = run
    config = preset("scenes", "dmt")
    taught = lessons(config, directory, images, 1, "B")
    assert torch.equal(taught.images, images.images[UNLABELED]) and torch.equal(taught.truth, images.masks[UNLABELED])
    p_a, p_b = (torch.stack(list(predict_images(models[name], images, UNLABELED))).double() for name in "AB")
    c_a, y_a = p_a.max(dim=1)
    c_b, y_b = p_b.max(dim=1)
    kept = taught.labels != 255
    assert 0.5 < kept.float().mean() < 0.7 and torch.equal(taught.labels[kept].long(), y_a[kept])
    expected = p_b.gather(1, y_a.unsqueeze(1)).squeeze(1) ** 5
    expected[(y_a != y_b) & (c_a < c_b)] = 0
    near = (c_a - c_b).abs() > 1e-4  # a stored confidence has 16 bits, so nearer ones may change sides
    assert torch.allclose(taught.weights[kept & near].double(), expected[kept & near], atol=1e-6)
    assert (taught.weights[~kept] == 0).all()


def test_means_and_order_by_hand():
    truth = torch.tensor([[[0, 0, 1, 1]], [[0, 2, 255, 1]]], dtype=torch.uint8)
    labels = torch.tensor([[[0, 1, 2, 1]], [[0, 255, 1, 1]]], dtype=torch.uint8)
    weights = torch.tensor([[[1.0, 0.2, 0.4, 0.5]], [[0.8, 0.0, 0.9, 0.7]]])
    taught = Lessons(torch.zeros(2, 3, 1, 4, dtype=torch.uint8), truth, labels, weights)
    assert taught.wrong.sum(dim=(1, 2)).tolist() == [2, 0]
    assert fewest_wrong_first(taught).tolist() == [1, 0]
    expected = {"right, background": 0.9, "right, object": 0.6, "wrong": 0.3}
    assert mean_weights(taught) == pytest.approx(expected)
    nothing = taught._replace(labels=torch.full_like(labels, 255))
    assert all(math.isnan(mean) for mean in mean_weights(nothing).values())
