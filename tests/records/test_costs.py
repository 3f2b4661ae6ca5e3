"""Lengths of runs that are counted, against the paper's words."""

import math

import pytest

from book.studies.costs import run_cost
from dmtlib.presets import preset
from dmtlib.records.costs import steps_of_a_run, training_images


def test_steps_on_pixels_follow_from_the_paper_s_words():
    first, *later = steps_of_a_run(preset("voc-106", "dmt"))
    assert later == [[round(4 * 10_482 / 7)] * 2] * 5  # four epochs over the unlabeled images, seven in a batch
    assert first == [round(30 * math.sqrt(105.82) * 80 / 8)] * 2  # each of the two learns 80 of the 100 labels
    assert steps_of_a_run(preset("voc-8", "oracle")) == [[round(30 * 10_582 / 8)]]
    (supervised,) = steps_of_a_run(preset("voc-1464", "baseline"))
    assert supervised == [round(30 * math.sqrt(10_582 / 1_464) * 1_464 / 8)]


def test_the_length_of_a_run_is_the_papers():
    images = training_images(preset("cifar10-4000", "dmt"))
    supervised = training_images(preset("cifar10-4000", "baseline"))
    assert images - supervised == pytest.approx(118e6, rel=0.01)
    assert supervised == pytest.approx(300 * 12.5**0.5 * 4000, rel=1e-3)  # Appendix B
    assert training_images(preset("cifar10-4000", "oracle")) == pytest.approx(300 * 49_800, rel=1e-3)


def test_what_a_run_costs_is_counted_from_its_settings():
    assert training_images(preset("digits-40", "dmt")) == 128 * 800 * 6
    assert training_images(preset("scenes", "dmt")) == 8 * 2 * (1600 + 5 * 240)
    config = preset("cifar10-1000", "dmt")
    assert training_images(config) == run_cost(config).images
    assert training_images(preset("cifar10-1000", "dmt", data="packed:mine.pt")) is None  # epochs of who knows what
