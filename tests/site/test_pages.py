"""Pages that are no chapters, as they were built: every public name of the library, and one sheet of paper."""

import importlib
import inspect
import pkgutil
import re
from functools import cache
from pathlib import Path

import chromium
import pytest
from bs4 import BeautifulSoup
from chapters import ROOT, chapters

import dmtlib

pytestmark = pytest.mark.book


@cache
def parse(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(), "html.parser")


def public_names() -> list[str]:
    """The functions and classes of all modules, where they are defined."""
    names = []
    for found in pkgutil.walk_packages(dmtlib.__path__, "dmtlib."):
        if found.ispkg or found.name == "dmtlib.__main__":
            continue
        for name, value in vars(importlib.import_module(found.name)).items():
            defined = inspect.isroutine(value) or inspect.isclass(value)
            if defined and value.__module__ == found.name and not name.startswith("_"):
                names.append(f"{found.name}.{name}")
    return names


def test_every_public_name_has_a_place_and_its_source(build):
    places = {
        tag["id"]: tag for path in (build / "html").glob("api*.html") for tag in parse(path).select("dt.sig[id]")
    }
    names = public_names()
    assert len(names) > 250
    assert not [name for name in names if name not in places]
    assert not [name for name in names if not places[name].select('a[href^="_modules/"]')]


def test_the_names_of_the_package_are_on_the_first_page(build):
    links = {a["href"].partition("#")[2].rpartition(".")[2] for a in parse(build / "html/api.html").select("td a")}
    assert links == set(dmtlib.__all__)


def test_types_are_in_words(build):
    for path in (build / "html").glob("api*.html"):
        text = parse(path).get_text()
        assert "Tensor, '" not in text and "Alias for field" not in text, path.name
        assert str(ROOT) not in text and " object at 0x" not in text, path.name


def test_words_of_the_library_are_its_own_and_read_as_they_are_meant(build):
    for path in (build / "html").glob("api*.html"):
        article = parse(path).select_one("article")
        text = article.get_text()
        assert "overridden by all subclasses" not in text and ":data:" not in text and "``" not in text, path.name
        fields = [tag.get_text().strip(" :") for tag in article.select("dl.field-list > dt")]
        assert "Type" not in fields, path.name  # or a property's "what: why" was taken for "type: what"


def test_every_chapter_says_how_long_it_takes(build):
    for chapter in chapters():
        (box,) = parse(build / f"html/{chapter.stem}.html").select(".dmt-goals")
        assert re.search(r"about \d+ minutes? to read; the code ran for [\d.]+ (seconds|minutes) when", box.get_text())


def test_chapters_are_numbered_in_parts_and_so_are_the_links_to_them(build):
    page = (build / "html/04_curriculum.html").read_text(encoding="utf-8")
    assert re.findall(r'caption-text">([^<]+)', page)[:2] == ["Images", "Pixels"]
    assert '<span class="section-number">4. </span>' in page
    links = re.findall(r'<span class="doc">(\d+)\. ', page)
    assert "3" in links and set(links) <= {str(number) for number in range(1, 16)}


def test_figures_and_tables_are_numbered_in_their_order(build):
    for chapter in chapters():
        article = parse(build / f"html/{chapter.stem}.html").select_one("article")
        shown = article.select("img.dark-light, table.dataframe, section > * > table.table, section > table.table")
        sliders = article.select(".dmt-slider")
        figures = len([one for one in shown if one.name == "img" and not one.find_parent(class_="dmt-slider")])
        counts = {"figure": figures + len(sliders), "table": len([one for one in shown if one.name == "table"])}
        for kind, count in counts.items():
            numbers = [int(tag["id"].rpartition("-")[2]) for tag in article.select(f'strong[id^="{kind}-"]')]
            assert numbers == list(range(1, count + 1)), (chapter.stem, kind)


def test_a_reference_says_the_number_and_leads_to_it(build):
    page = parse(build / "html/00_start_here.html")
    links = {a["href"]: a.get_text() for a in page.select("article a") if a.get_text().startswith("Figure ")}
    assert links
    for href, text in links.items():
        name, _, place = href.partition("#")
        (target,) = parse(build / "html" / name).select(f"#{place}")
        assert target.get_text() == text


@chromium.needed
def test_the_cheat_sheet_is_one_sheet_of_paper(build, browser):
    page = browser.new_page()
    page.goto((build / "html/cheat_sheet.html").as_uri(), wait_until="load")
    page.wait_for_function("document.querySelectorAll('.math mjx-container').length > 20")
    pdf = page.pdf(prefer_css_page_size=True)
    page.close()
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)) == 1
    (box,) = re.findall(rb"/MediaBox\s*\[0 0 (\S+) (\S+?)\]", pdf)
    assert [round(float(side) / 72 * 25.4) for side in box] == [210, 297]
