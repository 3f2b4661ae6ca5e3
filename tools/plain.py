"""Plain Markdown from the book's: what a chapter says where nothing knows roles and directives.

Pages are rendered from MyST. Colab, GitHub's preview and a bare JupyterLab show Markdown alone, so that is what the
notebooks get: links with a chapter's number and title for `{doc}`, names and year for `{cite:p}`, a quote
with a heading instead of a box, and a solution that is closed until one opens it. A role or a directive that this file
doesn't know is an error: it needs a row here before a chapter can use it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from pybtex.database import Entry, parse_file

BOOK = Path(__file__).resolve().parents[1] / "book"
ROLE = re.compile(r"(?<!`)\{([\w:-]+)\}`([^`]+)`")
CODE = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
TARGET = re.compile(r"(?P<words>.+?)\s*<(?P<target>[^<>]+)>", re.DOTALL)
FENCE = re.compile(r"(?P<fence>`{3,}|:{3,})\s*(?:\{(?P<name>[\w:-]+)\}[ ]*(?P<title>.*)|(?P<language>[\w+-]*)\s*)")
OPTION = re.compile(r":([\w-]+):\s*(.*)")
LABEL = re.compile(r"^\([\w-]+\)=\n", re.MULTILINE)  # of the heading below it
FEW_AUTHORS = 2
OUTPUTS = {"fig-": "a figure", "tab-": "a table"}

# --- Roles ---


@cache
def page_title(name: str) -> tuple[str, str]:
    """A page's file and what to call it: `Chapter 3: The dynamic loss`, or a page's title alone."""
    for path, mark in ((BOOK / f"{name}.py", "# # "), (BOOK / f"{name}.md", "# ")):
        if path.exists():
            (title, *_) = (line.removeprefix(mark) for line in path.read_text().splitlines() if line.startswith(mark))
            number = re.match(r"\d+(?=_)", name)
            file = f"{name}.ipynb" if path.suffix == ".py" else path.name
            return file, f"Chapter {int(number[0])}: {title}" if number else title
    raise ValueError(f"{{doc}}`{name}`: there is no such page in {BOOK.name}/")


def to_page(content: str) -> str:
    explicit = TARGET.fullmatch(content)
    file, title = page_title(explicit["target"] if explicit else content)
    return f"[{explicit['words'] if explicit else title}]({file})"


@cache
def works() -> dict[str, Entry]:
    return dict(parse_file(BOOK / "references.bib").entries)


def names(entry: Entry) -> str:
    """`Zou et al.`, as the pages cite."""
    authors = [
        " ".join(map(str, [*person.rich_prelast_names, *person.rich_last_names])) for person in entry.persons["author"]
    ]
    return f"{authors[0]} et al." if len(authors) > FEW_AUTHORS else " and ".join(authors)


def address(entry: Entry) -> str | None:
    for field, prefix in (("doi", "https://doi.org/"), ("eprint", "https://arxiv.org/abs/"), ("url", "")):
        if field in entry.fields:
            return prefix + entry.fields[field]
    return None


def cited(key: str, form: str) -> str:
    if key not in works():
        raise ValueError(f"{{cite}}`{key}`: references.bib has no such key")
    entry = works()[key]
    words = form.format(names(entry), entry.fields["year"])
    return f"[{words}]({address(entry)})" if address(entry) else words


def in_sentence(keys: str) -> str:
    return ", ".join(cited(key.strip(), "{} ({})") for key in keys.split(","))


def in_brackets(keys: str) -> str:
    return f"({'; '.join(cited(key.strip(), '{}, {}') for key in keys.split(','))})"


def to_output(name: str) -> str:
    """Where a figure or a table is: only pages number them."""
    for text in sorted(BOOK.glob("[0-9]*.py")):
        if f'"{name}"]' in text.read_text() and name[:4] in OUTPUTS:
            file, title = page_title(text.stem)
            return f"[{OUTPUTS[name[:4]]} of {title}]({file})"
    raise ValueError(f"{{numref}}`{name}`: no chapter has a cell with that tag")


def to_glossary(content: str) -> str:
    explicit = TARGET.fullmatch(content)
    return f"[{explicit['words'] if explicit else content}](glossary.md)"


def to_code(content: str) -> str:
    """A name of the library, without the path that `~` hides."""
    return f"`{content.rpartition('.')[2] if content.startswith('~') else content}`"


ROLES: dict[str, Callable[[str], str]] = {
    "doc": to_page,
    "cite:t": in_sentence,
    "cite:p": in_brackets,
    "numref": to_output,
    "term": to_glossary,
    "math": "${}$".format,
    **dict.fromkeys(("py:func", "py:class", "py:data", "py:mod", "py:meth"), to_code),
}


def replace_role(found: re.Match) -> str:
    if found[1] not in ROLES:
        raise ValueError(f"{found[0]}: tools/plain.py doesn't know how a notebook says {{{found[1]}}}")
    return ROLES[found[1]](" ".join(found[2].split()))


def plain_words(text: str) -> str:
    """Text without fences: its roles replaced, but not those that are shown as code."""
    pieces, end = [], 0
    for role in ROLE.finditer(text):
        if not any(code.start() < role.start() < code.end() for code in CODE.finditer(text)):
            pieces += [text[end : role.start()], replace_role(role)]
            end = role.end()
    return LABEL.sub("", "".join([*pieces, text[end:]]))


# --- Directives ---


def quote(heading: str, body: str) -> str:
    lines = [f"**{heading}**", "", *body.strip().splitlines()]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def folded(heading: str, body: str) -> str:
    """Closed until the reader opens it. The empty lines make what is inside Markdown again."""
    return f"<details>\n<summary>{heading}</summary>\n\n{body.strip()}\n\n</details>"


def exercise(title: str, body: str) -> str:
    return f"### Exercise: {title}\n\n{body.strip()}"


def solution(title: str, body: str) -> str:
    return folded("Show the solution", body)


def box(name: str) -> Callable[[str, str], str]:
    return lambda title, body: quote(title or name.capitalize(), body)


def formula(title: str, body: str) -> str:
    return f"$$\n{body.strip()}\n$$"


DIRECTIVES: dict[str, Callable[[str, str], str]] = {
    "exercise": exercise,
    "solution": solution,
    "dropdown": folded,
    "math": formula,
    **{
        name: box(name) for name in ("note", "tip", "hint", "important", "warning", "caution", "seealso", "admonition")
    },
}
CODE_BLOCKS = ("code", "code-block")


def without_options(lines: list[str]) -> list[str]:
    while lines and OPTION.fullmatch(lines[0]):
        lines = lines[1:]
    return lines


def end_of(opening: re.Match, lines: list[str]) -> int:
    """Where the lines below an opening fence have the one that closes it."""
    for number, line in enumerate(lines):
        closing = line.strip()
        if closing.startswith(opening["fence"]) and not closing.strip(opening["fence"][0]):
            return number
    raise ValueError(f"{opening[0]}: nothing closes it")


def plain_block(opening: re.Match, body: list[str]) -> str:
    name, title = opening["name"], plain_words((opening["title"] or "").strip())
    if name is None:
        return "\n".join([opening[0], *body, opening["fence"]])
    if name in CODE_BLOCKS:
        return "\n".join([f"{opening['fence']}{title}", *without_options(body), opening["fence"]])
    if name not in DIRECTIVES:
        raise ValueError(f"{opening[0]}: tools/plain.py doesn't know how a notebook says {{{name}}}")
    content = "\n".join(without_options(body))
    return DIRECTIVES[name](title, content if name == "math" else plain(content))


def words_before(lines: list[str]) -> list[str]:
    return [plain_words("\n".join(lines))] if lines else []


def plain(text: str) -> str:
    """A cell's Markdown without roles and directives."""
    lines, pieces, words = text.splitlines(), [], []
    while lines:
        line, lines = lines[0], lines[1:]
        if opening := FENCE.fullmatch(line):
            end = end_of(opening, lines)
            pieces += [*words_before(words), plain_block(opening, lines[:end])]
            words, lines = [], lines[end + 1 :]
        else:
            words.append(line)
    return "\n".join([*pieces, *words_before(words)])
