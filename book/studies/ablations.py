"""One batch of unlabeled images under every rule of the ablations: what each target is, and what it weighs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from dmtlib.data.pixels.images import StoredImages
from dmtlib.data.pixels.masks import VOID
from dmtlib.method.rules import RULES, Supervision
from dmtlib.records.comparison import NAMES, cell
from dmtlib.records.printed import paper_number
from dmtlib.records.reproduction import ABLATIONS, RATIOS_OF_TABLE_7
from dmtlib.records.store import load_records, score
from dmtlib.training.pixels.evaluation import label_images, predict_images

RULES_SHOWN = ("online-st", "cbst", "dmt-naive", "dmt", "dmt-flip")
"""DST is missing: its rule is DMT's."""


class Batch(NamedTuple):
    """Clean images, A's pseudo labels of all their pixels with confidences, and what B thinks.

    Attributes:
        truth: nobody shows it to a model; 255 where no class is known.
        probabilities: B's.
    """

    images: UInt8[Tensor, "N 3 H W"]
    truth: UInt8[Tensor, "N H W"]
    pseudo_labels: UInt8[Tensor, "N H W"]
    confidence: Float[Tensor, "N H W"]
    probabilities: Float[Tensor, "N C H W"]


def one_batch(a: nn.Module, b: nn.Module, images: StoredImages, indices: Sequence[int]) -> Batch:
    """A labels some images, and B looks at them. Training shows B an augmented view; this is the clean one."""
    labels, confidence = zip(*((y, c) for _, y, c in label_images(a, images, indices)), strict=True)
    probabilities = torch.stack(list(predict_images(b, images, indices)))
    chosen = list(indices)
    return Batch(
        images.images[chosen], images.masks[chosen], torch.stack(labels), torch.stack(confidence), probabilities
    )


def by_rule(batch: Batch, gamma: float) -> dict[str, Supervision]:
    """What each rule makes of the batch, by the method's name."""
    return {
        NAMES[method]: RULES[method](batch.probabilities, batch.pseudo_labels, batch.confidence, gamma, gamma)
        for method in RULES_SHOWN
    }


def right(supervision: Supervision, truth: UInt8[Tensor, "N H W"]) -> Bool[Tensor, "N H W"]:
    """Where the target that a rule teaches is the true class."""
    return supervision.targets == truth


def lesson_table(batch: Batch, taught: Mapping[str, Supervision]) -> pd.DataFrame:
    """In percent of all pixels whose class is known: the weight of right and of wrong targets under each rule.

    The last column is the share of wrong targets in the weight.
    """
    known = batch.truth != VOID
    rows = {}
    for name, supervision in taught.items():
        good = right(supervision, batch.truth)
        weight = {
            kind: 100 * (supervision.weights * (known & pixels)).sum().item() / known.sum().item()
            for kind, pixels in (("right", good), ("wrong", ~good))
        }
        both = sum(weight.values())
        rows[name] = {
            "wrong targets": 100 * (known & ~good).sum().item() / known.sum().item(),
            "weight of right ones": weight["right"],
            "weight of wrong ones": weight["wrong"],
            "wrong in the weight": 100 * weight["wrong"] / both if both else float("nan"),
        }
    return pd.DataFrame(rows).T.rename_axis("rule")


def ablation_table(results: Path, columns: dict[str, str]) -> pd.DataFrame:
    """Presets' records beside Table 7's columns of both ratios.

    Args:
        columns: a heading for each preset.
    """
    rows = []
    for name, method in {**ABLATIONS, "Oracle": "oracle"}.items():
        row: dict[str, object] = {"method": name}
        for preset, heading in columns.items():
            records = load_records(results, preset, method)
            row[f"here, {heading}"] = cell([score(r) for r in records])
            row[f"n, {heading}"] = len(records)
        for ratio in RATIOS_OF_TABLE_7:
            row[f"paper, VOC {ratio}"] = cell([paper_number("Table 7", ratio, name)]) if name in ABLATIONS else ""
        rows.append(row)
    return pd.DataFrame(rows).set_index("method")
