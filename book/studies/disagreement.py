"""Two models of different seeds learn from the same few labels (Fig. 3): where they disagree, and what that finds.

A task is small enough to train hundreds of pairs of networks in seconds: all networks of one call are the slices of
one stack of matrices and learn side by side. So a claim can be about many draws and not about one lucky picture.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from dmtlib.data.images.datasets import load_digits
from dmtlib.data.images.splits import split_labeled
from dmtlib.method.dynamic_loss import AGREEMENT, disagreement_cases, probability_of

TURNS = 1.25  # of the spiral, from the centre to the rim of the unit disc
SPREAD = 0.05  # of the points across their arm; neighbouring arms are 0.4 apart
WAVE_FREQUENCY = 6.0  # standard deviation, in radians a unit; higher is wigglier, so more errors and more disagreement


class Task(NamedTuple):
    """A few labeled points and many unlabeled ones, whose classes only the one who measures knows."""

    points: Float[Tensor, "l d"]
    labels: Int64[Tensor, " l"]
    unlabeled: Float[Tensor, "u d"]
    truth: Int64[Tensor, " u"]


def spiral_class(points: Float[Tensor, "n 2"]) -> Int64[Tensor, " n"]:
    """The true class everywhere in the plane: which of the two interleaved arms owns the place."""
    radius, angle = points.norm(dim=1), torch.atan2(points[:, 1], points[:, 0])
    return (torch.floor((angle - 2 * math.pi * TURNS * radius) / math.pi) % 2).long()


def spiral(seed: int, num_labels: int = 40, unlabeled: int = 1000, gap: bool = True) -> Task:
    """Points on the two arms of a spiral; without the ``gap`` they fill the disc, up to the border of the classes."""
    generator = torch.Generator().manual_seed(seed)
    count = unlabeled + 20 * num_labels  # more than enough of either class to draw the labeled points from
    uniform, turn = torch.rand(2, count, generator=generator)
    if gap:
        arm = (turn < 0.5).float()
        radius = 0.2 + 0.8 * uniform
        angle = 2 * math.pi * TURNS * radius + math.pi * (arm + 0.5)
    else:
        radius, angle = uniform.sqrt(), 2 * math.pi * turn
    points = radius.unsqueeze(1) * torch.stack([angle.cos(), angle.sin()], dim=1)
    points += (SPREAD if gap else 0.0) * torch.randn(count, 2, generator=generator)
    classes = spiral_class(points)
    pool = classes[unlabeled:]
    chosen = unlabeled + torch.cat([(pool == c).nonzero()[: num_labels // 2, 0] for c in (0, 1)])
    return Task(points[chosen], classes[chosen], points[:unlabeled], classes[:unlabeled])


_digits = functools.cache(load_digits)


def digits(seed: int, num_labels: int = 40) -> Task:
    """Real input: the 64 pixels of scikit-learn's digits, four labeled images of each."""
    data = _digits()
    pixels = data.train_images.flatten(1).float() / 255
    split = split_labeled(data.train_labels, num_labels, seed)
    labels, unlabeled = data.train_labels[split.labeled], data.train_labels[split.unlabeled]
    return Task(pixels[split.labeled], labels, pixels[split.unlabeled], unlabeled)


Predict = Callable[[Tensor], Float[Tensor, "N n C"]]
"""N trained networks: probabilities for points (n, d) that all of them are asked about, or (N, n, d), each its own."""


def train_networks(tasks: list[Task], seeds: list[int], kind: str = "waves", steps: int = 300) -> Predict:
    """Train one network a task and seed, by Adam on all labeled points of its task at every step.

    Args:
        kind: ``"waves"``, one hidden layer of 64 sine waves of random direction, frequency and phase, so that networks
            of different seeds begin, and end, clearly different; ``"relu"``, two hidden layers of 64 rectified units.
    """
    points, labels = torch.stack([task.points for task in tasks]), torch.stack([task.labels for task in tasks])
    classes = int(labels.max()) + 1
    networks = [_fresh_layers(seed, points.shape[2], classes, kind) for seed in seeds]
    layers = [torch.stack(slices).requires_grad_() for slices in zip(*networks, strict=True)]
    optimizer = torch.optim.Adam(layers, lr=0.01)
    with one_thread():
        for _ in range(steps):
            logits = _logits(layers, points, kind)
            loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum") / labels.shape[1]
            optimizer.zero_grad()
            loss.backward()  # the networks share nothing, so each gets the gradient of its own mean loss
            optimizer.step()
    trained = [layer.detach() for layer in layers]
    return lambda asked: _logits(trained, asked.expand(len(seeds), -1, -1), kind).softmax(dim=2)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Matrices this small are multiplied before a second thread has come to help, above all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _fresh_layers(seed: int, inputs: int, classes: int, kind: str) -> list[Tensor]:
    """Weights and biases in turn, of one network."""
    generator = torch.Generator().manual_seed(seed)
    sizes = {"waves": [inputs, 64, classes], "relu": [inputs, 64, 64, classes]}[kind]
    layers = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [torch.randn(fan_in, fan_out, generator=generator) / math.sqrt(fan_in), torch.zeros(1, fan_out)]
    first = torch.rand(1, sizes[1], generator=generator)
    if kind == "waves":
        layers[0] *= WAVE_FREQUENCY * math.sqrt(inputs)
        layers[1] = 2 * math.pi * first
    else:
        layers[0] *= math.sqrt(2)
        layers[2] *= math.sqrt(2)
        layers[1] = (2 * first - 1) / math.sqrt(inputs)  # or every kink would go through the origin
    return layers


