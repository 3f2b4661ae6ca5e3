"""The relatives of DMT, on elements worked by hand: who pulls B, how far, and where to."""

import math

import pytest
import torch

from book.figures.relatives import four_uses, pull_map
from book.studies import relatives
from book.studies.relatives import METHODS, Batch, by_hand, pulls


def two_classes(a, b, label=0, confidence=0.8, a_copy=None, b_copy=None) -> Batch:
    """One element, by the probabilities of class 0."""

    def both(p):
        return torch.tensor([[p, 1 - p]])

    copies = (both(a if a_copy is None else a_copy), both(b if b_copy is None else b_copy))
    return Batch(torch.tensor([label]), torch.tensor([confidence]), both(a), both(b), *copies, torch.tensor([0]))


def pull(loss, batch) -> float:
    return pulls(loss, batch, batch.labels).item()


def test_dmt_pulls_by_the_weight_times_what_is_missing():
    assert pull(relatives.dmt, two_classes(0.5, 0.7)) == pytest.approx(0.7**relatives.GAMMA * 0.3, rel=1e-5)
    assert pull(relatives.dmt, two_classes(0.5, 0.4)) == pytest.approx(0.4**relatives.GAMMA * 0.6, rel=1e-5)
    assert pull(relatives.dmt, two_classes(0.5, 0.1)) == 0  # case 3: B is surer, with 0.9, than the label was


def test_trust_pulls_by_what_is_missing():
    assert pull(relatives.trusting, two_classes(0.5, 0.1)) == pytest.approx(0.9, rel=1e-5)


def test_co_training_pulls_towards_a_and_stops_where_both_are_equal():
    assert (
        pull(relatives.deep_co_training, two_classes(0.9, 0.6))
        > 0
        > pull(relatives.deep_co_training, two_classes(0.2, 0.6))
    )
    assert pull(relatives.deep_co_training, two_classes(0.6, 0.6)) == pytest.approx(0, abs=1e-6)


def test_co_training_s_pull_is_the_slope_of_the_divergence():
    def divergence(logit: float) -> float:
        b = 1 / (1 + math.exp(-logit))
        middle = (0.9 + b) / 2

        def h(p):
            return -p * math.log(p) - (1 - p) * math.log(1 - p)

        return h(middle) - (h(0.9) + h(b)) / 2

    logit, step = math.log(0.3 / 0.7), 1e-4
    slope = (divergence(logit + step) - divergence(logit - step)) / (2 * step)
    assert pull(relatives.deep_co_training, two_classes(0.9, 0.3)) == pytest.approx(-slope, rel=1e-3)


@pytest.mark.parametrize(
    ("element", "taught"),
    [
        (dict(a=0.9, b=0.6), True),  # B has no confidence
        (dict(a=0.9, b=0.2, b_copy=0.7), True),  # B gives the copy another class
        (dict(a=0.7, b=0.6), False),  # nobody is stable
        (dict(a=0.9, b=0.95), False),  # both are, equally
        (dict(a=0.9, b=0.95, b_copy=0.85), True),  # both are, and B moves
        (dict(a=0.9, b=0.95, a_copy=0.85), False),  # both are, and A moves
        (dict(a=0.7, a_copy=0.9, b=0.6), True),  # the copy's confidence counts, too
    ],
)
def test_a_dual_student_learns_from_a_stabler_one(element, taught):
    assert (pull(relatives.dual_student, two_classes(**element)) != 0) == taught


def test_co_teaching_learns_the_labels_that_a_finds_easy_where_both_disagree():
    elements = [(0.9, 0.2), (0.8, 0.2), (0.7, 0.2), (0.6, 0.2), (0.3, 0.8), (0.9, 0.8)]  # A, B; the last one agrees
    batches = [two_classes(a, b) for a, b in elements]
    batch = Batch(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
    learned = pulls(relatives.co_teaching_plus, batch, batch.labels) != 0
    assert relatives.KEPT == 0.8  # of five
    assert learned.tolist() == [True, True, True, True, False, False]


def test_what_the_chapter_says_of_its_five_elements():
    names, batch = by_hand()
    of = {
        name: dict(zip(names, pulls(loss, batch, batch.labels).tolist(), strict=True))
        for name, loss in METHODS.items()
    }
    assert max(of["DMT"], key=of["DMT"].get) == "all agree"
    assert of["Co-teaching+"]["B contradicts"] > 0.9 and of["Dual Student"]["B contradicts"] == 0
    assert of["DMT"]["B contradicts"] == 0 < of["DMT"]["B doubts it"] < 0.01
    assert of["Dual Student"]["A now contradicts"] < 0 and of["Deep Co-Training"]["A now contradicts"] < 0


def test_batches_are_seeded_and_their_figures_drawn():
    (points, batch), (_, other) = relatives.spiral_batches([3, 4])
    (again, same), *_ = relatives.spiral_batches([3, 4])
    assert torch.equal(points, again) and all(torch.equal(x, y) for x, y in zip(batch, same, strict=True))
    assert not torch.equal(batch.a, other.a) and not torch.equal(batch.a, batch.b)
    table = relatives.compare([batch, other])
    assert list(table.index) == [*METHODS, "every label, weight 1"] and (table >= 0).all().all()
    assert len(four_uses().axes) == len(pull_map(points, batch).axes) == 4
