"""Weights that others trained: every published form of them, and files that are something else."""

from __future__ import annotations

import math
import os
from urllib.error import URLError

import pytest
import torch
import torchvision
from torchvision.models import ResNet18_Weights
from torchvision.models.segmentation import DeepLabV3_ResNet101_Weights

from dmtlib.models.deeplab import CAFFE, IMAGENET, DeepLabV2
from dmtlib.models.pretrained import PRETRAINED, load_pretrained, pretrained, read_state_dict
from dmtlib.models.resnet import ARCHITECTURES, DilatedResNet


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a test tried to download")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)


def resnet18(classifier=True):
    torch.manual_seed(5)
    state = torchvision.models.resnet18(weights=None).state_dict()
    return {key: value for key, value in state.items() if classifier or not key.startswith("fc.")}


def coco_file(classes=21):
    """The keys and shapes of resnet101COCO-41f33a49.pth: 520 of the backbone, no counters, 8 of four classifiers."""
    with torch.device("meta"):
        backbone = DilatedResNet(ARCHITECTURES["resnet101"]).state_dict()
    shapes = {key: value.shape for key, value in backbone.items() if not key.endswith("num_batches_tracked")}
    for k in range(4):
        shapes[f"layer5.conv2d_list.{k}.weight"] = (classes, 2048, 3, 3)
        shapes[f"layer5.conv2d_list.{k}.bias"] = (classes,)
    # One number stands for a whole tensor, on the disk too.
    return {key: torch.tensor(float(n)).expand(shape) for n, (key, shape) in enumerate(shapes.items(), start=1)}


def save(state, path):
    torch.save(state, path)
    return path


def normalisation_of(model):
    return model.normalise.order.tolist(), model.normalise.mean.flatten().tolist()


# --- The published forms ------------------------------------------------------------------------------------------


def test_imagenet_s_weights_fill_the_backbone_alone(tmp_path):
    state = resnet18()
    model, report = pretrained("resnet18", 4, "imagenet", save(state, tmp_path / "resnet18.pth"))
    assert len(report.matched) == 100 and all(key.startswith("backbone.") for key in report.matched)
    assert report.unexpected == ("fc.weight", "fc.bias") and not report.wrongly_shaped
    assert report.missing == tuple(f"aspp.{k}.{kind}" for k in range(4) for kind in ("weight", "bias"))
    assert str(report) == "100 matched, 8 missing, 2 unexpected, 0 wrongly shaped"
    for key, value in model.backbone.state_dict().items():
        assert torch.equal(value, state[key]), key
    assert normalisation_of(model) == ([0, 1, 2], pytest.approx(IMAGENET.mean))


@pytest.mark.parametrize("prefix", ["", "Scale."])
def test_the_old_coco_files_fill_the_classifiers_too(prefix, tmp_path):
    state = {prefix + key: value for key, value in coco_file().items()}
    model, report = pretrained("resnet101", 21, "coco-caffe", save(state, tmp_path / "coco.pth"))
    assert str(report) == "528 matched, 0 missing, 0 unexpected, 0 wrongly shaped"
    for key, value in model.state_dict().items():
        if key.startswith("backbone.") and not key.endswith("num_batches_tracked"):
            assert torch.equal(value, state[prefix + key.removeprefix("backbone.")]), key
    for k, branch in enumerate(model.aspp):
        assert torch.equal(branch.weight, state[f"{prefix}layer5.conv2d_list.{k}.weight"])
        assert torch.equal(branch.bias, state[f"{prefix}layer5.conv2d_list.{k}.bias"])
    assert normalisation_of(model) == ([2, 1, 0], pytest.approx(CAFFE.mean))


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")  # only the report is looked at
@pytest.mark.parametrize(
    ("classes", "rates", "expected"),
    [
        (19, (6, 12, 18, 24), "520 matched, 0 missing, 0 unexpected, 8 wrongly shaped"),
        (21, (6, 12), "524 matched, 0 missing, 4 unexpected, 0 wrongly shaped"),
    ],
)
def test_classifiers_that_do_not_fit_stay_fresh(classes, rates, expected):
    with torch.device("meta"):
        model = DeepLabV2("resnet101", classes, rates)
    assert str(load_pretrained(model, coco_file(), origin="coco.pth")) == expected
    torch.manual_seed(0)
    model = DeepLabV2("resnet18", 19)
    before = model.aspp[0].weight.clone()
    state = {**resnet18(), "layer5.conv2d_list.0.weight": torch.ones(21, 512, 3, 3)}
    report = load_pretrained(model, state, origin="coco.pth")
    assert report.wrongly_shaped == ("aspp.0.weight",) and torch.equal(model.aspp[0].weight, before)


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")
def test_a_segmentation_network_of_torchvision_s_gives_its_backbone():
    with torch.device("meta"):
        state = torchvision.models.segmentation.deeplabv3_resnet101(weights=None, weights_backbone=None, aux_loss=True)
        model = DeepLabV2("resnet101", 21)
    report = load_pretrained(model, state.state_dict(), origin="deeplabv3")
    assert len(report.matched) == 520 and report.missing == tuple(
        f"aspp.{k}.{kind}" for k in range(4) for kind in ("weight", "bias")
    )
    assert {key.split(".")[0] for key in report.unexpected} == {"classifier", "aux_classifier"}
    model = DeepLabV2("resnet18", 4)
    state = resnet18(classifier=False)
    load_pretrained(model, {f"backbone.{key}": value for key, value in state.items()}, origin="deeplabv3")
    assert all(torch.equal(value, state[key]) for key, value in model.backbone.state_dict().items())


