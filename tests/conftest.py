import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: runs are compared bit by bit, and workers share cores

import jaxtyping
import pytest
from clone import ROOT
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# Examples are timed on machines that do other things as well, so slowness is no failure.
settings.register_profile("book", deadline=None)
settings.load_profile("book")

ALONE = ("on_colab[", "tests/site/test_browser.py")


class FileOneWorker(LoadScopeScheduling):
    """Which tests stay together on a worker: those of a file, which share fixtures.

    Each chapter on Colab, and each visit to a page, stands alone: they fill both workers at the end.
    (xdist's own `--dist=loadgroup` has no effect under pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if any(name in nodeid for name in ALONE) else nodeid.split("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> LoadScopeScheduling:
    return FileOneWorker(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no accelerator here")


@pytest.fixture(autouse=True)
def shapes_are_checked(request, monkeypatch):
    """But not in a test of how wrong ones are refused."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", bool(request.node.get_closest_marker("wrong_shapes")))


@pytest.fixture(autouse=True, scope="session")
def a_cache_of_their_own(tmp_path_factory):
    """What tests read isn't remembered in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def no_figure_left_open():
    """A test that only draws leaves no figure to the next one, which may count them."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(autouse=True, scope="module")
def no_style_left_to_the_next_file():
    yield
    if "matplotlib" in sys.modules:
        sys.modules["matplotlib"].rc_file_defaults()


@pytest.fixture(scope="session")
def build() -> Path:
    """This clone's `_build`, made by `make book`: `executed/` holds the notebooks, `html/` the site.

    Tests never make it: that takes minutes, and make knows when it is out of date.
    """
    if not (ROOT / "_build/html/index.html").exists():
        stop = pytest.fail if "PYTEST_XDIST_WORKER" in os.environ else pytest.exit  # no worker can end all
        stop("the book isn't made here: run `make book` first, or `make check` for both")
    return ROOT / "_build"
