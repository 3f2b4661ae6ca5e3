"""The settings of a run by name. The rows stand in a ``presets.yml`` beside the settings that they fill."""

import math
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from .data.finding import written_out
from .data.images.datasets import check_dataset
from .models.backbones import default_weights, timm_model
from .training.images.config import STARTS, ImageRun, RunConfig
from .training.methods import METHODS, SEGMENTATION_METHODS
from .training.pixels.config import PixelRun, SegmentationConfig

VARIANTS = ("paper", "authors")
"""`paper`: the row of that name. `authors`: the row beside it whose name ends so."""


def _read_rows(file: Path, kind: type) -> dict[str, Any]:
    """The presets in a YAML file, rows of ``kind``, by name. A row has the settings of the one that it is ``like``,
    but for those it names. A ValueError for a setting that rows of this kind don't have."""
    table = yaml.safe_load(file.read_text(encoding="utf-8"))
    names = [field.name for field in fields(kind)]

    def row(name: str) -> Any:
        told = {key: value for pair in table[name].items() for key, value in _settings(*pair).items()}
        like = vars(row(told.pop("like"))) if "like" in told else {}
        if unknown := [key for key in told if key not in names]:
            raise ValueError(f"{unknown[0]} is no setting of {kind.__name__}; there are {', '.join(names)}")
        return kind(**like | told)

    return {name: row(name) for name in table}


def _settings(name: str, written: Any) -> dict[str, Any]:
    """What is written under a name. A length is `8 steps`, `30 epochs`, or `300 epochs, one label in 8`, which are
    sqrt(1 / labeled ratio) · N, where the oracle trains N = 300 epochs (Appendix B)."""
    if not (length := re.fullmatch(r"([0-9]+) (steps|epochs)(?:, one label in ([0-9.]+))?", str(written))):
        return {name: tuple(written) if isinstance(written, list) else written}
    number, unit, ratio = length.groups()
    exact = int(number) * math.sqrt(float(ratio)) if ratio else int(number)
    return {f"{name}_steps": None, f"{name}_epochs": None, f"{name}_{unit}": exact}


_TRAINING = Path(__file__).with_name("training")
PRESETS: dict[str, ImageRun] = _read_rows(_TRAINING / "images/presets.yml", ImageRun)
"""The settings of each preset on images, by name."""

SEGMENTATION_PRESETS: dict[str, PixelRun] = _read_rows(_TRAINING / "pixels/presets.yml", PixelRun)
"""The settings of each preset on pixels, by name."""

FOLDER = "folder:PATH"
"""The data of the preset ``folder``, until somebody says which."""

LEAST_SIDE = 32  # of photographs, in pixels: networks of timm's halve it five times

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_DIALS = rf"(.*?)(?:-gamma-({_NUMBER})(?:-({_NUMBER}))?)?(?:-views-([0-9]{{1,4}}))?(?:-({STARTS[1]}))?"


def preset(
    name: str,
    method: str,
    seed: int = 0,
    budget: float = 1.0,
    data: str | None = None,
    variant: str = "paper",
    all_labels: bool = False,
    network: Sequence[str] = (),
    views: int = 1,
    start: str = "random",
) -> RunConfig | SegmentationConfig:
    """The settings of one run. A ValueError for an argument that is not allowed says what is.

    Args:
        name: a row of :data:`PRESETS` or :data:`SEGMENTATION_PRESETS`. With ``-gamma-G`` behind it both γ of Eq. 3
            are G, with ``-gamma-G1-G2`` γ1 and γ2 are these: ``digits-10-gamma-8``, ``digits-10-gamma-1-4``. With
            ``-views-K``, behind that, pseudo labels are the mean prediction over K views, with ``-self-supervised``
            phase 0 of a run on images begins from weights that were learned without labels.
        method: one of :data:`dmtlib.training.methods.METHODS`, on pixels of
            :data:`dmtlib.training.methods.SEGMENTATION_METHODS`.
        seed: of everything random; the labeled subset is nested within one seed.
        budget: scales the length of every phase, in (0, 10].
        data: other data than the preset's; see :func:`dmtlib.data.images.datasets.load_dataset` and
            :func:`dmtlib.data.pixels.datasets.load_segmentation`.
        variant: one of :data:`VARIANTS`; the run bears the name of the variant's row.
        all_labels: whether the labeled subset is what the data say, instead of one that is drawn: every training image
            that has a label, in its folder or in ``labeled.txt``. The others are the unlabeled ones, and nothing is
            set apart for validation.
        network: of the preset ``folder``, ``timm:NAME``, or two of them, which take turns. Images are brought to the
            side that it was trained with (of two, the larger one), unless ``data`` say another.
        views, start: as ``-views-K`` and ``-self-supervised`` behind the name, which the run then bears; the start is
            one of :data:`dmtlib.training.images.config.STARTS`.
    """
    presets = PRESETS | SEGMENTATION_PRESETS
    if views < 1:
        raise ValueError(f"views must be 1 or more, got {views}")
    if start not in STARTS:
        raise ValueError(f"start must be one of {', '.join(STARTS)}, got {start!r}")
    name += f"-views-{views}" * (views > 1) + f"-{start}" * (start != "random")
    plain, gamma1, gamma2, looks, taught = re.fullmatch(_DIALS, name, re.DOTALL).groups()
    if plain not in presets:
        raise ValueError(f"preset must be one of {', '.join(presets)}, got {name!r}")
    rows = {v: row for v in VARIANTS if (row := plain if v == "paper" else f"{plain}-{v}") in presets}
    if variant not in rows:
        raise ValueError(f"variant of {plain} must be one of {', '.join(rows)}, got {variant!r}")
    row = rows[variant]
    settings = vars(presets[row]) | ({} if data is None else {"data": written_out(data)})
    settings |= {"gamma1": float(gamma1), "gamma2": float(gamma2 or gamma1)} if gamma1 else {}
    settings |= {"views": int(looks)} if looks else {}
    config = RunConfig if row in PRESETS else SegmentationConfig
    if all_labels:
        settings |= {"num_labels": None, "validation": 0} if row in PRESETS else {"labeled_ratio": None}
    if network and plain != "folder":
        raise ValueError(f"only the preset folder lets you choose a network, not {plain}")
    if taught:
        if row not in PRESETS:
            raise ValueError(f"only runs on images let you choose a start, not {plain}")
        settings |= {"start": taught}
    if plain == "folder" and data is not None:
        settings |= _fine_tuned(settings, network)
    return config(preset=name.replace(plain, row, 1), method=method, seed=seed, budget=budget, **settings)


def _fine_tuned(settings: dict[str, Any], network: Sequence[str]) -> dict[str, Any]:
    """Networks, their weights, and the side of the images."""
    check_dataset(settings["data"])
    kind, _, path = settings["data"].partition(":")
    names = tuple(network) or (settings["network"],)
    sides = [timm_model(name).pretrained_cfg["input_size"][-1] for name in names]
    if kind == "folder":
        kind = f"folder@{max(sides)}"
    if (side := int(kind.partition("@")[2] or max(sides))) < LEAST_SIDE:
        raise ValueError(f"images of {side} pixels a side are too small to fine-tune on; {LEAST_SIDE} or more will do")
    found = {"network": names, "initialisation": tuple(map(default_weights, names))}
    one = {name: both if len(both) > 1 else both[0] for name, both in found.items()}
    return {"data": f"{kind}:{path}" if path else kind, "side": side, **one}


__all__ = ["METHODS", "PRESETS", "SEGMENTATION_METHODS", "SEGMENTATION_PRESETS", "VARIANTS", "preset"]
