"""Where the book's own files are: its records, its pages, and the numbers that the paper prints."""

from __future__ import annotations

from pathlib import Path

import dmtlib


def repository() -> Path:
    """The clone that this book is read in: the package's own, or the one around the working directory.

    Of an installed package without a clone it is the folder that the package lies in, where no record will be found.
    """
    beside = Path(dmtlib.__file__).resolve().parents[1]
    places = [beside, Path.cwd(), *Path.cwd().parents]
    return next((place for place in places if (place / "book/_toc.yml").exists()), beside)


def results() -> Path:
    """The folder of run records."""
    return repository() / "results"


def paper_number(table: str, row: str, column: str) -> float | str:
    """A number that the paper prints, from ``book/paper_numbers.yml``. None of them was measured here.

    Raises:
        KeyError: no such cell, or more than one.
    """
    import yaml  # comes with Jupyter; training has no need of it

    cells = yaml.safe_load((repository() / "book/paper_numbers.yml").read_text(encoding="utf-8"))
    found = [c["value"] for c in cells if (c["table"], c["row"], c["column"]) == (table, row, column)]
    if len(found) != 1:
        raise KeyError(f"{len(found)} numbers of the paper in {table}, row {row}, column {column}")
    return found[0]
