"""The toy of two models: what the chapter on disagreement counts must be counted right."""

import math

import pytest
import torch

from book.studies import disagreement as toy


@pytest.fixture(scope="module")
def task() -> toy.Task:
    return toy.spiral(seed=3)


@pytest.fixture(scope="module")
def answers(task) -> torch.Tensor:
    predict = toy.train_networks([task, task], seeds=[0, 1])
    return predict(task.unlabeled)


@pytest.mark.parametrize("gap", [True, False])
def test_a_task_is_balanced_and_its_labels_are_true(gap):
    task = toy.spiral(seed=0, num_labels=40, gap=gap)
    assert task.points.shape == (40, 2) and task.unlabeled.shape == (1000, 2)
    assert task.labels.bincount().tolist() == [20, 20]
    assert torch.equal(task.labels, toy.spiral_class(task.points))
    assert torch.equal(task.truth, toy.spiral_class(task.unlabeled))


def test_labeled_points_are_not_among_the_unlabeled(task):
    assert torch.cdist(task.points, task.unlabeled).min() > 0


def test_the_two_arms_are_a_half_turn_apart():
    points = toy.spiral(seed=0).unlabeled
    assert torch.equal(toy.spiral_class(-points), 1 - toy.spiral_class(points))


def test_digits_are_the_librarys_split():
    task = toy.digits(seed=0)
    assert task.points.shape == (40, 64) and len(task.unlabeled) == len(task.truth) == 1257
    assert task.labels.bincount().tolist() == [4] * 10


def test_networks_learn_their_labels_and_depend_on_their_seed_alone(task, answers):
    again = toy.train_networks([task, task, task], seeds=[5, 0, 1])(task.unlabeled)
    torch.testing.assert_close(again[1:], answers)  # side by side with another network: the same answers
    assert not torch.allclose(again[0], again[1])
    fits = toy.train_networks([task], seeds=[0])(task.points)[0].argmax(dim=1)
    assert torch.equal(fits, task.labels)


def test_training_leaves_the_number_of_threads_alone(task):
    threads = torch.get_num_threads()
    toy.train_networks([task], seeds=[0], steps=1)
    assert torch.get_num_threads() == threads


def test_where_two_models_of_two_classes_disagree_exactly_one_is_wrong(task, answers):
    pair, swapped = toy.compare(task, *answers), toy.compare(task, *answers.flip(0))
    assert torch.equal(pair.disagree, swapped.disagree)
    assert torch.equal(pair.disagree, pair.wrong ^ swapped.wrong)


def test_flags_are_the_lowest_scores_and_ties_go_by_index():
    flags = toy.least(torch.tensor([0.5, 0.1, 0.5, 0.9, 0.5]), 3)
    assert flags.tolist() == [True, True, True, False, False]


def test_measures_by_hand():
    pair = toy.Pair(
        y_a=torch.tensor([0, 0, 0, 0, 1]),
        c_a=torch.tensor([0.9, 0.8, 0.7, 0.6, 0.95]),
        p_b=torch.tensor([0.8, 0.45, 0.1, 0.9, 0.6]),
        cases=torch.tensor([1, 2, 3, 1, 1], dtype=torch.uint8),
        wrong=torch.tensor([False, True, True, False, True]),
    )
    row = toy.measure([pair]).iloc[0]
    expected = {
        "error": 60,
        "disagreement": 40,
        "found by disagreement": 200 / 3,  # points 1 and 2, of the errors 1, 2 and 4
        "found by A's confidence": 100 / 3,  # flags points 3 and 2
        "found by both models' mean": 200 / 3,  # flags points 2 and 1
        "wrong where they disagree": 100,
        "wrong in case 1": 100 / 3,
        "wrong in case 2": 100,
        "wrong in case 3": 100,
        "confident errors": 200 / 3,  # 1 and 4: the least confident two are 3 and 2
        "confident errors found": 50,
    }
    assert row.to_dict() == pytest.approx(expected, rel=1e-5)


def test_shares_of_nothing_are_no_number():
    certain = torch.tensor([1.0, 1.0])
    agreed = toy.Pair(torch.tensor([0, 1]), certain, certain, torch.ones(2, dtype=torch.uint8), certain < 0)
    row = toy.measure([agreed]).iloc[0]
    assert row["error"] == 0 and math.isnan(row["found by disagreement"]) and math.isnan(row["wrong in case 3"])


def test_errors_found_rise_from_none_to_all():
    score, wrong = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([True, False, True, False])
    assert toy.errors_found(score, wrong, [0, 0.25, 0.5, 0.75, 1]) == [0, 50, 50, 100, 100]


def test_disagreement_finds_more_errors_than_confidence_on_average():
    rows = toy.measure(toy.train_pairs([toy.spiral(i) for i in range(40)]))
    gain = rows["found by disagreement"] - rows["found by A's confidence"]
    assert gain.mean() > 2 * gain.sem()
    assert rows["wrong in case 1"].mean() < rows["wrong in case 2"].mean() < rows["wrong in case 3"].mean()
