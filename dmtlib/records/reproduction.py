"""Which runs each table is made of: the one list that the command line, the pages and the map of the paper read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..presets import preset
from ..training.methods import METHODS
from ..training.settings import Config
from .comparison import NAMES
from .store import find_record

CIFAR10 = {4000: "cifar10-4000", 1000: "cifar10-1000"}
"""Presets by number of labels."""
VOC = {"1/106": "voc-106", "1/50": "voc-50", "1/20": "voc-20", "1/8": "voc-8"}
CITYSCAPES = {"1/30": "cityscapes-30", "1/8": "cityscapes-8"}
"""Presets by labeled ratio. The Oracle learns all labels: the one of 1/8 serves every ratio."""
ABLATIONS = {"Baseline": "baseline"} | {
    NAMES[method]: method for method in ("online-st", "cbst", "dst", "dmt-naive", "dmt", "dmt-flip")
}
"""Table 7 in its order."""
RATIOS_OF_TABLE_7 = ("1/20", "1/50")

FIVE_SEEDS = (1, 2, 3, 4, 5)  # "5-times averaged" (Sec. 5.2.3); the numbers are those of the authors' code
THREE_SPLITS = (0, 1, 2)  # "three-times averaged"
ONE_SPLIT = (0,)  # "one random 1/20 split and one random 1/50 split" (Table 7)


class Cell(NamedTuple):
    """One number of a table, and the runs that it is the mean of."""

    name: str
    preset: str
    method: str
    seeds: tuple[int, ...]


def _cells(presets: dict[str, str], methods: Sequence[str], seeds: tuple[int, ...]) -> list[Cell]:
    """One cell a preset and method; ``presets`` by what the paper's table calls the row or column."""
    return [Cell(f"{row}, {NAMES[m]}", name, m, seeds) for row, name in presets.items() for m in methods]


def _fast(seeds: tuple[int, ...], ending: str = "") -> list[Cell]:
    """Table 2 and an Oracle, by the fast recipe."""
    few, many = ({f"{n} labels": f"{CIFAR10[n]}-fast{ending}"} for n in (1000, 4000))
    compared = ("baseline", "cl", "dmt")
    return [*_cells(many, (*compared, "oracle"), seeds), *_cells(few, compared, seeds)]


_CIFAR10 = {f"{labels} labels": name for labels, name in CIFAR10.items()}
_DIGITS = {"40 labels": "digits-40"}
NOISE_MAP = {f"{labels} labels": f"digits-{labels}" for labels in (10, 20, 40, 80)}
GAMMA_DIAL = {(g, g): "digits-10" if g == 4 else f"digits-10-gamma-{g}" for g in (0, 1, 2, 4, 8)} | {
    (g1, g2): f"digits-10-gamma-{g1}-{g2}" for g1 in (1, 4, 8) for g2 in (1, 4, 8) if g1 != g2
}
"""The presets of the dial of γ, by (γ1, γ2): on the digits with the most wrong labels."""
_VOC_ORACLE = Cell("Oracle", "voc-8", "oracle", THREE_SPLITS)  # all labels are all labels, whatever the ratio
_SMALL = ("baseline", "cbst", "dmt", "oracle")

TABLES: dict[str, list[Cell]] = {
    "table-2": _cells(_CIFAR10, ("baseline", "cl", "dmt"), FIVE_SEEDS),
    "table-3": _cells({"4000 labels": CIFAR10[4000]}, ("baseline", "cl", "dmt", "oracle"), FIVE_SEEDS),
    "table-4": [*_cells(VOC, ("baseline", "dmt"), THREE_SPLITS), _VOC_ORACLE],
    "table-5": [*_cells({"1464 labels": "voc-1464"}, ("baseline", "dmt"), THREE_SPLITS), _VOC_ORACLE],
    "table-6": [
        *_cells(CITYSCAPES, ("baseline", "dmt"), THREE_SPLITS),
        Cell("Oracle", CITYSCAPES["1/8"], "oracle", THREE_SPLITS),
    ],
    "table-7": _cells({r: VOC[r] for r in RATIOS_OF_TABLE_7}, list(ABLATIONS.values()), ONE_SPLIT),
    "camvid": _cells({"1/8": "camvid-8"}, _SMALL, THREE_SPLITS),
    # What stands in for them on a CPU. The Oracle learns all labels: the one of 4,000 labels serves 1,000, too.
    "fast": _fast(THREE_SPLITS),
    "fast-wide": _fast(FIVE_SEEDS, "-wide"),
    "digits": _cells(_DIGITS, (*METHODS,), tuple(range(10))),
    "noise-map": _cells(NOISE_MAP, ("baseline", "cl", "dst", "dmt", "oracle"), tuple(range(10))),
    "gamma": [Cell(f"γ1 = {a}, γ2 = {b}, DMT", name, "dmt", tuple(range(5))) for (a, b), name in GAMMA_DIAL.items()],
    "cifar10-small": _cells({"80 labels": "cifar10-small"}, ("baseline", "cl", "dmt", "oracle"), (0, 1, 2)),
    "scenes": [
        *_cells({"50 labels": "scenes"}, (*ABLATIONS.values(), "oracle"), THREE_SPLITS),
        *_cells({"50 labels, 40 a model at first": "scenes-halves"}, ("dmt",), THREE_SPLITS),
    ],
    "camvid-small": _cells({"1/8": "camvid-small"}, _SMALL, THREE_SPLITS),
}
"""The cells of each table: the paper's, and those of the book's small-scale runs. Cells that several tables share, as
the Oracle, are the same runs."""


def train_arguments(config: Config) -> list[str]:
    """What ``dmtlib`` is told to train ``config``; what a preset says by itself is left out."""
    arguments = ["train", config.preset, "--method", config.method, "--seed", str(config.seed)]
    if config.budget != 1:
        arguments += ["--budget", f"{config.budget:.12g}"]
    if config.data != preset(config.preset, config.method).data:
        arguments += ["--data", config.data]
    return arguments


def cells_of(names: Iterable[str]) -> list[Cell]:
    """The cells of some tables, each once. A ValueError for a name that is no table's lists them."""
    cells: dict[tuple[str, str], Cell] = {}
    for name in names:
        if name not in TABLES:
            raise ValueError(f"table must be one of {', '.join(TABLES)}, got {name!r}")
        for cell in TABLES[name]:
            known = cells.setdefault((cell.preset, cell.method), cell)
            cells[known.preset, known.method] = known._replace(seeds=tuple(sorted({*known.seeds, *cell.seeds})))
    return list(cells.values())


def runs_of(
    names: Iterable[str],
    *,
    seeds: Sequence[int] | None = None,
    budget: float = 1.0,
    data: str | None = None,
    variant: str = "paper",
) -> list[Config]:
    """All runs of some tables of :data:`TABLES`, each once, seed by seed: a whole comparison on one seed comes before
    the next seed. ``seeds`` stand in for each cell's own; the other arguments are those of
    :func:`dmtlib.presets.preset`. A ValueError for an unknown table, or an argument that a preset refuses."""
    cells = cells_of(names)
    wanted = sorted({seed for cell in cells for seed in cell.seeds} if seeds is None else set(seeds))
    return [
        preset(cell.preset, cell.method, seed, budget, data, variant)
        for seed in wanted
        for cell in cells
        if seeds is not None or seed in cell.seeds
    ]


def missing_runs(runs: Iterable[Config], results: Path) -> list[Config]:
    """Those without a record in ``results``. A ValueError, if a record in that place is of other data."""
    return [config for config in runs if find_record(results, config) is None]