# --- Downloads, when asked for ------------------------------------------------------------------------------------


def test_downloads_are_torchvision_s_checked_and_without_code(monkeypatch):
    asked = []

    def download(url, **options):
        asked.append((url, options["check_hash"], options["weights_only"]))
        return resnet18()

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", download)
    model, _ = pretrained("resnet18", 4, "imagenet")
    assert asked == [(ResNet18_Weights.IMAGENET1K_V1.url, True, True)]
    assert torch.equal(model.backbone.conv1.weight, resnet18()["conv1.weight"])
    assert PRETRAINED["coco-voc"][1] == {"resnet101": DeepLabV3_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1}
    assert all(name in weights.url for name, weights in PRETRAINED["imagenet"][1].items())


def test_no_network_is_one_line(monkeypatch):
    def download(url, **_):
        raise URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", download)
    with pytest.raises(
        ValueError,
        match=r"^https://\S+resnet18\S+: .*no route to host.*; bring it to .*$",
    ):
        pretrained("resnet18", 4, "imagenet")


@pytest.mark.parametrize(
    ("backbone", "initialisation", "message"),
    [
        ("resnet18", "coco-voc", "downloads exist for resnet101, not for resnet18; give the path of a file"),
        ("resnet101", "coco-caffe", "downloads exist for no backbone, not for resnet101; give the path of a file"),
        (
            "narrow",
            "imagenet",
            r"downloads exist for resnet18, .*, resnet101, not for narrow; give the path of a file",
        ),
    ],
)
def test_what_there_is_to_download(backbone, initialisation, message):
    with torch.device("meta"), pytest.raises(ValueError, match=f"^{initialisation}: {message}$"):
        pretrained(backbone, 4, initialisation)


def test_unknown_initialisation():
    with pytest.raises(
        ValueError, match=r"^initialisation must be one of imagenet, coco-voc, coco-caffe, got 'coco'$"
    ):
        pretrained("resnet18", 4, "coco")


# --- Wrong files --------------------------------------------------------------------------------------------------

WRONG_BYTES = {
    "empty": b"",
    "text": b"git-lfs\n" * 30,
    "zip": b"PK\x03\x04" + bytes(200),
    "noise": bytes(range(256)),
    "code": b"cos\nsystem\n(S'touch hacked'\ntR.",
}


