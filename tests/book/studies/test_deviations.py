"""The list of deviations: every entry whole, its code there, its effects true where they can be checked."""

import importlib
import re

import pytest

from book.figures.deviations import agreement
from book.studies import deviation_effects as effects
from book.studies import deviations as module
from book.studies.deviations import GROUPS, UNSAID, Cards, deviations, variant_differences
from dmtlib.presets import PRESETS, SEGMENTATION_PRESETS

POINTS = deviations()
each = pytest.mark.parametrize("item", POINTS, ids=lambda item: item.point)


@each
def test_an_entry_is_whole(item):
    assert item.group in GROUPS
    assert item.here not in UNSAID and item.why and item.code
    assert (item.effect is None) != (item.measured is None)
    assert set(item.agrees) <= {"paper", "authors"}
    assert all(getattr(item, who) not in UNSAID for who in item.agrees)
    assert not (item.variant and "authors" in item.agrees)  # a variant is there to do otherwise than we do


@each
def test_its_code_is_there(item):
    for name in item.code:
        home, _, part = name.rpartition(".")
        assert hasattr(importlib.import_module(f"dmtlib.{home}"), part)


@each
def test_its_effect_is_a_sentence(item):
    told = item.told_effect()
    assert not told[0].islower() and told.endswith(".") and "nan" not in told
    assert "$" not in told


def test_points_are_told_apart():
    assert len({item.point for item in POINTS}) == len(POINTS)
    assert [item.group for item in POINTS] == sorted((item.group for item in POINTS), key=GROUPS.index)


def test_the_black_images_are_those_of_the_list():
    """Either translation from level 4 on leaves nothing of 32 pixels: 2 · 7 of 160."""
    told = effects.black_images()
    assert told.startswith("14 of 160 pairs") and "8.75%" in told and "0.0% with the paper's" in told


def test_effects_that_can_be_worked_by_hand():
    assert "193 pixels of the image instead of 385" in effects.branches()  # 2 · 12 · 8 + 1, 2 · 24 · 8 + 1
    assert "1,000 steps" in effects.memory_of_the_average() and "1.001" in effects.memory_of_the_average()
    assert "γ = 594" in effects.ramp_at_the_start() and "1e-27" in effects.ramp_at_the_start()
    assert "19% a step instead of 10%" in effects.statistics_twice()
    first, second = re.findall(r"is ([\d.]+) with|and ([\d.]+) with", effects.exchanged_partners())
    assert max(first) == max(second)
    assert effects.strict_threshold().endswith("the strict cut leaves 0.")
    assert float(re.search(r"by ([\d.e-]+) at", effects.confidence_codes())[1]) < 2e-5


def test_without_records_effects_say_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(effects, "results", lambda: tmp_path)
    for measured in (effects.jpeg_copy, effects.share_of_case_3, effects.dmt_against_dst, effects.better_of_two):
        assert "not run" in measured()


def test_the_variants_differ_where_the_list_says(monkeypatch):
    for name in ("cifar10-4000", "cifar10-1000"):
        assert set(variant_differences(name).index) == {"augmentation", "ema_decay", "weight_pass_moves_statistics"}
    found = set(variant_differences("voc-50").index)
    assert found == {"rates", "goes_on_from", "baseline_epochs"}
    assert sum(item.variant for item in POINTS) == 3 + len(found)
    assert {name for name in PRESETS | SEGMENTATION_PRESETS if name.endswith("-authors")} >= {"voc-50-authors"}


@pytest.mark.parametrize("group", GROUPS)
def test_cards_open_to_what_everyone_says(group, monkeypatch):
    monkeypatch.setenv("DMT_STATIC", "1")
    cards = Cards(group)
    text = cards._repr_html_()
    assert text.count("<details") == text.count("</details>") == len(cards.items)
    assert "`" not in text
    assert all(f"<b>{who}.</b>" in text for who in ("Paper", "Authors' code", "Here", "Why", "Effect", "Code"))
    for page, anchor in re.findall(r'href="(api\w*)\.html#module-([\w.]+)"', text):
        assert f"module:: {anchor}\n" in (module.repository() / f"book/{page}.md").read_text()
    monkeypatch.delenv("DMT_STATIC")
    beside = re.findall(r'href="\.\./([\w/]+\.py)"', cards._repr_html_())
    assert beside and all((module.repository() / file).exists() for file in beside)


def test_the_figure_has_a_dot_for_each_of_the_three():
    (ax,) = agreement().axes
    assert len(ax.lines) == 3 * len(POINTS)
    assert len(ax.patches) == sum(bool(item.agrees) for item in POINTS)
