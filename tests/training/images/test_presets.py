"""The presets on images: the paper's lengths, and the `authors` variant, which is the paper's row with what the
authors' code does otherwise, and nothing else."""

import dataclasses
import math

import pytest

from dmtlib.presets import PRESETS, preset

ROWS = ("cifar10-4000", "cifar10-1000")

# A tenth, by hand. Appendix B: sqrt(1 / labeled ratio) · 300 epochs of a baseline, ratios 0.08 and 0.02. Table 1: 750
# epochs of each mutual phase, over 20 … 100% of the unlabeled images that 200 for validation leave, 7/8 and 31/32 of
# the batch of 512 being pseudo-labeled.
BY_HAND = {
    "cifar10-4000": [
        (4_000, 829),  # 1,060.66 / 10 epochs · 4,000 / 512 = 828.6
        (9_160, 1533),  # 75 epochs · 9,160 / 448 = 1,533.5
        (18_320, 3067),
        (27_480, 4600),
        (36_640, 6134),
        (45_800, 7667),
    ],
    "cifar10-1000": [
        (1_000, 414),  # 2,121.32 / 10 epochs · 1,000 / 512 = 414.3
        (9_760, 1476),  # 75 epochs · 9,760 / 496 = 1,475.8
        (19_520, 2952),
        (29_280, 4427),
        (39_040, 5903),
        (48_800, 7379),
    ],
}


def test_views_can_be_said_in_a_preset_s_name():
    config = preset("digits-10-views-4", "dmt")
    assert config == preset("digits-10", "dmt", views=4) and config.views == 4
    assert config == dataclasses.replace(preset("digits-10", "dmt"), preset="digits-10-views-4", views=4)
    assert "views" not in preset("digits-10", "dmt").to_json() and config.to_json()["views"] == 4
    assert preset("digits-10-gamma-2-views-3", "dmt").gamma1 == 2.0
    assert preset("scenes-views-8", "dmt").views == 8 and preset("camvid-small-views-16", "dmt").views == 16
    for name, views, message in [
        ("digits-10-views-0", 1, "views must be a whole number, 1 or more, got 0"),
        ("digits-10", -3, "views must be 1 or more, got -3"),
        ("scenes", 9, "views must lie in 1…16, 1…8 without flips, got 9"),
        ("digits-10-views-4", 4, "preset must be one of .*, got 'digits-10-views-4-views-4'"),
    ]:
        with pytest.raises(ValueError, match=message):
            preset(name, "dmt", views=views)


def test_gamma_can_be_said_in_a_preset_s_name():
    plain = preset("digits-10", "dmt")
    for name, gammas in {"digits-10-gamma-8": (8.0, 8.0), "digits-10-gamma-0-2.5": (0.0, 2.5)}.items():
        config = preset(name, "dmt")
        assert (config.preset, config.gamma1, config.gamma2) == (name, *gammas)
        assert config == dataclasses.replace(plain, preset=name, gamma1=gammas[0], gamma2=gammas[1])
    assert preset("cifar10-4000-gamma-1", "dmt", variant="authors").preset == "cifar10-4000-authors-gamma-1"
    assert preset("scenes-gamma-2", "dmt").gamma2 == 2.0
    for wrong in ("digits-10-gamma", "digits-10-gamma-", "digits-10-gamma--1", "mnist-gamma-2", "-gamma-2"):
        with pytest.raises(ValueError, match="preset must be one of"):
            preset(wrong, "dmt")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("mnist", "dmt"), "preset must be one of digits-40, digits-10, digits-20, digits-80, cifar10-small"),
        (("digits-40", "sgd"), "method must be one of baseline, online-st, cbst"),
        (("digits-40", "dmt", -1), "seed must lie in"),
        (("digits-40", "dmt", 0, 0.0), "budget must lie in"),
        (("digits-40", "dmt", 0, math.nan), "budget must lie in"),
        (("digits-40", "dmt", 0, math.inf), "budget must lie in"),
    ],
)
def test_presets_say_what_is_allowed(arguments, word):
    with pytest.raises(ValueError, match=word):
        preset(*arguments)


def test_a_budget_scales_every_phase():
    whole, tenth = preset("digits-40", "dmt"), preset("digits-40", "dmt", budget=0.1)
    for phase in range(6):
        assert tenth.steps(phase, 1000) == round(whole.steps(phase, 1000) / 10)
    assert preset("digits-40", "dmt", budget=1e-9).steps(1, 1000) == 1


@pytest.mark.parametrize("name", BY_HAND)
def test_a_tenth_of_every_phase(name):
    config = preset(name, "dmt", budget=0.1)
    assert [config.steps(phase, images) for phase, (images, _) in enumerate(BY_HAND[name])] == [
        steps for _, steps in BY_HAND[name]
    ]
    assert preset(name, "baseline", budget=0.1).steps(0, BY_HAND[name][0][0]) == BY_HAND[name][0][1]
    assert preset(name, "oracle", budget=0.1).steps(0, 49_800) == 2918  # 30 epochs · 49,800 / 512 = 2,917.97


def test_the_papers_lengths():
    config = preset("cifar10-4000", "dmt", seed=1)
    unlabeled = 49_800 - 4000
    images = sum(config.steps(p, round(unlabeled * a)) for p, a in enumerate(config.alphas, start=1)) * 512
    assert images == pytest.approx(118e6, rel=0.01)  # 750 epochs of 20 … 100% of the pseudo labels, 1 in 8 labeled
    assert config.steps(0, 4000) == round(300 * 12.5**0.5 * 4000 / 512)
    assert preset("cifar10-4000", "oracle").steps(0, 49_800) == round(300 * 49_800 / 512)
    assert preset("cifar10-1000", "dmt").labeled_per_batch * 32 == 512


@pytest.mark.parametrize("name", ROWS)
def test_the_variants_differ_in_what_the_authors_code_does_otherwise(name):
    paper, authors = preset(name, "dmt", seed=1).to_json(), preset(name, "dmt", seed=1, variant="authors").to_json()
    assert {key: authors[key] for key in paper if paper[key] != authors[key]} == {
        "preset": f"{name}-authors",
        "augmentation": "authors",
        "ema_decay": 0.001,
        "weight_pass_moves_statistics": True,
    }
    assert preset(f"{name}-authors", "dmt", seed=1) == preset(name, "dmt", seed=1, variant="authors")


@pytest.mark.parametrize(
    ("name", "variant", "allowed"),
    [
        ("digits-40", "authors", "paper"),
        ("cifar10-4000", "sgd", "paper, authors"),
        ("cifar10-1000", "", "paper, authors"),
    ],
)
def test_an_unknown_variant_is_told(name, variant, allowed):
    with pytest.raises(ValueError, match=f"^variant of {name} must be one of {allowed}, got '{variant}'$"):
        preset(name, "dmt", variant=variant)


def test_a_run_bears_the_name_of_its_row():
    for name in PRESETS:
        assert preset(name, "dmt").preset == name
