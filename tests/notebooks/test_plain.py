"""What the notebooks say: the text's words as plain Markdown, for readers without the book's tools."""

import re

import nbformat
import pytest
from chapters import PLUMBING, ROOT, chapters, notebook
from plain import CODE, ROLES, address, plain, works

each_chapter = pytest.mark.parametrize("text", chapters(), ids=lambda path: path.stem)

ROLE = re.compile(r"\{[\w:-]+\}`")
DIRECTIVE = re.compile(r"^\s*(?:`{3,}|:{3,})\s*\{|:{3,}|^\s*:[\w-]+:", re.MULTILINE)
FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+(?:\n[^$\n]+)?\$", re.DOTALL)
PLACE = re.compile(r"(?<=\])\([^)\s]+\)")  # where a link leads
PYTHON = re.compile(r"^```python\n.*?^```$", re.DOTALL | re.MULTILINE)


def pair(text):
    return nbformat.read(text.with_suffix(".ipynb"), as_version=4)


def words(cells) -> str:
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


# --- Every notebook ---


@each_chapter
def test_no_role_no_directive_and_no_bare_key_is_left(text):
    said = words(pair(text).cells)
    assert not ROLE.findall(said) and not DIRECTIVE.findall(said)
    prose = PLACE.sub("", CODE.sub("", said))
    assert not [key for key in (*works(), *(path.stem for path in chapters())) if key in prose]
    code = "\n".join(cell.source for cell in pair(text).cells if cell.cell_type == "code")
    assert not [role for role in ROLES if f"{{{role}}}`" in code], "what code says is not made plain"


@each_chapter
def test_every_link_leads_somewhere(text):
    said = words(pair(text).cells)
    targets = [place.strip("()") for place in PLACE.findall(said)]
    local = [target for target in targets if not target.startswith("https://")]
    assert local and not [target for target in local if not (ROOT / "book" / target).exists()]


@each_chapter
def test_every_work_that_is_cited_can_be_looked_up(text):
    cited = re.findall(r"\{cite:[pt]\}`([^`]+)`", text.read_text())
    keys = {key.strip() for group in cited for key in group.split(",")}
    assert not [key for key in keys if address(works()[key]) is None], "give it a doi, an eprint or an url"


@each_chapter
def test_formulas_and_solutions_are_those_of_the_text(text):
    ours, theirs = words(pair(text).cells), words(notebook(text.read_text()).cells)
    assert FORMULA.findall(ours) == FORMULA.findall(theirs)
    assert PYTHON.findall(ours) == PYTHON.findall(theirs)
    assert ours.count("\n### Exercise: ") == theirs.count("{exercise}")
    closed = re.findall(
        r"^<details>\n<summary>Show the solution</summary>\n\n.+?\n\n</details>$", ours, re.M | re.DOTALL
    )
    assert len(closed) == theirs.count("{solution}") == ours.count("<details")


@each_chapter
def test_code_is_the_texts_and_plumbing_is_folded(text):
    for ours, theirs in zip(pair(text).cells, notebook(text.read_text()).cells, strict=True):
        assert (ours.id, ours.cell_type) == (theirs.id, theirs.cell_type)
        assert ours.metadata.get("tags") == theirs.metadata.get("tags")
        if ours.cell_type == "code":
            folded = bool(PLUMBING & set(ours.metadata.get("tags", [])))
            assert ours.source == theirs.source
            assert (ours.metadata.get("cellView") == "form") == folded
            assert ours.metadata.get("jupyter", {}).get("source_hidden", False) == folded
    setup = pair(text).cells[0]
    assert setup.metadata.cellView == "form" and setup.source.startswith("# @title Set-up: ")


@each_chapter
def test_a_notebook_names_no_pair(text):
    """Or saving it in JupyterLab would write its plain Markdown into the text."""
    assert set(pair(text).metadata) == {"kernelspec", "language_info"}


# --- One piece of it ---


@pytest.mark.parametrize(
    ("book", "notebook"),
    [
        ("{doc}`03_dynamic_loss`.", "[Chapter 3: The dynamic loss](03_dynamic_loss.ipynb)."),
        ("{doc}`that one <03_dynamic_loss>`", "[that one](03_dynamic_loss.ipynb)"),
        ("{doc}`glossary`", "[Glossary](glossary.md)"),
        ("{numref}`fig-map`", "[a figure of Chapter 0: Start here](00_start_here.ipynb)"),
        ("{term}`oracle`", "[oracle](glossary.md)"),
        ("{cite:t}`feng2022dmt` say", "[Feng et al. (2022)](https://doi.org/10.1016/j.patcog.2022.108777) say"),
        ("so {cite:p}`feng2022dmt`", "so ([Feng et al., 2022](https://doi.org/10.1016/j.patcog.2022.108777))"),
        ("{py:func}`~dmtlib.method.rules.cl`", "`cl`"),
        ("as `` {doc}`03_dynamic_loss` ``", "as `` {doc}`03_dynamic_loss` ``"),
        ("(here)=\n## A heading", "## A heading"),
        ("$\\alpha_{t}$ and `a{b}`", "$\\alpha_{t}$ and `a{b}`"),
        ("```python\n{doc}`03_dynamic_loss`\n```", "```python\n{doc}`03_dynamic_loss`\n```"),
        (":::{note}\nOne.\n\nTwo.\n:::\nafter", "> **Note**\n>\n> One.\n>\n> Two.\nafter"),
        ("```{math}\n:label: x\na\n```", "$$\na\n$$"),
        (
            "````{solution} ex-one\n:class: dropdown\n```python\nx\n```\n````",
            "<details>\n<summary>Show the solution</summary>\n\n```python\nx\n```\n\n</details>",
        ),
    ],
)
def test_what_becomes_of(book, notebook):
    assert plain(book) == notebook


@pytest.mark.parametrize(
    ("book", "message"),
    [
        ("see {ref}`x`", r"\{ref\}`x`: tools/plain.py doesn't know how a notebook says \{ref\}"),
        ("see {numref}`fig-x`", r"\{numref\}`fig-x`: no chapter has a cell with that tag"),
        ("```{figure} x.png\n```", r"\{figure\} x.png: tools/plain.py doesn't know how a notebook says \{figure\}"),
        ("{doc}`nowhere`", r"\{doc\}`nowhere`: there is no such page in book/"),
        ("{cite:p}`nobody`", r"\{cite\}`nobody`: references.bib has no such key"),
        (":::{note}\nnever closed", r":::\{note\}: nothing closes it"),
    ],
)
def test_what_it_refuses(book, message):
    with pytest.raises(ValueError, match=message):
        plain(book)
