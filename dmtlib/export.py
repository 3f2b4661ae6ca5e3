"""A finished run's model as a file that other programs read, and a card beside it that says what it is.

    dmtlib export RUN --format onnx --out FILE

does what :func:`export_run` does. In ONNX and TorchScript, normalisation is part of the model: RGB ``images`` go in,
uint8 (B, 3, H, W), and ``probabilities`` come out, float32 (B, classes), on pixels (B, classes, H, W). B is any; H and
W are any on pixels, else the run's side, to which :func:`.data.images.folders.square` brings an image. A safetensors
file holds weights; architecture, classes and normalisation are JSON in its metadata.
"""

import io
import json
import os
import re
import warnings
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from string import Template
from textwrap import indent
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from .data.finding import in_data
from .data.images.augment import normalise
from .files import whole_file
from .prediction import Classifier, Segmenter, check_place, grey, load_run
from .training.directory import RunDirectory
from .training.storage import telling
from .words import printable

FORMATS = ("onnx", "torchscript", "safetensors")
"""What :func:`export_run` writes."""

TOLERANCE = 1e-3  # of probabilities, between PyTorch and what reads the file


class Portable(nn.Module):
    """A run's model with all that stands between an image and its probabilities."""

    def __init__(self, run: Classifier | Segmenter) -> None:
        super().__init__()
        self.model = run.model
        self.interface = (run.mean, run.std) if isinstance(run, Classifier) else None  # on pixels it is in the model

    def forward(self, images: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B classes *S"]:
        """Probabilities of RGB images; a model of grey images sees them in grey."""
        if self.interface is not None:
            mean, std = self.interface
            images = normalise(images if len(mean) == 3 else grey(images), mean, std)
        return self.model(images).float().softmax(dim=1)


def export_run(run: str | Path, out: str | Path, format: str = "onnx") -> Path:
    """Write the model of a finished run to a new file, in one of :data:`FORMATS`, and beside it a card, whose path is
    returned: the same name with ``.md`` behind it. A RunError, as of :func:`.prediction.load_run`, or if a file cannot
    be written; a ValueError of one line for an unknown format, a package that it needs and that isn't there, a place
    where something is already or that belongs to a run or its data, or a file that doesn't say what the run says."""
    run, out = Path(run), Path(out)
    card = Path(f"{out}.md")
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    if format != "torchscript" and find_spec(format) is None:  # the others bear their packages' names
        raise ValueError(f"{format} isn't installed: pip install {format}, or '.[export]' in a clone")
    model = load_run(run, "cpu")
    directory = RunDirectory(run)
    data = directory.record["config"]["data"]
    for place in (out, card):
        check_place(place, run, run)
        if in_data(place, data):
            raise ValueError(f"{place} lies in the data {data}: choose another --out")
        if os.path.lexists(place):
            raise ValueError(f"{place} is there already: choose another --out")
    with telling(out), whole_file(out) as file, whole_file(card) as beside:  # both places are watched from now on
        content, checked = _made(model, directory, format)
        file.write(content)
        beside.write(_card(model, directory, out.name, format, checked).encode())
    return card


def _made(model: Classifier | Segmenter, directory: RunDirectory, format: str) -> tuple[bytes, str]:
    """The file's content, and in words how it was checked."""
    if format == "safetensors":
        return _weights(model, directory), "weights are stored as they are"
    portable, on_images = Portable(model).eval(), isinstance(model, Classifier)
    size = (model.side, model.side) if on_images else (48, 64)
    images = torch.randint(0, 256, (2, 3, *size), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what depends on sizes is traced as such; the check below would show it
        content = _traced(portable, images, format)
        if format == "onnx" and find_spec("onnxruntime") is None:
            return content, "not checked: onnxruntime isn't installed here"
        other = images[:1] if on_images else images[:1, :, :41, :50]
        furthest = max(_difference(content, format, portable, seen) for seen in (images, other))
    if not furthest <= TOLERANCE:
        raise ValueError(f"{directory.path}: as {format} its probabilities are others, by up to {furthest:.3g}")
    return content, f"probabilities of noise are PyTorch's, to within {furthest:.1g}"


def _traced(portable: Portable, images: Tensor, format: str) -> bytes:
    content = io.BytesIO()
    if format == "torchscript":
        torch.jit.save(torch.jit.trace(portable, images, check_trace=False), content)
        return content.getvalue()
    names, free = ("images", "probabilities"), {0: "B"} if portable.interface else {0: "B", 2: "H", 3: "W"}
    named = {"input_names": names[:1], "output_names": names[1:], "dynamic_axes": dict.fromkeys(names, free)}
    try:
        with redirect_stdout(io.StringIO()):  # it would print the whole network, where it fails
            # Not by the newer exporter: of a network of timm's it takes minutes, where heights and widths are free.
            torch.onnx.export(portable, (images,), content, dynamo=False, opset_version=18, **named)
    except torch.onnx.errors.OnnxExporterError as error:
        raise ValueError(f"this network cannot be written as ONNX: {str(error).splitlines()[0]}") from None
    return content.getvalue()


def _difference(content: bytes, format: str, portable: Portable, images: Tensor) -> float:
    """The largest one between what a file says of images and what its model says."""
    if format == "torchscript":
        found = torch.jit.load(io.BytesIO(content))(images)
    else:
        import onnxruntime

        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        found = torch.from_numpy(session.run(["probabilities"], {"images": images.numpy()})[0])
    return (found - portable(images)).abs().max().item()


def _weights(model: Classifier | Segmenter, directory: RunDirectory) -> bytes:
    from safetensors.torch import save

    state = directory.load_phase(len(directory.record["phases"]) - 1)
    told = {"architecture": state["architecture"], **state.get("data", {"classes": model.classes})}
    weights = {name: value.contiguous() for name, value in model.model.state_dict().items()}
    return save(weights, {"format": "pt", **{name: json.dumps(value) for name, value in told.items()}})


def _card(model: Classifier | Segmenter, directory: RunDirectory, name: str, format: str, checked: str) -> str:
    """``model_card.md``, filled in. What others wrote is escaped; settings are JSON in a block, which nothing ends."""
    record, classes = directory.record, model.classes
    said = {key: _escaped(value) for key, value in record.items()} | {"format": format, "checked": checked}
    if isinstance(model, Segmenter):
        said |= {"each": "pixel", "size": "any", "width": f"{len(classes)}, H, W"}
        said["score"] = f"mean IoU {record['mean_iou']:.2f}% on {said['scored_on']}, model {said['best']}"
    else:
        said |= {"each": "image", "width": str(len(classes))}
        said["size"] = f"{model.side}: the shorter side is brought to it (bicubic, antialiased), the middle kept"
        said["score"] = f"test accuracy {record['test_accuracy']:.2f}%"
    said["input"], said["output"] = "`images`, uint8 (B, 3, H, W), RGB as in a picture's file", "`probabilities`"
    if format == "safetensors":
        said |= {"input": "normalised images; the file's metadata say how", "output": "logits"}
    said |= {"file": _escaped(name), "data": _escaped(record["config"]["data"])}
    said["classes"] = "\n".join(f"{number}. {_escaped(label)}" for number, label in enumerate(classes))
    sizes = directory.split.get("sizes", {})
    said["sizes"] = ", ".join(f"{_escaped(number)} {_escaped(part)}" for part, number in sizes.items())
    said["settings"] = indent(json.dumps(record["config"], indent=2), " " * 4)
    return Template(Path(__file__).with_name("model_card.md").read_text(encoding="utf-8")).safe_substitute(said)


def _escaped(text: Any) -> str:
    """What Markdown and HTML would take for more than letters, isn't."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", printable(str(text)))
