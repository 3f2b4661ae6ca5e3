"""What make does in a clone: which chapters run again, what a failure leaves, and the book's public address."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
from bs4 import BeautifulSoup
from chapters import ADDRESS
from clone import ROOT, make

pytestmark = pytest.mark.book

URL = "https://github.com/someone/the-book"
CHAPTER = """\
# %% [markdown]
# # A chapter
#
# It says that $1 < 2$.

# %%
assert 1 < 2
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A copy of the book's frame with two small chapters, built."""
    clone = tmp_path_factory.mktemp("clone")
    for name in ("tools", "dmtlib", "book/_static", "book/page", "book/studies", "book/figures"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "_config.yml", "book/__init__.py", "book/references.bib"):
        shutil.copy(ROOT / name, clone / name)
    (clone / "book/_toc.yml").write_text("format: jb-book\nroot: one\nparts:\n  - chapters:\n      - file: two\n")
    (clone / "book/one.py").write_text(CHAPTER)
    (clone / "book/two.py").write_text(CHAPTER.replace("assert", "import book.page.links\n\nassert"))
    (clone / "README.md").write_text("<!-- Colab links -->\n<!-- end of Colab links -->\n")
    assert make("repo-url", "URL=", cwd=clone).returncode == 0
    made = make("-j2", "book", cwd=clone)
    assert made.returncode == 0, made.stderr
    return clone


def would_run(clone: Path, *arguments: str) -> list[str]:
    """The chapters that `make book` would run now, and "site" if it would render."""
    inputs = clone / "_build/inputs.txt"  # the one thing that a dry run writes
    content, modified = inputs.read_bytes(), inputs.stat().st_mtime_ns
    plan = make("--dry-run", "book", *arguments, cwd=clone).stdout
    inputs.write_bytes(content)
    os.utime(inputs, ns=(modified, modified))
    site = ["site"] if "jupyter-book build" in plan else []
    return sorted(re.findall(r"run_chapter\.py book/(\w+)\.py", plan)) + site


@pytest.fixture
def touched(clone):
    """Make a file newer than everything built, as an edit does, and give it its old time back at the end."""
    times = {}

    def touch(name: str) -> None:
        path = clone / name
        times[path] = path.stat().st_mtime_ns
        os.utime(path, (time.time() + 10,) * 2)

    yield touch
    for path, modified in times.items():
        os.utime(path, ns=(modified, modified))


def test_nothing_changed(clone):
    made = make("book", cwd=clone)
    assert made.stdout == f"{clone}/_build/html/index.html\n"


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ("book/one.py", ["one", "site"]),
        ("book/two.ipynb", ["two", "site"]),
        ("dmtlib/method/dynamic_loss.py", ["one", "two", "site"]),
        ("dmtlib/__init__.py", ["one", "two", "site"]),
        ("book/page/links.py", ["two", "site"]),
        ("book/page/places.py", []),
        ("book/references.bib", ["site"]),
        ("book/_static/book.css", ["site"]),
        ("_config.yml", ["site"]),
    ],
)
def test_what_changed_is_made_again(clone, touched, changed, again):
    assert would_run(clone) == []
    touched(changed)
    assert would_run(clone) == again


def test_another_budget_runs_everything_again(clone):
    assert would_run(clone, "BUDGET=0.5") == ["one", "two", "site"]


def test_a_removed_library_file_runs_everything_again(clone):
    path = clone / "dmtlib/method/mixup.py"
    content, modified = path.read_bytes(), path.stat().st_mtime_ns
    path.unlink()
    try:
        assert would_run(clone) == ["one", "two", "site"]
    finally:
        path.write_bytes(content)
        os.utime(path, ns=(modified, modified))


def test_a_chapter_that_fails_leaves_the_site_and_stays_to_be_made(clone):
    index = clone / "_build/html/index.html"
    before, chapter = index.stat().st_mtime, clone / "book/one.py"
    chapter.write_text(chapter.read_text().replace("assert 1 < 2", "assert 1 > 2"))
    try:
        made = make("book", cwd=clone)
        assert made.returncode != 0 and "assert 1 > 2" in made.stderr and "book/one.py stopped" in made.stderr
        assert index.stat().st_mtime == before
        assert would_run(clone) == ["one", "site"]
    finally:
        chapter.write_text(chapter.read_text().replace("assert 1 > 2", "assert 1 < 2"))


