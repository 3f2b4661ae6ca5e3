"""ResNets whose last stages dilate instead of striding: the backbones of DeepLab-v2, and a narrow one for CPUs."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from .cpu import DilatedConv2d


@dataclass(frozen=True)
class Architecture:
    """A ResNet in four values. Its stages have ``width`` · (1, 2, 4, 8) · ``block.expansion`` channels."""

    block: type[BasicBlock | Bottleneck]
    blocks: tuple[int, int, int, int]
    width: int = 64
    output_stride: int = 8


ARCHITECTURES = {
    "resnet18": Architecture(BasicBlock, (2, 2, 2, 2)),
    "resnet34": Architecture(BasicBlock, (3, 4, 6, 3)),
    "resnet50": Architecture(Bottleneck, (3, 4, 6, 3)),
    "resnet101": Architecture(Bottleneck, (3, 4, 23, 3)),
    # For 48- to 64-pixel scenes: at stride 8, objects of 20 pixels would be 2 or 3 positions wide. Batches of 16,
    # forward and backward, in channels-last layout on one core (AMD EPYC): 215 images a second; 370 at stride 8.
    "narrow": Architecture(BasicBlock, (1, 1, 1, 1), width=16, output_stride=4),
}
"""The backbones by name: four ResNets of torchvision's, and ``narrow``, for scenes on a CPU."""


class DilatedResNet(nn.Module):
    """torchvision's ResNet (v1.5) without pooling and classifier, at a smaller output stride. Made of torchvision's
    blocks under torchvision's names, so that its weights load; its own class is not used, as that fixes the width, and
    refuses to dilate a ``BasicBlock``. A ValueError for an output stride other than 4, 8, 16 or 32."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        block, width = architecture.block, architecture.width
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        widths = [width, 2 * width, 4 * width, 8 * width]
        inputs = [width, *(w * block.expansion for w in widths)]
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(block, *sizes) for sizes in zip(inputs, widths, architecture.blocks, (1, 2, 2, 2), strict=False)
        )
        self.out_channels, self.output_stride = inputs[-1], architecture.output_stride
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self._dilate(architecture.output_stride)

    def _dilate(self, output_stride: int) -> None:
        """Drop strides beyond ``output_stride``; what comes after one looks as many times further (à trous). At the
        positions that a stride would have kept, the features stay what they were."""
        if output_stride not in (4, 8, 16, 32):
            raise ValueError(f"output_stride must be 4, 8, 16 or 32, got {output_stride}")
        stride, dilation = 4, 1  # after the stem
        for stage in (self.layer2, self.layer3, self.layer4):
            if stride < output_stride:
                stride *= 2
                continue
            before, dilation = dilation, 2 * dilation
            for conv in stage.modules():
                if isinstance(conv, nn.Conv2d):
                    # The convolution that strode is the last one to see the map at its old scale.
                    d = before if conv.stride == (2, 2) else dilation
                    conv.stride = (1, 1)
                    if conv.kernel_size == (3, 3):
                        conv.dilation = conv.padding = (d, d)
                        conv.__class__ = DilatedConv2d  # torchvision's blocks make their own convolutions

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        """Features of normalised images, h = ⌈H / output stride⌉ and w alike."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


def _stage(block: type[BasicBlock | Bottleneck], inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    """``blocks`` residual blocks; the first has the stride, and a 1×1 shortcut where its input has another shape."""
    outputs, shortcut = width * block.expansion, None
    if stride != 1 or inputs != outputs:
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))
    return nn.Sequential(block(inputs, width, stride, shortcut), *(block(outputs, width) for _ in range(1, blocks)))
