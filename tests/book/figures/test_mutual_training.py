"""The numbers that the figures of Alg. 2 are drawn from, and that they can be drawn of what a run may leave."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from book.figures import mutual_training as draw
from book.studies.mutual_training import Lessons, course, gain_by_choice, rises, share_of_weight, starts_and_rises


def record(scores: dict[str, list[float]], wrong: float | None = 20.0, weight: float | None = 0.1) -> dict:
    """A record of as many phases as there are scores, by model; wrong labels have a tenth of a right one's 1."""
    nothing = {"pseudo_label_error": None, "mean_weight_right": None, "mean_weight_wrong": None}
    numbers = {"pseudo_label_error": wrong, "mean_weight_right": 1.0, "mean_weight_wrong": weight}
    phases = [
        {"models": {name: {"val_mean_iou": s[phase], **(numbers if phase else nothing)} for name, s in scores.items()}}
        for phase in range(len(scores["A"]))
    ]
    last = [s[-1] for s in scores.values()]
    return {"phases": phases, "config": {"alphas": [0.5, 1.0]}, "mean_iou": max(last)}


TWO = record({"A": [30.0, 40.0, 50.0], "B": [40.0, 50.0, 45.0]})
ONE = record({"A": [30.0, 36.0, 33.0]})


def test_a_curve_is_a_row_for_each_model_of_each_record():
    assert draw.curves([TWO, ONE], draw.SCORE).tolist() == [[30, 40, 50], [40, 50, 45], [30, 36, 33]]
    assert np.isnan(draw.curves([ONE], draw.ERROR)).tolist() == [[True, False, False]]


def test_the_course_in_words():
    assert course([ONE]) == "30.0% with the labels alone, highest after phase 1 with 36.0%, 33.0% after phase 2"
    assert course([TWO]) == "35.0% with the labels alone, highest in the end, 47.5% after phase 2"
    falling = record({"A": [30.0, 29.0, 28.0]})
    assert course([falling]) == "30.0% with the labels alone, never higher, 28.0% after phase 2"
    assert course([]) == "not run"


def test_the_share_of_the_weight_by_hand():
    wrong, heavy = share_of_weight([TWO])
    assert wrong == pytest.approx(0.2)
    assert heavy == pytest.approx(0.2 * 0.1 / (0.2 * 0.1 + 0.8 * 1.0))


def test_the_better_of_two_is_above_their_mean():
    assert gain_by_choice([TWO]).mean == pytest.approx(2.5)
    assert gain_by_choice([ONE]).mean == 0
    assert gain_by_choice([]) is None


def test_a_better_start_is_told_from_a_larger_gain():
    dmt, dst = ([{**run, "seed": 0}] for run in (TWO, ONE))
    assert rises(dmt) == {0: 12.5} and rises(dst) == {0: 3.0}
    text = starts_and_rises(dmt, dst)
    assert text.startswith("With the labels alone DMT's A has 30.0% on average and B 40.0%; DST's model, which begins")
    assert "DMT gains 12.50 points on average, and one of DST 3.00." in text and "+9.50" in text
    assert starts_and_rises([], dst) == starts_and_rises(dmt, []) == "DMT and DST: not run."


@pytest.mark.parametrize("wrong, weight", [(20.0, 0.1), (0.0, None), (None, None)])
def test_figures_are_drawn_of_runs_without_a_wrong_label_and_without_runs(wrong, weight):
    records = {"dmt": [record({"A": [30.0, 40.0, 50.0], "B": [40.0, 50.0, 40.0]}, wrong, weight)], "cbst": []}
    figure = draw.by_phase(records)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["DMT", "CBST: not run"]
    mean = figure.axes[1].lines[2]  # after a thin line for each model
    assert mean.get_ydata().tolist() == [35, 45, 45]
    draw.weights(records["dmt"])
    plt.close("all")


def test_a_lesson_shows_ignored_pixels_apart_from_those_of_no_weight():
    labels = torch.full((2, 8, 8), 255, dtype=torch.uint8)
    labels[0, :, :4] = 1
    truth = torch.ones(2, 8, 8, dtype=torch.uint8)
    truth[0, :4] = 2
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    figure = draw.lesson_frame(Lessons(images, truth, labels, torch.zeros(2, 8, 8)), [0, 1], ["ground", "one", "two"])
    weight = figure.axes[3].get_images()[0].get_array()
    assert (weight[:, :4] != weight[:, 4:]).any(axis=-1).all()
    outlines = [len(ax.collections) for ax in figure.axes[:8]]
    assert outlines == [0, 0, 1, 1, 0, 0, 0, 0]  # around the wrong labels of the first; the second has none
    plt.close(figure)
