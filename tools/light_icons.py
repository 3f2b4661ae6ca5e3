"""Sphinx extension: of Font Awesome's two thousand icons, the site keeps those that its pages show.

The theme's script of icons weighs 1.5 MB, half of a page's allowance. An icon stands in it as
`name:[width,height,[other names],"code",path]`.
"""

import re
from pathlib import Path

from sphinx.util import logging

SCRIPT = "_static/scripts/fontawesome.js"
USED = re.compile(r"\bfa-([a-z0-9-]+)")
ICON = re.compile(
    r'(?P<name>[\w$]+|"[a-z0-9-]+"):\[\d+,\d+,\[(?P<others>[^\]]*)\],"[0-9a-f]+",(?:"[^"]*"|\["[^"]*","[^"]*"\])\],?'
)


def lighten(script: str, used: set[str]) -> str:
    """The script without the icons that are not ``used``, by any of their names."""

    def keep(icon: re.Match) -> str:
        names = {name.strip('"') for name in [icon["name"], *icon["others"].split(",")]}
        return icon[0] if names & used else ""

    return ICON.sub(keep, script)


def lighten_site(app, exception):
    if exception or app.builder.format != "html":
        return
    site = Path(app.outdir)
    script = site / SCRIPT
    # Scripts of the theme bring icons as well, all but the one in question.
    pages = [*site.rglob("*.html"), *(path for path in site.rglob("*.js") if path != script)]
    used = {name for page in pages for name in USED.findall(page.read_text(encoding="utf-8"))}
    whole = script.read_text(encoding="utf-8")
    light = lighten(whole, used)
    if len(light) == len(whole):
        logging.getLogger(__name__).warning("%s: no icons found; the theme has changed", SCRIPT)
    script.write_text(light, encoding="utf-8")


def setup(app):
    app.connect("build-finished", lighten_site)
    return {"parallel_read_safe": True}
