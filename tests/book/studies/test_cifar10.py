"""Chapter 6: Fig. 1 from records that are made up here."""

from book.studies.cifar10 import baseline_curves, confidence_curves, confidence_table


def test_fig_1_in_numbers(tmp_path):
    curves = [{str(kept): scale * kept for kept in range(5, 101, 5)} for scale in (0.1, 0.2)]
    made = [{"seed": seed, "phases": [{"error_by_confidence": curve}]} for seed, curve in enumerate(curves)]
    before = {"seed": 9, "phases": [{}]}  # recorded before there was such a curve
    table = confidence_table({"a": confidence_curves([*made, before]), "b": confidence_curves([before])})
    assert table["here, a (%)"].tolist()[:2] == ["3.00 ± 1.41", "6.00 ± 2.83"]
    assert set(table["here, b (%)"]) == {"not run"}
    assert table["paper (%)"].tolist() == ["", "< 3", "", "", "12.90"]
    assert all(curve.empty for curve in baseline_curves(tmp_path).values())
