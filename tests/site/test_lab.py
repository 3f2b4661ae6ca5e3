"""Chapters in JupyterLab, as `make lab` opens them, in headless Chromium: the text as a notebook, and the notebook."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import chromium
import pytest
from chapters import ROOT
from plain import ROLES

CHAPTER = "03_dynamic_loss"
SOLUTIONS = 3
PATIENCE = 120  # seconds, for a kernel on a busy machine
RAW = re.compile(rf"\{{(?:{'|'.join(ROLES)})\}}|:::|Unknown Directive")
RENDERED = """cells => cells.map((cell) => {
    const shown = cell.cloneNode(true);
    shown.querySelectorAll(".jp-InputArea-editor").forEach((hidden) => hidden.remove());
    return shown.textContent;
})"""

pytestmark = [pytest.mark.book, chromium.needed]


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    clone = tmp_path_factory.mktemp("clone")
    for name in ("tools", "book", "dmtlib"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for name in ("Makefile", "jupytext.toml"):
        shutil.copy(ROOT / name, clone)
    return clone


@pytest.fixture(scope="module")
def lab(clone, tmp_path_factory) -> str:
    """The address where `make lab` serves the copy, with no settings of a user's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own, address = tmp_path_factory.mktemp("own"), f"http://127.0.0.1:{port}"
    options = f"--no-browser --allow-root --ip=127.0.0.1 --port={port} --IdentityProvider.token="
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    environment |= {f"JUPYTER{name}": str(own) for name in ("LAB_SETTINGS_DIR", "LAB_WORKSPACES_DIR", "_CONFIG_DIR")}
    command = ["make", "lab", f"VENV={sys.prefix}", f"ARGS={options}"]
    with (own / "log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=clone, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"{address}/api")
                break
            except OSError:
                assert server.poll() is None and time.monotonic() < deadline, (own / "log").read_text()
                time.sleep(0.5)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


@pytest.mark.parametrize("kind", ["py", "ipynb"])
def test_a_chapter_reads_well_and_is_saved_alone(kind, clone, lab, browser):
    before = {path: path.read_text() for path in (clone / "book").glob(f"{CHAPTER}.*")}
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{lab}/lab/tree/book/{CHAPTER}.{kind}?reset")
    page.wait_for_selector(r"text=/\| Idle/", timeout=1000 * PATIENCE)  # a kernel was started, and nothing asked
    page.wait_for_function(f"document.querySelectorAll('.jp-MarkdownCell details').length == {SOLUTIONS}")
    cells = page.locator(".jp-MarkdownCell").evaluate_all(RENDERED)
    assert len(cells) > 10 and not [cell for cell in cells if RAW.search(cell)]
    assert not page.locator(".jp-MarkdownCell details[open]").count()
    assert page.locator(".jp-CodeCell").first.locator(".jp-Placeholder").count() == 1, "the set-up cell is folded"
    page.locator(".jp-CodeCell .cm-content").first.click()
    page.keyboard.press("End")
    page.keyboard.type("  # seen")
    page.keyboard.press("Control+s")
    written, other = clone / f"book/{CHAPTER}.{kind}", clone / f"book/{CHAPTER}.{'py' if kind == 'ipynb' else 'ipynb'}"
    deadline = time.monotonic() + PATIENCE
    while "# seen" not in written.read_text():
        assert time.monotonic() < deadline
        page.wait_for_timeout(200)
    page.close()
    assert other.read_text() == before[other]
    if kind == "py":
        assert written.read_text().replace("  # seen", "") == before[written]
    written.write_text(before[written])
    assert not complaints
