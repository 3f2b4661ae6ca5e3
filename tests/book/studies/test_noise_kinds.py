"""Labels that are wrong in three ways: as many of each kind, and only where they should be."""

import json

import torch

from book.studies import noise_kinds
from dmtlib.training.images.phase import PseudoLabels


def labels_of(truth, wrong, shift):
    labels = truth.clone()
    labels[wrong] = (labels[wrong] + shift) % 10
    return PseudoLabels(torch.arange(len(truth)), labels, torch.linspace(0.2, 0.9, len(truth)), truth)


def test_every_kind_has_as_many_wrong_labels():
    truth = torch.arange(200) % 10
    own, other = labels_of(truth, slice(0, 40), 1), labels_of(truth, slice(100, 160), 3)
    kinds = noise_kinds.three_kinds(own, other, 10, torch.Generator().manual_seed(0))
    assert [int((p.labels != truth).sum()) for p in kinds.values()] == [40, 40, 40]
    assert kinds["own"].labels.equal(own.labels)
    wrong = kinds["other"].labels != truth
    assert wrong[100:160].sum() == 40 and kinds["other"].labels[wrong].equal(other.labels[wrong])
    scattered = (kinds["random"].labels != truth).nonzero().flatten()
    assert scattered.max() > 160 and scattered.min() < 40 and kinds["random"].confidence.equal(own.confidence)
    assert all(((p.labels >= 0) & (p.labels < 10)).all() for p in kinds.values())


def test_the_table_is_made_of_records(tmp_path):
    assert set(noise_kinds.table(tmp_path)["DMT − CL"]) == {"not run"}
    for seed in (10, 2):
        run = {"cl": {"accuracy": 90.0, "right": 1, "wrong": 1}, "dmt": {"accuracy": 91.0, "right": 0.8, "wrong": 0.4}}
        file = tmp_path / "noise-kinds" / f"seed-{seed}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({"seed": seed, "kinds": dict.fromkeys(noise_kinds.KINDS, run)}))
    assert [record["seed"] for record in noise_kinds.records(tmp_path)] == [2, 10]
    table = noise_kinds.table(tmp_path)
    assert set(table["DMT − CL"]) == {"+1.00 (+1.00 to +1.00; 2 of 2)"} and set(table["weight, wrong"]) == {0.4}
    rules = noise_kinds.by_rule(tmp_path).xs("DMT", level="weights by")
    assert set(rules["accuracy (%)"]) == {91.0} and set(rules["weight, right"]) == {0.8} and len(rules) == 3
    assert set(noise_kinds.by_rule(tmp_path).xs("Small loss", level="weights by")["accuracy (%)"]) == {"not run"}


def test_one_seed_is_measured():
    one = noise_kinds.measure(100, budget=0.003)
    assert set(one["kinds"]) == set(noise_kinds.KINDS) and 0 < one["wrong"] < 100
    for run in one["kinds"].values():
        assert run["cl"]["wrong"] == run["cl"]["right"] == 1 and run["dmt"]["wrong"] < 1
        assert all(0 < run[rule]["right"] < 1 for rule in ("small-loss", "js"))
