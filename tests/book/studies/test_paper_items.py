"""The map from the paper to the book claims what is there, counts what is recorded, and misses nothing."""

import collections
import importlib
import json
import re
from pathlib import Path

import pytest
import yaml
from chapters import chapters

from book.figures.start_here import PaperMap
from book.page import places
from book.studies.paper_items import PAPER, SMALL_TABLES, STATUS, Item, Runs, recorded_runs
from dmtlib.cli import main
from dmtlib.presets import preset
from dmtlib.records import printed
from dmtlib.records.printed import paper_number
from dmtlib.records.reproduction import TABLES
from dmtlib.records.store import record_path, write_record

ROOT = Path(__file__).resolve().parents[3]


def test_the_root_is_this_clone():
    assert places.repository() == ROOT


@pytest.mark.parametrize("item", [item for item in PAPER if item.page_path(ROOT)], ids=lambda item: item.name)
def test_the_function_of_a_written_page_is_there(item):
    module, _, name = item.function.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))
    assert (ROOT / item.file).exists()


@pytest.mark.parametrize("item", [item for item in PAPER if item.page_path(ROOT)], ids=lambda item: item.name)
def test_a_page_names_what_it_is_said_to_show(item):
    """Also in "Figs. 9 and 10" and "Appendices B and C". Equations stand there by their symbols."""
    kind, number = item.name.split()
    words = {"Fig.": r"Figs?\.", "Table": r"Tables?", "Alg.": r"Alg\.|Algorithm", "App.": r"Append\w+|App\."}
    if kind != "Eq.":
        page = item.page_path(ROOT).read_text(encoding="utf-8")
        assert re.search(rf"(?:{words[kind]}) (?:[\w.]+(?:, | and | to |–))*{re.escape(number)}\b", page)


@pytest.mark.parametrize("item", [item for item in PAPER if item.runs], ids=lambda item: item.name)
def test_runs_are_some_and_their_command_is_one(item, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for runs in filter(None, (item.runs, item.small)):
        assert runs.cells and runs.wanted >= len(runs.cells)
        assert main([*runs.command.split()[1:], "--dry-run"]) == 0
        listed = capsys.readouterr().out
        assert all(f"train {cell.preset} --method {cell.method} " in listed for cell in runs.cells)


def test_every_item_of_the_paper_is_on_the_map():
    assert len({item.name for item in PAPER}) == len(PAPER)
    kinds = collections.Counter(item.name.split()[0] for item in PAPER)
    assert kinds == {"Fig.": 12, "Table": 7, "Eq.": 6, "Alg.": 2, "App.": 2}  # App. A is its only figure
    assert all(item.page and item.function and item.status(ROOT) in STATUS for item in PAPER)


def test_every_item_on_a_map_names_its_page_by_its_title():
    text = PaperMap()._repr_html_()
    assert text.count("<tr>") == 1 + len(PAPER)
    assert "Pseudo labels and their noise</a>" in text


def test_explained_needs_a_page_and_a_function_s_file(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book/01_page.py").touch()
    (tmp_path / "file.py").touch()
    done = Item("Fig. 1", "", "01_page", "file.function")
    assert done.status(tmp_path) == "explained"
    assert "1 of 1 items need no runs" in PaperMap([done], tmp_path).counted()
    for missing in ({"page": None}, {"function": None}, {"page": "02_page"}, {"function": "other.function"}):
        assert done._replace(**missing).status(tmp_path) == "to come"


def test_a_table_s_status_comes_from_its_records(tmp_path):
    item = Item("Table 5", "", "01_page", "file.function", Runs("table-5"), Runs("scenes", "scenes", ("dmt",)))
    for file in ("book/01_page.py", "file.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()

    def keep(name: str, method: str, seed: int, **changes) -> None:
        config = json.loads(json.dumps(preset(name, method, seed).to_json())) | changes
        made = {"preset": name, "method": method, "seed": seed, "config": config, "mean_iou": 0.0}
        write_record(record_path(tmp_path / "results", made), made)

    assert item.status(tmp_path) == "not run"
    keep("voc-1464", "dmt", 0, budget=0.1)
    assert item.status(tmp_path) == "not run"
    keep("scenes", "baseline", 0)
    assert item.status(tmp_path) == "not run"
    keep("scenes", "dmt", 0)
    assert item.status(tmp_path) == "small-scale"
    assert repr(PaperMap([item], tmp_path)).endswith("0 of 9; scenes 1 of 3")
    keep("voc-1464", "dmt", 0)
    assert item.status(tmp_path) == "partly run"
    for name, method in [("voc-1464", "baseline"), ("voc-1464", "dmt"), ("voc-8", "oracle")]:
        for seed in range(3):
            keep(name, method, seed)
    assert item.status(tmp_path) == "recorded" and PaperMap([item], tmp_path).of("recorded") == [item]
    assert "<code" in PaperMap([item], tmp_path)._repr_html_()


def test_runs_of_tables_that_share_cells_are_counted_once(tmp_path):
    recorded, wanted = recorded_runs(("table-4", "table-5"), tmp_path)
    assert recorded == 0 and wanted == 3 * len(
        {(c.preset, c.method) for t in ("table-4", "table-5") for c in TABLES[t]}
    )
    assert recorded_runs(SMALL_TABLES, ROOT / "results")[0] > 0


def test_links_lead_to_pages_on_the_site_and_to_notebooks_beside_it(monkeypatch):
    monkeypatch.setenv("DMT_STATIC", "1")
    assert 'href="04_curriculum.html"' in PaperMap()._repr_html_()
    monkeypatch.delenv("DMT_STATIC")
    assert 'href="04_curriculum.ipynb"' in PaperMap()._repr_html_()


def test_the_first_chapters_serve_the_paper():
    claimed = {item.page for item in PAPER}
    assert {path.stem for path in chapters()[1:5]} <= claimed


def test_numbers_of_the_paper():
    assert paper_number("Fig. 1", "all images", "error") == 12.90
    assert paper_number("Table 2", "1000 labels", "DMT") == 91.51
    with pytest.raises(KeyError, match="no number of the paper in Table 2"):
        paper_number("Table 2", "1000 labels", "FixMatch")
    file = Path(printed.__file__).with_name("paper_numbers.yml")
    cells = [(cell["table"], cell["row"], cell["column"]) for cell in yaml.safe_load(file.read_text())]
    assert len(set(cells)) == len(cells)


def test_the_papers_differences_follow_from_its_accuracies():
    for row in ("4000 labels", "1000 labels"):
        dmt, cl, gain = (paper_number("Table 2", row, column) for column in ("DMT", "CL", "DMT over CL"))
        assert round(dmt - cl, 2) == gain
