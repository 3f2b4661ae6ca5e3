"""Sphinx extension: a chapter's figures and tables bear a number, and {numref}`name` says it, with a link.

Counted is what a cell shows (a picture, a slider, a data frame) and a table of the text, chapter by chapter and in the
order of the page: Figure 4.2, Table 4.1. The number stands before the caption, which is the paragraph in italics right
below the cell; where there is none, it stands alone. What the cell says after its figure stands below the caption. A
cell's tag that begins with `fig-` or `tab-` names its first figure or table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

CHAPTER = re.compile(r"(\d\d)_")
TAG = re.compile(r"tag_((fig|tab)-[\w-]+)")
MARKS = {"Figure": re.compile(r"<img [^>]*dark-light"), "Table": re.compile('class="dataframe"')}
KINDS = {"fig": "Figure", "tab": "Table"}


def kind_of(output: nodes.Node) -> str | None:
    pages = [raw.astext() for raw in output.findall(nodes.raw) if "html" in raw["format"]]
    return next((kind for kind, mark in MARKS.items() if any(map(mark.search, pages))), None)


def outputs(doctree: nodes.document) -> Iterator[tuple[str, nodes.Element, list[str], nodes.Element]]:
    """The kind and the place of all that is counted, its names, and what its caption would stand below."""
    for node in list(doctree.findall(nodes.Element)):
        if isinstance(node, nodes.table) and isinstance(node.parent, nodes.section):
            yield "Table", node, [], node
        elif "cell_output" in node.get("classes", []):
            names = [found for found in map(TAG.fullmatch, node.parent["classes"]) if found]
            counted = [(kind, output) for output in node.children if (kind := kind_of(output))]
            for kind, output in counted:
                last = output is counted[-1][1]
                yield kind, output, [n[1] for n in names if KINDS[n[2]] == kind], node.parent if last else output
                names = [n for n in names if KINDS[n[2]] != kind]


def following(node: nodes.Element) -> nodes.Node | None:
    place = node.parent.index(node) + 1
    return node.parent[place] if place < len(node.parent) else None


def write_number(number: nodes.strong, node: nodes.Element, above: nodes.Element) -> None:
    """Before the caption below ``above``, or alone right below the node."""
    caption = following(above)
    if isinstance(caption, nodes.paragraph) and caption.children and isinstance(caption[0], nodes.emphasis):
        if above is not node and following(node) is not None:
            caption = bring_up(caption, node)
        caption.insert(0, [number, nodes.Text(". ")])
    else:
        alone = nodes.paragraph("", "", number, classes=["dmt-number"])
        node.parent.insert(node.parent.index(node) + 1, alone)


def bring_up(paragraph: nodes.paragraph, node: nodes.Element) -> nodes.paragraph:
    """The paragraph's words in italics, right below the node. What else it says stays where it is."""
    words = paragraph.pop(0)
    caption = nodes.paragraph("", "", words, classes=["dmt-number"])
    node.parent.insert(node.parent.index(node) + 1, caption)
    if not paragraph.astext().strip():
        paragraph.parent.remove(paragraph)
    return caption


def number_outputs(app: Sphinx, doctree: nodes.document) -> None:
    chapter = CHAPTER.match(app.env.docname)
    if chapter is None:
        return
    counts = dict.fromkeys(MARKS, 0)
    for kind, node, names, above in outputs(doctree):
        counts[kind] += 1
        text = f"{kind} {int(chapter[1])}.{counts[kind]}"
        place = text.lower().replace(" ", "-").replace(".", "-")
        write_number(nodes.strong("", text, ids=[place]), node, above)
        for name in names:
            numbered(app.env)[name] = app.env.docname, place, text


def numbered(env: BuildEnvironment) -> dict[str, tuple[str, str, str]]:
    """By name: the page, the place on it, and the number."""
    if not hasattr(env, "dmt_numbered"):
        env.dmt_numbered = {}
    return env.dmt_numbered


def say_number(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Element
) -> nodes.reference | None:
    found = numbered(env).get(node["reftarget"]) if node["reftype"] == "numref" else None
    if found is None:
        return None
    docname, place, text = found
    address = f"{app.builder.get_relative_uri(node['refdoc'], docname)}#{place}"
    return nodes.reference("", text, refuri=address, internal=True)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", number_outputs)
    app.connect("missing-reference", say_number)
    return {"parallel_read_safe": False}
