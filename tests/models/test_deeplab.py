"""DeepLab-v2: its backbones against torchvision's, its sum of rates, its upsampling, its normalisation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models import ResNet101_Weights, get_model_weights
from torchvision.transforms.functional import normalize

from dmtlib.models.deeplab import (
    AUTHORS_RATES,
    CAFFE,
    IMAGENET,
    DeepLabV2,
    Normalisation,
    Normalise,
    enlarge,
    enlarge_by_products,
)
from dmtlib.models.resnet import ARCHITECTURES, DilatedResNet

TORCHVISIONS = [name for name in ARCHITECTURES if name != "narrow"]


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def photographs(*shape, seed=0):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def plain_resnet(name):
    """torchvision's, without its classifier, with statistics and scales that matter, in eval mode."""
    torch.manual_seed(0)
    net = getattr(torchvision.models, name)(weights=None)
    net.fc = nn.Identity()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.2, 0.6)  # keeps the sums of 33 blocks small
            nn.init.normal_(module.bias, std=0.1)
    return net.eval()


def features(resnet, x):
    """What torchvision's network has before it pools."""
    for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
        x = getattr(resnet, name)(x)
    return x


# --- The backbone is torchvision's --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TORCHVISIONS)
def test_keys_and_shapes_are_torchvision_s(name):
    with torch.device("meta"):
        ours, theirs = DilatedResNet(ARCHITECTURES[name]), getattr(torchvision.models, name)(weights=None)
    expected = {key: value.shape for key, value in theirs.state_dict().items() if not key.startswith("fc.")}
    assert list(expected.items()) == [(key, value.shape) for key, value in ours.state_dict().items()]  # order as well


