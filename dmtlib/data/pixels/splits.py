"""Which images are labeled in segmentation: the paper's splits, which come from names alone (Sec. 5.3.2)."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from ...files import json_hash
from ...method.difference_sampling import difference_maximized_subsets

SPLIT_SEED = 7777  # the authors'
ALL = "--all-labels takes what there is"
HALF_SHARE = 0.8  # of the labeled subset, in each of the two for Alg. 2's first models: they have 60% in common


@dataclass(frozen=True)
class NameSplit:
    """Names of training images, each in one of the two."""

    labeled: tuple[str, ...]
    unlabeled: tuple[str, ...]

    def to_json(self, data_fingerprint: str) -> dict[str, Any]:
        """As of :meth:`dmtlib.data.images.splits.Split.to_json`: without the unlabeled names, which are the others."""
        content = {"data_fingerprint": data_fingerprint, "labeled": list(self.labeled)}
        return {"sha256": json_hash(content), "sizes": {k: len(v) for k, v in vars(self).items()}, **content}


def split_names(names: Sequence[str], ratio: float, split: int, without_mask: Collection[str] = ()) -> NameSplit:
    """Label about one image in ``ratio``; for one ``split``, every smaller subset lies inside every larger one.

    The sorted names are shuffled ``split`` + 1 times with the authors' seed, each time from where the last shuffle
    left them; the first ones are labeled, those ``without_mask`` passed over. Equal names give equal splits, and those
    of VOC and Cityscapes the published ones, 0, 1 and 2 (1/106 of VOC is the ratio 105.82, and 1/30 of Cityscapes
    29.75: 100 images each). A ValueError for a name that is there twice, a negative ``split``, or a ratio that leaves
    no labeled image or asks for more than have a mask."""
    if len(set(names)) < len(names):
        raise ValueError("names must be different from each other")
    if split < 0:
        raise ValueError(f"split must be 0 or more, got {split}")
    count = labeled_count(len(names), ratio)
    shuffled = sorted(names)
    shuffle = random.Random(SPLIT_SEED).shuffle
    for _ in range(split + 1):
        shuffle(shuffled)
    if len(labeled := tuple(name for name in shuffled if name not in without_mask)[:count]) < count:
        raise ValueError(f"one in {ratio:g} of {len(names)} images is {count}, with a mask: {len(labeled)}; {ALL}")
    return NameSplit(labeled, tuple(name for name in shuffled if name not in set(labeled)))


def labeled_count(total: int, ratio: float) -> int:
    """⌊total / ratio⌋, one more where batches of 8 would leave a single image over, which batch norm cannot use. A
    ValueError, if not in 1…total."""
    count = int(total / ratio) if ratio >= 1 else 0
    if not 1 <= count <= total:
        raise ValueError(f"ratio must lie in 1…{total}, the number of images, got {ratio}; {ALL}")
    return min(count + (count % 8 == 1), total)


def split_prescribed(names: Sequence[str], labeled: Sequence[str]) -> NameSplit:
    """The data's own labeled subset, as VOC's (Table 5), and the rest. A ValueError for a name not in ``names``."""
    if not (chosen := set(labeled)) <= set(names):
        raise ValueError(f"{min(chosen - set(names))!r} is not among the names")
    return NameSplit(tuple(sorted(chosen)), tuple(sorted(set(names) - chosen)))


def difference_maximized_halves(labeled: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """What the two first models of Alg. 2 learn from where they start from the same weights (Fig. 6). Each gets 80% of
    the labeled subset, at least one image. Later phases use all of it."""
    return difference_maximized_subsets(labeled, max(1, round(HALF_SHARE * len(labeled))), seed)
