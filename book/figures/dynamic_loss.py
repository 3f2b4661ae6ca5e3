"""The figures of the chapter on the dynamic loss: Fig. 5 with real numbers, the weight, gamma, the gradient."""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor

from dmtlib.method.dynamic_loss import dynamic_weights
from dmtlib.method.schedules import gamma_ramp

from ..page.colours import COLOURS, PALE, PSEUDO_SHADES
from ..page.look import WIDTH, described

WEIGHT_COLOURS = LinearSegmentedColormap.from_list("weight", ["#FFFFFF", COLOURS["pseudo"], "#2A0042"])
CASE_NAMES = {1: "agreement", 2: "negative disagreement", 3: "positive disagreement"}


def three_cases(a: Tensor, b: Tensor, cases: Tensor, weights: Tensor) -> Figure:
    """Fig. 5: what A said when it labeled, what B says now, and the weight, one row an image."""
    figure, axes = plt.subplots(len(a), 2, figsize=(WIDTH, 6.6), sharex=True, sharey=True)
    for row, (left, right) in enumerate(axes):
        y_a, y_b = int(a[row].argmax()), int(b[row].argmax())
        _histogram(left, a[row], {y_a: COLOURS["pseudo"]})
        _histogram(right, b[row], {y_b: COLOURS["B"], y_a: COLOURS["pseudo"]})
        case = int(cases[row])
        left.set_title(f"{case}  {CASE_NAMES[case]}", pad=10)
        right.set_title(f"weight {weights[row]:.2f}", loc="right", pad=10)
        left.set_ylabel("A said" if row == 0 else "")
        right.set_ylabel("B says" if row == 0 else "")
    for ax in axes[-1]:
        ax.set(xlabel="class", xticks=range(a.shape[1]), ylim=(0, 1.12), yticks=[0, 1])
    said = (f"{CASE_NAMES[int(case)]} weighs {weight:.2f}" for case, weight in zip(cases, weights, strict=True))
    figure.set_label(f"Pairs of histograms: left what A said, right what B says. {'; '.join(said)}.")
    return figure


def _histogram(ax: Axes, probabilities: Tensor, colours: dict[int, str]) -> None:
    classes = range(len(probabilities))
    bars = ax.bar(classes, probabilities, color=[colours.get(c, PALE) for c in classes], width=0.72)
    ax.bar_label(bars, fmt="%.2f", fontsize=11, padding=2)


@described(
    "Two maps of the weight over p_B and c_A, for two and for ten classes. The weight grows with p_B and doesn't "
    "depend on c_A, except that it drops to 0 where B disagrees with more confidence than A had."
)
def surface(gamma: float, resolution: int = 201) -> Figure:
    """The weight over p_B and c_A, for two classes, and for ten where one rival holds half of what the label lacks."""
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 4.0), sharey=True)
    p_b = torch.linspace(0, 1, resolution)
    two = torch.stack([p_b, 1 - p_b], dim=1)
    ten = torch.cat([p_b[:, None], (1 - p_b)[:, None] * torch.tensor([0.5] + [0.5 / 8] * 8)], dim=1)
    for ax, title, probabilities, classes in [(axes[0], "two classes", two, 2), (axes[1], "ten classes", ten, 10)]:
        c_a = torch.linspace(1 / classes, 1, resolution)
        image = _paint(ax, probabilities, c_a, gamma)
        ax.set(xlabel="$p_B$", xticks=[0, 0.5, 1], xticklabels=["0", "0.5", "1"], ylim=(0, 1))
        ax.set(title=title, facecolor="#E5E7EB")  # what stays grey can't be: c_A is at least 1/C
        for spine in ax.spines.values():
            spine.set_visible(False)
    for ax, places in [
        (axes[0], [(0.75, 0.55), (0.36, 0.9), (0.21, 0.62)]),
        (axes[1], [(0.66, 0.28), (0.16, 0.8), (0.1, 0.28)]),
    ]:
        for case, place in enumerate(places, start=1):
            disc = dict(boxstyle="circle", facecolor="white", edgecolor="none", alpha=0.8)
            ax.text(*place, str(case), weight="bold", ha="center", bbox=disc)
    axes[0].set(ylabel="$c_A$")
    label = f"weight, $\\gamma_1=\\gamma_2={gamma:g}$"
    figure.colorbar(image, ax=axes, label=label, location="bottom", aspect=40, shrink=0.8)
    return figure


