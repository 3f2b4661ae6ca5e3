"""Words of others on a page: what records and benchmarks say of themselves."""

from __future__ import annotations

import re

from dmtlib.words import printable


def as_words(text: object) -> str:
    """What a record or a benchmark says, for :func:`~.look.say`: it stands as it is, be it Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$&!^])", r"\\\1", printable(" ".join(str(text).split())))
