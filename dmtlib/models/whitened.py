"""A small convolutional network that learns CIFAR-10 within minutes, after the design of K. Jordan's airbench (2024).

"94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv 2404.00498. Taken from there: the whitening first layer, three
blocks of two convolutions with pooling between, GELU, batch norm without scales, convolutions that begin by passing
their inputs on, and a scaled head. Left out: what its training adds (Lookahead, label smoothing, test-time mirrors).
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from .backbones import TimmClassifier
from .wideresnet import WideResNet

PATCH = 2  # the side of the patches that the first layer whitens
PATCH_IMAGES = 5000  # so many images tell their covariance
HEAD_SCALE = 1 / 9
LEAST_SIDE = 9  # of an image: 8 after the first layer, then pooled three times


def whitening_filters(
    images: UInt8[Tensor, "N C H W"], mean: Sequence[float], std: Sequence[float], eps: float = 5e-4
) -> Float[Tensor, "F C 2 2"]:
    """Filters under which 2×2 patches of normalised images are uncorrelated and of variance 1, and their negatives.

    Whole numbers are summed, so that the sums are exact, whatever their order: the same images give the same filters.
    No labels are needed; of more than 5,000 images every so-manyth is looked at. ``mean`` and ``std`` are per channel,
    of pixels scaled to [0, 1], as the network's input is normalised; filters are centred, so the mean doesn't matter
    to them. ``eps`` is added to each variance, lest directions in which patches hardly differ become noise.

    Returns F = 8·C filters in float32 on the CPU, the directions of largest variance first, then their negatives."""
    sums, products, count = 0, 0, 0
    for batch in images[:: max(1, len(images) // PATCH_IMAGES)][:PATCH_IMAGES].split(500):
        patches = F.unfold(batch.double(), PATCH).transpose(1, 2).flatten(0, 1)  # (n, 4·C)
        sums, products, count = sums + patches.sum(0), products + patches.T @ patches, count + len(patches)
    centre = sums / count
    scale = torch.tensor([1 / (255 * s) for s in std], dtype=torch.float64).repeat_interleave(PATCH**2)
    covariance = (products / count - torch.outer(centre, centre)).cpu() * torch.outer(scale, scale)
    variances, directions = torch.linalg.eigh(covariance)
    filters = (directions / (variances.clamp(min=0) + eps).sqrt()).T.flip(0)
    largest = filters.gather(1, filters.abs().argmax(dim=1, keepdim=True))
    filters = (filters * largest.sign()).float()  # an eigenvector's sign is anybody's choice
    return torch.cat([filters, -filters]).view(-1, images.shape[1], PATCH, PATCH)


class _Block(nn.Module):
    """conv-pool-BN-GELU, conv-BN-GELU: half the side, another width."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = _passing_on(in_channels, out_channels)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = _passing_on(out_channels, out_channels)
        self.norm2 = nn.BatchNorm2d(out_channels)
        for norm in (self.norm1, self.norm2):
            norm.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return F.gelu(self.norm2(self.conv2(x)))


def _passing_on(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A 3×3 convolution whose first outputs begin as its inputs."""
    convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    nn.init.dirac_(convolution.weight.data[: min(in_channels, out_channels)])
    return convolution


class WhitenedCNN(nn.Module):
    """Logits of small images: 0.5 M parameters and 33 M multiply-adds an image of 32×32 at widths 32, 128 and 128.
    ``widths`` are the three blocks' channels, ``num_classes`` the output's C; ``in_channels`` are 3, or 1 for grey."""

    def __init__(self, widths: Sequence[int], num_classes: int, in_channels: int = 3) -> None:
        super().__init__()
        filters = 2 * in_channels * PATCH**2
        self.register_buffer("whitening", torch.zeros(filters, in_channels, PATCH, PATCH))
        self.whitened_bias = nn.Parameter(torch.zeros(filters))
        self.blocks = nn.Sequential(*map(_Block, (filters, *widths), widths))
        self.head = nn.Linear(widths[-1], num_classes, bias=False)

    def forward(self, images: Float[Tensor, "B in_channels H W"]) -> Float[Tensor, "B num_classes"]:
        """Logits of a batch of normalised images, H and W at least 9. :func:`whitening_filters` come first."""
        height, width = images.shape[2:]
        if min(height, width) < LEAST_SIDE:
            raise ValueError(f"images must be at least {LEAST_SIDE} pixels wide and high, got {height}×{width}")
        x = F.gelu(F.conv2d(images, self.whitening, self.whitened_bias))
        x = self.blocks(x).amax(dim=(2, 3))
        kind = x.device.type if torch.amp.is_autocast_available(x.device.type) else "cpu"
        with torch.autocast(kind, enabled=False):  # logits in float32, as WideResNet's
            return HEAD_SCALE * self.head(x.float())


def classifier(**architecture: Any) -> nn.Module:
    """A classifier by a run's arguments: :class:`WhitenedCNN` of ``widths``, :class:`.backbones.TimmClassifier` of a
    ``network``, else :class:`.wideresnet.WideResNet`. A ValueError for an argument that it refuses."""
    if "network" in architecture:
        return TimmClassifier(**architecture)
    return (WhitenedCNN if "widths" in architecture else WideResNet)(**architecture)