@pytest.mark.parametrize("name", TORCHVISIONS)
@torch.no_grad()
def test_dilation_leaves_the_features_where_a_stride_would_have_kept_them(name):
    theirs = plain_resnet(name)
    ours = DilatedResNet(ARCHITECTURES[name]).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(1, 3, 72, 89, generator=torch.Generator().manual_seed(1))
    strided, dilated = features(theirs, x), ours(x)
    assert strided.shape[-2:] == (3, 3) and dilated.shape[-2:] == (9, 12) and strided.std() > 0.1
    torch.testing.assert_close(dilated[:, :, ::4, ::4], strided, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet50", "resnet101"])
@torch.no_grad()
def test_features_are_those_of_torchvision_s_dilated_resnet(name):
    plain = plain_resnet(name)
    theirs = getattr(torchvision.models, name)(weights=None, replace_stride_with_dilation=[False, True, True])
    theirs.fc = nn.Identity()
    theirs.load_state_dict(plain.state_dict())
    ours = DilatedResNet(ARCHITECTURES[name])
    ours.load_state_dict(plain.state_dict(), strict=True)
    x = torch.randn(2, 3, 41, 64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ours.eval()(x), features(theirs.eval(), x))


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_fresh_weights_are_drawn_as_torchvision_s(name):
    torch.manual_seed(0)
    ours, theirs = DilatedResNet(ARCHITECTURES[name]), getattr(torchvision.models, name)(weights=None)
    expected = theirs.state_dict()
    for key, value in ours.state_dict().items():
        if value.ndim == 4:
            assert value.std().item() == pytest.approx(expected[key].std().item(), rel=0.06), key
        else:
            assert torch.equal(value, expected[key]), key


@pytest.mark.parametrize("output_stride", [4, 8, 16, 32])
@torch.no_grad()
def test_output_strides_agree_where_they_meet(output_stride):
    torch.manual_seed(0)
    plain = DilatedResNet(replace(ARCHITECTURES["narrow"], output_stride=32)).eval()
    dilated = DilatedResNet(replace(ARCHITECTURES["narrow"], output_stride=output_stride)).eval()
    dilated.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 70, 64)
    step = 32 // output_stride
    assert dilated(x).shape == (2, 128, -(-70 // output_stride), 64 // output_stride)
    torch.testing.assert_close(dilated(x)[:, :, ::step, ::step], plain(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("output_stride", [0, 2, 12, 64])
def test_other_output_strides_are_refused(output_stride):
    with pytest.raises(ValueError, match=rf"^output_stride must be 4, 8, 16 or 32, got {output_stride}$"):
        DilatedResNet(replace(ARCHITECTURES["narrow"], output_stride=output_stride))


# --- Sizes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TORCHVISIONS)
def test_as_many_parameters_as_torchvision_counts(name):
    weights = get_model_weights(name).IMAGENET1K_V1
    with torch.device("meta"):
        model = DeepLabV2(name, 21)
    channels = model.backbone.out_channels
    fully_connected, branch = 1000 * (channels + 1), 21 * (9 * channels + 1)
    assert channels == (512 if name in ("resnet18", "resnet34") else 2048)
    assert parameters(model) == weights.meta["num_params"] - fully_connected + 4 * branch


def test_parameters_of_the_two_that_this_project_trains():
    with torch.device("meta"):
        assert parameters(DeepLabV2("resnet101", 21)) == 44_048_532
        assert parameters(DeepLabV2("narrow", 6)) == 337_128


@pytest.mark.parametrize("size", [(321, 321), (505, 505), (256, 512), (65, 48), (37, 90)])
@pytest.mark.parametrize(("name", "stride"), [("resnet18", 8), ("resnet101", 8), ("narrow", 4)])
def test_output_shapes(name, stride, size):
    images = torch.empty(2, 3, *size, dtype=torch.uint8, device="meta")
    with torch.device("meta"):
        model = DeepLabV2(name, 19)
    logits = model(images)
    assert logits.shape == (2, 19, *size) and logits.dtype == torch.float32
    assert model.backbone(images.float()).shape[-2:] == tuple(-(-side // stride) for side in size)


# --- The head -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rates", [(6, 12, 18, 24), AUTHORS_RATES, (1,)])
@pytest.mark.parametrize("side", [65, 80])
@torch.no_grad()
def test_logits_are_a_sum_over_the_rates_upsampled_between_corners(rates, side):
    torch.manual_seed(0)
    model = DeepLabV2("resnet18", 5, rates).eval()
    images = photographs(2, 3, side, side)
    x = model.backbone(model.normalise(images))
    coarse = torch.zeros(2, 5, *x.shape[-2:])
    for rate, branch in zip(rates, model.aspp, strict=True):
        coarse += F.conv2d(x, branch.weight, branch.bias, padding=rate, dilation=rate)
    logits = model(images)
    torch.testing.assert_close(logits, F.interpolate(coarse, (side, side), mode="bilinear", align_corners=True))
    assert not torch.allclose(logits, F.interpolate(coarse, (side, side), mode="bilinear", align_corners=False))
    if side == 65:  # 8·8 + 1, as 321 = 8·40 + 1 and 505 = 8·63 + 1
        torch.testing.assert_close(logits[:, :, ::8, ::8], coarse)


@torch.no_grad()
def test_the_authors_head_is_ours_without_its_last_two_rates():
    four, two = DeepLabV2("narrow", 4), DeepLabV2("narrow", 4, AUTHORS_RATES)
    assert [branch.dilation for branch in four.aspp] == [(6, 6), (12, 12), (18, 18), (24, 24)]
    two.load_state_dict(
        {key: value for key, value in four.state_dict().items() if key[:7] not in ("aspp.2.", "aspp.3.")}
    )
    images = photographs(2, 3, 64, 64)
    two.eval(), four.eval()
    assert not torch.allclose(two(images), four(images))
    for branch in four.aspp[2:]:
        branch.weight.zero_()
    torch.testing.assert_close(two(images), four(images))


def test_a_fresh_head_knows_nothing():
    torch.manual_seed(0)
    model = DeepLabV2("resnet18", 21)
    for branch in model.aspp:
        assert branch.weight.std().item() == pytest.approx(0.01, rel=0.02) and not branch.bias.any()


@pytest.mark.parametrize("name", ["narrow", "resnet18", "resnet50"])
def test_every_parameter_learns(name):
    torch.manual_seed(0)
    model = DeepLabV2(name, 4)
    labels = torch.randint(0, 4, (2, 65, 65), generator=torch.Generator().manual_seed(0))
    F.cross_entropy(model(photographs(2, 3, 65, 65)), labels).backward()
    assert [key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_narrow_net_learns_a_scene():
    """A bright square on dark ground: what it is worth is that all parts of the model work together."""
    torch.manual_seed(0)
    images, labels = photographs(8, 3, 48, 48) // 3, torch.zeros(8, 48, 48, dtype=torch.int64)
    for k in range(8):
        images[k, :, 4 + 2 * k : 24 + 2 * k, 8:32] += 120
        labels[k, 4 + 2 * k : 24 + 2 * k, 8:32] = 1
    model = DeepLabV2("narrow", 2)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(25):
        optimiser.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimiser.step()
    assert (model(images).argmax(1) == labels).float().mean() > 0.97  # 79% are ground


# --- The normalisation is part of the model -----------------------------------------------------------------------


def test_normalisations_by_hand():
    image = torch.tensor([10.0, 20.0, 30.0]).view(1, 3, 1, 1)  # R, G, B
    red, green, blue = (10 / 255 - 0.485) / 0.229, (20 / 255 - 0.456) / 0.224, (30 / 255 - 0.406) / 0.225
    torch.testing.assert_close(Normalise(IMAGENET)(image).flatten(), torch.tensor([red, green, blue]))
    caffe = torch.tensor([30 - 104.008, 20 - 116.669, 10 - 122.675])
    torch.testing.assert_close(Normalise(CAFFE)(image).flatten(), caffe)


def test_imagenet_normalisation_is_that_of_torchvision_s_weights():
    transforms = ResNet101_Weights.IMAGENET1K_V1.transforms()
    images = photographs(2, 3, 9, 7)
    expected = normalize(images / 255, transforms.mean, transforms.std)
    torch.testing.assert_close(Normalise(IMAGENET)(images), expected)
    torch.testing.assert_close(Normalise(IMAGENET)(images.float()), expected)


@torch.no_grad()
def test_models_take_the_same_images_and_remember_how_they_see_them():
    torch.manual_seed(0)
    caffe, imagenet = DeepLabV2("narrow", 4, normalisation=CAFFE).eval(), DeepLabV2("narrow", 4).eval()
    images = photographs(2, 3, 48, 48)
    torch.testing.assert_close(caffe(images), caffe(images.float()))
    imagenet.load_state_dict({**imagenet.state_dict(), **dict(caffe.named_parameters())})
    assert not torch.allclose(imagenet(images), caffe(images))
    imagenet.load_state_dict(caffe.state_dict())  # buffers too: the statistics, and the normalisation
    assert torch.equal(imagenet(images), caffe(images))


@pytest.mark.gpu
@torch.no_grad()
def test_a_device_computes_the_same():
    torch.manual_seed(0)
    model, images = DeepLabV2("narrow", 4, normalisation=CAFFE).eval(), photographs(2, 3, 64, 48)
    expected = model(images)
    model = model.to("cuda", memory_format=torch.channels_last)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # which has 10 bits
        torch.testing.assert_close(model(images.cuda()).cpu(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("small", "size"), [((41, 41), (321, 321)), ((6, 8), (48, 61)), ((1, 3), (5, 17))])
def test_products_enlarge_as_interpolation_does(small, size):
    """What CUDA does in its place: the same numbers and the same gradients, up to rounding."""
    torch.manual_seed(0)
    logits, gradient = torch.randn(2, 3, *small, requires_grad=True), torch.randn(2, 3, *size)
    ours, expected = enlarge_by_products(logits, size), enlarge(logits, size)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
    of_ours, of_expected = (torch.autograd.grad(out, logits, gradient)[0] for out in (ours, expected))
    torch.testing.assert_close(of_ours, of_expected, rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(enlarge_by_products(logits, size), ours)


# --- Errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("resnet152", 21),
            "backbone must be one of resnet18, resnet34, resnet50, resnet101, narrow or timm:NAME, got 'resnet152'",
        ),
        (("narrow", 1), "num_classes must be at least 2, got 1"),
        (("narrow", 4, ()), r"rates must be one or more whole numbers, each at least 1, got \(\)"),
        (("narrow", 4, (6, 0)), r"rates must be one or more whole numbers, each at least 1, got \(6, 0\)"),
        (("narrow", 4, (6,), Normalisation("GBR", (0, 0, 0), (1, 1, 1))), "order must be RGB or BGR, got 'GBR'"),
    ],
)
def test_errors_name_the_argument(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        DeepLabV2(*arguments)
