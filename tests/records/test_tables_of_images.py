"""Tables 2 and 3 from records that are made up here, and what is said where there are none."""

import pytest

from dmtlib.records import tables
from dmtlib.records.tables import TABLES, render

H200 = "cuda (NVIDIA H200)"


def record(method, seed, accuracy, *, name="cifar10-4000", budget=1.0, data="cifar10", device=H200, seconds=1800.0):
    return {
        "preset": name,
        "method": method,
        "seed": seed,
        "test_accuracy": accuracy,
        "seconds": seconds,
        "images_per_second": 60_000.0,
        "device": device,
        "config": {"budget": budget, "data": data},
    }


def test_without_records_there_are_the_papers_numbers_alone(tmp_path):
    table = tables.table_2(tmp_path)
    assert table.loc[(4000, "DMT"), "paper (%)"] == "94.21"
    assert table.loc[(4000, "DMT"), "paper − its Oracle"] == "−2.14"
    assert table.loc[(1000, "DMT − CL"), "paper (%)"] == "+0.90"
    for made in (table, tables.table_3(tmp_path)):
        assert set(made["here (%)"]) == {"not run"} and set(made["n"]) == {0} and set(made["budget, pixels"]) == {""}


def test_measured_numbers_stand_beside_the_papers(keep):
    for seed, (dmt, oracle) in enumerate([(94.0, 96.0), (95.0, 96.5)]):
        keep("dmt", seed, dmt)
        results = keep("oracle", seed, oracle)
    row = tables.table_3(results).loc["Ours (DMT)"]
    assert row["paper (%)"] == "94.21" and row["paper − its Oracle"] == "−2.14"
    assert row["here (%)"] == "94.50 ± 0.71" and row["n"] == 2
    assert row["here − our Oracle"] == "−1.75 (−4.93 to +1.43; 0 of 2)"  # seed by seed: −2.0 and −1.5
    assert row["budget, pixels"] == "1, original"
    assert tables.table_3(results).loc["Oracle", "here − our Oracle"] == ""


def test_the_difference_is_taken_within_a_seed(keep):
    for seed, (dmt, cl) in enumerate([(94.0, 93.0), (96.0, 95.5)]):
        keep("dmt", seed, dmt)
        results = keep("cl", seed, cl)
    keep("cl", 7, 10.0)
    row = tables.table_2(results).loc[(4000, "DMT − CL")]
    assert row["paper (%)"] == "+0.19"
    assert row["here (%)"] == "+0.75 (−2.43 to +3.93; 2 of 2)" and row["n"] == 2


def test_settings_are_never_averaged(keep):
    keep("dmt", 0, 90.0)
    keep("dmt", 1, 80.0, budget=0.1)
    keep("dmt", 2, 70.0, budget=0.1, data="cifar10-jpeg")
    keep("oracle", 0, 96.0, budget=0.1)
    results = keep("dmt", 0, 60.0, name="cifar10-4000-authors")
    rows = tables.table_2(results).loc[(4000, "DMT")]
    assert dict(zip(rows["budget, pixels"], rows["here (%)"], strict=True)) == {
        "1, original": "90.00",
        "0.1, original": "80.00",
        "0.1, JPEG": "70.00",
        "1, original, authors’": "60.00",
    }
    assert set(rows["here − our Oracle"]) == {"not run"}  # none of the same setting and seed


def test_with_1000_labels_the_oracle_is_the_one_of_all_labels(keep):
    keep("oracle", 0, 96.0)
    results = keep("dmt", 0, 91.0, name="cifar10-1000")
    assert tables.table_2(results).loc[(1000, "DMT"), "here − our Oracle"] == "−5.00"


def test_only_the_papers_own_code_has_a_gap_to_its_oracle(tmp_path):
    gaps = tables.table_3(tmp_path)["paper − its Oracle"]
    assert set(gaps[gaps != ""].index) == {"Baseline", "CL", "Ours (DMT)"}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_of_the_command_line_prints_without_records(name, tmp_path):
    assert "not run" in render(TABLES[name](tmp_path))
