"""The numbers that the paper prints, from ``paper_numbers.yml`` beside this file. None of them was measured here."""

from pathlib import Path
from typing import Any

import yaml


def paper_number(table: str, row: str, column: str) -> float | str:
    """A number that the paper prints, or another one that was published elsewhere. A KeyError, if there is none."""
    if (row, column) not in (found := printed_numbers(table)):
        raise KeyError(f"no number of the paper in {table}, row {row}, column {column}")
    return found[row, column]["value"]


def printed_numbers(table: str) -> dict[tuple[str, str], dict[str, Any]]:
    """All numbers of a table in ``paper_numbers.yml``, with what is said of each, by row and column."""
    cells = yaml.safe_load((Path(__file__).parent / "paper_numbers.yml").read_text(encoding="utf-8"))
    return {(cell["row"], cell["column"]): cell for cell in cells if cell["table"] == table}
