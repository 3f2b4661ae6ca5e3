"""The map from the paper to the book claims what is there, and misses nothing that is."""

import collections
from pathlib import Path

import pytest
from chapters import chapters

from dmtlib.evidence import places
from dmtlib.evidence.algorithm import ALGORITHM_1, algorithm_1, find
from dmtlib.evidence.paper_map import PAPER, Item, PaperMap

ROOT = Path(__file__).resolve().parents[2]


def test_the_root_is_this_clone():
    assert places.repository() == ROOT


@pytest.mark.parametrize("item", PAPER, ids=lambda item: item.name)
def test_what_is_claimed_is_there(item):
    assert item.page is None or (ROOT / f"book/{item.page}.py").exists()
    assert item.file is None or (ROOT / item.file).exists()


def test_every_item_of_the_paper_is_on_the_map():
    assert len({item.name for item in PAPER}) == len(PAPER)
    kinds = collections.Counter(item.name.split()[0] for item in PAPER)
    assert kinds == {"Fig.": 12, "Table": 7, "Eq.": 6, "Alg.": 2, "App.": 3}


def test_every_item_on_a_map_names_its_page_by_its_title():
    text = PaperMap()._repr_html_()
    assert text.count("<tr>") == 1 + len(PAPER)
    assert "Pseudo labels and their noise</a>" in text


def test_done_needs_a_page_and_a_file(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book/01_page.py").touch()
    (tmp_path / "file.py").touch()
    done = Item("Fig. 1", "", "01_page", "file.py")
    assert done.done(tmp_path)
    for missing in ({"page": None}, {"file": None}, {"page": "02_page"}, {"file": "other.py"}):
        assert not done._replace(**missing).done(tmp_path)


def test_a_table_of_runs_is_done_once_there_are_records(tmp_path):
    item = Item("Table 2", "", "01_page", "file.py", "cifar10-[14]000*")
    for file in ("book/01_page.py", "file.py", "results/digits-40/dmt/seed-0.json"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert item.written(tmp_path) and not item.done(tmp_path)
    assert repr(PaperMap([item], tmp_path)).startswith("Table 2  not run")
    (tmp_path / "results/cifar10-1000-budget-0.1/dmt").mkdir(parents=True)
    (tmp_path / "results/cifar10-1000-budget-0.1/dmt/seed-0.json").touch()
    assert item.done(tmp_path)


def test_links_lead_to_pages_on_the_site_and_to_notebooks_beside_it(monkeypatch):
    monkeypatch.setenv("DMT_STATIC", "1")
    assert 'href="04_curriculum.html"' in PaperMap()._repr_html_()
    monkeypatch.delenv("DMT_STATIC")
    assert 'href="04_curriculum.ipynb"' in PaperMap()._repr_html_()


def test_the_first_chapters_serve_the_paper():
    claimed = {item.page for item in PAPER}
    assert {path.stem for path in chapters()[1:5]} <= claimed


def test_numbers_of_the_paper():
    assert places.paper_number("Fig. 1", "all images", "error") == 12.90
    assert places.paper_number("Table 2", "1000 labels", "DMT") == 91.51
    with pytest.raises(KeyError, match="0 numbers of the paper in Table 2"):
        places.paper_number("Table 2", "1000 labels", "FixMatch")


def test_the_papers_differences_follow_from_its_accuracies():
    for row in ("4000 labels", "1000 labels"):
        dmt, cl, gain = (places.paper_number("Table 2", row, column) for column in ("DMT", "CL", "DMT over CL"))
        assert round(dmt - cl, 2) == gain


def test_each_line_of_the_algorithm_has_its_code():
    assert [words.split()[0] for words, _, _ in ALGORITHM_1] == list("12345678")
    assert "kept = select_top_images(" in algorithm_1()


def test_a_mark_that_fits_no_line_is_told():
    from dmtlib.method import schedules

    with pytest.raises(ValueError, match="stands in 0 lines of dmtlib.method.schedules"):
        find(schedules, "no such line")
