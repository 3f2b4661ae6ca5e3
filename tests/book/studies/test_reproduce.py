"""Table 1 as the paper prints it, and what is said of records that are there, and of those that aren't."""

import json

import pytest

from book.figures.reproduce import hours_by_table
from book.studies import reproduce as tables
from dmtlib.presets import preset
from dmtlib.records.reproduction import TABLES
from dmtlib.records.store import record_path, write_record

H200 = "NVIDIA H200"


def test_table_1_is_the_paper_s():
    printed = {  # γ1, γ2, learning rate, epochs, batch, ratio
        ("PASCAL VOC", "1/8"): (5, 5, 1e-3, 5, 8, "7:1"),
        ("PASCAL VOC", "1/20"): (5, 5, 1e-3, 4, 8, "7:1"),
        ("PASCAL VOC", "1/50"): (5, 5, 1e-3, 4, 8, "7:1"),
        ("PASCAL VOC", "1/106"): (5, 5, 1e-3, 4, 8, "7:1"),
        ("Cityscapes", "1/8"): (3, 3, 4e-3, 10, 8, "3:1"),
        ("Cityscapes", "1/30"): (3, 3, 4e-3, 8, 8, "7:1"),
        ("CIFAR-10", "4,000 labels"): (4, 4, 1e-1, 750, 512, "7:1"),
        ("CIFAR-10", "1,000 labels"): (4, 4, 1e-1, 750, 512, "31:1"),
    }
    ours = tables.table_1()
    assert set(ours.index) == set(printed)
    for key, row in printed.items():
        assert tuple(ours.loc[key].drop("preset")) == row


@pytest.fixture
def keep(tmp_path):
    def write(name, method, seed, seconds=1800.0):
        config = json.loads(json.dumps(preset(name, method, seed).to_json()))
        made = {"preset": name, "method": method, "seed": seed, "config": config, "seconds": seconds}
        made |= {"mean_iou" if "labeled_ratio" in config else "test_accuracy": 0.0}
        write_record(record_path(tmp_path, made), made)
        return tmp_path

    return write


def test_what_is_calculated_and_what_is_measured_have_columns_of_their_own(keep):
    results = keep("voc-8", "oracle", 0)
    results = keep("voc-8", "oracle", 1, seconds=3600.0)
    keep("digits-40", "dmt", 0, seconds=90.0)
    cells = tables.cells_table(["table-5"], results, H200)
    oracle, baseline = cells.loc[("table-5", "Oracle")], cells.loc[("table-5", "1464 labels, baseline")]
    assert oracle["recorded"] == 2 and oracle["minutes a run, measured"] == "45.0 ± 21.2"
    assert oracle["GPU hours a run, calculated"] == "0.2–0.81"  # 39,683 steps of 3.6 TFLOP
    assert baseline["recorded"] == 0 and baseline["minutes a run, measured"] == "not run"
    assert baseline["dmtlib train …"] == "voc-1464 --method baseline"
    overview = tables.overview(results, H200)
    assert (
        overview.loc["table-5", "hours, measured"] == "1.5" and overview.loc["table-6", "hours, measured"] == "not run"
    )
    assert overview.loc["digits", "GPU hours, calculated"] == "" and overview.loc["digits", "recorded"] == 1
    small = tables.cells_table(["digits"], results, H200)
    assert not [column for column in small if "calculated" in column]


def test_a_table_s_hours_are_the_sum_of_its_runs():
    low, high = tables.table_hours("table-5", H200)
    costs = [(len(cell.seeds), tables.calculated_cost(cell)) for cell in TABLES["table-5"]]
    flops = sum(runs * cost.flops for runs, cost in costs)
    assert (low, high) == pytest.approx([flops / 989e12 / share / 3600 for share in (0.2, 0.05)])
    assert tables.table_hours("digits", H200) is None


def test_a_measured_step_is_told_as_measured(tmp_path):
    not_run = [f"benchmarks/{name}_step.py on a GPU: not run." for name in ("classification", "segmentation")]
    assert tables.measured_steps(tmp_path) == not_run
    (tmp_path / "benchmarks").mkdir()
    found = {"images_per_second": 60_000, "device": "cuda (NVIDIA H200)"}
    (tmp_path / "benchmarks/classification_step.json").write_text(json.dumps(found))
    counted = {"images_per_second": None, "device": "cpu (EPYC)", "preset": "voc-106"}
    (tmp_path / "benchmarks/segmentation_step.json").write_text(json.dumps(counted))
    images, pixels = tables.measured_steps(tmp_path)
    assert "cuda (NVIDIA H200)" in images and "60,000 images" in images and "cifar10-4000 take 0.56 hours" in images
    assert pixels == not_run[1]


def test_the_figure_has_a_row_a_table(tmp_path):
    (ax,) = hours_by_table(tmp_path, H200).axes
    assert [label.get_text() for label in ax.get_yticklabels()][:2] == ["Table 2", "Table 3"]
    assert len(ax.get_yticks()) == len(TABLES)
