"""What pages share: whether one is being made, a link to a chapter, and code in its table's colour."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path

CODE = '<code style="font-size:80%;color:inherit;background:none">{}</code>'
"""In the colour of its table, which in the dark theme isn't the page's."""


def page_link(path: Path) -> str:
    """A chapter's title as a link to it: pages lead to pages and notebooks to notebooks."""
    title = re.search(r"^# # (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    text = html.escape(title[1] if title else path.stem)
    return f'<a href="{path.stem}.{"html" if static() else "ipynb"}" style="color:inherit">{text}</a>'


def static() -> bool:
    """Whether what is made now becomes a page of the site, not a notebook's output."""
    return os.environ.get("DMT_STATIC", "0") not in ("", "0")