@pytest.mark.parametrize("kind", WRONG_BYTES)
def test_other_bytes(kind, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(WRONG_BYTES[kind])
    with pytest.raises(
        ValueError, match=r"^\S+weights\.pth: not a file that torch\.load reads with weights_only=True$"
    ):
        read_state_dict(path)


@pytest.mark.parametrize(
    "content", [torch.ones(2), [1, 2], {"model": {"conv1.weight": torch.ones(1)}}, {1: torch.ones(1)}]
)
def test_other_contents(content, tmp_path):
    path = save(content, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=r"^\S+weights\.pth: must hold a state dict, names with their tensors$"):
        read_state_dict(path)


def test_code_is_not_run(tmp_path):
    path = save(torch.nn.Linear(1, 1), tmp_path / "weights.pth")  # a whole module, pickled
    with pytest.raises(ValueError, match=r"weights_only=True$"):
        read_state_dict(path)


def test_no_such_file(tmp_path):
    for path, reason in (
        (tmp_path / "none.pth", "No such file or directory"),
        (tmp_path, "is no regular file, but a folder"),
    ):
        with pytest.raises(ValueError) as error:
            pretrained("resnet18", 4, "imagenet", path)
        assert str(error.value) == f"{path}: {reason}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer2.0.conv1.weight": None}, "99 matched, 9 missing, 0 unexpected, 0 wrongly shaped"),
        ({"layer2.2.conv1.weight": torch.ones(1)}, "100 matched, 8 missing, 1 unexpected, 0 wrongly shaped"),
        ({"layer2.0.conv1.weight": torch.ones(1)}, "99 matched, 8 missing, 0 unexpected, 1 wrongly shaped"),
    ],
)
def test_another_backbone_is_refused_and_changes_nothing(change, message):
    state = {key: v for key, v in {**resnet18(classifier=False), **change}.items() if v is not None}
    model = DeepLabV2("resnet18", 4)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    (key,) = change
    expected = rf"^x\.pth: not the weights of this backbone: {message}; the first that is wrong: backbone\.{key}$"
    with pytest.raises(ValueError, match=expected):
        load_pretrained(model, state, origin="x.pth")
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("ours", "theirs"), [("resnet50", "resnet101"), ("resnet101", "resnet50"), ("narrow", "resnet18")]
)
def test_a_deeper_or_wider_resnet_is_no_substitute(ours, theirs):
    with torch.device("meta"):
        model, state = DeepLabV2(ours, 4), getattr(torchvision.models, theirs)(weights=None).state_dict()
    with pytest.raises(ValueError, match=r"^their\.pth: not the weights of this backbone"):
        load_pretrained(model, state, origin="their.pth")


def spoilt(content: bytes) -> bytes:
    """One bit of the largest tensor is another, and the zip's checksum tells."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.tensor([1.0, math.nan]), "'a' is not a tensor of finite real numbers"),
        (torch.tensor([1 + 1j]), "'a' is not a tensor of finite real numbers"),
        (torch.tensor([True]), "'a' is not a tensor of finite real numbers"),
        (torch.eye(3).to_sparse(), "'a' is not a tensor of finite real numbers"),
        (torch.zeros(3, device="meta"), "'a' is not a tensor of finite real numbers"),
    ],
)
def test_weights_that_are_no_numbers_are_refused(value, words, tmp_path, recwarn):
    torch.save({"a": value, "b": torch.zeros(2)}, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=rf"^\S+w\.pt: {words}$"):
        read_state_dict(tmp_path / "w.pt")
    assert not recwarn.list


def test_weights_with_a_wrong_checksum_are_refused(tmp_path):
    torch.save({"a": torch.zeros(10_000)}, tmp_path / "w.pt")
    (tmp_path / "w.pt").write_bytes(spoilt((tmp_path / "w.pt").read_bytes()))
    with pytest.raises(ValueError, match=r"not a file that torch\.load reads .*: the checksum of .* is wrong$"):
        read_state_dict(tmp_path / "w.pt")


def test_weights_of_before_there_were_zips_are_read(tmp_path):
    torch.save({"a": torch.ones(3)}, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    assert read_state_dict(tmp_path / "w.pth")["a"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_a_pipe_or_a_device_is_no_file_of_weights(name, tmp_path):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match="is no regular file, but a pipe or a device"):
        read_state_dict(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="is no regular file, but a pipe or a device"):
        read_state_dict(tmp_path / name)


def test_a_key_that_commands_a_terminal_is_shown_as_it_is():
    with pytest.raises(ValueError, match=r"the first that is wrong: backbone\.x\\x1b\\nboo$") as error:
        load_pretrained(DeepLabV2("narrow", 3), {"backbone.x\x1b\nboo": torch.zeros(1)}, "file", whole="backbone.x")
    assert "\n" not in str(error.value)
