"""WideResNet: its size, its shapes, and the facts of its architecture."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from dmtlib import WideResNet
from dmtlib.models.wideresnet import _PreActivationBlock


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def layers(model, kind):
    return [module for module in model.modules() if isinstance(module, kind)]


def test_wrn_28_2_has_as_many_parameters_as_the_paper_s():
    assert parameters(WideResNet(28, 2, 10)) == 1_467_610


@pytest.mark.parametrize("shape", [(3, 3, 32, 32), (2, 1, 8, 8), (2, 1, 4, 4), (2, 3, 13, 20)])
@pytest.mark.parametrize("depth", [10, 16])
def test_output_shapes(shape, depth):
    model = WideResNet(depth, 1, 7, in_channels=shape[1])
    logits = model(torch.randn(shape))
    assert logits.shape == (shape[0], 7) and logits.isfinite().all()
    assert model.features(torch.randn(shape)).shape[1:] == (64, -(-shape[2] // 4), -(-shape[3] // 4))


@pytest.mark.parametrize(("depth", "widen_factor"), [(10, 1), (16, 2), (28, 2), (28, 10)])
def test_layers(depth, widen_factor):
    with torch.device("meta"):
        model = WideResNet(depth, widen_factor, 10)
    convolutions, blocks = layers(model, nn.Conv2d), layers(model, _PreActivationBlock)
    assert not any(conv.bias is not None for conv in convolutions)
    assert sum(conv.kernel_size == (3, 3) for conv in convolutions) == depth - 3
    # A shortcut has weights where the width or the resolution changes: not in the first group if nothing widens.
    assert sum(conv.kernel_size == (1, 1) for conv in convolutions) == (2 if widen_factor == 1 else 3)
    assert len(blocks) == (depth - 4) // 2
    assert len(layers(model, nn.BatchNorm2d)) == depth - 3  # one before each 3×3 convolution but the first, one last
    assert not layers(model, nn.Dropout)
    widths = [block.conv2.out_channels for block in blocks[:: len(blocks) // 3]]
    assert widths == [16 * widen_factor, 32 * widen_factor, 64 * widen_factor]
    assert [block.conv1.stride for block in blocks if block.conv1.stride != (1, 1)] == [(2, 2), (2, 2)]
    assert model.classifier.in_features == 64 * widen_factor and model.classifier.bias is not None


def test_blocks_are_pre_activated():
    """Batch norm and ReLU stand before each convolution, and nothing after the sum."""
    x = torch.randn(4, 8, 6, 6)
    same, wider = _PreActivationBlock(8, 8, 1), _PreActivationBlock(8, 12, 2)
    activated = torch.relu(wider.norm1(x))
    for block in (same, wider):
        nn.init.zeros_(block.conv2.weight)
    assert torch.equal(same(x), x)  # negative values too
    torch.testing.assert_close(wider(x), wider.shortcut(activated))
    block = _PreActivationBlock(8, 8, 1)
    branch = block.conv2(torch.relu(block.norm2(block.conv1(torch.relu(block.norm1(x))))))
    torch.testing.assert_close(block(x), x + branch)


def test_the_head_normalises_activates_and_averages():
    model = WideResNet(10, 1, 5, in_channels=1)
    x = torch.randn(4, 1, 8, 8)
    features = model.features(x)
    pooled = torch.relu(model.norm(features)).flatten(2).mean(2)
    torch.testing.assert_close(model(x), model.classifier(pooled), rtol=1e-4, atol=1e-5)


def test_initialisation_is_kaiming_fan_out():
    torch.manual_seed(0)
    model = WideResNet(16, 2, 10)
    for conv in layers(model, nn.Conv2d):
        weight = conv.weight.detach()
        expected = math.sqrt(2 / (conv.out_channels * conv.kernel_size[0] ** 2))
        standard_error = 1 / math.sqrt(2 * weight.numel())  # of a normal's standard deviation, relative
        assert weight.std().item() == pytest.approx(expected, rel=5 * standard_error)
        assert abs(weight.mean().item()) < 5 * expected / math.sqrt(weight.numel())
        assert weight.abs().max() > 2.4 * expected  # a normal, where a uniform ends at √3 = 1.7 of its deviation
    assert not model.classifier.bias.any()
    for norm in layers(model, nn.BatchNorm2d):
        assert (norm.weight == 1).all() and not norm.bias.any()


def test_a_seed_fixes_the_weights():
    def first_weights(seed):
        torch.manual_seed(seed)
        return torch.cat([p.flatten() for p in WideResNet(10, 1, 10).parameters()])

    assert torch.equal(first_weights(3), first_weights(3)) and not torch.equal(first_weights(3), first_weights(4))


def test_every_parameter_learns():
    model = WideResNet(10, 2, 4)
    model(torch.randn(8, 3, 8, 8)).logsumexp(1).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


def test_logits_are_float32_where_the_rest_is_not():
    """16 bits leave steps of 0.06 between 8 and 16, and the dynamic loss compares p_B with a c_A of 32."""
    torch.manual_seed(0)
    model, images = WideResNet(10, 1, 10), torch.randn(4, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        logits, features = model(images), model.features(images)
    assert features.dtype == torch.bfloat16 and logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())


def test_in_eval_mode_images_do_not_see_each_other():
    model = WideResNet(10, 1, 10, in_channels=1).eval()
    x = torch.randn(5, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(model(x)[2:3], model(x[2:3]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((depth, 2, 10), "depth") for depth in (4, 9, 27, 0, -2)]
    + [((28, 0, 10), "widen_factor"), ((28, 2, 0), "num_classes"), ((28, 2, 10, 0), "in_channels")],
)
def test_errors_name_the_argument(arguments, name):
    with pytest.raises(ValueError, match=rf"^{name} must be "):
        WideResNet(*arguments)
