"""What a pseudo label teaches and how much it counts: DMT and its ablations (Sec. 5.4), one function each; and what a
whole batch teaches, its labels as they are, and of its pseudo labels what a rule makes of them (Eq. 4–6).

Every rule has one signature and answers with the targets to learn and their weights. A method of the paper's
tables is a row of :data:`RULES`; the loops in ``dmtlib.training`` never ask which one runs.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from .dynamic_loss import POSITIVE_DISAGREEMENT, check_gamma, disagreement_cases, dynamic_weights, probability_of

ONLINE_THRESHOLD, FIXMATCH_THRESHOLD = 0.9, 0.95
"""Online ST learns its own predictions above the first confidence (Sec. 5.4), FixMatch from the second one on."""


class Supervision(NamedTuple):
    """What an unlabeled element teaches: its target class, and the weight of its cross-entropy."""

    targets: Integer[Tensor, "B *S"]
    weights: Float[Tensor, "B *S"]


Rule = Callable[..., Supervision]
"""All have the arguments of :func:`~dmtlib.method.dynamic_loss.dynamic_weights`, of the same shapes and dtypes."""


def dynamic(probabilities, pseudo_labels, pseudo_confidence, gamma1, gamma2, *, ignore_index=255) -> Supervision:
    """DMT, and DST when a model labels for itself: target y_A, weight by Eq. 3."""
    judged = probabilities, pseudo_labels, pseudo_confidence
    return Supervision(pseudo_labels, dynamic_weights(*judged, gamma1, gamma2, ignore_index=ignore_index))


def trusting(probabilities, pseudo_labels, pseudo_confidence, gamma1, gamma2, *, ignore_index=255) -> Supervision:
    """CL (images) and CBST (pixels): target y_A, weight 1. Not the same as γ = 0, which keeps case 3 at 0."""
    return Supervision(pseudo_labels, (pseudo_labels != ignore_index).float())


@torch.no_grad()
def naive(probabilities, pseudo_labels, pseudo_confidence, gamma1, gamma2, *, ignore_index=255) -> Supervision:
    """DMT-Naive: target y_A, weight p_B^γ1 in all three cases of Eq. 3."""
    check_gamma("gamma1", gamma1)
    p_b = probability_of(probabilities, pseudo_labels, ignore_index=ignore_index)
    return Supervision(pseudo_labels, torch.where(pseudo_labels == ignore_index, 0.0, p_b**gamma1))


@torch.no_grad()
def flip(probabilities, pseudo_labels, pseudo_confidence, gamma1, gamma2, *, ignore_index=255) -> Supervision:
    """DMT-Flip: cases 1 and 2 as in Eq. 3; in case 3 the target becomes y_B with weight (1 − c_A)^γ2."""
    judged = probabilities, pseudo_labels, pseudo_confidence
    targets, weights = dynamic(*judged, gamma1, gamma2, ignore_index=ignore_index)
    cases = disagreement_cases(*judged, ignore_index=ignore_index)
    flipped = cases == POSITIVE_DISAGREEMENT
    doubt = (1 - pseudo_confidence.float()).clamp(min=0) ** gamma2
    y_b = probabilities.float().argmax(dim=1).to(targets.dtype)
    return Supervision(torch.where(flipped, y_b, targets), torch.where(flipped, doubt, weights))


def online(probabilities, pseudo_labels, pseudo_confidence, gamma1, gamma2, *, ignore_index=255) -> Supervision:
    """Online ST: target y_B, weight 1 where c_B > 0.9, else 0. The stored pseudo labels only mark what is ignored."""
    c_b, y_b = probabilities.detach().float().max(dim=1)
    ignored = pseudo_labels == ignore_index
    targets = torch.where(ignored, pseudo_labels, y_b.to(pseudo_labels.dtype))
    return Supervision(targets, ((c_b > ONLINE_THRESHOLD) & ~ignored).float())


def fixmatch(probabilities, pseudo_labels, pseudo_confidence, gamma1, gamma2, *, ignore_index=255) -> Supervision:
    """FixMatch (Sohn et al. 2020, Eq. 4): target y_B, weight 1 where c_B ≥ 0.95, else 0.

    ``probabilities``, floating point of shape ``(B, C, *S)``, are of weak views; strong ones are learned. The stored
    ``pseudo_labels``, ``(B, *S)``, only mark what is ignored; targets have their dtype, weights float32. Confidence
    and γ are not read, and nothing is refused."""
    targets, _ = online(probabilities, pseudo_labels, pseudo_confidence, gamma1, gamma2, ignore_index=ignore_index)
    sure = probabilities.detach().float().amax(dim=1) >= FIXMATCH_THRESHOLD
    return Supervision(targets, (sure & (pseudo_labels != ignore_index)).float())


def flexmatch(probabilities, pseudo_labels, pseudo_confidence, gamma1, gamma2, *, ignore_index=255) -> Supervision:
    """FlexMatch (Zhang et al. 2021, Alg. 1): as FixMatch, but c_B has to reach ``pseudo_confidence``, where the
    training puts what :func:`flexible_thresholds` asks of the class y_B."""
    targets, _ = online(probabilities, pseudo_labels, pseudo_confidence, gamma1, gamma2, ignore_index=ignore_index)
    sure = probabilities.detach().float().amax(dim=1) >= pseudo_confidence
    return Supervision(targets, (sure & (pseudo_labels != ignore_index)).float())


def flexible_thresholds(seen: Integer[Tensor, " n"], num_classes: int) -> Float[Tensor, " num_classes"]:
    """What FlexMatch asks of each class (Zhang et al. 2021, Sec. 3): little of one that it has rarely been sure of.

    ``seen``: of each unlabeled image the last class that the model was 95% sure of, −1 before there is one; images
    with another negative number don't count. The share β of a class is its images over those of the commonest class,
    or over those at −1 while these are more. Float32, from 0 to 0.95: β / (2 − β) of FixMatch's threshold."""
    classes = torch.arange(num_classes, device=seen.device)
    of_class = (seen[:, None] == classes).sum(dim=0)
    share = of_class / torch.maximum(of_class.max(), (seen == -1).sum())
    return FIXMATCH_THRESHOLD * share / (2 - share)


