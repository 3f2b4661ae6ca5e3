"""Which runs each table is made of: the one list that the command line, the pages and the map of the paper read."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from ..presets import preset
from ..training.methods import METHODS
from ..training.settings import Config
from .comparison import NAMES
from .store import find_record

_FILE = yaml.safe_load((Path(__file__).parent / "runs.yml").read_text(encoding="utf-8"))

CIFAR10 = {int(row.split()[0]): name for row, name in _FILE["rows"]["cifar10"].items()}
"""Presets by number of labels."""
VOC, CITYSCAPES = _FILE["rows"]["voc"], _FILE["rows"]["cityscapes"]
"""Presets by labeled ratio. The Oracle learns all labels: the one of 1/8 serves every ratio."""
RATIOS_OF_TABLE_7 = tuple(_FILE["rows"]["table-7"])
ABLATIONS = {NAMES[method].replace("baseline", "Baseline"): method for method in _FILE["methods"]["table-7"]}
"""Table 7 in its order."""
NOISE_MAP = _FILE["rows"]["noise-map"]


class Cell(NamedTuple):
    """One number of a table, and the runs that it is the mean of."""

    name: str
    preset: str
    method: str
    seeds: tuple[int, ...]


TABLES: dict[str, list[Cell]] = {
    table: [
        Cell(row if row == "Oracle" else f"{row}, {NAMES[method]}", name, method, tuple(line["seeds"]))
        for line in lines
        for row, name in line["presets"].items()
        for method in line.get("methods", METHODS)
    ]
    for table, lines in _FILE["tables"].items()
}
"""The cells of each table in ``runs.yml`` beside this file."""


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
    runs = [(cell, seed) for seed in wanted for cell in cells if seeds is not None or seed in cell.seeds]
    return [preset(cell.preset, cell.method, seed, budget, data, variant) for cell, seed in runs]


def missing_runs(runs: Iterable[Config], results: Path) -> list[Config]:
    """Those without a record in ``results``. A ValueError, if a record in that place is of other data."""
    return [config for config in runs if find_record(results, config) is None]
