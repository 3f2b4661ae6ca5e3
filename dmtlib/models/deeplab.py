"""DeepLab-v2 (Chen et al. 2018), the segmentation network of Sec. 5.2.1."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from .backbones import TIMM, TimmFeatures, normalisation_of
from .cpu import sum_of_dilated
from .resnet import ARCHITECTURES, DilatedResNet

RATES = (6, 12, 18, 24)
"""The dilations of DeepLab-v2's four branches, in positions of the feature map."""

AUTHORS_RATES = (6, 12)
"""Those that contribute in the authors' code: its loop over the branches returns inside its first pass."""


@dataclass(frozen=True)
class Normalisation:
    """What a network was trained to see: (pixel − ``mean``) / ``std`` of 0–255 pixels, channels in ``order``."""

    order: Literal["RGB", "BGR"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Normalisation("RGB", mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
"""torchvision's: 0.485, 0.456, 0.406 and 0.229, 0.224, 0.225, times 255."""

CAFFE = Normalisation("BGR", mean=(104.008, 116.669, 122.675), std=(1.0, 1.0, 1.0))
"""That of the COCO-initialised model of the paper, which was first trained with Caffe."""

LITE = Normalisation("RGB", mean=(127.0,) * 3, std=(128.0,) * 3)
"""That of the EfficientNet-Lites which pip brings."""


class Normalise(nn.Module):
    """A :class:`Normalisation` as buffers: the state dict of a model says how it sees."""

    def __init__(self, normalisation: Normalisation) -> None:
        super().__init__()
        if normalisation.order not in ("RGB", "BGR"):
            raise ValueError(f"order must be RGB or BGR, got {normalisation.order!r}")
        self.register_buffer("order", torch.tensor(["RGB".index(channel) for channel in normalisation.order]))
        self.register_buffer("mean", torch.tensor(normalisation.mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(normalisation.std).view(3, 1, 1))

    def forward(self, images: UInt8[Tensor, "B 3 H W"] | Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        return (images[:, self.order] - self.mean) / self.std


class DeepLabV2(nn.Module):
    """DeepLab-v2 (Sec. 5.2.1): a dilated network, the paper's a ResNet, and a sum of dilated 3×3 classifiers, ASPP.

    No multi-scale fusion, no CRF. Two models of Alg. 2 that start from different weights see differently normalised
    images, so the normalisation is part of the model: both take the same batch. A ValueError for an unknown backbone,
    one without this output stride, an unknown order of channels, fewer than 2 classes, no rates, or any below 1.

    Args:
        backbone: one of :data:`~dmtlib.models.resnet.ARCHITECTURES`, or ``timm:NAME``, with fresh weights; for trained
            ones see :func:`~dmtlib.models.pretrained.pretrained`.
        num_classes: the number C of classes, background included.
        rates: the dilation of each classifier; :data:`AUTHORS_RATES` are the two of the authors' code.
        normalisation: what the backbone's weights were trained with; None: what torchvision or timm says.
        output_stride: pixels from one position of the feature map to the next; None: 8, and 4 of ``narrow``.
    """

    def __init__(
        self,
        backbone: str,
        num_classes: int,
        rates: tuple[int, ...] = RATES,
        normalisation: Normalisation | None = None,
        output_stride: int | None = None,
    ) -> None:
        super().__init__()
        of_timm = backbone.startswith(TIMM)
        if not of_timm and backbone not in ARCHITECTURES:
            raise ValueError(f"backbone must be one of {', '.join(ARCHITECTURES)} or timm:NAME, got {backbone!r}")
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, got {num_classes}")
        if not rates or min(rates) < 1:
            raise ValueError(f"rates must be one or more whole numbers, each at least 1, got {rates}")
        if of_timm:
            trunk = TimmFeatures(backbone, output_stride or 8)
            normalisation = normalisation or Normalisation("RGB", *normalisation_of(trunk.body))
        else:
            sizes = ARCHITECTURES[backbone]
            trunk = DilatedResNet(replace(sizes, output_stride=output_stride or sizes.output_stride))
        self.normalise = Normalise(normalisation or IMAGENET)
        self.backbone = trunk
        self.aspp = nn.ModuleList(nn.Conv2d(trunk.out_channels, num_classes, 3, padding=r, dilation=r) for r in rates)
        for branch in self.aspp:  # as in DeepLab's own definition
            nn.init.normal_(branch.weight, std=0.01)
            nn.init.zeros_(branch.bias)

    def forward(self, images: UInt8[Tensor, "B 3 H W"] | Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C H W"]:
        """Logits of RGB images in 0–255, of any size. Corners are aligned: at output stride 8, the 41×41 logits of a
        321-pixel crop lie on every eighth pixel."""
        return enlarge(self.coarse(images), images.shape[-2:])

    def coarse(self, images: UInt8[Tensor, "B 3 H W"] | Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        """The logits before they are enlarged, h = ⌈H / output stride⌉ and w alike."""
        return sum_of_dilated(self.aspp, self.backbone(self.normalise(images))).float()  # 16 bits would leave steps


def enlarge(logits: Float[Tensor, "B C h w"], size: tuple) -> Float[Tensor, "B C H W"]:
    """To a height and width, bilinear, corners aligned. On CUDA by two matrix products: interpolation's backward pass
    adds up there in an order that changes from time to time, and no run could be repeated to the bit."""
    if logits.device.type != "cuda":
        return F.interpolate(logits, size=size, mode="bilinear", align_corners=True)
    return enlarge_by_products(logits, size)


def enlarge_by_products(logits: Float[Tensor, "B C h w"], size: tuple[int, int]) -> Float[Tensor, "B C H W"]:
    """The same as F.interpolate up to rounding, and its backward pass in a fixed order."""
    rows, columns = (
        F.interpolate(torch.eye(old, device=logits.device)[None], size=new, mode="linear", align_corners=True)[0]
        for old, new in zip(logits.shape[-2:], size, strict=True)
    )  # (h, H), (w, W)
    with torch.autocast(logits.device.type, enabled=False):
        return rows.T @ logits.float() @ columns
