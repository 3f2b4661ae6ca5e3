"""What an accuracy can tell, against numbers that were worked out by hand or by enumeration."""

import itertools
import math

import pytest
import torch

from book.figures.honest_evaluation import choice, gains, ranking, strays_frame, temperature_frame, widths
from book.studies import honest_evaluation as evaluation
from dmtlib.training.images.evaluation import accuracy, fine_grained_accuracy


def test_wilsons_interval_by_its_formula():
    """Its ends are the p whose normal test just rejects 180 of 200: |0.9 − p| = z √(p(1 − p)/n)."""
    for p in evaluation.interval(180, 200):
        assert abs(0.9 - p / 100) == pytest.approx(1.959964 * math.sqrt(p / 100 * (1 - p / 100) / 200), abs=1e-6)
    low, high = evaluation.interval(200, 200)
    assert low < 100 and high == 100


def test_images_to_tell():
    z = 1.959964 + 0.841621  # 5% two-sided, found four times in five
    variance = 0.94 * 0.06 + 0.942 * 0.058
    assert evaluation.images_to_tell(94.0, 94.2) == pytest.approx(variance * (z / 0.002) ** 2, abs=2)
    assert evaluation.images_to_tell(94.2, 94.0, 4) == pytest.approx((0.04 - 0.002**2) * (z / 0.002) ** 2, abs=2)


def test_the_number_of_images_does_what_it_promises():
    """Two models that differ on 20% of the images, 14 : 6: the paired test finds that about four times in five."""
    first, second = torch.zeros(2, 10_000, dtype=torch.bool)
    first[:1400], second[1400:2000] = True, True
    images = evaluation.images_to_tell(14, 6, 20)
    assert 220 <= images <= 240
    assert 70 < evaluation.share_found(first, second, images, draws=400) < 86


@pytest.mark.parametrize("arguments", [(94.0, 94.0), (90.0, 95.0, 4.0)])
def test_a_difference_that_cannot_be_is_refused(arguments):
    with pytest.raises(ValueError, match="no number of images tells"):
        evaluation.images_to_tell(*arguments)


def test_the_sign_test_counts_only_what_one_gets_right():
    first = torch.tensor([True] * 5 + [False] + [True] * 10 + [False] * 10)
    second = torch.tensor([False] * 5 + [True] + [True] * 10 + [False] * 10)
    test = evaluation.paired_test(first, second)
    assert test[:2] == (5, 1)
    assert test.p == pytest.approx(2 * (1 + 6) / 2**6)  # 0 or 1 heads of 6, or 5 or 6
    assert evaluation.paired_test(first, first).p == 1


def test_scores_add_up_to_the_librarys_accuracies():
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(3, 50, 4, generator=generator).softmax(dim=2)
    truth = torch.randint(4, (50,), generator=generator)
    scores = evaluation.Scores.of(probabilities, truth)
    for model, plain, fine in zip(probabilities, *scores, strict=True):
        assert 100 * plain.mean().item() == pytest.approx(accuracy(model, truth), abs=1e-3)
        assert 100 * fine.mean().item() == pytest.approx(fine_grained_accuracy(model, truth), abs=1e-3)


def test_samples_have_the_size_asked_for_and_differ():
    samples = evaluation.subsets(30, 8, 40)
    assert samples.shape == (40, 30) and (samples.sum(dim=1) == 8).all()
    assert samples.any(dim=0).all() and len(samples.unique(dim=0)) == 40


def test_ranking_by_samples_agrees_with_all_samples_enumerated():
    plain = torch.tensor([[1, 1, 1, 0, 1], [1, 0, 1, 1, 0]]).double()
    fine = plain * torch.tensor([[0.5, 0.5, 0.5, 0.5, 0.5], [0.9, 0.9, 0.9, 0.8, 0.9]])
    row = evaluation.rank_pairs(evaluation.Scores(plain, fine), images=2, draws=4000).iloc[0]
    assert (row["better"], row["worse"], row["gap"]) == (0, 1, pytest.approx(20))
    assert row["fine gap"] == pytest.approx(100 * (2.0 - 2.6) / 5)
    every = [list(pair) for pair in itertools.combinations(range(5), 2)]
    ahead = [(plain[0, pair] - plain[1, pair]).sum().item() for pair in every]
    fine_ahead = [(fine[0, pair] - fine[1, pair]).sum().item() for pair in every]
    assert row["plain right"] == pytest.approx(100 * sum(a > 0 for a in ahead) / 10, abs=3)
    assert row["plain tied"] == pytest.approx(100 * sum(a == 0 for a in ahead) / 10, abs=3)
    assert row["fine right"] == pytest.approx(100 * sum(a > 0 for a in fine_ahead) / 10, abs=3)


def test_models_that_are_equally_good_are_no_pair():
    plain = torch.eye(3).double()
    assert evaluation.rank_pairs(evaluation.Scores(plain, plain), images=2).empty


def test_a_temperature_moves_the_confidence_and_no_decision():
    probabilities = torch.tensor([[0.6, 0.3, 0.1]])
    torch.testing.assert_close(evaluation.sharpened(probabilities, 1).float(), probabilities)
    sharp = evaluation.sharpened(probabilities, 0.5)[0]
    assert sharp[0].item() == pytest.approx(0.36 / (0.36 + 0.09 + 0.01), abs=1e-6)


def test_the_chance_to_mislead_by_enumeration():
    """Two images each, 80% and 50%: the worse one has more with (0,1), (0,2), (1,2) right answers."""
    better, worse = [0.04, 0.32, 0.64], [0.25, 0.5, 0.25]
    misled = better[0] * (worse[1] + worse[2]) + better[1] * worse[2]
    tied = sum(b * w for b, w in zip(better, worse, strict=True))
    assert evaluation.chance_to_mislead(50, 80, 2) == pytest.approx((100 * misled, 100 * tied))


def test_one_candidate_gains_nothing_and_coins_do():
    assert evaluation.gain_by_choice(10_000, 1, 2) == pytest.approx(0, abs=0.01)
    # The better of two throws of 2 coins: E[max] − 1 = (0·1 + 1·8 + 2·7)/16 − 1 = 3/8 of a coin, of 2 images.
    assert evaluation.gain_by_choice(2, 2, 50) == pytest.approx(100 * 3 / 8 / 2, abs=0.5)


def test_optimism_is_what_chance_gives_and_nothing_for_a_true_winner():
    coins = (torch.rand(8, 400, generator=torch.Generator().manual_seed(1)) < 0.5).double()
    assert evaluation.optimism(coins, 100) > 3
    winner = torch.cat([torch.ones(1, 400).double(), coins])
    assert evaluation.optimism(winner, 100) == pytest.approx(0)
    assert evaluation.optimism(coins[:1], 100) == pytest.approx(0, abs=0.6)  # one model: nothing to choose


def test_figures_are_drawn():
    probabilities = torch.rand(4, 60, 3, generator=torch.Generator().manual_seed(0)).softmax(dim=2)
    truth = torch.zeros(60, dtype=torch.long)
    scores = evaluation.Scores.of(probabilities, truth)
    assert "42%" in strays_frame(200).axes[0].get_title()
    assert [text.get_text() for text in widths(90, {"here": 200}).axes[0].texts] == ["200\nhere", "0.2 points"]
    assert len(ranking(evaluation.rank_pairs(scores, 20), 20).axes) == 2
    temperature_frame(probabilities[0], truth, 0.5)
    gains(1000, (1, 2, 4), 0.19)
    choice(scores.plain, evaluation.subsets(60, 20, 1)[0])
