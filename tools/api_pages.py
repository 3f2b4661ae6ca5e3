"""Sphinx extension: the API pages, readable. Shapes in words, and a link from each name to its lines on GitHub.

A type such as ``Float[Tensor, 'B C *S']`` becomes "float tensor (B, C, *S)". The fields of a dataclass stand in one
list, documented or not. An option of the command line has the words that `--help` has. What says nothing is left out:
a return type None, "alias for field number 0", tables as the interpreter prints them.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import textwrap
from pathlib import Path
from typing import get_type_hints

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parents[1]
TENSOR = re.compile(r"~?(?:\w+\.)*(\w+)\[~?(?:\w+\.)*Tensor, '([^']*)'\]")
OPTION = re.compile(r"~?(?:\w+\.)*Annotated\[(.*), <typer[^>]*>\]")
LONGEST_VALUE = 70  # characters
BLOCK = re.compile(r"^(?:\S.*\n)?(?: {4}.*(?:\n|\Z))+", re.MULTILINE)
MODULE = re.compile(r"~(?:\w+\.)+")  # of a name that autodoc would shorten


class OtherModules(SphinxDirective):
    """``.. other-modules:: PACKAGE``: automodule for each module of a package that the page doesn't name itself."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        page = Path(self.env.doc2path(self.env.docname)).read_text(encoding="utf-8")
        named = set(re.findall(r"automodule:: (\S+)", page))
        package = importlib.import_module(self.arguments[0])
        modules = [f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__)]
        lines = [f".. automodule:: {name}\n   :members:\n" for name in sorted(set(modules) - named)]
        box = nodes.container()
        self.state.nested_parse(StringList("\n".join(lines).splitlines()), self.content_offset, box)
        return box.children


def in_words(annotation: str) -> str:
    """A type as the pages show it: the tensors in it by dtype and shape, an option of the command line by its type."""
    words = TENSOR.sub(lambda found: f"{found[1].lower()} tensor {shape(found[2])}", OPTION.sub(r"\1", annotation))
    return MODULE.sub("", words).replace(" | ", " or ")


def shape(dimensions: str) -> str:
    """jaxtyping's dimensions as a tuple: "B C *S" is (B, C, *S), nothing is a tensor of no dimensions, "..." any."""
    names = dimensions.split()
    return f"({', '.join(names)}{',' if len(names) == 1 and names != ['...'] else ''})"


def fields_are_parameters(app, domain, objtype, content) -> None:
    """A dataclass's documented attributes are its parameters; autodoc would list those again, without the words."""
    signature = content.parent[0]
    name = f"{signature.get('module')}.{signature.get('fullname')}"
    parameters = app.env.temp_data.get("annotations", {}).get(name, {})
    for field in list(content.findall(nodes.field)):
        kind, _, names = field[0].astext().partition(" ")
        names = names.split(", ")
        if kind == "ivar" and set(names) <= set(parameters):
            field.replace_self(
                [nodes.field("", nodes.field_name("", f"param {n}"), field[1].deepcopy()) for n in names]
            )


def write_types_in_words(app, domain, objtype, content) -> None:
    """After autodoc has put the annotations into the field lists, before Sphinx makes cross-references of them."""
    for fields in content.findall(nodes.field_list):
        for field in list(fields):
            name, body = field[0].astext(), field[1].astext()
            if name == "rtype" and body == "None":
                fields.remove(field)
            elif name.startswith(("type ", "rtype")) and (TENSOR.search(body) or OPTION.search(body)):
                field[1].clear()
                field[1] += nodes.paragraph("", "", nodes.inline("", in_words(body)))


