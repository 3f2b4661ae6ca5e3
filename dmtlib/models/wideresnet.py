"""WideResNet (Zagoruyko & Komodakis 2016), the classifier of Sec. 5.2.1: WRN-28-2 on CIFAR-10."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class _PreActivationBlock(nn.Module):
    """BN-ReLU-conv, twice, around a shortcut; where the width changes, the shortcut is a 1×1 convolution."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.shortcut = None
        if in_channels != out_channels or stride != 1:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        activated = F.relu_(self.norm1(x))
        shortcut = x if self.shortcut is None else self.shortcut(activated)
        return self.conv2(F.relu_(self.norm2(self.conv1(activated)))).add_(shortcut)


class WideResNet(nn.Module):
    """WRN-``depth``-``widen_factor`` (Sec. 5.2.1): pre-activation, ReLU, no dropout, Kaiming fan-out initialisation.

    ``depth`` are 6n + 4 convolutional layers, three groups of n blocks: 28 in the paper. The groups have 16, 32 and 64
    times ``widen_factor`` channels: 2 in the paper. ``num_classes`` is the width C of the output; ``in_channels`` are
    3 for colour, 1 for grey images. A ValueError for a depth that is not 6n + 4 with n ≥ 1, or others below 1."""

    def __init__(self, depth: int, widen_factor: int, num_classes: int, in_channels: int = 3) -> None:
        super().__init__()
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(f"depth must be 6n + 4 with n ≥ 1 (10, 16, 22, 28, …), got {depth}")
        for name, value in dict(widen_factor=widen_factor, num_classes=num_classes, in_channels=in_channels).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        channels = 16
        layers: list[nn.Module] = [nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)]
        for width, first_stride in ((16, 1), (32, 2), (64, 2)):
            for block in range((depth - 4) // 6):
                layers.append(_PreActivationBlock(channels, width * widen_factor, first_stride if block == 0 else 1))
                channels = width * widen_factor
        self.features = nn.Sequential(*layers)
        self.norm = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.classifier.bias)

    def forward(self, images: Float[Tensor, "B in_channels H W"]) -> Float[Tensor, "B num_classes"]:
        """Logits of a batch of normalised images, H and W at least 4."""
        x = F.relu_(self.norm(self.features(images)))
        kind = x.device.type if torch.amp.is_autocast_available(x.device.type) else "cpu"
        with torch.autocast(kind, enabled=False):  # logits of 16 bits would leave steps, and c_A is of 32
            return self.classifier(x.float().mean(dim=(2, 3)))
