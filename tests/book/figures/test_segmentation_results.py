"""Fig. 8 is drawn from the numbers of Table 4, and our runs are rings in it."""

import pytest

from book.figures.segmentation_results import over_ratios
from dmtlib.records.store import record_path, write_record


def test_lines_are_the_papers_and_rings_are_ours(tmp_path):
    score, gap = over_ratios(tmp_path).axes
    lines = {line.get_label(): list(line.get_ydata()) for line in score.lines}
    assert lines["DMT"] == [63.04, 67.15, 69.92, 72.70] and lines["s4GAN + MLMT"] == [63.3, 67.2, 71.4]
    gaps = {line.get_label(): list(line.get_ydata()) for line in gap.lines}
    assert gaps["CutMix"] == [-18.75, -7.73, -6.06, -4.94]
    assert not score.containers
    for seed, mean_iou in enumerate((60.0, 62.0)):
        made = {"preset": "voc-20", "method": "dmt", "seed": seed, "mean_iou": mean_iou}
        made["config"] = {"budget": 1.0, "data": "voc"}
        write_record(record_path(tmp_path, made), made)
    (ring,) = over_ratios(tmp_path).axes[0].containers
    assert list(ring.lines[0].get_ydata()) == [61.0] and ring.lines[0].get_xdata() == pytest.approx([2.08])
