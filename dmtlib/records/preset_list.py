"""What can be run, what of it is recorded, and what a run costs: ``dmtlib presets``."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.table import Table

from ..presets import METHODS, PRESETS, SEGMENTATION_PRESETS, preset
from ..training.images.config import RunConfig
from ..training.settings import Config
from ..words import printable
from .costs import training_images
from .store import load_records

Row = tuple[Config, list[dict[str, Any]]]
"""A preset, as a run of DMT has it, and the full-length records of all methods on its own data or their JPEG copy."""


def preset_rows(results: Path) -> list[Row]:
    """One for each preset; nothing is recorded in an absent folder. A ValueError for a file that is no record."""
    rows = []
    for name in PRESETS | SEGMENTATION_PRESETS:
        config = preset(name, "dmt")
        own = (config.data, f"{config.data}-jpeg")
        records = [record for method in METHODS for record in load_records(results, name, method)]
        timed = [record for record in records if {"seconds", "device"} <= record.keys()]
        rows.append((config, [record for record in timed if record["config"]["data"] in own]))
    return rows


def labels_in_words(config: Config) -> str:
    """How many, or one in how many, and "given" where the data say which."""
    if isinstance(config, RunConfig):
        return "all" if config.num_labels is None else str(config.num_labels)
    return "given" if config.labeled_ratio is None else f"1/{config.labeled_ratio:g}"


def preset_table(rows: Iterable[Row], results: Path) -> Table:
    """For a terminal of 80 columns, or for a pipe. Without a folder of records it is silent about them."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("preset", "data", "labels", "a run costs"):
        table.add_column(column, no_wrap=True)
    if Path(results).is_dir():
        table.add_column("recorded seeds")
    for config, recorded in rows:
        costs, seeds = cost_in_words(config, recorded), recorded_in_words(recorded)
        table.add_row(*(config.preset, config.data, labels_in_words(config), costs, seeds)[: len(table.columns)])
    return table


def recorded_in_words(recorded: list[dict[str, Any]]) -> str:
    """Methods by their number of seeds, the most first."""
    alike: dict[int, list[str]] = {}
    for method, seeds in Counter(record["method"] for record in recorded).most_common():
        alike.setdefault(seeds, []).append(method)
    return "\n".join(f"{seeds}: {', '.join(methods)}" for seeds, methods in alike.items()) or "not run"


def cost_in_words(config: Config, recorded: list[dict[str, Any]]) -> str:
    """Seconds that were measured, by the kind of device; else images, counted, from a million on in three digits; else
    "depends": the length is that of somebody's data."""
    seconds: dict[str, list[float]] = {}
    for record in recorded:
        seconds.setdefault(printable(record["device"]).partition(" ")[0], []).append(record["seconds"])
    if seconds:
        ends = {kind: dict.fromkeys((f"{min(times):,.0f}", f"{max(times):,.0f}")) for kind, times in seconds.items()}
        return "\n".join(f"{'–'.join(ends[kind])} s {kind}" for kind in sorted(ends))
    if (images := training_images(config)) is None:
        return "depends"
    return f"{images:,} images" if images < 1e6 else f"{float(f'{images / 1e6:.3g}'):,g}M images"


def explanation(rows: Iterable[Row], results: Path) -> list[str]:
    """What the columns of :func:`preset_table` mean, a line each."""
    lines = ["labels: how many images have one, or one in how many; given: the data say which"]
    if devices := sorted({record["device"] for _, recorded in rows for record in recorded}):
        lines.append(f"seconds: of the fastest and the slowest recorded run, on {'; '.join(devices)}")
    lines.append("images: counted, not measured: what a run of dmt trains on in all its phases; M: millions")
    if Path(results).is_dir():
        return [*lines, f"recorded seeds: how many, at full length, are in {results}; not run: none"]
    return [*lines, f"recorded: there is no folder {results} here, so nothing is known of any run"]
