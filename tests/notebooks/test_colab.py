"""Every chapter's notebook with other parameters, and then its solutions, where there is only what Colab has.

The environment is a new one whose packages are links to this one's: those that Colab brings, what they need, and no
more. The first cell must do the rest: clone the book (from a bare clone beside it, instead of GitHub) and let pip
fetch the few packages that Colab lacks.
"""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import papermill
import pytest
from chapters import ROOT, chapters, plain_notebook
from nbformat.v4 import new_code_cell
from packaging.requirements import Requirement
from run_chapter import parameters_of

from book.studies.your_data import make_image_folder, make_mask_folder

COLAB = [
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "matplotlib",
    "seaborn",
    "scikit-learn",
    "ipywidgets",
    "jupyterlab",
    "pip",
]
SOLUTION = re.compile(r"^<details>$.*?^</details>$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LACKING = {"jaxtyping", "typer"}  # of what dmtlib needs, at the least

# Other values than the chapters' own, for papermill. Those of chapter 6 are test_parameters.py's.
VALUES = {"budget": 0.02, "seed": 3, "device": "cpu", "gpu": "Tesla T4", "side": 10}
VALUES |= {"mask_budget": 0.01}


def as_a_mac_brings_it(folder: Path) -> Path:
    """Photographs of a telephone: names in capitals, and macOS's own file beside each of some."""
    for file in sorted(make_image_folder(folder).rglob("*.png")):
        file.rename(file.with_name(f"IMG_{file.stem}.PNG"))
    for file in list(folder.glob("*/*/*0.PNG")):
        file.with_name(f"._{file.name}").write_bytes(b"\0\5\26\7")
    return folder


FOLDERS = {"image_folder": as_a_mac_brings_it, "mask_folder": make_mask_folder}
PRESETS = {
    "00_start_here": {"preset": "cifar10-small"},
    "08_segmentation": {"preset": "scenes-small"},
    "12_your_data": {"mask_preset": "scenes"},
}
KEPT = {"preset", "image_preset"}  # elsewhere no other one is small, or has its data here

pytestmark = [pytest.mark.book, pytest.mark.timeout(900)]  # two minutes are usual on a slow machine


def closure(names: list[str]) -> dict[str, importlib.metadata.Distribution]:
    """Installed distributions by name: these, and all that they need here."""
    found, queue = {}, [(Requirement(name), "") for name in names]
    while queue:
        requirement, extra = queue.pop()
        marker = requirement.marker
        if marker is not None and not any(marker.evaluate({"extra": e}) for e in ("", extra)):
            continue
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # an optional one
        needs = [Requirement(need) for need in distribution.requires or []]
        if name not in found:
            found[name] = distribution
            queue += [(need, "") for need in needs]
        queue += [(n, e) for e in requirement.extras for n in needs if n.marker and "extra" in str(n.marker)]
    return found


@pytest.fixture(scope="session")
def colab(tmp_path_factory) -> Path:
    """The environment's folder; it holds a kernel named `python3` for Jupyter."""
    folder = tmp_path_factory.mktemp("colab")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    ours = Path(sysconfig.get_path("purelib"))
    theirs = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder / "env")}))
    for distribution in closure(COLAB).values():
        for top in {file.parts[0] for file in distribution.files if file.parts[0] != ".."} - {"__pycache__"}:
            # Packages that share a folder (nvidia, google, …) come with all of it.
            if not (theirs / top).exists():
                (theirs / top).symlink_to(ours / top)
    kernel = folder / "jupyter/kernels/python3"
    kernel.mkdir(parents=True)
    start = [str(folder / "env/bin/python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    alone = {"PYTHONPATH": "", "PYTHONNOUSERSITE": "1", "DMT_STATIC": "", "DMT_DATA": "", "OMP_NUM_THREADS": "1"}
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": start, "display_name": "Colab", "language": "python", "env": alone})
    )
    return folder


@pytest.fixture(scope="session")
def address(tmp_path_factory) -> str:
    """A bare clone of the book as it is in the working tree."""
    folder = tmp_path_factory.mktemp("address")
    git = ["git", "-c", "user.name=reader", "-c", "user.email=reader@example.org"]
    environment = {**os.environ, "GIT_DIR": str(folder / "copy.git"), "GIT_WORK_TREE": str(ROOT)}
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "The book"]):
        subprocess.run([*git, *command], cwd=ROOT, env=environment, check=True)
    subprocess.run([*git, "clone", "--quiet", "--bare", folder / "copy.git", folder / "book.git"], check=True)
    return (folder / "book.git").as_uri()


def solutions(cells: list) -> list[str]:
    """The code that the solutions of a chapter's exercises give, in their order."""
    prose = [cell.source for cell in cells if cell.cell_type == "markdown"]
    return [code for text in prose for found in SOLUTION.finditer(text) for code in CODE.findall(found[0])]


def test_most_chapters_have_solutions_in_code():
    found = [len(solutions(plain_notebook(chapter.read_text()).cells)) for chapter in chapters()]
    assert sum(found) > 20 and sum(n > 0 for n in found) >= 12


def test_the_environment_lacks_the_library_and_some_of_its_needs(colab):
    code = "from importlib.util import find_spec; print([n for n in {!r} if find_spec(n) is None])"
    names = sorted({"dmtlib", *LACKING})
    command = [colab / "env/bin/python", "-I", "-c", code.format(names)]
    assert subprocess.check_output(command, text=True, cwd=colab).strip() == str(names)


@pytest.mark.parametrize("chapter", chapters(), ids=lambda chapter: chapter.stem)
def test_a_chapter_and_its_solutions_run_on_colab(chapter, colab, address, tmp_path, monkeypatch):
    pair = plain_notebook(chapter.read_text())
    pair.cells[0].source = re.sub('REPOSITORY = ".*?"', f'REPOSITORY = "{address}"', pair.cells[0].source)
    pair.cells += [new_code_cell(code) for code in solutions(pair.cells)]
    work = tmp_path / "content"
    work.mkdir()
    names = parameters_of(pair.cells)
    parameters = {name: value for name, value in VALUES.items() if name in names}
    parameters |= {name: str(make(work / name)) for name, make in FOLDERS.items() if name in names}
    parameters |= PRESETS.get(chapter.stem, {})
    assert names <= parameters.keys() | KEPT or chapter.stem == "06_cifar10"
    monkeypatch.setenv("JUPYTER_PATH", str(colab / "jupyter"))
    out = tmp_path / "out.ipynb"
    papermill.execute_notebook(pair, str(out), parameters, kernel_name="python3", cwd=str(work), progress_bar=False)
    assert (work / "the-dmt-book/dmtlib/__init__.py").exists()
