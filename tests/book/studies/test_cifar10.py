"""Chapter 6: Fig. 1 and costs from records that are made up here."""

import json

from clone import ROOT

from book.studies.cifar10 import (
    ON_AN_H200,
    baseline_curves,
    confidence_curves,
    confidence_table,
    cost_table,
    peers_table,
)
from dmtlib.records.store import record_path, write_record

H200 = "cuda (NVIDIA H200)"


def test_fig_1_in_numbers(tmp_path):
    curves = [{str(kept): scale * kept for kept in range(5, 101, 5)} for scale in (0.1, 0.2)]
    made = [{"seed": seed, "phases": [{"error_by_confidence": curve}]} for seed, curve in enumerate(curves)]
    before = {"seed": 9, "phases": [{}]}  # recorded before there was such a curve
    table = confidence_table({"a": confidence_curves([*made, before]), "b": confidence_curves([before])})
    assert table["here, a (%)"].tolist()[:2] == ["3.00 ± 1.41", "6.00 ± 2.83"]
    assert set(table["here, b (%)"]) == {"not run"}
    assert table["paper (%)"].tolist() == ["", "< 3", "", "", "12.90"]
    assert all(curve.empty for curve in baseline_curves(tmp_path).values())


def test_peers_are_published_elsewhere_and_not_run():
    table = peers_table()
    assert table.loc["FixMatch", "published, 4000 labels (%)"] == "95.71 ± 0.10"
    assert table.loc["FreeMatch", "published, 40 labels (%)"] == "95.03 ± 0.09"
    assert table.loc["CRMatch", "published, 4000 labels (%)"] == "96.19 ± 0.16"
    assert set(table["here (%)"]) == {"not run"}
    assert not [name for name in table if "paper" in name]


def test_costs_come_from_records_of_a_gpu(tmp_path):
    def keep(seed, *, budget=1.0, device=H200, seconds=1800.0):
        made = {"preset": "cifar10-4000", "method": "dmt", "seed": seed, "test_accuracy": 94.0, "seconds": seconds}
        made |= {"images_per_second": 60_000.0, "device": device, "config": {"budget": budget, "data": "cifar10"}}
        write_record(record_path(tmp_path, made), made)

    keep(0, device="cpu (laptop, 8 threads)", seconds=1e6)
    keep(1)
    keep(2, budget=0.1, seconds=180.0)
    costs = cost_table(tmp_path)
    row = costs.loc[(4000, "DMT")]
    assert row["recorded GPU hours"] == "0.50" and row["GPU"] == "NVIDIA H200"
    assert row["GPU hours at recorded speed"] == "0.56 ± 0.00"  # 122 million at 60,000 a second
    assert row["hours at 39,900/s"] == "0.85"
    assert costs.loc[(4000, "CL"), "recorded GPU hours"] == "not run"


def test_the_stated_speed_is_the_recorded_one():
    found = json.loads((ROOT / "results/benchmarks/classification_step.json").read_text())
    assert round(found["images_per_second"], -2) == ON_AN_H200
    assert found["device"] == H200 and found["graph"]  # as training has it there
