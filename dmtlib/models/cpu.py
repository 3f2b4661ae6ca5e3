"""What PyTorch does slowly on a CPU in DeepLab: the same sums in another order. Elsewhere it is PyTorch's own."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def sum_of_dilated(convolutions: Iterable[nn.Conv2d], x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H W"]:
    """The sum of dilated 3×3 convolutions of one input that keep its size, as in ASPP. On a CPU one matrix product
    serves them all: what each position gives to its neighbours, which are then added up where they fall. Few outputs,
    as those of classifiers, leave most of a convolution's vectors empty."""
    if not _in_float32_on_cpu(x):
        return sum(convolution(x) for convolution in convolutions)
    weights = torch.stack([convolution.weight for convolution in convolutions])  # (R, O, I, 3, 3)
    given = weights.flip(-1, -2).permute(0, 1, 3, 4, 2).flatten(0, 3) @ x.flatten(2)  # (B, R·O·9, H·W)
    parts = given.chunk(len(weights), dim=1)
    rates = [convolution.dilation for convolution in convolutions]
    sums = [F.fold(part, x.shape[-2:], 3, rate, rate) for part, rate in zip(parts, rates, strict=True)]
    return sum(sums) + sum(convolution.bias for convolution in convolutions).view(-1, 1, 1)


class DilatedConv2d(nn.Conv2d):
    """nn.Conv2d, quicker to train on a CPU where a 3×3 kernel is wider than the map: most of what it sees is padding.
    oneDNN would multiply a copy of the map for each tap to find the weights' gradient, zeros included."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if _in_float32_on_cpu(input) and bias is None and 2 * self.dilation[0] >= min(input.shape[-2:]):
            return _WideKernel.apply(input, weight, self.dilation[0])
        return super()._conv_forward(input, weight, bias)


class _WideKernel(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, d: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.d = d
        return F.conv2d(x, weight, padding=d, dilation=d)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        (x, weight), d = ctx.saved_tensors, [ctx.d, ctx.d]
        of_x, _, _ = torch.ops.aten.convolution_backward(
            gradient, x, weight, None, [1, 1], d, d, False, [0, 0], 1, [True, False, False]
        )
        height, width = x.shape[2:]
        x, gradient = x.permute(0, 2, 3, 1), gradient.permute(0, 2, 3, 1)
        of_weight = torch.empty_like(weight)
        for i, (rows, rows_seen) in enumerate(_seen(height, ctx.d)):
            for j, (columns, columns_seen) in enumerate(_seen(width, ctx.d)):
                seen = x[:, rows_seen, columns_seen].flatten(0, 2)
                of_weight[:, :, i, j] = gradient[:, rows, columns].flatten(0, 2).T @ seen
        return of_x, of_weight, None


def _seen(side: int, d: int) -> list[tuple[slice, slice]]:
    """For each tap of a row: the positions from which it sees the map, and what it sees from there."""
    rest = max(0, side - d)
    first, last, all_of_it = slice(0, rest), slice(side - rest, side), slice(0, side)
    return [(last, first), (all_of_it, all_of_it), (first, last)]


def _in_float32_on_cpu(x: Tensor) -> bool:
    """Nor is the network being traced: in a file for other programs stands what they know."""
    plain = x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return x.device.type == "cpu" and plain and not torch.jit.is_tracing()
