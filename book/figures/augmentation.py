"""The figures of the chapter on augmentation: operations at each strength, Fig. 4 in our own drawing, mixup."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
import torch
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Generator, Tensor

from dmtlib.data.images.operations import VARIANTS, Range
from dmtlib.data.images.randaugment import RandAugment
from dmtlib.method.mixup import mixup

from ..page.colours import COLOURS
from ..page.look import WIDTH, described
from ..studies.augmentation import SWITCHES, apply_operation, strength_of
from .diagrams import arrow, box

PAGODA, FLOWER = ("china.jpg", (20, 5, 407)), ("flower.jpg", (40, 150, 320))
"""Photographs that scikit-learn ships, and the square to cut out of each: top, left, side in pixels."""

UNITS = {
    "rotate": "{:.0f}°",
    "posterize": "{:.0f} bits",
    "solarize": "from {:.0f}",
    "solarize_add": "+{:.0f}",
    "translate_x": "{:.1f} px",
    "translate_y": "{:.1f} px",
    "cutout": "{:.0f} px",
}
"""How a strength is written; a bare number where nothing stands here."""


def photograph(name: str, square: tuple[int, int, int], side: int = 32) -> UInt8[Tensor, "1 3 side side"]:
    """A square of a photograph from scikit-learn, averaged down to CIFAR-10's size."""
    from sklearn.datasets import load_sample_image

    top, left, length = square
    pixels = torch.from_numpy(load_sample_image(name)[top : top + length, left : left + length].copy())
    whole = pixels.permute(2, 0, 1).float()[None]
    small = torch.nn.functional.interpolate(whole, size=(side, side), mode="area")
    return small.round().to(torch.uint8)


@described("A pagoda of 32 by 32 pixels after each of 14 operations and Cutout.")
def operations_frame(image: UInt8[Tensor, "1 3 H W"], share: float, variant: str = "paper") -> Figure:
    """Every operation of a variant at one share of its range, and the Cutout that comes on top."""
    operations = (*VARIANTS[variant].operations, Range("cutout", *[VARIANTS[variant].cutout] * 2))
    figure, axes = plt.subplots(3, 5, figsize=(WIDTH, 4.4))
    for ax, operation in zip(axes.flat, operations, strict=True):
        value = strength_of(operation, share, image.shape[3])
        text = "–" if operation.name in SWITCHES else UNITS.get(operation.name, "{:.2f}").format(value)
        _image(ax, apply_operation(image, operation.name, value), f"{operation.name}\n{text}")
    return figure


@described(
    "14 random augmentations of the pagoda by the paper's variant, each with a grey square, and 14 by the authors' "
    "variant, some of them black or nearly so."
)
def samples(image: UInt8[Tensor, "1 3 H W"], variants: Sequence[str], seed: int = 0) -> Figure:
    """What a model gets to see of one image: for each variant two rows of whole augmentations."""
    figure, axes = plt.subplots(2 * len(variants), 7, figsize=(WIDTH, 1.9 * len(variants)))
    generator = Generator().manual_seed(seed)
    for rows, variant in zip(axes.reshape(len(variants), -1), variants, strict=True):
        augment, copies = RandAugment(variant), image.repeat(len(rows), 1, 1, 1)
        for ax, copy in zip(rows, augment.apply(copies, augment.draw(copies, generator)), strict=True):
            _image(ax, copy[None])
        rows[0].set_title(variant, pad=6)
    return figure


@described("The pagoda translated at ten levels. Authors: 10, 20, 30 pixels, then black. Paper: 1 to 10 pixels.")
def translations(image: UInt8[Tensor, "1 3 H W"], levels: int = 10) -> Figure:
    """translate_x at every level of the authors' range, and at the same shares of ours."""
    figure, axes = plt.subplots(2, levels, figsize=(WIDTH, 1.6))
    for row, variant in zip(axes, ("authors", "paper"), strict=True):
        (operation,) = [o for o in VARIANTS[variant].operations if o.name == "translate_x"]
        for level, ax in enumerate(row, start=1):
            pixels = strength_of(operation, level / levels, image.shape[3])
            _image(ax, apply_operation(image, "translate_x", pixels), f"{pixels:.0f}")
        row[0].set_ylabel(variant)
    return figure


