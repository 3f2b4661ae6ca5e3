"""Numbers of figures and tables: counted by kind, before a caption where there is one, and named by a cell's tag."""

from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document
from numbered_outputs import number_outputs, numbered

PICTURE = '<img src="data:" alt="x" class="dark-light">'
TABLE = '<table border="1" class="dataframe"></table>'


def cell(*outputs: str, tags: tuple[str, ...] = ()) -> nodes.container:
    shown = [nodes.container("", nodes.raw("", html, format="html")) for html in outputs]
    return nodes.container("", nodes.container("", *shown, classes=["cell_output"]), classes=["cell", *tags])


def caption(text: str) -> nodes.paragraph:
    return nodes.paragraph("", "", nodes.emphasis("", text))


def page(*children: nodes.Node, name: str = "04_curriculum"):
    document = new_document("page")
    document += nodes.section("", *children)
    app = SimpleNamespace(env=SimpleNamespace(docname=name))
    number_outputs(app, document)
    return [node.astext() for node in document.findall(nodes.paragraph)], numbered(app.env), document


def test_figures_and_tables_are_counted_apart_and_captions_begin_with_the_number():
    text, _, document = page(cell(PICTURE), caption("A line."), cell(TABLE), cell(PICTURE), caption("Two."))
    assert text == ["Figure 4.1. A line.", "Table 4.1", "Figure 4.2. Two."]
    assert [strong["ids"] for strong in document.findall(nodes.strong)] == [
        ["figure-4-1"],
        ["table-4-1"],
        ["figure-4-2"],
    ]


def test_of_two_figures_of_a_cell_the_last_has_the_caption():
    text, _, document = page(cell(PICTURE, "<p>words</p>", PICTURE, "<p>more</p>"), caption("Both."))
    assert text == ["Figure 4.1", "Figure 4.2. Both."]
    output = document[0][0][0]
    assert output[1].astext() == "Figure 4.1"  # right below the first one


def test_a_caption_stands_right_below_its_figure_and_what_the_cell_says_below_both():
    more = caption("In italics.")
    more += nodes.Text(" And the rest.")
    text, _, document = page(cell(PICTURE, "<p>words</p>"), more, cell(TABLE, "<p>words</p>"), caption("All of it."))
    assert text == ["Figure 4.1. In italics.", " And the rest.", "Table 4.1. All of it."]
    for shown in (document[0][0][0], document[0][2][0]):
        assert [type(child) for child in shown] == [nodes.container, nodes.paragraph, nodes.container]


def test_a_paragraph_that_is_no_caption_stays_as_it_is():
    text, _, _ = page(cell(PICTURE), nodes.paragraph("", "And so on."))
    assert text == ["Figure 4.1", "And so on."]


def test_a_table_of_the_text_counts_and_other_outputs_do_not():
    text, _, _ = page(nodes.table(), nodes.paragraph("", "a"), cell("<p>no figure</p>"), cell(TABLE), caption("b"))
    assert text == ["Table 4.1", "a", "Table 4.2. b"]


def test_a_tag_names_the_first_of_its_kind():
    _, names, _ = page(cell(TABLE, PICTURE, PICTURE, tags=("tag_fig-course", "tag_hide-input", "tag_tab-all")))
    assert names == {
        "fig-course": ("04_curriculum", "figure-4-1", "Figure 4.1"),
        "tab-all": ("04_curriculum", "table-4-1", "Table 4.1"),
    }


@pytest.mark.parametrize("name", ["glossary", "api_data"])
def test_other_pages_have_no_numbers(name):
    assert page(cell(PICTURE), caption("A line."), name=name)[:2] == (["A line."], {})
