"""What the chapter from images to pixels counts, on pixels few enough to count by hand."""

import json
import os
import subprocess
import sys

import pytest
import torch
from chapters import ROOT

from book.studies import segmentation as ranking
from dmtlib.method.pseudo_labels import count_selected

VOID = 255


def labeling_of(confidence, labels, truth, classes=3) -> ranking.PixelLabeling:
    """One row of pixels: each gives ``confidence`` to its label and the rest to all others alike."""
    confidence, labels = torch.tensor(confidence), torch.tensor(labels)
    others = ((1 - confidence) / (classes - 1)).expand(classes, -1).clone()
    probabilities = others.scatter(0, labels[None], confidence[None])
    truth = torch.tensor(truth, dtype=torch.uint8).view(1, 1, -1)
    return ranking.pixel_labeling(("background", "a", "b")[:classes], probabilities.view(1, classes, 1, -1), truth)


@pytest.fixture
def labeling() -> ranking.PixelLabeling:
    return labeling_of(
        confidence=[0.99, 0.98, 0.97, 0.96, 0.80, 0.70, 0.60, 0.50],
        labels=[0, 0, 0, 0, 1, 1, 1, 1],
        truth=[0, 0, 0, 1, 1, VOID, 0, 1],
    )


@pytest.fixture
def random_labeling() -> ranking.PixelLabeling:
    """Three scenes of noise in which class 0 is the easy one."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(3, 5, 16, 16, generator=generator)
    logits[:, 0] += 3
    truth = torch.randint(0, 5, (3, 16, 16), generator=generator).to(torch.uint8)
    truth[:, 0] = VOID
    return ranking.pixel_labeling(tuple("abcde"), logits.softmax(dim=1), truth)


def test_ranked_together_the_easy_class_takes_all_and_ranked_by_class_each_has_its_share(labeling):
    together = ranking.keep_top(labeling, 0.5, by_class=False).flatten()
    by_class = ranking.keep_top(labeling, 0.5).flatten()
    assert together.tolist() == [0, 0, 0, 0, VOID, VOID, VOID, VOID]
    assert by_class.tolist() == [0, 0, VOID, VOID, 1, 1, VOID, VOID]


def test_counts_by_class(labeling):
    counts = ranking.kept_by_class(labeling, labeling.labels)
    assert counts.loc["background"].to_dict() == {"labeled": 4, "kept": 4, "wrong": 1, "known": 4}
    assert counts.loc["a"].to_dict() == {"labeled": 4, "kept": 4, "wrong": 1, "known": 3}  # one pixel is void
    assert counts.loc["b"].to_dict() == {"labeled": 0, "kept": 0, "wrong": 0, "known": 0}
    half = ranking.kept_by_class(labeling, ranking.keep_top(labeling, 0.5))
    assert half.loc["a"].to_dict() == {"labeled": 4, "kept": 2, "wrong": 0, "known": 1}


def test_four_parts_leave_void_out(labeling):
    parts = ranking.four_parts(labeling, ranking.keep_top(labeling, 0.5))
    assert parts.loc["background"].tolist() == [50, 0, 25, 25]
    assert parts.loc["a"].tolist() == pytest.approx([100 / 3] * 1 + [0] + [100 / 3] * 2)
    assert parts.loc["b"].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("alpha", [0.01, 0.2, 0.5, 1.0])
def test_kept_are_exactly_as_many_as_asked_for(random_labeling, alpha):
    counts = ranking.kept_by_class(random_labeling, ranking.keep_top(random_labeling, alpha))
    assert counts["kept"].tolist() == [count_selected(alpha, n) for n in counts["labeled"]]
    assert (ranking.keep_top(random_labeling, alpha, by_class=False) != VOID).sum() == count_selected(alpha, 768)


def test_the_cut_and_its_ties():
    tied = labeling_of([0.9, 0.9, 0.9, 0.8, 0.7], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1])
    cut, equal = ranking.class_cut(tied, 0.5)
    assert (equal[0], cut.ties[0]) == (3, 2)
    assert ranking.thresholds(tied, 0.5)[0] == pytest.approx(0.9, abs=2e-5)
    assert ranking.thresholds(tied, 1.0)[:2].tolist() == pytest.approx([0.8, 0.7], abs=2e-5)
    assert ranking.thresholds(tied, 0.5)[1:].tolist() == [1, 1]  # nothing to keep: ⌊0.5⌋ pixels, and no pixels


def test_the_papers_example_of_renormalisation():
    label, score = ranking.renormalise(torch.tensor([[0.6, 0.4]]), torch.tensor([0.61, 0.39]))
    assert label.tolist() == [1] and score.item() == pytest.approx(0.4 / 0.39)


def test_renormalisation_changes_labels_for_better_and_for_worse():
    """The top halves end at 0.46 and 0.36. Two pixels are class 0, but 0.44 / 0.36 and 0.40 / 0.36 are above 1."""
    rows = [[0.46, 0.44, 0.10], [0.45, 0.40, 0.15], [0.30, 0.36, 0.34], [0.31, 0.35, 0.34]]
    truth = torch.tensor([[[0, 1, 1, 1]]], dtype=torch.uint8)
    seen = ranking.pixel_labeling(("a", "b", "c"), torch.tensor(rows).T.reshape(1, 3, 1, 4), truth)
    assert ranking.thresholds(seen, 0.5).tolist() == pytest.approx([0.46, 0.36, 1], abs=2e-5)
    effect = ranking.renormalisation_effect(seen, [0.5]).loc[0.5]
    kept = 200 / effect["changed"]
    assert round(kept, 4) in (2, 3)  # the third pixel lies on its threshold: kept or not by rounding
    assert effect["right made wrong"] == effect["wrong made right"] == pytest.approx(100 / kept)


def test_of_two_classes_renormalisation_changes_no_kept_label():
    logits = 2 * torch.randn(1, 2, 64, 64, generator=torch.Generator().manual_seed(1))
    logits[:, 0] += 1
    nobody_knows = torch.full((1, 64, 64), VOID, dtype=torch.uint8)
    two = ranking.pixel_labeling(("a", "b"), logits.softmax(dim=1), nobody_knows)
    alphas = [0.1, 0.5, 0.9, 0.99]
    assert (ranking.renormalisation_effect(two, alphas)["changed"] == 0).all()
    assert all((ranking.thresholds(two, alpha) >= 0.5).all() for alpha in alphas)


def test_the_benchmark_selects_as_sorting_does_and_answers_in_json():
    """It ends with an error where the two ways differ. Seconds are not tested."""
    command = [sys.executable, "benchmarks/selection.py", "--pixels", "400000"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout.splitlines()[-1])
    assert list(row) == ["pixels", "seconds", "sort_seconds", "ratio", "extra_bytes"]
    assert row["pixels"] == 400_000 and row["extra_bytes"] < 50e6


def test_the_benchmarks_numbers_are_those_in_its_head():
    assert ranking.measured_selection().startswith("Measured on ")
    assert "10^8 pixels" in ranking.measured_selection()
