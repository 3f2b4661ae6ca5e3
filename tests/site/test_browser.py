"""The built site in headless Chromium, served from this machine."""

import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import chromium
import pytest
from chapters import ROOT, chapters

pytestmark = [pytest.mark.book, chromium.needed]
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 900}
AXE = "axe-core@4.11.0"
COLOURS = "color-contrast"  # a rule of it
HEAVIEST_PAGE = 3_000_000  # bytes, with scripts, styles and letters, not compressed
WEIGHT = """['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind))
    .reduce((sum, loaded) => sum + loaded.encodedBodySize, 0)"""

# Listings that a reader would have to scroll, folded ones and those of solutions aside.
TORN = """[...document.querySelectorAll('.bd-article pre')]
    .filter((box) => !box.closest('details, .solution') && box.scrollWidth > box.clientWidth + 1)
    .map((box) => box.innerText.slice(0, 60))"""
# Formulas in a line that end beyond the paragraph, where they are cut off.
CUT = """[...document.querySelectorAll('.bd-article :is(p, dd) mjx-container:not([display]) > mjx-math')]
    .filter((formula) => !formula.closest('table') && formula.getBoundingClientRect().width > 0
        && formula.getBoundingClientRect().right > formula.closest('p, dd').getBoundingClientRect().right + 1)
    .map((formula) => formula.closest('p, dd').innerText.slice(0, 60))"""

PAGES = [path.stem for path in [*chapters(), *(ROOT / "book").glob("*.md")]]
names = pytest.mark.parametrize("name", [*PAGES, "search", "genindex"])


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(build):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=build / "html"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def visit(browser, address):
    """Open a page of the site; at the end nothing may have gone wrong, and nothing may have been asked elsewhere."""
    context = browser.new_context(viewport=DESK)
    complaints: list[str] = []

    def route(request):
        if request.request.url.startswith((address, "data:")):
            request.continue_()
        else:
            complaints.append(f"asked {urlsplit(request.request.url).netloc}: {request.request.url}")
            request.abort()

    context.route("**/*", route)

    def open_page(name: str, viewport=DESK, scheme="light"):
        page = context.new_page()
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=scheme)
        page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
        page.on("response", lambda got: got.status >= 400 and complaints.append(f"{got.status}: {got.url}"))
        page.goto(f"{address}/{name}.html", wait_until="networkidle")
        return page

    yield open_page
    context.close()
    assert not complaints


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> Path:
    """The script that looks for what bars a reader who can't see well, or has no mouse."""
    if shutil.which("npm") is None:
        pytest.skip("no npm here: apt-get install npm")
    folder = tmp_path_factory.mktemp("axe")
    packed = subprocess.run(["npm", "pack", "--silent", AXE], cwd=folder, capture_output=True, text=True)
    if packed.returncode:
        pytest.skip(f"npm could not fetch {AXE}: {(packed.stderr.strip().splitlines() or ['no word why'])[-1]}")
    shutil.unpack_archive(folder / packed.stdout.strip(), folder)
    return folder / "package/axe.min.js"


def barriers(axe: Path, page, name: str, rules: tuple[str, ...] = ()) -> list[tuple]:
    """What bars someone on a page, by these rules of axe or by all: the rule, and the first three elements.

    Two things are left out. docutils gives a list of references children that are bibliography entries, which axe
    doesn't take for items. And code, or a page made of docstrings, has the same colours wherever it stands: one of
    each is enough, and saves most of the time.
    """
    left_out = [".citation-list"] if name == "03_dynamic_loss" else [".citation-list", ".highlight pre > *"]
    options = {"preload": False, "resultTypes": ["violations"]}
    if name.startswith("api_") and name != "api_method":
        rules = tuple(rule for rule in rules if rule != COLOURS)
        options["rules"] = {COLOURS: {"enabled": False}}
    if rules:
        options["runOnly"] = rules
    page.add_script_tag(path=axe)
    found = page.evaluate("([context, options]) => axe.run(context, options)", [{"exclude": left_out}, options])
    bars = [violation for violation in found["violations"] if violation["impact"] in ("serious", "critical")]
    return [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in bars]


