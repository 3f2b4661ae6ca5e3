"""Sentences made from records."""

import pytest

from book.figures.curriculum import phases_table
from book.figures.methods import by_method, differences
from book.studies import recorded


def runs(*accuracies: float) -> list[dict]:
    return [{"seed": seed, "test_accuracy": accuracy} for seed, accuracy in enumerate(accuracies)]


@pytest.fixture
def records() -> recorded.ByMethod:
    made = {"dmt": runs(97.0, 98.0, 96.0, 97.0), "cl": runs(97.0, 97.0, 97.0), "baseline": runs(90.0, 91.0, 89.0)}
    return {method: made.get(method, []) for method in recorded.NAMES}


def test_differences_are_paired_by_seed(records):
    text = recorded.difference(records, "dmt", "cl")
    assert text.startswith(
        "**DMT − CL**: +0.00 points, 95% interval −2.48 to +2.48, n = 3; 1 above zero, 1 below, 1 level."
    )
    assert text.endswith("Which is ahead can't be told.")
    assert recorded.difference(records, "dmt", "baseline").endswith("3 above zero, 0 below. DMT is ahead.")
    assert recorded.difference(records, "baseline", "dmt").endswith("0 above zero, 3 below. DMT is ahead.")


def test_one_seed_is_too_few_to_say_more(records):
    records["cl"] = runs(97.5)
    assert recorded.difference(records, "dmt", "cl").startswith("**DMT − CL**: −0.50 points, n = 1. One seed")


def test_what_was_not_run_is_said(records):
    assert recorded.difference(records, "dmt", "oracle") == "**DMT − oracle**: not run."
    assert recorded.summary(records, ("cl", "oracle")) == "CL 97.00 ± 0.00 (n = 3), oracle not run"


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_figures_say_what_was_not_run(records):
    assert texts(by_method(records, ("baseline", "dmt", "oracle"))) == ["90.0", "97.0", "not run"]
    assert texts(differences(records, "dmt", ("cl", "oracle"))) == ["+0.00", "not run"]
    nothing = dict.fromkeys(records, [])
    assert texts(by_method(nothing, ("dmt",))) == texts(differences(nothing, "dmt", ("cl",))) == ["not run"]


def test_the_mean_of_two_models_takes_the_place_of_the_better_one():
    def pixels(seed: int, scored_on: str, **scores: float) -> dict:
        models = {name: {f"{scored_on}_mean_iou": score} for name, score in scores.items()}
        run = {"seed": seed, "mean_iou": max(scores.values()), "phases": [{}, {"models": models}]}
        return run if scored_on == "val" else {**run, "scored_on": scored_on}

    two = [pixels(0, "val", A=50.0, B=56.0), pixels(1, "test", A=60.0, B=52.0)]
    assert [run["mean_iou"] for run in recorded.mean_of_models(two)] == [53.0, 56.0]
    assert [run["mean_iou"] for run in two] == [56.0, 60.0]  # they themselves stay as they are
    one = [pixels(0, "val", A=51.0), pixels(1, "test", A=52.0)]
    assert recorded.mean_of_models(one) == one
    text = recorded.difference_of_means({"dmt": two, "dst": one}, "dmt", "dst")
    assert text.startswith("**DMT, mean of both models, − DST**: +3.00 points")
    assert recorded.difference({"dmt": two, "dst": one}, "dmt", "dst").startswith("**DMT − DST**: +6.50 points")


def test_harm_that_is_undone_is_no_gain(records):
    assert recorded.harm_undone(records) == "DST, CBST and the baseline: not run."
    records |= {"cbst": runs(85.0, 87.0, 84.0), "dst": runs(91.0, 91.0, 91.0)}
    assert recorded.harm_undone(records).startswith("On average DST is 5.67 points above CBST. CBST itself is 4.67")
    assert recorded.harm_undone(records).endswith("Against the baseline DST has +1.00.")
    records["cbst"] = runs(90.5, 90.5, 90.5)
    assert recorded.harm_undone(records).startswith("CBST does no harm there: on average it is 0.50 points above")


def test_phases_without_wrong_labels_have_no_weight_of_them():
    phase = {"alpha": 0.2, "pseudo_labels": 5, "pseudo_label_error": 0.0, "mean_weight_right": 0.8}
    phase |= {"mean_weight_wrong": None, "case_shares": [1.0, 0.0, 0.0]}
    table = phases_table({"phases": [{}, phase]})
    assert table.loc[1, "case 1 (%)"] == 100 and table.loc[1, "case 3 (%)"] == 0
    assert table["weight, wrong"].isna().all()


def test_the_last_phase_over_seeds():
    phase = {"pseudo_label_error": 2.0, "mean_weight_right": 0.8, "mean_weight_wrong": 0.3}
    text = recorded.last_phase([{"phases": [{}, phase]}, {"phases": [{}, phase | {"pseudo_label_error": 4.0}]}])
    assert text.startswith("wrong labels, in percent: 3.00 ± 1.41 (n = 2); mean weight of a right label: 0.80 ± 0.00")
    assert recorded.last_phase([]) == "not run"


def phase_of(wrong: float | None, cases: list[float], **more) -> dict:
    return dict.fromkeys(recorded.PHASE) | {"alpha": 0.2, "mean_weight_wrong": wrong, "case_shares": cases} | more


def test_a_mean_run_has_the_mean_of_each_number_that_is_there():
    one = {"phases": [phase_of(None, None), phase_of(0.2, [0.5, 0.5, 0.0], pseudo_labels=251)]}
    two = {"phases": [phase_of(None, None), phase_of(None, [0.7, 0.1, 0.2], pseudo_labels=251)]}
    supervised, phase = recorded.mean_over_seeds([one, two])["phases"]
    assert supervised["case_shares"] is None
    assert (phase["alpha"], phase["mean_weight_wrong"], phase["pseudo_labels"]) == (0.2, 0.2, 251)
    assert phase["case_shares"] == pytest.approx([0.6, 0.3, 0.1])


def test_the_share_of_a_case_is_over_phases_models_and_seeds():
    images = {"phases": [{}, {"case_shares": [0.9, 0.1, 0.0]}, {"case_shares": [0.5, 0.1, 0.4]}]}
    pixels = {"phases": [{}, {"models": {"A": {"case_shares": [1, 0, 0]}, "B": {"case_shares": [0.9, 0, 0.1]}}}]}
    assert recorded.case_share([images, images], 3) == "20.0% of the labels"
    assert recorded.case_share([pixels], 3) == "5.0% of the labels"
    assert recorded.case_share([], 3) == "not run"
