"""Mixup of images, targets and dynamic weights, against a loop over the samples."""

from __future__ import annotations

import math

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from dmtlib import mixup, mixup_loss, weighted_cross_entropy

B, C = 5, 4


def random_batch(seed=0):
    g = torch.Generator().manual_seed(seed)
    images = torch.randn(B, 3, 2, 2, generator=g)
    targets = torch.randint(C, (B,), generator=g)
    weights = torch.rand(B, generator=g)
    return images, targets, weights, torch.randperm(B, generator=g), torch.randn(B, C, generator=g)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lam", [0.0, 0.3, 0.75, 1.0])
def test_against_a_loop(lam, seed):
    images, targets, weights, partner, logits = random_batch(seed)
    batch = mixup(images, targets, weights, partner, torch.tensor(lam))
    total = 0.0
    for i, j in enumerate(partner.tolist()):
        torch.testing.assert_close(batch.images[i], lam * images[i] + (1 - lam) * images[j])
        assert (batch.targets[i], batch.partner_targets[i]) == (targets[i], targets[j])
        z = logits[i].double().tolist()
        log_sum = math.log(sum(math.exp(value) for value in z))
        weight = lam * weights[i].item() + (1 - lam) * weights[j].item()
        assert batch.weights[i].item() == pytest.approx(weight, abs=1e-6)
        total += weight * (lam * (log_sum - z[targets[i]]) + (1 - lam) * (log_sum - z[targets[j]]))
    assert mixup_loss(logits, batch).item() == pytest.approx(total / B, rel=1e-5)


def test_lambda_1_changes_nothing():
    images, targets, weights, partner, logits = random_batch()
    batch = mixup(images, targets, weights, partner, torch.tensor(1.0))
    assert torch.equal(batch.images, images) and torch.equal(batch.weights, weights)
    torch.testing.assert_close(mixup_loss(logits, batch), weighted_cross_entropy(logits, targets, weights))


def test_two_images_by_hand():
    images, targets = torch.tensor([[0.0], [8.0]]), torch.tensor([0, 1])
    batch = mixup(images, targets, torch.tensor([1.0, 0.5]), torch.tensor([1, 0]), torch.tensor(0.75))
    assert batch.images.tolist() == [[2.0], [6.0]] and batch.weights.tolist() == [0.875, 0.625]
    logits = torch.tensor([[0.5, 0.5], [0.25, 0.75]]).log()
    second = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    assert mixup_loss(logits, batch).item() == pytest.approx((0.875 * math.log(2) + 0.625 * second) / 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision(dtype):
    """The images keep their dtype, the loss is float32, and λ is the same number everywhere."""
    images, targets, weights, partner, logits = random_batch()
    batch = mixup(images.to(dtype), targets, weights, partner, torch.tensor(0.7))
    assert batch.images.dtype == dtype and batch.weights.dtype == torch.float32
    loss = mixup_loss(logits.to(dtype), batch)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, mixup_loss(logits.to(dtype).float(), batch))
    exact = mixup(images, targets, weights, partner, torch.tensor(0.7).to(dtype).float())
    torch.testing.assert_close(batch.weights, exact.weights, rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(loss, mixup_loss(logits.to(dtype).float(), exact), rtol=1e-2, atol=0)


def test_autocast_changes_nothing():
    images, targets, weights, partner, logits = random_batch()
    batch = mixup(images, targets, weights, partner, torch.tensor(0.7))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = mixup_loss(logits, mixup(images, targets, weights, partner, torch.tensor(0.7)))
    assert under.dtype == torch.float32
    torch.testing.assert_close(under, mixup_loss(logits, batch))


def test_no_host_synchronisation():
    with FakeTensorMode():
        images, logits, weights, lam = torch.empty(B, 3, 2, 2), torch.empty(B, C), torch.empty(B), torch.empty(())
        targets, partner = torch.zeros(B, dtype=torch.uint8), torch.zeros(B, dtype=torch.long)
        assert mixup_loss(logits, mixup(images, targets, weights, partner, lam)).shape == ()