@described(
    "Above: the clean image goes once through the previous model, and its label stays; an augmented copy goes "
    "through the model in training and is compared with that label. Below: two augmented copies go through the model "
    "in training, and their probabilities are compared with each other."
)
def anchoring() -> Figure:
    """Fig. 4: an anchor is a label from the clean image that stays; explicit consistency has two ends that move."""
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 6.2))
    ink, purple, quiet = (COLOURS[name] for name in ("ink", "pseudo", "quiet"))
    for ax, title in zip(axes, ("augmentation, with an anchor", "explicit consistency"), strict=True):
        ax.set(xlim=(0, 100), ylim=(0, 46))
        ax.axis("off")
        ax.set_title(title)
        box(ax, (10, 23), (19, 11), "image $u$", quiet)
        for start, end in [((13, 17.5), (25.5, 10)), ((47.5, 10), (54, 10)), ((66, 10), (77, 10))]:
            arrow(ax, start, end, ink)
        box(ax, (36.5, 10), (22, 11), "augment", ink)
        box(ax, (60, 10), (12, 11), "$F^i$", COLOURS["B"])
        ax.text(71.5, 11.5, "$p$", ha="center", va="bottom", fontsize=13)
    anchored, consistent = axes
    arrow(anchored, (13, 28.5), (54, 36), purple)
    box(anchored, (60, 36), (12, 11), "$F^{i-1}$", COLOURS["A"])
    arrow(anchored, (66, 36), (77, 36), purple)
    box(anchored, (88, 36), (22, 11), "label $y_A$", purple)
    arrow(anchored, (88, 30.5), (88, 15.5), purple)
    box(anchored, (88, 10), (22, 11), "CE$(y_A, p)$", ink)
    anchored.text(30, 37, "clean, once", ha="center", va="bottom")
    anchored.text(86, 23, "stays", ha="right", va="center")
    arrow(consistent, (13, 28.5), (25.5, 36), ink)
    box(consistent, (36.5, 36), (22, 11), "augment", ink)
    arrow(consistent, (47.5, 36), (54, 36), ink)
    box(consistent, (60, 36), (12, 11), "$F^i$", COLOURS["B"])
    arrow(consistent, (66, 36), (88, 15.5), ink, bend=-0.45)
    consistent.text(71, 38.5, "$p'$", ha="center", va="bottom", fontsize=13)
    box(consistent, (88, 10), (22, 11), r"$\Vert p - p'\Vert^2$", ink)
    consistent.text(89, 34, "moves with\nevery step", ha="center", va="bottom")
    return figure


TARGET_LOOKS = {
    "anchor": dict(color=COLOURS["pseudo"]),
    "other copy": dict(color=COLOURS["ink"]),
    "label of other copy": dict(color=COLOURS["second"]),
}


@described(
    "Two panels over the steps. Above, the squared distance of two copies' probabilities for five runs. Below, the "
    "accuracy on clean images: with an anchor it holds, with a moving target alone it falls."
)
def drift(alone: dict[str, pd.DataFrame], with_labels: dict[str, pd.DataFrame]) -> Figure:
    """Runs of ``learn_on`` (studies) by target: how far two copies are apart, and how many answers are right."""
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 6.8), sharex=True)
    for ax, column, title in [
        (axes[0], "distance", "squared distance of two copies' probabilities"),
        (axes[1], "accuracy", "right answers to the clean images (%)"),
    ]:
        for histories, line, suffix in [(alone, "-", ""), (with_labels, "--", ", with labels")]:
            for target, history in histories.items():
                ax.plot(history.index, history[column], line, label=target + suffix, **TARGET_LOOKS[target])
        ax.set_title(title)
        ax.set_ylim(bottom=0)
    axes[1].set_xlabel("step")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncol=2)
    return figure


def mixup_frame(
    first: UInt8[Tensor, "1 3 H W"], second: UInt8[Tensor, "1 3 H W"], weights: tuple[float, float], drawn: float
) -> Figure:
    """Two images, two targets and two weights, mixed by λ ← max(λ, 1 − λ)."""
    lam = max(drawn, 1 - drawn)
    images = torch.cat([first, second]).float()
    mixed = mixup(images, torch.arange(2), torch.tensor(weights), torch.tensor([1, 0]), torch.tensor(lam))
    figure = plt.figure(figsize=(WIDTH, 4.4))
    above, below = figure.subfigures(2, 1, height_ratios=[2.6, 1.7])
    for ax, image, title in zip(
        above.subplots(1, 3),
        [*images, mixed.images[0]],
        [rf"$\omega$ = {weights[0]:g}", rf"$\omega'$ = {weights[1]:g}", f"mixed: {mixed.weights[0]:.2f}"],
        strict=True,
    ):
        _image(ax, image[None].round().to(torch.uint8))
        ax.set_title(title, loc="center")
    bars = below.subplots()
    for start, share, text, colour in [(0, lam, "pagoda", "#C6603A"), (lam, 1 - lam, "flower", "#2E7D72")]:
        bars.barh(0, share, left=start, color=colour)
        if share > 0.12:
            bars.text(
                start + share / 2, 0, f"{text} {share:.1f}", color="white", weight="bold", ha="center", va="center"
            )
    bars.barh(1, mixed.weights[0].item(), color=COLOURS["pseudo"])
    bars.set(xlim=(0, 1), ylim=(1.6, -0.6))
    bars.set_yticks([0, 1], ["target", "weight"])
    figure.set_label(
        f"A pagoda of weight {weights[0]:g}, a flower of weight {weights[1]:g}, their mixture, its target, {lam:.1f} "
        f"pagoda, and its weight, {mixed.weights[0]:.2f}."
    )
    return figure


def _image(ax: Axes, image: UInt8[Tensor, "1 3 H W"], title: str = "") -> None:
    ax.imshow(image[0].permute(1, 2, 0).numpy(), interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    if title:
        ax.set_title(title, fontsize=11, weight="normal", loc="center", pad=3)