def shorten(app, domain, objtype, content) -> None:
    """What stands outside of field lists: values of constants, types of properties, aliases of types."""
    annotations = list(content.parent[0].findall(addnodes.desc_annotation))
    for node in [*annotations, *(child for child in content if isinstance(child, nodes.paragraph))]:
        text = node.astext()
        if node in annotations and text.startswith(" = ") and len(text) > LONGEST_VALUE:
            node.parent.remove(node)
        elif TENSOR.search(text):
            node[:] = [nodes.Text(in_words(text))]
    for reference in list(content.findall(addnodes.pending_xref)):  # shortened at the last dot, be it one of a shape
        if TENSOR.search(reference["reftarget"]):
            reference.replace_self(nodes.Text(in_words(reference["reftarget"])))


def begin_module(app, what, name, obj, options, lines) -> None:
    """Its name, and an indented block, which is a layout of files or a table, letter by letter."""
    if what == "module":
        lines[:0] = [f"**{name}**", ""]
        text = BLOCK.sub(lambda block: f"::\n\n{textwrap.indent(block[0], '    ')}\n", "\n".join(lines))
        lines[:] = text.splitlines()


def describe_options(app, what, name, obj, options, lines) -> None:
    """The help of each option of a command as the words of its parameter."""
    if name.startswith("dmtlib.cli.") and what == "function":
        for parameter, hint in get_type_hints(obj, include_extras=True).items():
            lines += [f":param {parameter}: {known.help}" for known in getattr(hint, "__metadata__", ()) if known.help]


def remember(app, what, name, obj, options, lines) -> None:
    if what in ("data", "attribute"):
        app.env.temp_data["written"] = list(lines)


def restore(app, what, name, obj, options, lines) -> None:
    """napoleon takes what stands before a colon in a constant's docstring for a type."""
    if what in ("data", "attribute"):
        lines[:] = app.env.temp_data.pop("written")


def skip_fields_of_tuples(app, what, name, obj, skip, options) -> bool | None:
    return True if type(obj).__name__ == "_tuplegetter" else None


def link_to_repository(app, doctree) -> None:
    """A link beside "[source]", once `_config.yml` knows where the repository is."""
    options = app.config.html_theme_options
    if not options.get("repository_url"):
        return
    tree = f"{options['repository_url']}/blob/{options['repository_branch']}"
    for signature in doctree.findall(addnodes.desc_signature):
        where = lines_of(signature.get("module"), signature.get("fullname"))
        if where:
            link = nodes.reference("", "", nodes.inline("", "[on GitHub]"), internal=False, refuri=f"{tree}/{where}")
            signature += addnodes.only("", nodes.inline("", "", link, classes=["viewcode-link"]), expr="html")


def lines_of(module: str | None, name: str | None) -> str | None:
    """`dmtlib/…/file.py#L10-L20`; None for constants, which don't know their lines."""
    try:
        found = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        found = inspect.unwrap(found.fget if isinstance(found, property) else found)
        lines, first = inspect.getsourcelines(found)
        file = Path(inspect.getsourcefile(found)).relative_to(ROOT)
    except (AttributeError, ImportError, OSError, TypeError, ValueError):
        return None
    return f"{file.as_posix()}#L{first}-L{first + len(lines) - 1}"


def forget_modules_without_source(app) -> list:
    """viewcode's index would link to pages of these, such as builtins, that it doesn't make."""
    found = getattr(app.env, "_viewcode_modules", {})
    for name in [name for name, source in found.items() if not source]:
        del found[name]
    return []


def setup(app):
    app.add_directive("other-modules", OtherModules)
    app.connect("object-description-transform", shorten)
    app.connect("object-description-transform", fields_are_parameters, priority=400)
    app.connect("object-description-transform", write_types_in_words, priority=600)
    app.connect("autodoc-process-docstring", begin_module)
    app.connect("autodoc-process-docstring", describe_options)
    app.connect("autodoc-process-docstring", remember, priority=400)
    app.connect("autodoc-process-docstring", restore, priority=600)
    app.connect("autodoc-skip-member", skip_fields_of_tuples)
    app.connect("doctree-read", link_to_repository, priority=600)
    app.connect("html-collect-pages", forget_modules_without_source, priority=400)
    return {"parallel_read_safe": True}
