"""What can be run, what of it is recorded, and what a run costs: ``dmtlib presets``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from ..presets import METHODS, PRESETS, SEGMENTATION_PRESETS, preset
from ..training.images.config import RunConfig
from ..training.settings import Config
from ..words import printable
from .costs import training_images
from .store import load_records


class Row(NamedTuple):
    """A preset, as a run of DMT has it; ``recorded`` are the records of full length, by method, on the preset's own
    data or their JPEG copy."""

    config: Config
    recorded: dict[str, list[dict[str, Any]]]


def preset_rows(results: Path) -> list[Row]:
    """One for each preset; nothing is recorded in a folder that isn't there. A ValueError for a file in ``results``
    that is no record."""
    rows = []
    for name in PRESETS | SEGMENTATION_PRESETS:
        config = preset(name, "dmt")
        recorded = {}
        for record in (record for method in METHODS for record in load_records(results, name, method)):
            own = record["config"]["data"] in (config.data, f"{config.data}-jpeg")
            if own and {"seconds", "device"} <= record.keys():
                recorded.setdefault(record["method"], []).append(record)
        rows.append(Row(config, recorded))
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
    known = Path(results).is_dir()
    if known:
        table.add_column("recorded seeds")
    for row in rows:
        recorded = [recorded_in_words(row)] if known else []
        labels = labels_in_words(row.config)
        table.add_row(row.config.preset, row.config.data, labels, cost_in_words(row), *recorded)
    return table


def recorded_in_words(row: Row) -> str:
    """Methods by their number of seeds, the most first."""
    if not row.recorded:
        return "not run"
    counts = {method: len(records) for method, records in row.recorded.items()}
    alike = {n: [method for method in counts if counts[method] == n] for n in sorted(set(counts.values()))[::-1]}
    return "\n".join(f"{n}: {', '.join(methods)}" for n, methods in alike.items())


def cost_in_words(row: Row) -> str:
    """Seconds that were measured, by the kind of device; else images, counted, from a million on in three digits; else
    "depends": the length is that of somebody's data."""
    seconds: dict[str, list[float]] = {}
    for record in sum(row.recorded.values(), []):
        seconds.setdefault(printable(record["device"]).partition(" ")[0], []).append(record["seconds"])
    if seconds:
        ends = {kind: dict.fromkeys((f"{min(times):,.0f}", f"{max(times):,.0f}")) for kind, times in seconds.items()}
        return "\n".join(f"{'–'.join(ends[kind])} s {kind}" for kind in sorted(ends))
    images = training_images(row.config)
    if images is None:
        return "depends"
    return f"{images:,} images" if images < 1e6 else f"{float(f'{images / 1e6:.3g}'):,g}M images"


def explanation(rows: Iterable[Row], results: Path) -> list[str]:
    """What the columns of :func:`preset_table` mean, a line each."""
    lines = ["labels: how many images have one, or one in how many; given: the data say which"]
    devices = sorted({record["device"] for row in rows for record in sum(row.recorded.values(), [])})
    if devices:
        lines.append(f"seconds: of the fastest and the slowest recorded run, on {'; '.join(devices)}")
    lines.append("images: counted, not measured: what a run of dmt trains on in all its phases; M: millions")
    if Path(results).is_dir():
        return [*lines, f"recorded seeds: how many, at full length, are in {results}; not run: none"]
    return [*lines, f"recorded: there is no folder {results} here, so nothing is known of any run"]
