"""Tables built from records; no number is typed here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd

from ..words import printable
from . import pixel_tables as pixels
from .comparison import comparison
from .image_tables import cifar10_table, cost_table, fast_table, peers_table, table_2, table_3

TABLES: dict[str, Callable[[Path], pd.DataFrame]] = {
    "digits": partial(comparison, preset="digits-40"),
    "cifar10-small": partial(comparison, preset="cifar10-small"),
    "fast": fast_table,
    "cifar10": cifar10_table,
    "table-2": table_2,
    "table-3": table_3,
    "table-4": pixels.table_4,
    "table-5": pixels.table_5,
    "table-6": pixels.table_6,
    "table-7": pixels.table_7,
    "scenes": partial(comparison, preset="scenes"),
    "camvid": pixels.camvid,
    "peers": lambda _: peers_table(),
    "cost": cost_table,
}
"""What `dmtlib table NAME` prints: functions of the folder of records."""


def render(table: pd.DataFrame) -> str:
    """For a terminal."""
    plain = table.reset_index().map(lambda cell: printable(cell) if isinstance(cell, str) else cell)
    return plain.to_string(index=False)
