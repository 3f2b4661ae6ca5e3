"""Which images each model of Alg. 2 learns from, for how long, and who labels for it: known before a run begins."""

from dataclasses import dataclass
from typing import NamedTuple

from ...data.pixels.datasets import SegmentationData
from ...data.pixels.images import ListedImages, StoredImages
from ...data.pixels.splits import NameSplit, difference_maximized_halves, split_names, split_prescribed
from ..methods import METHODS
from ..seeding import derive_seed
from .config import SegmentationConfig


def split_of(config: SegmentationConfig, data: SegmentationData) -> NameSplit:
    """The labeled subset that ``config`` asks for. A ValueError, if the data prescribe none and the config has no
    ratio, or it has one that asks for more images than there are with a mask, or for none."""
    images = data.parts["train"]
    if config.labeled_ratio is not None:
        return split_names(images.names, config.labeled_ratio, config.seed, images.without_mask)
    if data.labeled is None:
        what = "prescribes no labeled subset (labeled.txt), and every training image has a mask"
        raise ValueError(f"{data.name} {what}; choose a preset with a labeled ratio")
    return split_prescribed(images.names, data.labeled)


class Labeler(NamedTuple):
    """A model as it was at the end of a phase."""

    model: str
    phase: int


@dataclass(frozen=True)
class Plan:
    """Indices into the training images: ``labeled`` and ``unlabeled`` are what the phases on pseudo labels learn,
    ``supervised`` what each model learns in phase 0 (Alg. 2, lines 3 and 7)."""

    config: SegmentationConfig
    labeled: list[int]
    unlabeled: list[int]
    supervised: dict[str, list[int]]

    def steps(self, phase: int, model: str) -> int:
        """Of a model in a phase."""
        return self.config.steps(phase, len(self.unlabeled if phase else self.supervised[model]))

    def labeler(self, phase: int, model: str) -> Labeler | None:
        """Whose pseudo labels a model learns in a phase; None where it learns none that are stored. As printed, line
        12 of Alg. 2 lets A label for A, and line 14 B for B. Sec. 4.1, Fig. 5 and the authors' code all say that the
        other model labels; labeling for oneself is the ablation DST."""
        if phase == 0 or (whose := METHODS[self.config.method].labeler) is None:
            return None
        if whose == "itself":
            return Labeler(model, phase - 1)
        newest = self.config.labelers == "newest" and model == "B"  # A is through with the phase
        return Labeler({"A": "B", "B": "A"}[model], phase if newest else phase - 1)


def plan(config: SegmentationConfig, images: ListedImages | StoredImages, split: NameSplit) -> Plan:
    """What ``config`` comes to on these training images. A ValueError, if it needs unlabeled ones, and none are."""
    place = {name: index for index, name in enumerate(images.names)}
    labeled, unlabeled = ([place[name] for name in part] for part in (split.labeled, split.unlabeled))
    if config.phases > 1 and not unlabeled:
        raise ValueError(f"{config.method} needs unlabeled images, and all {len(labeled)} are labeled")
    if config.difference_maximized and len(config.models) == 2:
        halves = difference_maximized_halves(split.labeled, derive_seed(config.seed, "halves"))
        supervised = {m: [place[name] for name in half] for m, half in zip(config.models, halves, strict=True)}
    else:
        more = split.unlabeled if METHODS[config.method].all_labels else ()
        supervised = dict.fromkeys(config.models, labeled + [place[n] for n in more if n not in images.without_mask])
    return Plan(config, labeled, unlabeled, supervised)
