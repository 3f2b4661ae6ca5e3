"""What the settings of every run have in common, on images and on pixels: lengths, JSON, and what is refused."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from .methods import METHODS
from .precision import PRECISIONS


def later(default: Any) -> Any:
    """A setting that came when there were records already: JSON has it only where it isn't the default, which all
    runs of before had. So their configs stay as they were written."""
    return field(default=default, metadata={"later": True})


# What is refused. A rule is words that go on from "learning_rate must", and whether a value keeps to them.
Rule = tuple[str, Callable[[Any], bool]]
NOT_NEGATIVE: Rule = "be a finite number, 0 or more", lambda x: 0 <= x < math.inf
POSITIVE: Rule = "be a finite number above 0", lambda x: 0 < x < math.inf
SHARE: Rule = "lie in [0, 1]", lambda x: 0 <= x <= 1


def whole(least: int) -> Rule:
    """Whole numbers from ``least`` on."""
    return f"be a whole number, {least} or more", lambda n: isinstance(n, int) and n >= least


def one_of(names: Collection[str]) -> Rule:
    """Any of some names."""
    return f"be one of {', '.join(names)}", lambda name: name in names


def require(row: Any, names: str, rule: Rule) -> None:
    """Raises a ValueError for the first of some settings, their names with spaces between, that breaks a rule."""
    words, keeps = rule
    for name in names.split():
        value = getattr(row, name)
        try:
            kept = keeps(value)
        except TypeError:  # text where a number belongs
            kept = False
        if not kept:
            raise ValueError(f"{name} must {words}, got {value!r}")


def check_row(row: Any, *lengths: str) -> None:
    """What rows on images and on pixels are both refused for; each of ``lengths`` is in steps or in epochs."""
    require(row, "batch_size labeled_per_batch log_every", whole(1))
    require(row, "labeled_per_batch", (f"lie in 1…{row.batch_size - 1}", lambda n: n < row.batch_size))
    require(row, "learning_rate supervised_learning_rate weight_decay gamma1 gamma2", NOT_NEGATIVE)
    require(row, "momentum", ("lie in [0, 1)", lambda x: 0 <= x < 1))
    require(row, "precision", one_of(PRECISIONS))
    require(row, "alphas", ("lie in (0, 1] and not fall", lambda a: [0, *a, 1] == sorted([0, *a, 1]) and 0 not in a))
    for length in lengths:
        given = [name for name in (f"{length}_steps", f"{length}_epochs") if getattr(row, name) is not None]
        if len(given) != 1:
            raise ValueError(f"{length} must be either in steps or in epochs, got {' and '.join(given) or 'neither'}")
        require(row, given[0], POSITIVE)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A run's settings: which run of a row this is. Its class is one of rows as well, so that the row's settings are
    here too; of both kinds are ``data``, ``batch_size`` and all others that :func:`check_row` looks at. Equal configs
    give equal bits on a CPU. ``budget`` scales all lengths. ``known`` are the methods that there are, ``seeds`` how
    many seeds; ``online_length`` says whose length Online ST's one phase has, and how many times."""

    preset: str
    method: str
    seed: int
    budget: float
    known: ClassVar[Collection[str]] = METHODS
    seeds: ClassVar[int] = 2**32

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "method", one_of(self.known))
        require(self, "seed", (f"lie in 0…{self.seeds - 1}", lambda seed: seed in range(self.seeds)))
        require(self, "budget", ("lie in (0, 10]", lambda budget: 0 < budget <= 10))

    @property
    def phases(self) -> int:
        """Phase 0 is supervised; the others learn from unlabeled images too."""
        method = METHODS[self.method]
        return 1 + (len(self.alphas) if method.labeler else int(method.online is not None))

    def steps(self, phase: int, images: int) -> int:
        """Training steps of one model in a phase whose main set (in phase 0 the labeled one, later the unlabeled or
        pseudo-labeled one) has ``images`` images."""
        method, times, per_step = METHODS[self.method], 1, self.batch_size
        if phase == 0:
            length = "oracle" if method.all_labels else "baseline"
        else:
            length, times = self.online_length if method.online else ("phase", 1)
            per_step -= self.labeled_per_batch
        steps, epochs = getattr(self, f"{length}_steps"), getattr(self, f"{length}_epochs")
        return max(1, round(times * (steps if steps is not None else epochs * images / per_step) * self.budget))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types: which run it is, then its row in the order of the fields, which doesn't change."""
        run = {name: getattr(self, name) for name in ("preset", "method", "seed", "budget")}
        silent = {f.name for f in fields(self) if "later" in f.metadata and getattr(self, f.name) == f.default}
        told = {key: value for key, value in (run | vars(self)).items() if key not in silent}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in told.items()}
