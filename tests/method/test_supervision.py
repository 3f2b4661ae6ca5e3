"""Targets and weights of a batch: the loss that they make is Eq. 4–6, element by element."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import batches, gammas, loss_loop

from dmtlib import RULES, weighted_cross_entropy
from dmtlib.method.rules import supervise


@given(batches(), gammas, gammas, st.integers(0, 3))
def test_the_loss_is_the_one_of_a_loop(batch, gamma1, gamma2, labeled):
    p, y_a, c_a = batch
    logits = torch.randn(labeled + len(p), *p.shape[1:], generator=torch.Generator().manual_seed(labeled))
    targets = torch.cat([logits[:labeled].argmin(dim=1), y_a])
    p, c_a = logits[labeled:].softmax(dim=1), c_a / 2
    taught = supervise(targets, RULES["dmt"], p, c_a, gamma1, gamma2)
    confidence = torch.cat([torch.rand(labeled, *y_a.shape[1:]), c_a])  # of labels nobody asks
    expected = loss_loop(logits, targets, confidence, torch.arange(len(targets)) < labeled, gamma1, gamma2)
    assert weighted_cross_entropy(logits, *taught).item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", sorted(set(RULES) - {"small-loss"}))  # which ranks a batch
@given(batches(), gammas, gammas, st.integers(0, 3))
def test_a_rule_decides_about_each_element_as_if_it_were_alone(name, batch, gamma1, gamma2, labeled):
    p, y_a, c_a = batch
    labels = torch.full((labeled, *y_a.shape[1:]), 1)
    taught = supervise(torch.cat([labels, y_a]), RULES[name], p, c_a, gamma1, gamma2)
    assert torch.equal(taught.targets[:labeled], labels) and (taught.weights[:labeled] == 1).all()
    each = zip(p.movedim(1, -1).reshape(-1, 1, p.shape[1]), y_a.reshape(-1, 1), c_a.reshape(-1, 1), strict=True)
    alone = [RULES[name](*element, gamma1, gamma2) for element in each]
    assert taught.targets[labeled:].flatten().tolist() == [t.item() for t, _ in alone]
    torch.testing.assert_close(taught.weights[labeled:].flatten(), torch.cat([w for _, w in alone]))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_without_a_rule_all_are_labels(dtype):
    targets = torch.tensor([[0, 2], [255, 1]], dtype=dtype)
    taught = supervise(targets)
    assert taught.targets is targets and taught.weights.tolist() == [[1, 1], [1, 1]]


def test_another_ignored_label_reaches_the_rule():
    taught = supervise(torch.tensor([1, -1]), RULES["cl"], None, torch.ones(1), ignore_index=-1)
    assert taught.targets.tolist() == [1, -1] and taught.weights.tolist() == [1, 0]


def test_the_weights_are_constants_and_the_targets_are_not_written_to():
    logits, targets = torch.randn(3, 4, requires_grad=True), torch.tensor([0, 1, 2])
    taught = supervise(targets, RULES["online-st"], 9 * logits[1:].softmax(dim=1), torch.ones(2), 1, 1)
    assert not taught.weights.requires_grad and targets.tolist() == [0, 1, 2]


def test_more_confidences_than_targets_are_refused():
    with pytest.raises(ValueError, match="^confidence must be of at most 2 elements, got 3"):
        supervise(torch.tensor([0, 1]), RULES["cl"], None, torch.ones(3))
