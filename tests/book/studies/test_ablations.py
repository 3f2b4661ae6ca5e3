"""A batch under every rule: the weights are the rules', and the colours say where they pull."""

import pytest
import torch

from book.figures.ablations import printed_ablations, pull, rule_rows, weight_bars
from book.studies.ablations import Batch, ablation_table, by_rule, lesson_table
from dmtlib.method.rules import Supervision
from dmtlib.records.store import record_path, write_record

RIGHT, WRONG, GREY = [0, 158, 115], [193, 18, 31], [228, 230, 234]


@pytest.fixture
def batch() -> Batch:
    """Four pixels: agreement on the truth, agreement on an error, case 3 with a wrong label, and an unknown class."""
    p_b = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]]).T.reshape(1, 2, 2, 2)
    return Batch(
        images=torch.zeros(1, 3, 2, 2, dtype=torch.uint8),
        truth=torch.tensor([[[0, 0], [0, 255]]], dtype=torch.uint8),
        pseudo_labels=torch.tensor([[[0, 1], [1, 1]]], dtype=torch.uint8),
        confidence=torch.tensor([[[0.9, 0.9], [0.6, 0.9]]]),
        probabilities=p_b,
    )


def test_each_rule_gives_its_own_weights(batch):
    weights = {name: taught.weights.flatten().tolist() for name, taught in by_rule(batch, 1.0).items()}
    assert weights["CBST"] == [1, 1, 1, 1]
    assert weights["DMT-Naive"] == pytest.approx([0.9, 0.8, 0.3, 0.4])
    assert weights["DMT"] == pytest.approx([0.9, 0.8, 0.0, 0.4])
    assert weights["DMT-Flip"] == pytest.approx([0.9, 0.8, 0.4, 0.4])
    assert weights["Online ST"] == [0, 0, 0, 0]  # 0.9 is not above 0.9


def test_the_weight_that_teaches_errors(batch):
    table = lesson_table(batch, by_rule(batch, 1.0))
    assert table.loc["CBST", "wrong in the weight"] == pytest.approx(200 / 3)
    assert table.loc["DMT", "weight of right ones"] == pytest.approx(30)  # 0.9 of three pixels
    assert table.loc["DMT-Flip", "wrong targets"] == pytest.approx(100 / 3)  # flipped to the truth
    assert table.loc["DMT-Flip", "weight of right ones"] == pytest.approx(130 / 3)
    assert table["wrong in the weight"].isna().to_dict()["Online ST"]
    texts = [text.get_text() for text in weight_bars(table).axes[0].texts]
    assert texts[0] == "no weight" and texts[1] == "66.7% wrong"


def test_colours_say_where_a_pixel_pulls(batch):
    supervision = Supervision(batch.pseudo_labels, torch.tensor([[[1.0, 1.0], [0.0, 1.0]]]))
    assert pull(supervision, batch.truth)[0].reshape(4, 3).tolist() == [RIGHT, WRONG, [255, 255, 255], GREY]
    half = Supervision(batch.pseudo_labels, torch.full((1, 2, 2), 0.5))
    assert pull(half, batch.truth)[0, 0, 0].tolist() == [128, 206, 185]
    taught = by_rule(batch, 1.0)
    titles = [ax.get_title(loc="center") for ax in rule_rows(batch, taught, [0]).axes]
    assert titles == list(taught)


def test_table_7_as_dots():
    ax = printed_ablations().axes[0]
    twenty, fifty = (line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 7)
    assert list(twenty[[0, 5]]) == [61.90, 70.16] and list(fifty[[1, 3]]) == [53.52, 66.50]


def test_ablations_beside_the_papers_column(tmp_path):
    made = {
        "preset": "scenes",
        "method": "cbst",
        "seed": 0,
        "mean_iou": 52.0,
        "config": {"budget": 1, "data": "scenes"},
    }
    write_record(record_path(tmp_path, made), made)
    table = ablation_table(tmp_path, {"scenes": "scenes"})
    assert list(table.loc["CBST"]) == ["52.00", 1, "65.09", "62.29"]
    assert list(table.loc["Oracle"]) == ["not run", 0, "", ""]
