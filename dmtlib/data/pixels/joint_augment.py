"""Scale, pad, crop and flip an image together with its labels and confidences (Sec. 5.2.2)."""

from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from torch import Generator, Tensor
from torch.nn.functional import interpolate, pad
from torchvision.transforms.v2 import functional as F

from .masks import VOID


@dataclass(frozen=True)
class JointAugment:
    """One random view of an image and of every map that lies on it, of height and width ``crop`` in pixels. The
    image's sides are multiplied by a factor drawn uniformly from ``scale``; ``flip`` is a horizontal flip's chance."""

    crop: tuple[int, int]
    scale: tuple[float, float] = (0.5, 1.5)
    flip: float = 0.5

    def __call__(
        self, image: UInt8[Tensor, "3 H W"], *maps: Tensor, generator: Generator
    ) -> tuple[UInt8[Tensor, "3 h w"] | Tensor, ...]:
        """The image (bilinear, antialiased) and its maps (H, W): each pixel of a map keeps one pixel's value.

        Where nothing is left of the image, to the right and below, the image is 0, an integer map (labels) is 255
        and a floating-point one (confidences) 0: ignored. The result is not normalised; each model has its own
        mean and deviation. This item's four draws come from ``generator``. A ValueError for a map of another size."""
        for values in maps:
            if values.shape != image.shape[1:]:
                wanted, got = ("×".join(map(str, tensor.shape[-2:])) for tensor in (image, values))
                raise ValueError(f"a map must have the image's size {wanted}, got {got}")
        factor, down, right, flip = torch.rand(4, generator=generator).tolist()
        factor = self.scale[0] + factor * (self.scale[1] - self.scale[0])
        size = [max(1, round(side * factor)) for side in image.shape[1:]]
        rows, columns = (
            slice(start := int(share * max(1, side - wanted + 1)), start + wanted)
            for share, side, wanted in zip((down, right), size, self.crop, strict=True)
        )
        # Maps are read only where they are kept.
        view = [F.resize(image, size, antialias=True)[:, rows, columns]]
        if maps:
            rows_seen, columns_seen = (_nearest(*sides) for sides in zip(image.shape[1:], size, strict=True))
            view += [values[rows_seen[rows].unsqueeze(1), columns_seen[columns]] for values in maps]
        view = [pad_to(values, self.crop) for values in view]
        return tuple(values.flip(-1) if flip < self.flip else values for values in view)


def pad_to(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Pad to the right and below up to ``size`` (height, width); what is larger stays as it is. An image gets 0, a map
    of integers 255, one of floats 0. VOC's images are scored like this, padded to 505×505."""
    below, right = (max(0, wanted - side) for wanted, side in zip(size, values.shape[-2:], strict=True))
    fill = 0 if values.dim() == 3 or values.is_floating_point() else VOID
    return pad(values, [0, right, 0, below], value=fill) if below or right else values


def _nearest(side: int, new: int) -> Int64[Tensor, " new"]:
    """Nearest pixel by the middles of pixels, as bilinear sampling counts them. Masks in torchvision go by corners:
    that moves them by up to half a pixel against the image, and at edges twice as many pixels get a wrong label."""
    return interpolate(torch.arange(side).float().view(1, 1, -1), new, mode="nearest-exact").long().view(-1)
