"""Fig. 1's statistics, against labels that were counted by hand."""

import math

import pytest
import torch

from book.studies import pseudo_labels as confidence
from dmtlib.data.images.packed import UNKNOWN
from dmtlib.training.images.evaluation import error_by_confidence

# Ten labels, all of class 0. By falling confidence: right, wrong, right × 4, wrong × 2, right, wrong.
SURE = [0.99, 0.97, 0.95, 0.90, 0.85, 0.80, 0.75, 0.70, 0.65, 0.60]
TRUTH = [0, 1, 0, 0, 0, 0, 1, 1, 0, 1]


@pytest.fixture
def labeling() -> confidence.Labeling:
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    sure = torch.tensor(SURE)[order]
    return confidence.labeling_of(torch.stack([sure, 1 - sure], dim=1), torch.tensor(TRUTH)[order])


def test_error_in_the_top_shares(labeling):
    table = confidence.error_in_top(labeling, (0.2, 0.4, 0.6, 0.8, 1.0))
    assert table["labels"].tolist() == [2, 4, 6, 8, 10]
    assert table["wrong"].tolist() == [1, 1, 1, 3, 4]
    assert table["error"].tolist() == pytest.approx([50, 25, 100 / 6, 37.5, 40])


def test_a_threshold_keeps_what_exceeds_it(labeling):
    chosen = confidence.at_threshold(labeling, 0.85)  # 0.85 itself is not kept: Eq. 2 has >
    assert chosen == (3, 1, 3, 3)
    assert chosen.kept_share == 40 and chosen.error == 25
    assert confidence.at_threshold(labeling, 0) == (6, 4, 0, 0)


def test_a_threshold_that_keeps_nothing_has_no_error(labeling):
    chosen = confidence.at_threshold(labeling, 0.999)
    assert chosen.kept_share == 0 and math.isnan(chosen.error)


def test_the_largest_clean_share_is_the_last_that_stays_below(labeling):
    assert confidence.largest_clean_share(labeling, error_below=17) == 60
    assert confidence.largest_clean_share(labeling, error_below=50) == 100
    assert confidence.largest_clean_share(labeling, error_below=1) == 10


def test_without_a_clean_label_the_share_is_zero():
    probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2]])
    assert confidence.largest_clean_share(confidence.labeling_of(probabilities, torch.tensor([1, 0])), 1) == 0


def test_confident_errors_come_first(labeling):
    worst = confidence.confident_errors(labeling, 3)
    assert labeling.wrong[worst].all()
    assert labeling.confidence[worst].tolist() == pytest.approx([0.97, 0.75, 0.70])


def test_errors_among_as_many_doubtful_labels(labeling):
    assert confidence.errors_ranked_last(labeling.confidence, labeling.wrong) == 3
    assert confidence.errors_ranked_last(-labeling.entropy, labeling.wrong) == 3  # two classes: the same order


def test_a_record_holds_the_error_by_confidence(labeling):
    assert error_by_confidence(labeling.probabilities, labeling.truth, (5, 20, 60, 100)) == pytest.approx(
        {"20": 50, "60": 16.6667, "100": 40}  # 5% of ten images is none
    )


def test_images_of_unknown_class_have_no_error(labeling):
    known = labeling.confidence > 0.82  # the five most confident: one of them wrong
    truth = torch.where(known, labeling.truth, UNKNOWN)
    assert error_by_confidence(labeling.probabilities, truth, (40, 100)) == {"40": 50, "100": 20}
    assert error_by_confidence(labeling.probabilities, torch.full_like(truth, UNKNOWN)) is None
