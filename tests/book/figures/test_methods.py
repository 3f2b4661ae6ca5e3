"""Dots of seeds, none on another."""

from itertools import combinations

import pandas as pd

from book.figures.methods import depths, noise_map, touching


def test_equal_dots_and_near_ones_stand_below_each_other():
    assert depths([97.0, 97.0, 97.0, 95.0], near=0.1) == [0, 1, 2, 0]
    assert depths([1.0, 1.05, 1.1, 2.0], near=0.06) == [0, 1, 0, 0]  # as high as there is room


def test_no_two_dots_of_a_row_touch():
    rows = [[50.1, 50.2, 62.0, 61.2, 50.3], [90.0, 91.0, 90.6]]
    near = touching(rows)
    assert near == (91.0 - 50.1) / 40
    for values in rows:
        for one, two in combinations(zip(values, depths(values, near), strict=True), 2):
            assert one[1] != two[1] or abs(one[0] - two[0]) > near


def test_of_nothing_nothing_is_drawn():
    assert touching([[], []]) == 0 and depths([], 0.0) == []


def test_a_set_stands_once_in_the_key_of_the_map():
    """With as many seeds as its panels have, while a method is still being recorded."""

    def points(**seeds):
        rows = [(name, 0.1 * seed, seed) for name, number in seeds.items() for seed in range(number)]
        return pd.DataFrame(rows, columns=["preset", "error", "gain"])

    figure = noise_map({"DMT − CL": points(scenes=3, digits=1), "DMT − baseline": points(scenes=3, digits=2)})
    (key,) = figure.legends
    assert [text.get_text() for text in key.get_texts()] == ["scenes, 3 seeds", "digits, 1–2 seeds"]
    alone = noise_map({"DMT − CL": points(digits=1)})
    assert [text.get_text() for text in alone.legends[0].get_texts()] == ["digits, 1 seed"]