def test_a_warning_fails_the_rendering_each_time(clone):
    index, page = clone / "_build/html/index.html", clone / "book/three.md"
    toc = clone / "book/_toc.yml"
    contents = toc.read_text()
    before = index.stat().st_mtime
    page.write_text("# Three\n\nA link to [nowhere](nowhere.md).\n")
    toc.write_text(contents + "      - file: three\n")
    try:
        for _ in range(2):
            made = make("book", cwd=clone)
            assert made.returncode != 0 and "nowhere" in made.stderr
        assert index.stat().st_mtime == before
    finally:
        toc.write_text(contents)
        page.unlink()


BUSY = """\
# %% [markdown]
# # A chapter that trains, in a process of its own

# %%
import subprocess, sys
from pathlib import Path

trainer = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path({place!r}).write_text(str(trainer.pid))
trainer.wait()
"""


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_build_that_is_killed_leaves_no_trainer(clone, sign, tmp_path):
    """SIGTERM reaches make alone, as from a batch system; a terminal's signals reach whatever it has begun, too."""
    chapter, place = tmp_path / "busy.py", tmp_path / "pid"
    chapter.write_text(BUSY.format(place=str(place)))
    (tmp_path / "busy.mk").write_text(
        f"all:\n\t@{sys.executable} {clone}/tools/run_chapter.py {chapter} {clone}/_build/executed/busy.ipynb\n"
    )
    command = ["make", "-f", str(tmp_path / "busy.mk")]
    build = subprocess.Popen(command, cwd=clone, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 300
        while not (place.exists() and place.read_text()):
            assert build.poll() is None and time.monotonic() < until
            time.sleep(0.1)
        trainer = psutil.Process(int(place.read_text()))
        (build.send_signal if sign == signal.SIGTERM else partial(os.killpg, build.pid))(sign)
        assert build.wait(60) != 0
        gone, left = psutil.wait_procs([trainer], timeout=30)
        assert not left
    finally:
        if place.exists():
            with suppress(ProcessLookupError):
                os.kill(int(place.read_text()), signal.SIGKILL)


def contents(clone: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes() for path in [clone / "_config.yml", clone / "README.md", *(clone / "book").glob("*.*")]
    }


def links(clone: Path) -> set[str]:
    page = BeautifulSoup((clone / "_build/html/one.html").read_text(), "html.parser")
    return {a["href"] for a in page.find_all("a", href=True) if a["href"].startswith("http")}


def test_an_address_is_set_everywhere_and_unset_again(clone):
    before = contents(clone)
    assert links(clone) == set()
    assert make("repo-url", f"URL={URL}.git", cwd=clone).returncode == 0
    changed = {path.name for path, content in contents(clone).items() if content != before[path]}
    assert changed == {"_config.yml", "README.md", "one.py", "one.ipynb", "two.py", "two.ipynb"}
    assert f'REPOSITORY = "{URL}"' in (clone / "book/one.py").read_text()
    made = make("-j2", "book", cwd=clone)
    assert made.returncode == 0, made.stderr
    colab = "https://colab.research.google.com/github/someone/the-book/blob/main/book/one.ipynb"
    assert {URL, colab} <= links(clone)
    assert f"- [A chapter]({colab})\n" in (clone / "README.md").read_text()
    assert make("repo-url", "URL=", cwd=clone).returncode == 0
    assert contents(clone) == before


def test_a_wrong_address_is_one_line_and_changes_nothing(clone):
    before = contents(clone)
    done = make("repo-url", "URL=a'b\"", cwd=clone)
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(lines) == 1 and "https://github.com/OWNER/NAME" in lines[0]
    assert contents(clone) == before


@pytest.mark.parametrize(
    "url", ["github.com/a/b", "https://github.com/a", "https://github.com/a/b/c", f"{URL} ", f"{URL}\n"]
)
def test_what_is_no_address(url):
    assert ADDRESS.fullmatch(URL) and not ADDRESS.fullmatch(url)


@pytest.mark.parametrize(
    "budget", ["abc", "nan", "0", "-1", "1e9", "05", "1.2.3", "0.1'; touch x; '", "`touch x`", "$(shell touch x)"]
)
def test_a_budget_that_is_none_is_one_line(budget):
    done = make("--dry-run", "book", f"BUDGET={budget}")
    assert done.returncode != 0 and not (ROOT / "x").exists() and len(done.stderr.splitlines()) == 1
    assert f"BUDGET must be a number above 0 and up to 10, as 0.1, got {budget}" in done.stderr
