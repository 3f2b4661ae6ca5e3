"""Run one chapter through papermill, from its text, and keep the executed notebook only if every cell went through.

    python tools/run_chapter.py book/01_pseudo_labels.py _build/executed/01_pseudo_labels.ipynb [NAME=VALUE …]

A parameter reaches the chapters whose cell tagged `parameters` has it; the others run as they are. A chapter works in
an empty folder of its own (`_build/work/01_pseudo_labels`). Only finished training runs outlast it, in `_build/runs`,
and only as long as the library is the same: book/page/runs.py says how chapters share them.

Beside the notebook lies `01_pseudo_labels.d`, for make: which helpers the chapter imports.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import platform
import shutil
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path

import grimp
import nbformat
import papermill
import psutil
from chapters import notebook, notebook_text
from papermill.exceptions import PapermillExecutionError

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from book.page.runs import STORE, keep_finished

SECONDS_PER_CELL = 600  # a cell that hangs must not hang the build
DECIDE = ("torch", "torchvision", "numpy", "scikit-learn")  # besides the library, what a run's numbers depend on


def parameters_of(cells: list) -> set[str]:
    """The names that the cell tagged `parameters` assigns."""
    source = "\n".join(cell.source for cell in cells if "parameters" in cell.metadata.get("tags", []))
    targets = [node.targets for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    return {target.id for group in targets for target in group if isinstance(target, ast.Name)}


def helpers(chapter: str) -> list[Path]:
    """The modules of book/ that a chapter imports, directly or through others, by their place in the clone."""
    graph = grimp.build_graph("book", cache_dir=None)
    modules = {f"book.{chapter}"} & graph.modules
    for module in tuple(modules):
        modules |= graph.find_upstream_modules(module)
    packages = {name.rpartition(".")[0] for name in modules}  # whose __init__ Python runs first
    files = [Path(*name.split("."), "__init__.py") for name in packages]
    files += [Path(*name.split(".")).with_suffix(".py") for name in modules - {f"book.{chapter}"} - packages]
    return sorted(files)


def write_dependencies(target: Path, files: list[Path]) -> None:
    """As make reads them. The empty rules are for a file that is gone: the chapter runs again, instead of an error."""
    lines = [f"{target}: {' '.join(map(str, files))}", *(f"{file}:" for file in files)]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.with_suffix(".d").write_text("\n".join(lines) + "\n")


def finished_runs(build: Path) -> Path:
    """The folder of runs that this very library finished in this environment; those of another one are dropped."""
    state = hashlib.sha256(" ".join([platform.python_version(), *map(version, DECIDE)]).encode())
    for file in sorted((ROOT / "dmtlib").rglob("*.py")):
        state.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    folder = build / "runs" / state.hexdigest()[:16]
    for other in set((build / "runs").glob("*")) - {folder}:
        shutil.rmtree(other, ignore_errors=True)  # another chapter may be at it
    return folder


def stop(number: int, _: object) -> None:
    """On SIGTERM, which make hands on, Ctrl-C, or a terminal that closes: the kernel ends, and what it has begun."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
    sys.exit(128 + number)


def run(text: Path, target: Path, parameters: dict) -> None:
    pair = text.with_suffix(".ipynb")
    if not pair.exists() or pair.read_text() != notebook_text(text.read_text()):
        print(f"note: {pair} differs from {text}; the text is what runs, and `make sync` writes the notebook from it")
    chapter = notebook(text.read_text())
    build = target.resolve().parent.parent
    work, runs = build / "work" / text.stem, finished_runs(build)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    attempt = work / target.name
    os.environ["PYTHONPATH"] = str(ROOT)  # of the kernel, whose folder need not lie in the clone
    os.environ[STORE] = str(runs)
    started, found = time.perf_counter(), 0.0
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
    finally:
        found = keep_finished(work, runs)
    if found:
        executed = nbformat.read(attempt, as_version=4)
        executed.metadata.papermill["found_seconds"] = found
        nbformat.write(executed, attempt)
    write_dependencies(target, helpers(text.stem))
    os.replace(attempt, target)
    print(f"{text.stem:24s} {time.perf_counter() - started:6.1f} s", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    assignments = (argument.split("=", 1) for argument in sys.argv[3:])
    run(Path(sys.argv[1]), Path(sys.argv[2]), {name: ast.literal_eval(value) for name, value in assignments})