def _paint(ax: Axes, probabilities: Tensor, c_a: Tensor, gamma: float):
    """Class 0 is the pseudo label: its probability runs to the right, A's confidence upwards. Lines part the cases."""
    count = len(probabilities)
    b = probabilities.repeat(len(c_a), 1)
    labels = torch.zeros(len(b), dtype=torch.long)
    confidence = c_a.repeat_interleave(count)
    weights = dynamic_weights(b, labels, confidence, gamma, gamma).reshape(len(c_a), count)
    extent = (0, 1, c_a[0].item(), 1)
    image = ax.imshow(weights, origin="lower", extent=extent, aspect="auto", cmap=WEIGHT_COLOURS, vmin=0, vmax=1)
    c_b, y_b = probabilities.max(dim=1)
    border = probabilities[(y_b == 0).nonzero()[0, 0], 0].item()
    line = dict(color=COLOURS["ink"], linewidth=1.2)
    ax.plot([border, border], [c_a[0], 1], **line)
    left = (probabilities[:, 0] <= border) & (c_b >= c_a[0])
    ax.plot(probabilities[left, 0], c_b[left], **line)
    return image


@described("Left, the weight p_B to the power gamma. Right, the same times 1 − p_B, with its highest point marked.")
def gamma_frame(gamma: float, others: tuple[float, ...] = (0, 1, 4, 10)) -> Figure:
    """One gamma: the weight that a probability earns, and the pull on B that is left."""
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.6))
    p_b = torch.linspace(0, 1, 401)
    for ax, curve in [(axes[0], lambda g: p_b**g), (axes[1], lambda g: p_b**g * (1 - p_b))]:
        for other in others:
            ax.plot(p_b, curve(other), color="#D5D9DF", linewidth=1.2)
        ax.plot(p_b, curve(gamma), color=COLOURS["pseudo"], linewidth=3)
        ax.set(xlabel="$p_B$", xlim=(0, 1), ylim=(0, 1.05), xticks=[0, 0.5, 1], xticklabels=["0", "0.5", "1"])
    peak = gamma / (gamma + 1)
    axes[1].plot(peak, peak**gamma * (1 - peak), "o", color=COLOURS["ink"], markersize=7, clip_on=False)
    axes[0].set_title("weight $p_B^{\\,\\gamma}$")
    axes[1].set_title("pull $p_B^{\\,\\gamma}(1-p_B)$")
    return figure


@described(
    "Left, gamma rising over a phase from almost 0 to its highest value. Right, the weights of labels with p_B of "
    "0.9, 0.5 and 0.1: all near 1 at the start, far apart at the end."
)
def ramp(gamma_max: float) -> Figure:
    """How gamma rises through a phase, and what it does to the weight of three probabilities."""
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.6))
    steps = torch.arange(201)
    gamma = torch.tensor([gamma_ramp(int(step), 200, gamma_max) for step in steps])
    progress = steps / 2
    axes[0].plot(progress, gamma, color=COLOURS["pseudo"], linewidth=3)
    axes[0].set_title("$\\gamma(t)$")
    looks = zip((0.9, 0.5, 0.1), (0, 0.02, -0.02), reversed(PSEUDO_SHADES), strict=True)
    for p_b, aside, colour in looks:  # the last two would touch
        axes[1].plot(progress, p_b**gamma, color=colour)
        axes[1].text(102, p_b**gamma_max + aside, f"{p_b}", color=colour, va="center", weight="bold", clip_on=False)
    axes[1].set_title("weight, at $p_B$ =")
    for ax in axes:
        ax.set(xlabel="of the phase (%)", xlim=(0, 100), xticks=[0, 50, 100])
    axes[0].set(ylim=(0, gamma_max * 1.05))
    axes[1].set(ylim=(-0.05, 1.05))
    return figure


@described(
    "Size of the gradient against p_B. Without weight it falls from 1 to 0. With gamma 1, 4 and 10 it is a hump with "
    "its top at 0.5, 0.8 and 0.91."
)
def pull(p_b: Tensor, measured: dict[float, Tensor]) -> Figure:
    """The size of the gradient on the labeled class's logit, as autograd gives it, for several gammas."""
    figure, ax = plt.subplots(figsize=(WIDTH, 4.0))
    shades = [COLOURS["quiet"], *PSEUDO_SHADES]
    for (gamma, sizes), colour in zip(measured.items(), shades, strict=True):
        name = f"$\\gamma={gamma:g}$" + ("" if gamma else ", no weighing")
        ax.plot(p_b, sizes, color=colour, linewidth=2.6, label=name)
        top = int(sizes.argmax())
        ax.plot(p_b[top], sizes[top], "o", color=colour, markersize=7, clip_on=False)
    ax.legend(loc="upper right")
    ax.set(xlabel="$p_B$, what B gives to A's label", ylabel="size of the gradient", xlim=(0, 1), ylim=(0, 1.08))
    return figure
