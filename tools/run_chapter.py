"""Run one chapter through papermill, from its text, and keep the executed notebook only if every cell went through.

    python tools/run_chapter.py book/01_pseudo_labels.py _build/executed/01_pseudo_labels.ipynb [NAME=VALUE …]

A parameter reaches the chapters whose cell tagged `parameters` has it; the others run as they are. A chapter works in
an empty folder of its own (`_build/work/01_pseudo_labels`), so no earlier run's files can stand in for its own.
"""

from __future__ import annotations

import ast
import os
import shutil
import sys
import time
from pathlib import Path

import papermill
from chapters import notebook, notebook_text
from papermill.exceptions import PapermillExecutionError

ROOT = Path(__file__).resolve().parents[1]
SECONDS_PER_CELL = 600  # a cell that hangs must not hang the build


def parameters_of(cells: list) -> set[str]:
    """The names that the cell tagged `parameters` assigns."""
    source = "\n".join(cell.source for cell in cells if "parameters" in cell.metadata.get("tags", []))
    targets = [node.targets for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    return {target.id for group in targets for target in group if isinstance(target, ast.Name)}


def run(text: Path, target: Path, parameters: dict) -> None:
    pair = text.with_suffix(".ipynb")
    if not pair.exists() or pair.read_text() != notebook_text(text.read_text()):
        print(f"note: {pair} differs from {text}; the text is what runs, and `make sync` writes the notebook from it")
    chapter = notebook(text.read_text())
    work = target.parent.parent / "work" / text.stem
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    attempt = work / target.name
    os.environ["PYTHONPATH"] = str(ROOT)  # of the kernel, whose folder need not lie in the clone
    started = time.perf_counter()
    try:
        papermill.execute_notebook(
            chapter,
            str(attempt),
            parameters={k: v for k, v in parameters.items() if k in parameters_of(chapter.cells)},
            kernel_name="python3",
            cwd=str(work),
            progress_bar=False,
            execution_timeout=SECONDS_PER_CELL,
            # Or each kernel says that it is local, and some of them that they were stopped.
            extra_arguments=["--IPKernelApp.log_level=50"],
        )
    except PapermillExecutionError as error:
        sys.exit(f"{text} stopped in its cell {error.cell_index}; everything up to there is in {attempt}\n{error}")
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(attempt, target)
    print(f"{text.stem:24s} {time.perf_counter() - started:6.1f} s", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    assignments = (argument.split("=", 1) for argument in sys.argv[3:])
    run(Path(sys.argv[1]), Path(sys.argv[2]).resolve(), {name: ast.literal_eval(value) for name, value in assignments})
