"""The chapters: which they are, their shared first cell, their notebooks, and the links that open them on Colab.

A chapter is written as text (`book/NN_name.py`, jupytext's py:percent), and its page is made from that. Its notebook
(`book/NN_name.ipynb`, for Colab and for whoever has no clone) says the same in plain Markdown (tools/plain.py), with
plumbing folded. It holds no outputs and is a pure function of the text, so that the two can be compared byte for byte.
Nothing leads back: a notebook names no pair, and so saving it in JupyterLab leaves the text alone.

    python tools/chapters.py sync                  every chapter's first cell and notebook, and the README's links
    python tools/chapters.py repository URL        the same, with a new public address ("" forgets it)
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

import jupytext
import nbformat
import yaml
from plain import plain

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "_config.yml"
# Colab opens notebooks from GitHub only, so that is the only kind of address that all of the book's links can use.
ADDRESS = re.compile(r"https://github\.com/[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")
ADDRESS_LINE = re.compile(r'^(  url: &address )".*"', re.MULTILINE)
JUPYTEXT_HEADER = re.compile(r"\A# ---\n(?:#.*\n)*?# ---\n+")
SETUP_CELL = re.compile(r'\A# %% tags=\[[^\]\n]*"setup"[^\n]*\n.*?(?=^# %%|\Z)', re.MULTILINE | re.DOTALL)
COLAB_BLOCK = re.compile(r"(<!-- Colab links[^\n]*-->\n).*?(<!-- end of Colab links -->)", re.DOTALL)
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
PLUMBING = {"setup", "remove-cell", "remove-input", "hide-cell", "hide-input"}  # tags of cells that no page shows open
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}  # on Colab; in JupyterLab


def chapters() -> list[Path]:
    """The chapters' texts, in the order of the table of contents (which also lists pages that are no chapter)."""
    toc = yaml.safe_load((ROOT / "book/_toc.yml").read_text())
    names = [toc["root"], *(entry["file"] for part in toc["parts"] for entry in part["chapters"])]
    return [path for name in names if (path := ROOT / f"book/{name}.py").exists()]


def repository() -> str:
    """The book's public address, from the one place where it stands; empty while it is unknown."""
    return yaml.safe_load(CONFIG.read_text())["repository"]["url"]


def first_cell(address: str) -> str:
    return (ROOT / "tools/first_cell.py").read_text().replace('REPOSITORY = ""', f'REPOSITORY = "{address}"')


def with_first_cell(text: str, address: str) -> str:
    """A chapter's text with the shared first cell in the place of its own, and without jupytext's header."""
    body = SETUP_CELL.sub("", JUPYTEXT_HEADER.sub("", text)).lstrip("\n")
    return f"{first_cell(address)}\n{body}"


def notebook(text: str) -> nbformat.NotebookNode:
    """A chapter's text as cells, which its page is made of. Ids come from the cells, so that a cell keeps its own."""
    book = jupytext.reads(text, fmt="py:percent")
    book.metadata = nbformat.from_dict(METADATA)
    book.nbformat, book.nbformat_minor = 4, 5
    seen: dict[str, int] = {}
    for cell in book.cells:
        count = seen[cell.source] = seen.get(cell.source, 0) + 1
        cell.id = hashlib.sha256(f"{cell.source}{count}".encode()).hexdigest()[:8]
    return book


def plain_notebook(text: str) -> nbformat.NotebookNode:
    """The same cells for a reader without the book's tools: plain Markdown, and the plumbing folded."""
    book = notebook(text)
    for cell in book.cells:
        if cell.cell_type == "markdown":
            cell.source = plain(cell.source)
        elif PLUMBING & set(cell.metadata.get("tags", [])):
            cell.metadata.update(FOLDED)
    return book


def notebook_text(text: str) -> str:
    """What `book/NN_name.ipynb` holds."""
    return nbformat.writes(plain_notebook(text)) + "\n"


def with_colab_links(readme: str, address: str) -> str:
    """The README with one link a chapter between its two comments, or a word on why there are none yet."""
    lines = ["The repository's public address isn't set yet; `make repo-url URL=…` puts the links here."]
    if address:
        place = address.replace("https://github.com", "https://colab.research.google.com/github") + "/blob/main/book"
        titles = {path: re.search(r"^# # (.*)$", path.read_text(), re.MULTILINE) for path in chapters()}
        lines = [f"- [{title.group(1)}]({place}/{path.stem}.ipynb)" for path, title in titles.items()]
    return COLAB_BLOCK.sub(lambda block: block[1] + "\n".join(lines) + "\n" + block[2], readme)


def write(path: Path, content: str) -> None:
    """Untouched files keep their time, or make would run their chapter again."""
    if not path.exists() or path.read_text() != content:
        path.write_text(content)
        print(f"wrote {path.relative_to(ROOT)}")


def sync() -> None:
    address = repository()
    for path in chapters():
        text = with_first_cell(path.read_text(), address)
        write(path, text)
        write(path.with_suffix(".ipynb"), notebook_text(text))
    readme = ROOT / "README.md"
    write(readme, with_colab_links(readme.read_text(), address))


def set_repository(url: str) -> None:
    address = url.strip().removesuffix("/").removesuffix(".git")
    if address and not ADDRESS.fullmatch(address):
        sys.exit(f"repo-url: {url!r} is no address of the form https://github.com/OWNER/NAME (or empty, to forget it)")
    config, found = ADDRESS_LINE.subn(rf'\1"{address}"', CONFIG.read_text())
    if found != 1:
        sys.exit(
            f'repo-url: {CONFIG.name} should hold one line `  url: &address "…"` under `repository:`, found {found}'
        )
    CONFIG.write_text(config)
    sync()
    print(f"The book's address is {address}" if address else "The book's address is unset")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["sync"]:
            sync()
        case ["repository", url]:
            set_repository(url)
        case _:
            sys.exit(__doc__)
