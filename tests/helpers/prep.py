"""What the tests of data_prep/ have in common."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from dmtlib.data.pixels.datasets import ROWS, Row

FOLDER = Path(__file__).parents[2] / "data_prep"


def load_script(name: str, monkeypatch, counts: dict[str, int]) -> ModuleType:
    """A script as a module, content with as few images as ``counts`` says."""
    row = ROWS[name]
    monkeypatch.setitem(ROWS, name, Row(row.classes, counts, row.evaluation_size))
    monkeypatch.delenv("DMT_DATA", raising=False)
    spec = importlib.util.spec_from_file_location(f"{name}_prep", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refused(script: ModuleType, name: str, arguments: list[str], out: Path, capsys) -> str:
    """The one line on stderr of a run that fails with exit code 2 and leaves nothing behind."""
    before = sorted(out.rglob("*")) if out.exists() else []
    assert script.main([*arguments, "--out", str(out)]) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith(f"{name}.py: ")]
    assert captured.out == "" and len(lines) == 1 and captured.err.endswith(f"{lines[0]}\n")
    assert [file for file in (sorted(out.rglob("*")) if out.exists() else []) if file.is_file()] == [
        file for file in before if file.is_file()
    ]
    return lines[0].removeprefix(f"{name}.py: ")