def said(name: str, words: str) -> int:
    """How often a chapter's text, if it is one, has these words."""
    text = ROOT / f"book/{name}.py"
    return text.read_text().count(words) if text.exists() else 0


def move_sliders(page, count: int):
    """As a reader on a keyboard: to the other end, and one step back."""
    sliders = page.locator(".dmt-slider").all()
    assert len(sliders) == count
    for slider in sliders:
        knob, output = slider.locator("input[type=range]"), slider.locator("output")
        before, picture = output.text_content(), slider.locator("img:visible")
        first = picture.get_attribute("src")
        assert picture.count() == 1
        assert knob.get_attribute("aria-valuetext") == before
        knob.focus()
        at_its_end = knob.get_attribute("value") == knob.get_attribute("max")
        far, back = ("Home", "ArrowRight") if at_its_end else ("End", "ArrowLeft")
        page.keyboard.press(far)
        assert picture.count() == 1 and picture.get_attribute("src") != first
        assert output.text_content() == knob.get_attribute("aria-valuetext") != before
        last = output.text_content()
        page.keyboard.press(back)
        assert output.text_content() != last


def open_solutions(page, count: int):
    solutions = page.locator(".solution.dropdown").all()
    assert len(solutions) == count
    for solution in solutions:
        body, button = solution.locator("section"), solution.locator("button.toggle-button")
        assert not body.is_visible()
        button.focus()
        page.keyboard.press("Enter")
        body.wait_for(state="visible")


@names
def test_a_page_opens_cleanly_and_lightly_and_bars_nobody(visit, name, request):
    """One visit for all of it: loading a page and typesetting it takes longer than most of these looks."""
    page = visit(name)
    assert page.locator("h1:visible").count() == 1
    formulas = page.locator(".math").count()
    if formulas:
        page.wait_for_function("MathJax.startup.promise")
        page.wait_for_function(f"document.querySelectorAll('.math mjx-container').length >= {formulas}")
    assert page.locator("mjx-merror").count() == 0
    assert page.evaluate(WEIGHT) <= HEAVIEST_PAGE
    # tools/light_icons.py left those that are shown. (One that is missing is drawn with circles.)
    assert page.locator("svg[data-icon]").count() > 5 and page.locator("svg[data-icon] circle").count() == 0
    move_sliders(page, said(name, "\nslider("))
    assert name.startswith("api_") or not page.evaluate(TORN)
    assert not barriers(request.getfixturevalue("axe"), page, name)  # last: without npm, all but this was seen


@names
def test_a_dark_phone_shows_it_too(visit, name, request):
    """Solutions open by keyboard; the page doesn't scroll sideways, and what does has a key; colours stand out."""
    page = visit(name, viewport=PHONE, scheme="dark")
    if page.locator(".math").count():
        page.wait_for_selector("mjx-container", state="attached")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    open_solutions(page, said(name, "{solution}"))
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert not page.evaluate(CUT)
    page.add_style_tag(content="* { transition: none !important }")  # or axe may read a colour on its way
    assert not barriers(request.getfixturevalue("axe"), page, name, (COLOURS, "scrollable-region-focusable"))


def test_deviations_open_from_the_keyboard(visit):
    page = visit("14_deviations", viewport=PHONE)
    cards = page.locator("details:not(.hide)").all()  # not the folded code
    assert len(cards) > 25
    for card in cards:
        assert not card.locator("div").first.is_visible()
        card.locator("summary").focus()
        page.keyboard.press("Enter")
        assert card.locator("div").first.is_visible()


def test_the_book_opens_at_its_first_page(visit):
    page = visit("index")
    page.wait_for_url(f"**/{chapters()[0].stem}.html")


def test_a_slider_shows_its_first_frame_without_scripts(browser, address, build):
    (name,) = [c.stem for c in chapters() if "dmt-slider" in (build / f"html/{c.stem}.html").read_text()][:1]
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/{name}.html")
    assert page.locator(".dmt-slider").first.locator("img:visible").count() == 1
    context.close()
