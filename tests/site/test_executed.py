"""Every chapter, as papermill executed it for the book."""

import json

import nbformat
import pytest
from chapters import chapters

CHAPTERS = 17
LARGEST_OUTPUT = 1_000_000  # bytes

pytestmark = pytest.mark.book


@pytest.fixture
def executed(build):
    return {path.stem: nbformat.read(path, as_version=4) for path in (build / "executed").glob("*.ipynb")}


def test_every_chapter_is_executed_to_its_end(executed):
    assert len(executed) == CHAPTERS
    assert set(executed) == {path.stem for path in chapters()}
    for name, notebook in executed.items():
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in cells), name
        assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"], name


def test_no_output_is_large(executed):
    outputs = [
        (name, output)
        for name, notebook in executed.items()
        for c in notebook.cells
        for output in c.get("outputs", [])
    ]
    assert not [
        (name, len(json.dumps(output))) for name, output in outputs if len(json.dumps(output)) > LARGEST_OUTPUT
    ]


def test_no_output_is_a_complaint(executed):
    outputs = [
        (name, output)
        for name, notebook in executed.items()
        for c in notebook.cells
        for output in c.get("outputs", [])
    ]
    assert not [(name, output.text) for name, output in outputs if "Warning" in output.get("text", "")]
