"""What the settings of every run have in common, on images and on pixels: lengths, JSON, and what is refused."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, Protocol, runtime_checkable

from .precision import PRECISIONS


@runtime_checkable
class Config(Protocol):
    """What every run's settings have: a row of the presets, and which run of it this is."""

    preset: str
    method: str
    seed: int
    budget: float
    data: str
    batch_size: int
    learning_rate: float
    supervised_learning_rate: float
    momentum: float
    weight_decay: float
    precision: str
    log_every: int
    phases: int

    def to_json(self) -> dict[str, Any]: ...


class Steps(NamedTuple):
    """A length in training steps."""

    steps: int
    epochs: None = None


class Epochs(NamedTuple):
    """A length in passes over the set that a phase mainly learns."""

    epochs: float
    steps: None = None


def settings(cls: type) -> type:
    """A frozen dataclass whose fields ``phase_steps`` and ``phase_epochs`` may be given as ``phase=Steps(800)``, and
    whose constructor refuses a setting that it doesn't have with a ValueError."""
    cls = dataclass(frozen=True, kw_only=True)(cls)
    fill, names = cls.__init__, [field.name for field in fields(cls)]

    @functools.wraps(fill)
    def init(self: Any, **given: Any) -> None:
        for name, value in list(given.items()):
            if isinstance(value, Steps | Epochs):
                del given[name]
                given |= {f"{name}_steps": value.steps, f"{name}_epochs": value.epochs}
        if unknown := [name for name in given if name not in names]:
            raise ValueError(f"{unknown[0]} is no setting of {cls.__name__}; there are {', '.join(names)}")
        fill(self, **given)

    cls.__init__ = init
    return cls


def later(default: Any) -> Any:
    """A setting that came when there were records already: JSON has it only where it isn't the default, which all
    runs of before had. So their configs stay as they were written."""
    return field(default=default, metadata={"later": True})


def as_json(config: Config) -> dict[str, Any]:
    """Plain JSON types: which run it is, then its row in the order of the fields, which doesn't change."""
    run = {name: getattr(config, name) for name in ("preset", "method", "seed", "budget")}
    silent = {f.name for f in fields(config) if "later" in f.metadata and getattr(config, f.name) == f.default}
    told = {key: value for key, value in (run | vars(config)).items() if key not in silent}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in told.items()}


def scaled_steps(config: Config, length: str, images: int, per_step: int, times: int = 1) -> int:
    """``times`` a length, scaled by the budget, if an epoch is ``images`` images and a step takes ``per_step``."""
    steps, epochs = getattr(config, f"{length}_steps"), getattr(config, f"{length}_epochs")
    exact = times * (steps if steps is not None else epochs * images / per_step)
    return max(1, round(exact * config.budget))


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
            raise ValueError(f"{length} must be either Steps(…) or Epochs(…), got {' and '.join(given) or 'neither'}")
        require(row, given[0], POSITIVE)


def check_run(config: Config, methods: Collection[str], seeds: int) -> None:
    """Refuse a method that is none of ``methods``, a seed that is none of the first ``seeds``, or a wrong budget."""
    require(config, "method", one_of(methods))
    require(config, "seed", (f"lie in 0…{seeds - 1}", lambda seed: seed in range(seeds)))
    require(config, "budget", ("lie in (0, 10]", lambda budget: 0 < budget <= 10))
