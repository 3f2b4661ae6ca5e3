"""Tables 4 to 7 from records that are made up here, and what the paper prints beside them."""

import pytest

from dmtlib.presets import SEGMENTATION_PRESETS
from dmtlib.records import tables
from dmtlib.records.comparison import comparison
from dmtlib.records.printed import printed_numbers
from dmtlib.records.tables import TABLES, render


def record(preset, method, seed, mean_iou, *, budget=1.0, data="voc", class_iou=None):
    return {
        "preset": preset,
        "method": method,
        "seed": seed,
        "mean_iou": mean_iou,
        "class_iou": class_iou or {"sky": 90.0, "pole": None},
        "seconds": 60.0,
        "config": {"budget": budget, "data": data},
        "best": "A",
        "scored_on": "val",
        "phases": [
            {"models": {name: {"steps": steps, "val_mean_iou": mean_iou} for name in names}}
            for names, steps in (("A", 800), ("AB", 400))
        ],
    }


@pytest.mark.parametrize("table", ["Table 4", "Table 6"])
def test_the_papers_brackets_are_distances_to_each_methods_own_oracle(table):
    numbers = printed_numbers(table)
    gaps = [key for key, number in numbers.items() if "gap" in number]
    assert len(gaps) == {"Table 4": 21, "Table 6": 8}[table]
    for method, ratio in gaps:
        number = numbers[method, ratio]
        assert number["value"] - numbers[method, "Oracle"]["value"] == pytest.approx(number["gap"], abs=0.001)


def test_each_ratio_is_a_preset():
    assert {*tables.VOC.values(), *tables.CITYSCAPES.values()} <= set(SEGMENTATION_PRESETS)


def test_without_records_there_are_the_papers_numbers_alone(tmp_path):
    table_4, table_7 = tables.table_4(tmp_path), tables.table_7(tmp_path)
    row = table_4.loc[("1/106", "Ours (DMT)")]
    assert row["paper (%)"] == "63.04" and row["paper − its Oracle"] == "−11.71"
    assert table_4.loc[("1/20", "Hung et al."), "paper (%)"] == "64.7"  # as many decimals as are printed
    assert ("1/106", "CCT") not in table_4.index
    assert tables.table_5(tmp_path).loc["DMT", "paper (%)"] == "74.85 ± 0.29"
    assert tables.table_6(tmp_path).loc[("1/30", "DMT − Baseline"), "paper (%)"] == "+5.26"
    assert table_7.loc[("1/50", "Online ST"), "paper − baseline"] == "−2.77"
    for made in (table_4, table_7, tables.table_5(tmp_path), tables.table_6(tmp_path)):
        assert set(made["here (%)"]) == {"not run"} and set(made["n"]) == {0} and set(made["budget, data"]) == {""}


def test_measured_numbers_stand_beside_the_papers(keep):
    for seed, (dmt, oracle) in enumerate([(60.0, 70.0), (62.0, 71.0)]):
        keep("voc-20", "dmt", seed, dmt)
        results = keep("voc-8", "oracle", seed, oracle)
    results = keep("voc-20", "baseline", 1, 55.0)
    table = tables.table_4(results)
    row = table.loc[("1/20", "Ours (DMT)")]
    assert row["paper (%)"] == "69.92" and row["here (%)"] == "61.00 ± 1.41" and row["n"] == 2
    assert (
        row["here − our Oracle"] == "−9.50 (−15.85 to −3.15; 0 of 2)" and row["budget, data"] == "1, voc"
    )  # seed by seed: −10, −9
    assert table.loc[("1/20", "DMT − Baseline"), "here (%)"] == "+7.00"  # on the one seed that both have
    assert table.loc[("all", "Oracle"), "here (%)"] == "70.50 ± 0.71"
    assert table.loc[("1/20", "CutMix"), "here (%)"] == "not run"


def test_the_claim_of_table_5_is_against_the_oracle_of_all_labels(keep):
    keep("voc-1464", "dmt", 0, 74.0)
    table = tables.table_5(keep("voc-8", "oracle", 0, 73.0))
    assert table.loc["DMT − Oracle", "paper (%)"] == "+0.10" and table.loc["DMT − Oracle", "here (%)"] == "+1.00"
    assert table.loc["Oracle", "here − our Oracle"] == ""


def test_budgets_are_never_averaged(keep):
    keep("voc-50", "dmt", 0, 60.0)
    rows = tables.table_7(keep("voc-50", "dmt", 1, 50.0, budget=0.1)).loc[("1/50", "DMT")]
    assert list(rows["here (%)"]) == ["60.00", "50.00"] and list(rows["budget, data"]) == ["1, voc", "0.1, voc"]


def test_comparisons_list_what_was_run_and_four_methods_in_any_case(keep):
    keep("scenes", "dst", 0, 60.0, data="scenes")
    results = keep("scenes", "baseline", 0, 50.0, data="scenes")
    table = comparison(results, "scenes")
    assert list(table.index) == ["baseline", "CBST", "DST", "DMT", "oracle"]
    assert table.loc["DST", "over the baseline"] == "+10.00" and table.loc["DMT", "mean IoU (%)"] == "not run"
    assert table.loc["DST", "steps a model"] == "1,200" and table.loc["DMT", "steps a model"] == "not run"
    assert set(TABLES["camvid"](results)["mean IoU (%)"]) == {"not run"}


@pytest.mark.parametrize("name", ["table-4", "table-5", "table-6", "table-7", "scenes", "camvid"])
def test_the_command_line_has_them(name, tmp_path):
    assert "not run" in render(TABLES[name](tmp_path))