def _logits(layers: list[Tensor], points: Float[Tensor, "N n d"], kind: str) -> Float[Tensor, "N n C"]:
    activation = torch.sin if kind == "waves" else torch.relu
    *hidden_layers, weight, bias = layers
    for w, b in zip(hidden_layers[::2], hidden_layers[1::2], strict=True):
        points = activation(torch.baddbmm(b, points, w))
    return torch.baddbmm(bias, points, weight)


class Pair(NamedTuple):
    """What A and B say about the unlabeled points of a task, in the paper's symbols, and where A's label is wrong."""

    y_a: Int64[Tensor, " u"]
    c_a: Float[Tensor, " u"]
    p_b: Float[Tensor, " u"]
    cases: UInt8[Tensor, " u"]
    wrong: Bool[Tensor, " u"]

    @property
    def disagree(self) -> Bool[Tensor, " u"]:
        return self.cases != AGREEMENT


def compare(task: Task, a: Float[Tensor, "u C"], b: Float[Tensor, "u C"]) -> Pair:
    """A labels the unlabeled points, B is asked what it thinks of them; ``a`` and ``b`` are their probabilities."""
    c_a, y_a = a.max(dim=1)
    return Pair(y_a, c_a, probability_of(b, y_a), disagreement_cases(b, y_a, c_a), y_a != task.truth)


def train_pairs(tasks: list[Task], seed: int = 0, kind: str = "waves") -> list[Pair]:
    """Two networks a task, A and B, alike but for their seed."""
    twice = [task for task in tasks for _ in "AB"]
    predict = train_networks(twice, [1000 * seed + i for i in range(len(twice))], kind)
    answers = predict(torch.stack([task.unlabeled for task in twice]))
    return [compare(task, *answers[2 * i : 2 * i + 2]) for i, task in enumerate(tasks)]


def least(score: Float[Tensor, " u"], count: int) -> Bool[Tensor, " u"]:
    """Flag the ``count`` points of lowest score."""
    flags = torch.zeros(len(score), dtype=torch.bool)
    flags[score.argsort(stable=True)[:count]] = True
    return flags


def errors_found(score: Float[Tensor, " u"], wrong: Bool[Tensor, " u"], shares: list[float]) -> list[float]:
    """The share of errors, in percent, among the points of lowest score, for each share of points flagged."""
    return [_percent(least(score, round(share * len(wrong)))[wrong]) for share in shares]


def measure(pairs: list[Pair]) -> pd.DataFrame:
    """One row a pair, in percent; NaN where there is nothing to take a share of.

    ``error`` and ``disagreement`` are shares of all points. ``found by …`` is the share of A's errors that a flag
    finds, with as many points flagged as there are disagreements. ``wrong …`` is the share of those points that A got
    wrong.
    ``confident errors`` are A's errors among the half of the points that it is most confident about.
    """
    rows = []
    for pair in pairs:
        count = int(pair.disagree.sum())
        flags = {
            "disagreement": pair.disagree,
            "A's confidence": least(pair.c_a, count),
            "both models' mean": least(pair.c_a + pair.p_b, count),
        }
        doubtful = least(pair.c_a, len(pair.wrong) // 2)
        rows.append(
            {"error": _percent(pair.wrong), "disagreement": _percent(pair.disagree)}
            | {f"found by {name}": _percent(flag[pair.wrong]) for name, flag in flags.items()}
            | {"wrong where they disagree": _percent(pair.wrong[pair.disagree])}
            | {f"wrong in case {case}": _percent(pair.wrong[pair.cases == case]) for case in (1, 2, 3)}
            | {
                "confident errors": _percent(~doubtful[pair.wrong]),
                "confident errors found": _percent(pair.disagree[pair.wrong & ~doubtful]),
            }
        )
    return pd.DataFrame(rows)


def _percent(flags: Bool[Tensor, " n"]) -> float:
    return 100 * flags.float().mean().item()
