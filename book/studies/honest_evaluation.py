"""What an accuracy can tell (Appendix C): intervals, paired tests, ranking by few images, choosing the luckiest.

Accuracies and shares are in percent.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int64
from scipy import stats
from torch import Generator, Tensor


def interval(right: int, images: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a model's accuracy, after ``right`` right answers to ``images`` random images."""
    low, high = stats.binomtest(right, images).proportion_ci(level, method="wilson")
    return 100 * low, 100 * high


def images_to_tell(
    first: float, second: float, disagreement: float | None = None, level: float = 0.05, power: float = 0.8
) -> int:
    """How many test images it takes to find two models' difference, by the normal approximation.

    Args:
        first, second: the models' true accuracies.
        disagreement: the share of images on which exactly one of them is right, if both answer the same images;
            None for two separate test sets.
        level: of the two-sided test: the chance to find a difference where there is none.
        power: the chance to find the one that there is.

    Raises:
        ValueError: no difference, or a larger one than the disagreement allows.
    """
    difference = abs(first - second) / 100
    if difference == 0 or (disagreement is not None and disagreement / 100 < difference - 1e-9):
        raise ValueError(f"no number of images tells {first} from {second} at a disagreement of {disagreement}")
    if disagreement is None:
        variance = sum(p / 100 * (1 - p / 100) for p in (first, second))
    else:
        variance = disagreement / 100 - difference**2  # of the difference on one image: −1, 0 or 1
    z = stats.norm.ppf(1 - level / 2) + stats.norm.ppf(power)
    return math.ceil(variance * (z / difference) ** 2)


class Paired(NamedTuple):
    """Two models on the same images: those that only one gets right, and the p-value of the exact sign test."""

    only_first: int
    only_second: int
    p: float


def paired_test(first: Bool[Tensor, " n"], second: Bool[Tensor, " n"]) -> Paired:
    """McNemar's test, exact: if neither is better, either is the one that is right as often as a coin falls heads."""
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    split = only_first + only_second
    return Paired(only_first, only_second, stats.binomtest(only_first, split).pvalue if split else 1.0)


def share_found(
    first: Bool[Tensor, " n"],
    second: Bool[Tensor, " n"],
    images: int,
    draws: int = 500,
    level: float = 0.05,
    seed: int = 0,
) -> float:
    """In how many percent of random samples of ``images`` the paired test finds a difference at ``level``."""
    samples = subsets(len(first), images, draws, seed)
    return 100 * float(np.mean([paired_test(first[s], second[s]).p < level for s in samples]))


class Scores(NamedTuple):
    """Models on the same n images: what each image adds to the plain and to the fine-grained accuracy."""

    plain: Float[Tensor, "M n"]
    fine: Float[Tensor, "M n"]

    @classmethod
    def of(cls, probabilities: Float[Tensor, "M n C"], truth: Int64[Tensor, " n"]) -> Scores:
        """1 for a right decision, or the probability given to it; 0 for a wrong one (Appendix C)."""
        confidence, said = probabilities.double().max(dim=2)
        plain = (said == truth).double()
        return cls(plain, plain * confidence)


def subsets(n: int, images: int, draws: int, seed: int = 0) -> Bool[Tensor, "draws n"]:
    """Random samples of ``images`` of n images, without repetition within a sample."""
    order = torch.rand(draws, n, generator=Generator().manual_seed(seed)).argsort(dim=1)
    return torch.zeros(draws, n, dtype=torch.bool).scatter(1, order[:, :images], True)


def rank_pairs(scores: Scores, images: int, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """How often a few images rank two models as all of them do.

    Args:
        images: in a sample.
        draws: samples, drawn from all images that the models answered.

    Returns:
        One row a pair of models that differ in plain accuracy, by rising ``gap``. ``plain right``, ``plain tied``,
        ``fine right``: shares of the samples; what is left ranks the pair wrongly. Fine-grained ties don't occur.
    """
    sampled = subsets(scores.plain.shape[1], images, draws, seed).double()
    plain, fine = sampled @ scores.plain.T, sampled @ scores.fine.T  # (draws, M)
    overall, overall_fine = (100 * score.mean(dim=1) for score in scores)
    rows = []
    for a, b in itertools.combinations(range(len(overall)), 2):
        better, worse = (a, b) if overall[a] > overall[b] else (b, a)
        ahead = plain[:, better] - plain[:, worse]
        rows.append(
            {
                "better": better,
                "worse": worse,
                "gap": (overall[better] - overall[worse]).item(),
                "fine gap": (overall_fine[better] - overall_fine[worse]).item(),
                "plain right": _percent(ahead > 0),
                "plain tied": _percent(ahead == 0),
                "fine right": _percent(fine[:, better] > fine[:, worse]),
            }
        )
    table = pd.DataFrame(rows)
    return table[table["gap"] > 0].sort_values("gap", ignore_index=True)


def sharpened(probabilities: Float[Tensor, "*n C"], temperature: float) -> Float[Tensor, "*n C"]:
    """The same decisions, surer at a temperature below 1 and less sure above: the logits are divided by it."""
    return (probabilities.double().log() / temperature).softmax(dim=-1)


def chance_to_mislead(first: float, second: float, images: int) -> tuple[float, float]:
    """How often the worse of two models gets more images right, and as many, each on random images of its own."""
    counts = np.arange(images + 1)
    better, worse = (stats.binom.pmf(counts, images, p / 100) for p in (max(first, second), min(first, second)))
    above = 1 - np.cumsum(worse)  # the chance that the worse one has more than so many
    return 100 * (better * above).sum(), 100 * (better * worse).sum()


def gain_by_choice(images: int, candidates: int, disagreement: float, draws: int = 20_000, seed: int = 0) -> float:
    """By how many points the best of equally good models looks better than it is.

    Any two of them disagree on ``disagreement`` percent of the images. Each gets a coin's throw of twice as many
    images right by chance, and all are alike on the others.
    """
    undecided = round(2 * disagreement / 100 * images)
    right = np.random.default_rng(seed).binomial(undecided, 0.5, size=(draws, candidates))
    return 100 * (right.max(axis=1).mean() - undecided / 2) / images


def optimism(plain: Float[Tensor, "M n"], images: int, draws: int = 1000, seed: int = 0) -> float:
    """The best of M models on ``images`` images, chosen by its accuracy there: how much lower it is on all others.

    Mean over random choices of the images, in points. For a model that wasn't chosen by them this is 0.
    """
    chosen_by = subsets(plain.shape[1], images, draws, seed).double()
    on_these = chosen_by @ plain.T / images
    on_others = (1 - chosen_by) @ plain.T / (plain.shape[1] - images)
    best = on_these.argmax(dim=1, keepdim=True)
    return 100 * (on_these.gather(1, best) - on_others.gather(1, best)).mean().item()


def _percent(flags: Bool[Tensor, " n"]) -> float:
    return 100 * flags.double().mean().item()
