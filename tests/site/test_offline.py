"""The built site, read as files: every link leads somewhere, and nothing is loaded from another host."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from bs4 import BeautifulSoup
from chapters import chapters

pytestmark = pytest.mark.book

# What a browser fetches by itself, as opposed to links that a reader follows.
LOADED = [
    ("script", "src"),
    ("link", "href"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("object", "data"),
]
STYLE_URL = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")


@cache
def parse(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(), "html.parser")


@pytest.fixture
def site(build) -> Path:
    return build / "html"


@pytest.fixture
def pages(site) -> list[Path]:
    """The book's pages; the .html files in _static are parts of the theme."""
    return sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)


def is_foreign(address: str) -> bool:
    return bool(urlsplit(address).netloc)


@cache
def anchors(path: Path) -> set[str]:
    return {tag["id"] for tag in parse(path).find_all(id=True)}


def missing(page: Path, address: str) -> str | None:
    """What an address on a page should lead to and doesn't."""
    target, anchor = urldefrag(address)
    path = (page.parent / unquote(urlsplit(target).path)).resolve() if target else page
    if path.is_dir():
        path /= "index.html"
    if not path.exists():
        return f"{page.name}: {address}: no such file"
    if anchor and path.suffix == ".html" and unquote(anchor) not in anchors(path):
        return f"{page.name}: {address}: no such anchor"
    return None


def test_every_chapter_has_its_page(pages):
    assert {path.stem for path in chapters()} <= {page.stem for page in pages}


def test_internal_links_and_anchors_lead_somewhere(pages):
    addresses = [(page, a["href"]) for page in pages for a in parse(page).find_all("a", href=True)]
    internal = [(page, href) for page, href in addresses if not urlsplit(href).scheme and not is_foreign(href)]
    assert len(internal) > 10 * len(chapters())
    # The theme's buttons are links to "#" that a script answers.
    assert not [gap for page, href in internal if href != "#" and (gap := missing(page, href))]


def test_pages_load_nothing_from_another_host(pages):
    loaded = [
        (page, tag[name])
        for page in pages
        for kind, name in LOADED
        for tag in parse(page).find_all(kind)
        if tag.get(name)
    ]
    assert not [(page.name, address) for page, address in loaded if is_foreign(address)]
    files = [(page, address) for page, address in loaded if not urlsplit(address).scheme]
    assert not [gap for page, address in files if (gap := missing(page, address))]


def test_styles_load_nothing_from_another_host(site, pages):
    styles = [path.read_text() for path in site.rglob("*.css")]
    styles += [style.get_text() for page in pages for style in parse(page).find_all("style")]
    styles += [tag["style"] for page in pages for tag in parse(page).find_all(style=True)]
    addresses = [a or b for style in styles for a, b in STYLE_URL.findall(style)]
    assert addresses and not [address for address in addresses if is_foreign(address)]


def test_inline_scripts_name_no_host(pages):
    scripts = [script.get_text() for page in pages for script in parse(page).find_all("script", src=False)]
    assert scripts and not [script for script in scripts if re.search(r"https?://", script)]


def test_no_link_waits_for_an_address_that_is_not_known(pages):
    hosts = {urlsplit(a["href"]).netloc for page in pages for a in parse(page).find_all("a", href=True)}
    assert not hosts & {"colab.research.google.com", "mybinder.org"}


def test_pictures_say_what_they_show(pages):
    sliders = [tag for page in pages for tag in parse(page).select(".dmt-slider img")]
    assert sliders and all(len(tag["alt"]) > 20 for tag in sliders)
