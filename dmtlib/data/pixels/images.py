"""Images and masks under a list of names, read from files or held in memory."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from ..pictures import decode_rgb, read_bytes, upright_size
from .masks import VOID, decode_mask


class ListedImages(Dataset):
    """Images and masks of a list of ``names``, keys into ``images``, and into ``masks`` where there is one; ``files``
    are both, by index. They are decoded and checked when asked for: ids 0…``num_classes`` − 1 and 255 are known."""

    def __init__(
        self, names: Sequence[str], images: Mapping[str, Path], masks: Mapping[str, Path], num_classes: int
    ) -> None:
        self.names = tuple(names)
        self.files = [(images[name], masks.get(name)) for name in self.names]
        self.hashes: dict[str, str] = {}  # of images' pixels, where all were read
        self._num_classes = num_classes
        self.without_mask = frozenset(name for name in self.names if name not in masks)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[UInt8[Tensor, "3 H W"], UInt8[Tensor, "H W"]]:
        """Raises a ValueError, one line that names the file, where one of the two cannot be used."""
        return self.image(index), self.mask(index)

    def image(self, index: int) -> UInt8[Tensor, "3 H W"]:
        file, _ = self.files[index]
        return torch.from_numpy(decode_rgb(read_bytes(file), str(file)))

    def mask(self, index: int) -> UInt8[Tensor, "H W"]:
        """Void everywhere, if the image has none."""
        image, mask = self.files[index]
        size = upright_size(read_bytes(image), str(image))
        if mask is None:
            return torch.full(size, VOID, dtype=torch.uint8)
        return torch.from_numpy(decode_mask(read_bytes(mask), str(mask), size, self._num_classes))

    def digest(self) -> bytes:
        """SHA-256 of names, images' hashes, else lengths in bytes, and masks' contents: seconds for 10,000 images."""
        digest = hashlib.sha256()
        for name, (image, mask) in zip(self.names, self.files, strict=True):
            digest.update(f"{name}\n{self.hashes.get(name) or image.stat().st_size}\n".encode())
            digest.update(read_bytes(mask) if mask else b"no mask")
        return digest.digest()


class StoredImages(TensorDataset):
    """Images of one size and their masks, in memory."""

    without_mask: frozenset[str] = frozenset()

    def __init__(self, names: Sequence[str], images: UInt8[Tensor, "N 3 H W"], masks: UInt8[Tensor, "N H W"]) -> None:
        super().__init__(images, masks)
        self.names, self.images, self.masks = tuple(names), images, masks

    def image(self, index: int) -> UInt8[Tensor, "3 H W"]:
        return self.images[index]

    def mask(self, index: int) -> UInt8[Tensor, "H W"]:
        return self.masks[index]

    def digest(self) -> bytes:
        """SHA-256 over names, pixels and labels."""
        digest = hashlib.sha256("\n".join(self.names).encode())
        for tensor in (self.images, self.masks):
            digest.update(tensor.contiguous().numpy())
        return digest.digest()


def shrink(
    image: UInt8[Tensor, "3 H W"], mask: UInt8[Tensor, "H W"], factor: int
) -> tuple[UInt8[Tensor, "3 h w"], UInt8[Tensor, "h w"]]:
    """Both sides divided by ``factor``: a pixel is the mean of ``factor²`` pixels, and has the label of one of them,
    in their middle. A majority's label would lose what is thinner than half of them, such as poles."""
    smaller = F.avg_pool2d(image.unsqueeze(0).float(), factor).squeeze(0)
    height, width = smaller.shape[-2:]
    middle = mask[factor // 2 :: factor, factor // 2 :: factor]
    return smaller.round().to(torch.uint8), middle[:height, :width].clone()
