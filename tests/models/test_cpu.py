"""The same sums in another order, held against PyTorch's own."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dmtlib.models.cpu import DilatedConv2d, sum_of_dilated


def gradients(result, *inputs):
    return torch.autograd.grad(result.sin().sum(), inputs)


def maps(*shape):
    return torch.randn(*shape).to(memory_format=torch.channels_last).requires_grad_()


@pytest.mark.parametrize(("size", "dilation"), [((12, 12), 8), ((12, 12), 2), ((5, 9), 3), ((4, 3), 4), ((2, 2), 8)])
def test_a_wide_kernel_has_the_gradients_of_any_other(size, dilation):
    torch.manual_seed(0)
    ours = DilatedConv2d(4, 3, 3, padding=dilation, dilation=dilation, bias=False)
    x = maps(2, 4, *size)
    plain = F.conv2d(x, ours.weight, padding=dilation, dilation=dilation)
    torch.testing.assert_close(ours(x), plain)
    torch.testing.assert_close(gradients(ours(x), x, ours.weight), gradients(plain, x, ours.weight))


@pytest.mark.parametrize("size", [(12, 12), (5, 9), (3, 1)])
def test_dilated_convolutions_are_summed_as_one_product(size):
    torch.manual_seed(0)
    convolutions = nn.ModuleList(nn.Conv2d(4, 3, 3, padding=r, dilation=r) for r in (1, 2, 4, 6))
    x, parameters = maps(2, 4, *size), list(convolutions.parameters())
    ours, plain = sum_of_dilated(convolutions, x), sum(convolution(x) for convolution in convolutions)
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(gradients(ours, x, *parameters), gradients(plain, x, *parameters))


def test_under_autocast_the_network_is_pytorchs_own():
    torch.manual_seed(0)
    convolutions = nn.ModuleList(nn.Conv2d(4, 3, 3, padding=r, dilation=r) for r in (1, 2))
    x = maps(2, 4, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(sum_of_dilated(convolutions, x), sum(convolution(x) for convolution in convolutions))
