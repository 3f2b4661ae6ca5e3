"""The rules that the whole repository keeps."""

import subprocess
import sys
import zipfile
from pathlib import Path

import grimp
import pytest

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
    assert "dmtlib/method/dynamic_loss.py" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_package_needs_no_tools_of_the_book(wheel):
    (metadata,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    text = wheel.read(metadata).decode()
    assert "Requires-Dist: torch" in text
    assert not any(
        f"Requires-Dist: {tool}" in text for tool in ("jupyter", "papermill", "pytest", "sphinx", "playwright")
    )
