"""Four methods with two models (Fig. 11, Sec. 6): what model B learns, in one step, from one unlabeled batch.

Each method is a loss of B's logits, element by element; its gradient says which elements pull B, and where to. Only
what passes between the models is here: no labeled part, no consistency of a model with itself, no schedule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from dmtlib.method.dynamic_loss import dynamic_weights
from dmtlib.method.pseudo_labels import entropy, pseudo_label

from .disagreement import spiral, train_networks

GAMMA = 5.0  # of the dynamic loss, the paper's on VOC
KEPT = 0.8  # share of the elements in question that Co-teaching+ keeps: those of small loss
STABLE = 0.8  # what Dual Student wants of a confidence
NUDGE = 0.03  # standard deviation of a perturbed copy's place; the spiral's arms are 0.4 apart


class Batch(NamedTuple):
    """What is known of n unlabeled elements. ``truth`` is for whoever measures."""

    labels: Int64[Tensor, " n"]  # by an earlier model, as confident as this:
    confidence: Float[Tensor, " n"]
    a: Float[Tensor, "n C"]  # probabilities by A and B as they are now
    b: Float[Tensor, "n C"]
    a_copy: Float[Tensor, "n C"]  # and for a perturbed copy of each element
    b_copy: Float[Tensor, "n C"]
    truth: Int64[Tensor, " n"]


Loss = Callable[[Float[Tensor, "n C"], Batch], Float[Tensor, " n"]]
"""The loss of B's logits on a batch, element by element; 0 where B learns nothing."""


def co_teaching_plus(logits: Float[Tensor, "n C"], batch: Batch) -> Float[Tensor, " n"]:
    """Where A and B disagree, A picks the elements of small loss, and B learns their labels (Yu et al. 2019)."""
    disagree = batch.a.argmax(dim=1) != batch.b.argmax(dim=1)
    loss_of_a = F.nll_loss(batch.a.log(), batch.labels, reduction="none")
    order = loss_of_a.where(disagree, torch.inf).argsort(stable=True)
    picked = torch.zeros_like(disagree)
    picked[order[: int(KEPT * disagree.sum())]] = True
    loss_of_b = F.cross_entropy(logits, batch.labels, reduction="none")
    return loss_of_b.where(picked, 0.0)


def deep_co_training(logits: Float[Tensor, "n C"], batch: Batch) -> Float[Tensor, " n"]:
    """Everywhere B moves towards A, and A towards B: the Jensen–Shannon divergence falls (Qiao et al. 2018).

    Without the adversarial examples that keep the two models different.
    """
    b = logits.softmax(dim=1)
    return entropy((batch.a + b) / 2) - (entropy(batch.a) + entropy(b)) / 2


def dual_student(logits: Float[Tensor, "n C"], batch: Batch) -> Float[Tensor, " n"]:
    """B moves towards A where A is stable and B is not, or less so (Ke et al. 2019).

    A model is stable on an element if it gives a perturbed copy the same class, and one of the two with confidence.
    """
    stable_a, moved_a = _stability(batch.a, batch.a_copy)
    stable_b, moved_b = _stability(batch.b, batch.b_copy)
    taught = stable_a & (~stable_b | (moved_b > moved_a))
    distance = (logits.softmax(dim=1) - batch.a).square().sum(dim=1)
    return distance.where(taught, 0.0)


def dmt(logits: Float[Tensor, "n C"], batch: Batch, gamma: float = GAMMA) -> Float[Tensor, " n"]:
    """B learns every stored label, weighed by how far it agrees (Eq. 3 and 4)."""
    said = batch.labels, batch.confidence
    weights = dynamic_weights(batch.b, *said, gamma, gamma)
    return weights * F.cross_entropy(logits, batch.labels, reduction="none")


def trusting(logits: Float[Tensor, "n C"], batch: Batch) -> Float[Tensor, " n"]:
    """For comparison: B learns every stored label, with weight 1 (Curriculum Labeling)."""
    return F.cross_entropy(logits, batch.labels, reduction="none")


LOSSES: dict[str, Loss] = {
    "Co-teaching+": co_teaching_plus,
    "Deep Co-Training": deep_co_training,
    "Dual Student": dual_student,
    "DMT": dmt,
}
"""In the order of Fig. 11."""


