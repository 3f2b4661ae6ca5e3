"""The rules that the whole repository keeps."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import grimp
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str) -> None:
    done = subprocess.run(
        [Path(sys.prefix) / "bin" / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-6000:]}{done.stderr[-2000:]}"


def test_ruff_finds_nothing():
    run("ruff", "check", "--output-format=concise", ".")


def test_ruff_would_format_nothing():
    run("ruff", "format", "--check", "--output-format=concise", ".")


def test_imports_point_down_only():
    run("lint-imports", "--no-cache")


def test_the_method_needs_torch_alone():
    graph = grimp.build_graph("dmtlib", include_external_packages=True, cache_dir=None)
    rooms = [module for module in graph.modules if module.startswith("dmtlib.method")]
    imported = {name.split(".")[0] for room in rooms for name in graph.find_modules_directly_imported_by(room)}
    assert len(rooms) > 5
    assert imported - sys.stdlib_module_names <= {"dmtlib", "torch", "jaxtyping"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    # setuptools leaves build/ beside what it builds, so it gets a copy.
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    tracked = ["pyproject.toml", "README.md", "LICENSE", "dmtlib", "book", "tools", "tests"]
    subprocess.run(["cp", "-R", *tracked, source], cwd=ROOT, check=True)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    run("pip", "wheel", *options, "--wheel-dir", str(target), str(source))
    (path,) = target.glob("dmtlib-*.whl")
    return zipfile.ZipFile(path)


def test_the_package_is_the_library_alone(wheel):
    names = wheel.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"dmtlib"}
    files = ["method/dynamic_loss.py", "model_card.md"]
    files += [path.relative_to(ROOT / "dmtlib").as_posix() for path in ROOT.glob("dmtlib/**/*.yml")]
    assert len(files) > 6 and {f"dmtlib/{file}" for file in files} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_package_needs_no_tools_of_the_book(wheel):
    (metadata,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    text = wheel.read(metadata).decode()
    assert "Requires-Dist: torch" in text
    assert not any(
        f"Requires-Dist: {tool}" in text for tool in ("jupyter", "papermill", "pytest", "sphinx", "playwright")
    )


INSTALLED = """
import sys
from importlib.abc import MetaPathFinder

class Refuse(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("book", "matplotlib", "seaborn", "IPython", "ipywidgets", "jupytext"):
            raise ModuleNotFoundError(f"the installed package imports {name}")

sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv[1])
from dmtlib.cli import main

assert sys.modules["dmtlib"].__file__.startswith(sys.argv[1])
for command in sys.argv[2:]:
    print("$", command, flush=True)
    if code := main(command.split()):
        sys.exit(code)
"""


def test_the_package_works_from_an_empty_folder(wheel, tmp_path):
    """Without the clone, and without a plotting library: what it does there is what `pip install .` brings."""
    package, empty = tmp_path / "package", tmp_path / "empty"
    empty.mkdir()
    wheel.extractall(package)
    commands = ["table table-4", "presets", "train digits-40 --method baseline --budget 0.01 --device cpu"]
    run_folder = "runs/digits-40/baseline/seed-0"
    picture = Image.new("L", (8, 8), 100)
    (tmp_path / "empty/pictures").mkdir()
    picture.save(empty / "pictures/one.png")
    commands += [f"predict {run_folder} pictures --out found.csv"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", INSTALLED, str(package), *commands],
        cwd=empty,
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr and (empty / "found.csv").read_text().startswith(
        "file,class,confidence\none.png,"
    )
    assert "63.04" in done.stdout  # Table 4, printed