@torch.no_grad()
def small_loss(probabilities, pseudo_labels, pseudo_confidence, gamma1, gamma2, *, ignore_index=255) -> Supervision:
    """Small loss: target y_A, weight 1 for the elements of the batch that cost least, else 0, as Co-teaching chooses
    (Han et al. 2018, Alg. 1). It keeps as many as the labeler expects to be right, the sum of c_A."""
    ignored = pseudo_labels == ignore_index
    p_b = torch.where(ignored, -1.0, probability_of(probabilities, pseudo_labels, ignore_index=ignore_index))
    order = p_b.flatten().argsort(descending=True, stable=True)
    expected = torch.where(ignored, 0.0, pseudo_confidence.double()).sum().round()
    return Supervision(pseudo_labels, (order.argsort().view_as(p_b) < expected).float())


@torch.no_grad()
def jensen_shannon(
    probabilities, pseudo_labels, pseudo_confidence, gamma1, gamma2, *, ignore_index=255
) -> Supervision:
    """JS weight: target y_A, weight 1 − the Jensen–Shannon divergence, in bits, of y_A as certain and B's prediction,
    by which Jo-SRC tells clean labels (Yao et al. 2021). Of that prediction only p_B enters: ½ gives 0.69."""
    p_b = probability_of(probabilities, pseudo_labels, ignore_index=ignore_index)
    nats = (1 + p_b) * torch.log1p(p_b) + torch.special.entr(p_b)
    return Supervision(pseudo_labels, torch.where(pseudo_labels == ignore_index, 0.0, nats / math.log(4)))


RULES: dict[str, Rule] = {
    "dmt": dynamic,
    "dst": dynamic,
    "cl": trusting,
    "cbst": trusting,
    "dmt-naive": naive,
    "dmt-flip": flip,
    "dmt-pair": dynamic,
    "online-st": online,
    "fixmatch": fixmatch,
    "flexmatch": flexmatch,
    "small-loss": small_loss,
    "js": jensen_shannon,
}
"""The rule of each method that learns from pseudo labels. `dst` differs from `dmt` in who labels, not in the rule."""

PREDICTION_FREE = frozenset({"cl", "cbst"})
"""Methods whose rule does not look at the model in training: their step needs no forward pass for the weights."""


@torch.no_grad()
def supervise(
    targets: Integer[Tensor, "B *S"],
    rule: Rule | None = None,
    probabilities: Float[Tensor, "P C *S"] | None = None,
    confidence: Float[Tensor, "P *S"] | None = None,
    gamma1: float | Tensor = 0.0,
    gamma2: float | Tensor = 0.0,
    *,
    ignore_index: int = 255,
) -> Supervision:
    """Targets and weights of a batch whose labeled elements stand first: 1 there, the rule's on the P others. Both of
    the shape of ``targets``, the weights float32. Nothing waits for the device. A ValueError for more confidences than
    targets, or what the rule refuses.

    One labeled image of class 2. Of two with the pseudo label 0, the model agrees with the first, and is surer of
    something else than the labeler was of the second:

    >>> from dmtlib import RULES
    >>> p, c_a = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]]), torch.tensor([0.9, 0.6])
    >>> supervise(torch.tensor([2, 0, 0]), RULES["dmt"], p, c_a, gamma1=2, gamma2=2)
    Supervision(targets=tensor([2, 0, 0]), weights=tensor([1.0000, 0.2500, 0.0000]))

    Args:
        targets: true labels, then pseudo labels y_A, any integer dtype.
        rule: one of :data:`~dmtlib.method.rules.RULES`; None where all elements are labeled.
        probabilities: softmax output of the model in training on the others; None for a rule that does not look.
        confidence: c_A of the others.
        gamma1, gamma2, ignore_index: see :func:`~dmtlib.method.dynamic_loss.dynamic_weights`.
    """
    weights = torch.ones(targets.shape, device=targets.device)
    if rule is None:
        return Supervision(targets, weights)
    labeled = len(targets) - len(confidence)
    if labeled < 0:
        raise ValueError(f"confidence must be of at most {len(targets)} elements, got {len(confidence)}")
    judged = probabilities, targets[labeled:], confidence
    learned, weights[labeled:] = rule(*judged, gamma1, gamma2, ignore_index=ignore_index)
    return Supervision(torch.cat([targets[:labeled], learned]), weights)
