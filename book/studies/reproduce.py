"""What is recorded of each table, and what it costs. What was counted and what was measured never share a column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dmtlib.files import read_json
from dmtlib.presets import preset
from dmtlib.records.comparison import NOT_RUN, cell
from dmtlib.records.reproduction import CIFAR10, CITYSCAPES, TABLES, VOC, Cell, cells_of
from dmtlib.records.store import load_records

from ..page.words import as_words
from .costs import DATA, RunCost, gpu_named, run_cost
from .recorded import count_recorded


def overview(results: Path, gpu: str) -> pd.DataFrame:
    """One row a table: its runs, how many of them are recorded, and their hours.

    Args:
        results: folder of records.
        gpu: a key of :data:`.costs.GPUS`.
    """
    rows = []
    for name in TABLES:
        cells = cells_of([name])
        calculated, measured = table_hours(name, gpu), sum(sum(measured_hours(c, results)) for c in cells)
        rows.append(
            {
                "table": name,
                "runs": sum(len(c.seeds) for c in cells),
                "recorded": sum(count_recorded(c, results) for c in cells),
                "other records": sum(others_recorded(c, results) for c in cells),
                "GPU hours, calculated": hours_in_words(calculated) if calculated else "",
                "hours, measured": f"{measured:.2g}" if measured else NOT_RUN,
            }
        )
    return pd.DataFrame(rows).set_index("table")


def cells_table(names: Sequence[str], results: Path, gpu: str) -> pd.DataFrame:
    """One row a cell of some tables: its runs, what one of them costs, and the arguments that train the first seed."""
    rows = []
    for name, c in [(table, c) for table in names for c in TABLES[table]]:
        cost = calculated_cost(c)
        rows.append(
            {
                "table": name,
                "cell": c.name,
                "runs": len(c.seeds),
                "recorded": count_recorded(c, results),
                "GPU hours a run, calculated": hours_in_words(cost.hours(gpu_named(gpu))) if cost else "",
                "minutes a run, measured": cell([60 * hours for hours in measured_hours(c, results)], digits=1),
                "dmtlib train …": f"{c.preset} --method {c.method}",
                "GPU GB, calculated": f"{cost.gpu_bytes / 1e9:.1f}" if cost else "",
                "disk GB, calculated": f"{cost.disk_bytes / 1e9:.2g}" if cost else "",
            }
        )
    table = pd.DataFrame(rows).set_index(["table", "cell"])
    return table.loc[:, (table != "").any()]  # small runs have nothing calculated


def table_1() -> pd.DataFrame:
    """Table 1 of the paper, from the presets that the runs are made of."""
    rows = []
    for data, group in (("PASCAL VOC", VOC), ("Cityscapes", CITYSCAPES), ("CIFAR-10", CIFAR10)):
        for labeled, name in group.items():
            config = preset(name, "dmt")
            unlabeled_per_batch = config.batch_size - config.labeled_per_batch
            rows.append(
                {
                    "data": data,
                    "labeled": labeled if isinstance(labeled, str) else f"{labeled:,} labels",
                    "preset": name,
                    "γ1": config.gamma1,
                    "γ2": config.gamma2,
                    "learning rate": config.learning_rate,
                    "epochs of a phase": config.phase_epochs,
                    "batch": config.batch_size,
                    "unlabeled : labeled": f"{unlabeled_per_batch // config.labeled_per_batch}:1",
                }
            )
    return pd.DataFrame(rows).set_index(["data", "labeled"])


def measured_steps(results: Path) -> list[str]:
    """What the benchmarks found on a GPU, and what a run of DMT takes at that speed, in a sentence each."""
    told = []
    for name, row in (("classification_step", "cifar10-4000"), ("segmentation_step", "voc-106")):
        file = Path(results) / f"benchmarks/{name}.json"
        found = read_json(file) if file.exists() else {}
        if not found.get("images_per_second") or not found["device"].startswith("cuda"):
            told.append(f"benchmarks/{name}.py on a GPU: {NOT_RUN}.")
            continue
        row = found.get("preset", row)
        rate, images = found["images_per_second"], run_cost(preset(row, "dmt")).images
        device = as_words(found["device"])
        told.append(
            f"Measured on {device}: a step of DMT trains on {rate:,.0f} images a second, so the steps of a "
            f"run of {row} take {images / rate / 3600:.2f} hours."
        )
    return told


def calculated_cost(c: Cell) -> RunCost | None:
    """Of one run; None for data whose runs are short enough to be measured, on a CPU."""
    config = preset(c.preset, c.method, c.seeds[0])
    return run_cost(config) if config.data in DATA else None


def measured_hours(c: Cell, results: Path) -> list[float]:
    """Of each recorded run of full length, on whatever device and beside whatever else it ran."""
    return [r["seconds"] / 3600 for r in load_records(results, c.preset, c.method) if r["seed"] in c.seeds]


def others_recorded(c: Cell, results: Path) -> int:
    """Records beside them: shorter runs, other data, the authors' variant, more seeds."""
    everywhere = [f"{name}{length}" for name in (c.preset, f"{c.preset}-authors") for length in ("", "-budget-*")]
    files = [file for folder in everywhere for file in Path(results).glob(f"{folder}/{c.method}/seed-*.json")]
    return len(files) - count_recorded(c, results)


def table_hours(name: str, gpu: str) -> tuple[float, float] | None:
    """Of all runs of a table on one GPU, one after the other, from the higher speed assumed to the lower."""
    costs = [(len(c.seeds), calculated_cost(c)) for c in cells_of([name])]
    if None in [cost for _, cost in costs]:
        return None
    hours = [(runs, cost.hours(gpu_named(gpu))) for runs, cost in costs]
    low, high = (sum(runs * each[end] for runs, each in hours) for end in (0, 1))
    return low, high


def hours_in_words(hours: tuple[float, float]) -> str:
    """A range with two digits each, none beyond hundredths."""
    return "–".join(f"{each:.2g}" if each >= 0.1 else f"{each:.2f}" for each in hours)
