"""Probabilities of an image that is too large to go through the network at once.

The network sees overlapping tiles, and its logits are kept where it has seen what surrounds them. They are put
together before they are enlarged: what an enlarged pixel lies between depends on the size of the whole image.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ...models.deeplab import DeepLabV2, enlarge

TILE = 1536  # pixels a side
MARGIN = 48  # positions of the map: more than the narrow network sees to a side, and all that matters of others
PIXELS_AT_ONCE = TILE**2  # of all images that go through the network together


@torch.no_grad()
def predict_in_tiles(model: DeepLabV2, image: UInt8[Tensor, "3 H W"]) -> Float[Tensor, "C H W"]:
    """Equal to the whole image's, but for rounding, away from where tiles meet; with the narrow network, there too."""
    device, stride = next(model.parameters()).device, model.backbone.output_stride
    size = tuple(image.shape[-2:])
    coarse = None
    for top, bottom, first_row in _tiles(size[0], stride):
        for left, right, first_column in _tiles(size[1], stride):
            part = image[:, top:bottom, left:right].unsqueeze(0)
            logits = model.coarse(part.to(device, memory_format=torch.channels_last))
            if coarse is None:
                coarse = logits.new_empty(1, logits.shape[1], *(-(-side // stride) for side in size))
            y, x = top // stride, left // stride
            there = coarse[:, :, y : y + logits.shape[2], x : x + logits.shape[3]]
            there[:, :, first_row:, first_column:] = logits[:, :, first_row:, first_column:]
    logits = enlarge(coarse, size).squeeze(0)
    logits -= logits.amax(dim=0)  # softmax in place: there is room for one of these, not for two
    return logits.exp_().div_(logits.sum(dim=0))


def _tiles(side: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Begin and end of each tile in pixels, and its first position of the map that counts. It counts to its end: where
    the next one knows better, that one comes later."""
    margin = MARGIN * stride
    last = -(-max(side - TILE, 0) // stride) * stride  # so that the image's end is a tile's end
    for begin in (*range(0, last, TILE - 2 * margin), last):
        yield begin, min(begin + TILE, side), MARGIN if begin else 0
