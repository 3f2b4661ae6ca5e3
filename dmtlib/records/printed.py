"""The numbers that the paper prints, from ``paper_numbers.yml`` beside this file. None of them was measured here."""

from pathlib import Path
from typing import Any

import yaml


def paper_number(table: str, row: str, column: str) -> float | str:
    """A number that the paper prints, or another one that was published elsewhere. A KeyError, if there is no such
    cell, or more than one."""
    found = [c["value"] for c in printed_numbers(table) if (c["row"], c["column"]) == (row, column)]
    if len(found) != 1:
        raise KeyError(f"{len(found)} numbers of the paper in {table}, row {row}, column {column}")
    return found[0]


def printed_numbers(table: str) -> list[dict[str, Any]]:
    """All numbers of a table in ``paper_numbers.yml``, with what is said of each."""
    cells = yaml.safe_load((Path(__file__).parent / "paper_numbers.yml").read_text(encoding="utf-8"))
    return [cell for cell in cells if cell["table"] == table]
