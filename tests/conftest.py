import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]

# Examples are timed on machines that do other things as well, so slowness is no failure.
settings.register_profile("book", deadline=None)
settings.load_profile("book")


class OneBuildOneWorker(LoadScopeScheduling):
    """Which tests stay together on a worker: those of a file, which share fixtures, and all of tests/site.

    The latter wait for one build of the book. Each chapter on Colab stands alone: they fill both workers at the end.
    (xdist's own `--dist=loadgroup` has no effect under pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith("tests/site/"):
            return "tests/site"
        return nodeid if "on_colab[" in nodeid else nodeid.split("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> LoadScopeScheduling:
    return OneBuildOneWorker(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no accelerator here")


def make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    """Run make in a clone with the environment of these tests, untouched by a `make test` that they may stand in."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONPATH")}
    command = ["make", *arguments, f"VENV={sys.prefix}"]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture(autouse=True)
def no_figure_left_open():
    """A test that only draws leaves no figure to the next one, which may count them."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def build() -> Path:
    """This clone's `_build`, made by `make book`: `executed/` holds the notebooks, `html/` the site.

    It is the book that a reader gets, so `make book` finds nothing left to do after the tests.
    """
    folder = ROOT / "_build"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "tests.lock"):  # whichever worker comes second finds the book made
        made = make("book")
    if made.returncode:
        pytest.fail(f"make book failed:\n{made.stdout[-3000:]}\n{made.stderr[-6000:]}", pytrace=False)
    assert made.stdout.splitlines()[-1] == str(folder / "html/index.html")
    return folder