def pulls(loss: Loss, batch: Batch, towards: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
    """How far a step of gradient descent raises B's logit of one class of each element: minus the gradient.

    Args:
        towards: the class, as ``batch.labels`` or ``batch.truth``.
    """
    logits = batch.b.log().requires_grad_()
    loss(logits, batch).sum().backward()
    return -logits.grad.gather(1, towards.unsqueeze(1)).squeeze(1)


def spiral_batches(seeds: list[int]) -> list[tuple[Float[Tensor, "n 2"], Batch]]:
    """For each seed the points of a spiral, and what three small networks say of them: one labels, A and B learn."""
    tasks = [spiral(seed) for seed in seeds]
    predict = train_networks([task for task in tasks for _ in range(3)], [s for seed in seeds for s in _three(seed)])
    points = torch.stack([task.unlabeled for task in tasks])  # (N, n, 2)
    copies = points + NUDGE * torch.randn(points.shape, generator=torch.Generator().manual_seed(seeds[0]))
    said, said_of_copies = (predict(p.repeat_interleave(3, dim=0)).unflatten(0, (-1, 3)) for p in (points, copies))
    batches = []
    for task, (labeler, a, b), (_, a_copy, b_copy) in zip(tasks, said, said_of_copies, strict=True):
        labels, confidence = pseudo_label(labeler)
        batches.append((task.unlabeled, Batch(labels, confidence, a, b, a_copy, b_copy, task.truth)))
    return batches


def by_hand() -> tuple[list[str], Batch]:
    """Five elements of three classes, all labeled as class 0, and what is notable about each."""
    elements = {  # confidence of the label; A; B
        "all agree": (0.90, (0.90, 0.05, 0.05), (0.85, 0.10, 0.05)),
        "B agrees, unsure": (0.90, (0.90, 0.05, 0.05), (0.50, 0.30, 0.20)),
        "B doubts it": (0.90, (0.85, 0.10, 0.05), (0.30, 0.60, 0.10)),
        "B contradicts": (0.60, (0.60, 0.30, 0.10), (0.05, 0.90, 0.05)),
        "A now contradicts": (0.60, (0.10, 0.85, 0.05), (0.70, 0.20, 0.10)),
    }
    confidence, a, b = (torch.tensor(values) for values in zip(*elements.values(), strict=True))
    labels = torch.zeros(len(elements), dtype=torch.long)
    return list(elements), Batch(labels, confidence, a, b, a_copy=a, b_copy=b, truth=labels)


SHARES = ("learned from (%)", "of those labeled wrong (%)", "pull away from the truth (%)")
"""Elements that pull B at all, of all; those with a wrong label, of these; and the wrong part of the whole pull."""


def shares(loss: Loss, batches: list[Batch]) -> list[float]:
    """The means of :data:`SHARES` over batches, in percent."""
    found = []
    for batch in batches:
        pull = pulls(loss, batch, batch.truth)
        learned = pull.abs() > 1e-6
        wrong = (batch.labels != batch.truth)[learned].float().mean()
        away = pull.clamp(max=0).abs().sum() / pull.abs().sum()
        found.append(torch.stack([learned.float().mean(), wrong, away]))
    return (100 * torch.stack(found).nanmean(dim=0)).tolist()


def compare(batches: list[Batch]) -> pd.DataFrame:
    """:func:`shares` of each method, and of trust in every label."""
    rows = {name: shares(loss, batches) for name, loss in {**LOSSES, "every label, weight 1": trusting}.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=SHARES).rename_axis("method")


def _three(seed: int) -> list[int]:
    return [3 * seed, 3 * seed + 1, 3 * seed + 2]


def _stability(p: Float[Tensor, "n C"], copy: Float[Tensor, "n C"]) -> tuple[Tensor, Tensor]:
    """Whether a model is stable on each element, and how far its answer moves from an element to its copy."""
    confident = torch.maximum(p.amax(dim=1), copy.amax(dim=1)) > STABLE
    return (p.argmax(dim=1) == copy.argmax(dim=1)) & confident, (p - copy).square().sum(dim=1)
