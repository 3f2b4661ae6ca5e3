"""The figures of the chapter on a reader's own data: a folder, the checks, and three ways to learn pseudo labels."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmtlib.checking import CLEAN, NOISY
from dmtlib.data.images.datasets import ClassificationData
from dmtlib.data.images.packed import UNKNOWN
from dmtlib.records.comparison import Spread

from ..page.colours import COLOURS
from ..page.look import WIDTH, described
from ..studies.readiness import Readiness

COLUMNS = 8


@described("Two rows of training images: some with their class above them, some with a question mark.")
def folder_contents(data: ClassificationData) -> Figure:
    """Two rows of training images: with a label, and without; a few of each."""
    labeled = (data.train_labels != UNKNOWN).nonzero().squeeze(1)
    unlabeled = (data.train_labels == UNKNOWN).nonzero().squeeze(1)
    some = torch.linspace(0, 1, COLUMNS)
    rows = [group[(some * (len(group) - 1)).round().long()] if len(group) else group for group in (labeled, unlabeled)]
    figure, axes = plt.subplots(2, COLUMNS, figsize=(WIDTH, 2.5))
    for ax in axes.flat:
        ax.axis("off")
    for row, indices, name, total in zip(
        axes, rows, ("labeled", "unlabeled"), (len(labeled), len(unlabeled)), strict=True
    ):
        for ax, i in zip(row, indices.tolist(), strict=False):
            ax.imshow(data.train_images[i].permute(1, 2, 0).squeeze(2).numpy(), cmap="gray", vmin=0, vmax=255)
            known = int(data.train_labels[i])
            ax.set_title(
                "?" if known == UNKNOWN else data.classes[known][:9], fontsize=11, weight="normal", loc="center"
            )
        row[0].text(
            -0.35,
            0.5,
            f"{total:,} {name}",
            transform=row[0].transAxes,
            rotation=90,
            ha="center",
            va="center",
            fontsize=11,
        )
    return figure


def checks(report: Readiness, title: str) -> Figure:
    """Above, the error by share of most confident answers, with the rule of thumb; below, the balance of classes."""
    figure, (error, balance) = plt.subplots(2, 1, figsize=(WIDTH, 6.2), height_ratios=(3, 2))
    tops = report.tops
    shares = ["all" if share == 1 else f"top {share:.0%}" for share in tops.index]
    names = [f"{share}\n{wrong:.1f}" for share, wrong in zip(shares, tops["error"], strict=True)]
    error.bar(names, tops["error"], color=COLOURS["wrong"], width=0.55)
    if "low" in tops:
        spans = [(tops["error"] - tops["low"]).clip(lower=0), (tops["high"] - tops["error"]).clip(lower=0)]
        error.errorbar(names, tops["error"], yerr=spans, fmt="none", color=COLOURS["ink"], capsize=4, linewidth=1.4)
    for level in (CLEAN, NOISY):
        error.axhline(level, color=COLOURS["ink"], linestyle="--", linewidth=1.2, zorder=0)
    top = max(tops["error"].max(), tops["high"].max() if "high" in tops else 0, NOISY)
    error.set(ylim=(0, 1.12 * top))
    error.set_title(f"{title}:\nwrong, by held-out labels (%)")

    percent = 100 * report.balance / report.balance.sum().clip(lower=1)
    places = range(len(percent))
    look = {"all": dict(color=COLOURS["pseudo"], width=0.8, label="all pseudo labels")}
    if "low" in tops:  # on pixels, the first ones are a share of each class
        look["first"] = dict(color=COLOURS["ink"], width=0.35, label=f"the first {tops.index[0]:.0%}")
    for name, style in look.items():
        balance.bar(places, percent[name], **style)
    crowded = len(percent) > 12
    balance.set_xticks(list(places), [str(name)[:12] for name in percent.index], rotation=90 if crowded else 0)
    balance.set_title("share of each class (%)")
    figure.set_label(
        f"Above, bars of the share of wrong answers among the most confident: {'; '.join(names)}, and dashed lines at "
        f"{CLEAN:g} and {NOISY:g} percent. Below, the share of each class among the pseudo labels.".replace("\n", " ")
    )
    figure.legend(*balance.get_legend_handles_labels(), loc="outside lower left", ncol=2)
    return figure


@described(
    "One dot a seed for A itself and for B after hard labels with plain cross-entropy, soft labels, and hard labels "
    "with the dynamic loss: test accuracy above, entropy of the predictions below."
)
def by_loss(results: pd.DataFrame, columns: Sequence[str] = ("accuracy", "entropy")) -> Figure:
    """For each way to learn pseudo labels: one dot a seed, and their mean.

    Args:
        results: columns ``learned`` (the way), ``seed``, and those in ``columns``.
    """
    ways = list(dict.fromkeys(results["learned"]))
    titles = {"accuracy": "test accuracy (%)", "entropy": "mean entropy of predictions (nats)"}
    figure, axes = plt.subplots(len(columns), 1, figsize=(WIDTH, 2.5 * len(columns)))
    for ax, column in zip(axes, columns, strict=True):
        for row, way in enumerate(ways):
            _dots(ax, row, results.loc[results["learned"] == way, column].tolist())
        ax.set_yticks(range(len(ways)), ways)
        ax.set_ylim(len(ways) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.set_title(titles[column])
    return figure


def _dots(ax: Axes, row: int, values: list[float]) -> None:
    spread = Spread.of(values)
    ax.scatter(values, [row] * len(values), s=38, color=COLOURS["pseudo"], alpha=0.7, linewidth=0)
    ax.plot([spread.mean] * 2, [row - 0.22, row + 0.22], color=COLOURS["ink"], linewidth=2.4)
