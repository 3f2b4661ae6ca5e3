import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from dmtlib.presets import preset
from dmtlib.records.comparison import Spread, comparison, difference_cell, paired_differences, recorded_settings
from dmtlib.records.store import find_record, load_records, record_path, write_record


def record(method, seed, accuracy, budget=1.0, data="digits"):
    return {
        "preset": "digits-40",
        "method": method,
        "seed": seed,
        "test_accuracy": accuracy,
        "fine_grained_accuracy": accuracy - 5,
        "seconds": 10.0,
        "config": {"budget": budget, "data": data},
    }


@pytest.fixture
def results(tmp_path):
    for made in (
        record("baseline", 0, 90.0),
        record("baseline", 1, 92.0),
        record("dmt", 0, 98.0),
        record("dmt", 2, 99.0),
    ):
        write_record(record_path(tmp_path, made), made)
    return tmp_path


def test_spread_is_mean_and_sample_deviation():
    assert Spread.of([1.0, 2.0, 3.0]) == Spread(2.0, 1.0, 3)
    assert str(Spread.of([1.0, 2.0, 3.0])) == "2.00 ± 1.00 (n = 3)"
    single = Spread.of([5.0])
    assert str(single) == "5.00 (n = 1)" and math.isnan(single.std)
    assert Spread.of([]) is None


@pytest.mark.parametrize("values", [[0.5, -1.0], [0.2, 0.4, 0.9], [float(v * v % 7) for v in range(10)]])
def test_intervals_are_student_s(values):
    spread = Spread.of(values)
    expected = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    assert spread.interval() == pytest.approx(expected)
    assert spread.interval(0.5)[1] < spread.interval()[1] == pytest.approx(spread.mean + spread.half_width())


def test_a_difference_has_its_interval_and_the_seeds_above_zero():
    assert difference_cell([0.2, -0.4, 0.9]) == "+0.23 (−1.38 to +1.85; 2 of 3)"
    assert difference_cell([-0.25], digits=1) == "−0.2" and difference_cell([]) == "not run"
    assert math.isnan(Spread.of([1.0]).half_width())


def test_differences_are_taken_within_a_seed(results):
    dmt, baseline = load_records(results, "digits-40", "dmt"), load_records(results, "digits-40", "baseline")
    assert [r["seed"] for r in baseline] == [0, 1]
    assert paired_differences(dmt, baseline) == [8.0]


def test_the_table_says_what_was_not_run(results):
    table = comparison(results, "digits-40")
    assert table.loc["baseline", "test accuracy (%)"] == "91.00 ± 1.41"
    assert table.loc["dmt", "over the baseline"] == "+8.00"
    assert table.loc["dmt", "seeds"] == 2
    assert table.loc["oracle", "test accuracy (%)"] == "not run"


def test_shorter_runs_are_kept_apart(results):
    short = [record("dmt", 0, 80.0, budget=0.1), record("dmt", 0, 70.0, budget=2e-5), record("dmt", 0, 99.9, budget=2)]
    for made in short:
        write_record(record_path(results, made), made)
    assert load_records(results, "digits-40", "dmt", budget=0.1) == short[:1]
    assert (results / "digits-40-budget-0.1/dmt/seed-0.json").is_file()
    assert load_records(results, "digits-40", "dmt", 2e-5) == short[1:2]
    assert load_records(results, "digits-40", "dmt", 2) == short[2:]
    assert [r["test_accuracy"] for r in load_records(results, "digits-40", "dmt")] == [98.0, 99.0]
    assert load_records(results, "digits-40", "dmt", budget=0.2) == []


def test_a_record_in_a_wrong_place_is_told(results):
    short = record("dmt", 5, 80.0, budget=0.1)
    write_record(results / "digits-40/dmt/seed-5.json", short)
    with pytest.raises(ValueError, match=r"seed-5\.json is a record that belongs in .*-budget-0\.1/dmt/seed-5"):
        load_records(results, "digits-40", "dmt")


def test_a_folder_that_is_no_budget_s_is_told(results):
    (results / "cifar10-4000-budget-half").mkdir()
    with pytest.raises(ValueError, match=r"cifar10-4000-budget-half is no folder of records: its name must end in a"):
        recorded_settings(results, "cifar10-4000")


def test_a_record_on_other_data_is_not_taken_for_this_one(results):
    assert find_record(results, preset("digits-40", "dmt", seed=2))["test_accuracy"] == 99.0
    assert find_record(results, preset("digits-40", "dmt", seed=1)) is None
    assert find_record(results, preset("digits-40", "dmt", seed=2, budget=0.1)) is None
    with pytest.raises(ValueError, match=r"seed-2\.json is a record on digits, not on folder:mine; choose another"):
        find_record(results, preset("digits-40", "dmt", seed=2, data="folder:mine"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("{", "Expecting property name"),
        ("[]", r"it is \[\]"),
        ("[" * 100_000, "it is nested too deep"),
        (Path.mkdir, "is no regular file"),
        (os.mkfifo, "is no regular file"),
        (lambda file: file.symlink_to("nowhere"), "is a link that leads nowhere"),
        (lambda file: file.symlink_to(file.name), "is a link that leads nowhere"),
        ({"seed": "9"}, 'seed is "9"'),
        ({"seed": True}, "seed is true"),
        ({"config": []}, r"config is \[\]"),
        ({"config": {"data": "digits"}}, "there is no 'budget' in it"),
        ({"config": {"budget": "1", "data": "digits"}}, 'budget is "1"'),
        *(({"test_accuracy": value}, "test_accuracy is ") for value in ("x", None, [1], True, 10**400)),
        ({"test_accuracy": math.nan}, "NaN is no finite number"),
        *(({"seconds": value}, "seconds is ") for value in ("x", None)),
        ({"fine_grained_accuracy": "x"}, "fine_grained_accuracy is "),
        ("seconds", "there is no 'seconds' in it"),
        ("fine_grained_accuracy", "there is no 'fine_grained_accuracy' in it"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value))[:40],  # the same in each worker
)
def test_a_file_that_is_no_record_is_told(results, change, words):
    file = results / "digits-40/dmt/seed-9.json"
    made = record("dmt", 9, 90.0)
    if callable(change):
        change(file)
    elif isinstance(change, dict):
        file.write_text(json.dumps(made | change))
    else:
        file.write_text(json.dumps({k: v for k, v in made.items() if k != change}) if change in made else change)
    with pytest.raises(ValueError, match=rf"seed-9\.json is no run record: .*{words}") as refusal:
        comparison(results, "digits-40")
    assert "\n" not in str(refusal.value)
