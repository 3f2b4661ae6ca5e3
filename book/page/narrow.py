"""Code of the library on a page, which is narrower than an editor."""

from __future__ import annotations

import io
import tokenize
from collections import defaultdict

WIDTH = 76  # characters, of a page on a desk


def narrow(code: str) -> str:
    """The code with its long lines broken after commas in brackets, the outermost of those that will do.

    What follows stands below what the bracket holds. A comment behind a long line moves above it. A line that has no
    such comma stays as it is.
    """
    commas, comments, brackets = defaultdict(list), {}, []
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        row, column = token.start
        if token.type == tokenize.COMMENT:
            comments[row] = column
        elif token.type == tokenize.OP and token.string in "([{":
            brackets.append(token.start)
        elif token.type == tokenize.OP and token.string in ")]}":
            brackets.pop()
        elif token.type == tokenize.OP and token.string == "," and brackets:
            opened, place = brackets[-1]
            commas[row].append((len(brackets), column + 1, place + 1 if opened == row else 0))
    narrowed = []
    for row, line in enumerate(code.splitlines(), start=1):
        margin = len(line) - len(line.lstrip())
        if len(line) > WIDTH and margin < comments.get(row, 0):
            narrowed.append(line[:margin] + line[comments[row] :])
            line = line[: comments[row]].rstrip()
        narrowed += _broken(line, commas[row], margin)
    return "\n".join(narrowed)


def _broken(line: str, commas: list[tuple[int, int, int]], margin: int) -> list[str]:
    """The line in pieces. Of a comma: how many brackets are open, its end, and where that bracket's content begins."""
    begun = at = margin  # the piece that is being made: its first character, and the column in which that will stand
    pieces, columns = [], {0: margin}  # the column in which a bracket's content stands now
    while at + len(line) - begun > WIDTH:
        fitting = [comma for comma in commas if begun < comma[1] <= begun + WIDTH - at]
        if not fitting:
            break
        _, end, content = min(fitting, key=lambda comma: (comma[0], -comma[1]))
        pieces.append(" " * at + line[begun:end])
        columns |= {column: column - begun + at for _, _, column in commas if begun < column <= end}
        begun, at = len(line) - len(line[end:].lstrip()), columns[content]
    return [*pieces, " " * at + line[begun:]]
