"""The batched operations against Pillow's per-image ones, and the draws against what the variants promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms.v2 import functional as tv

from book.studies.augmentation import SWITCHES, apply_operation
from dmtlib.data.images import operations
from dmtlib.data.images.augment import AUGMENTATIONS
from dmtlib.data.images.effects import Crop, crop_and_flip
from dmtlib.data.images.operations import COLUMN, NEUTRAL, VARIANTS
from dmtlib.data.images.randaugment import CUTOUT_FILL, RandAugment

SIDE = 32


def photographs(n: int = 24, side: int = SIDE) -> torch.Tensor:
    """Smooth colour gradients with noise, some dark, some flat, one of a single level: uint8 (n, 3, side, side)."""
    generator = torch.Generator().manual_seed(7)
    coarse = torch.rand(n, 3, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)
    noise = 0.05 * torch.randn(n, 3, side, side, generator=generator)
    images = ((smooth * torch.linspace(0.1, 1, n).view(-1, 1, 1, 1) + noise).clamp(0, 1) * 255).to(torch.uint8)
    images[:1] = 77
    images[1:2, :, :, : side // 2] = 0
    images[2:3] %= 3
    return images


def with_pillow(images: torch.Tensor, operation) -> torch.Tensor:
    done = [operation(Image.fromarray(image.permute(1, 2, 0).numpy())) for image in images]
    return torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in done])


def solarize_add(image: Image.Image, addition: float) -> Image.Image:
    return ImageOps.solarize(Image.fromarray(np.clip(np.array(image) + addition, 0, 255).astype(np.uint8)), 128)


def affine(image: Image.Image, a=1.0, b=0.0, c=0.0, d=0.0, e=1.0, f=0.0) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, (a, b, c, d, e, f))


PILLOW = {
    "identity": lambda image, _: image,
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
    "invert": lambda image, _: ImageOps.invert(image),
    "rotate": lambda image, degrees: image.rotate(degrees),
    "posterize": lambda image, bits: ImageOps.posterize(image, max(1, int(bits))),
    "solarize": lambda image, threshold: ImageOps.solarize(image, threshold),
    "solarize_add": solarize_add,
    "color": lambda image, factor: ImageEnhance.Color(image).enhance(factor),
    "contrast": lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
    "brightness": lambda image, factor: ImageEnhance.Brightness(image).enhance(factor),
    "sharpness": lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor),
    "shear_x": lambda image, slope: affine(image, b=slope),
    "shear_y": lambda image, slope: affine(image, d=slope),
    "translate_x": lambda image, pixels: affine(image, c=pixels),
    "translate_y": lambda image, pixels: affine(image, f=pixels),
}


def strengths_to_compare():
    """Each operation at both ends of its range in each variant, and at every tenth between; both signs."""
    seen = set()
    for variant in VARIANTS.values():
        for operation in variant.operations:
            unit = SIDE if operation.per_side else 1
            for m in range(11):
                value = (m / 10 * (operation.high - operation.low) + operation.low) * unit
                for signed in (value, -value) if operation.signed else (value,):
                    seen.add((operation.name, signed))
    return sorted((name, value) for name, value in seen if name in PILLOW)


def test_every_operation_of_every_variant_has_a_reference():
    names = {operation.name for variant in VARIANTS.values() for operation in variant.operations}
    assert names == set(PILLOW) | {"cutout"} == set(NEUTRAL)


@pytest.mark.parametrize("name", PILLOW)
def test_operation_equals_pillow_at_every_strength_of_its_range(name):
    """Equal pixel by pixel, the warps too: the same fixed-point arithmetic, no tolerance needed."""
    images = photographs()
    for value in [v for n, v in strengths_to_compare() if n == name]:
        expected = with_pillow(images, lambda image, v=value: PILLOW[name](image, v))
        assert torch.equal(apply_operation(images, name, value), expected), value


@pytest.mark.parametrize("name", ["color", "contrast", "brightness", "sharpness"])
def test_blends_go_beyond_the_drawn_range(name):
    images = photographs()
    for factor in (0.0, 1.0, 2.0, 3.7):
        expected = with_pillow(images, lambda image, f=factor: PILLOW[name](image, f))
        assert torch.equal(apply_operation(images, name, factor), expected)


TORCHVISION = {
    "autocontrast": lambda x, _: tv.autocontrast(x),
    "equalize": lambda x, _: tv.equalize(x),
    "invert": lambda x, _: tv.invert(x),
    "posterize": lambda x, bits: tv.posterize(x, int(bits)),
    "solarize": lambda x, threshold: tv.solarize(x, threshold),
    "color": lambda x, factor: tv.adjust_saturation(x, factor),
    "contrast": lambda x, factor: tv.adjust_contrast(x, factor),
    "brightness": lambda x, factor: tv.adjust_brightness(x, factor),
    "sharpness": lambda x, factor: tv.adjust_sharpness(x, factor),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_levels_agree_with_torchvision_on_tensors(name):
    """torchvision rounds blends its own way: within one level, as its own tests allow against Pillow."""
    images = photographs()
    for value in [v for n, v in strengths_to_compare() if n == name and not (n == "posterize" and v < 1)]:
        if name == "solarize" and value > 255:
            continue  # torchvision refuses the threshold that changes nothing
        difference = apply_operation(images, name, value).int() - TORCHVISION[name](images, value).int()
        assert difference.abs().max() <= (2 if name == "contrast" else 1), value


@pytest.mark.parametrize("side", [8, 31, 48])
@pytest.mark.parametrize("name", ["rotate", "shear_x", "sharpness", "equalize"])
def test_other_sizes_equal_pillow(name, side):
    images = photographs(8, side)
    value = {"rotate": 17.3, "shear_x": -0.21, "sharpness": 0.4}.get(name, 1.0)
    assert torch.equal(
        apply_operation(images, name, value), with_pillow(images, lambda image: PILLOW[name](image, value))
    )


def test_one_strength_for_each_image():
    images = photographs(6)
    angles = torch.tensor([-30.0, -10.0, 0.0, 5.0, 20.0, 30.0], dtype=torch.float64)
    together = apply_operation(images, "rotate", angles)
    for image, angle, rotated in zip(images, angles, together, strict=True):
        assert torch.equal(apply_operation(image[None], "rotate", angle.item())[0], rotated)


@pytest.mark.parametrize("name", NEUTRAL)
def test_the_neutral_strength_changes_nothing(name):
    images = photographs()
    neutral = torch.tensor(list(NEUTRAL.values()), dtype=torch.float64).expand(len(images), -1)
    assert torch.equal(operations.change_chosen(images, neutral, (name,), lambda chosen, _: 255 - chosen), images)
    if name not in SWITCHES:
        assert torch.equal(apply_operation(images, name, NEUTRAL[name]), images)


def test_cutout_erases_a_square_and_cuts_it_off_at_the_border():
    images = photographs(2)
    erased = apply_operation(images, "cutout", 16)
    fill = torch.tensor(CUTOUT_FILL, dtype=torch.uint8).view(3, 1, 1)
    assert (erased[:, :, 8:24, 8:24] == fill).all()
    outside = torch.ones(SIDE, SIDE, dtype=torch.bool)
    outside[8:24, 8:24] = False
    assert torch.equal(erased[..., outside], images[..., outside])
    augment = RandAugment("paper")
    draws = augment.draw(images, torch.Generator().manual_seed(0))
    strengths = draws.strengths.clone()
    strengths[:] = torch.tensor(list(NEUTRAL.values()))
    strengths[:, COLUMN["cutout"]] = 16
    still = Crop(torch.full((2,), 4), torch.full((2,), 4), torch.zeros(2, dtype=torch.bool))
    corner = draws._replace(
        crop=still, strengths=strengths, cutout_row=torch.tensor([0, 31]), cutout_column=torch.tensor([0, 31])
    )
    changed = (augment.apply(images, corner) != images).any(dim=1)
    assert changed[0, 8:].sum() + changed[0, :, 8:].sum() == 0 and changed[0, :8, :8].sum() > 32
    assert changed[1, :23].sum() + changed[1, :, :23].sum() == 0 and changed[1, 23:, 23:].sum() > 40


def test_crop_and_flip_equal_torchvision():
    images = photographs(9)
    top, left = torch.arange(9), torch.arange(9).flip(0)
    flip = torch.arange(9) % 2 == 0
    ours = crop_and_flip(images, Crop(top, left, flip), padding=4, fill=128)
    for i in range(9):
        cropped = tv.crop(tv.pad(images[i], [4], fill=128), int(top[i]), int(left[i]), SIDE, SIDE)
        assert torch.equal(ours[i], tv.horizontal_flip(cropped) if flip[i] else cropped)


@pytest.mark.parametrize("variant", VARIANTS)
class TestVariants:
    def test_a_seed_gives_one_result(self, variant):
        images, augment = photographs(64), RandAugment(variant)
        first, again, other = (augment(images, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
        assert torch.equal(first, again) and not torch.equal(first, other)

    def test_batched_equals_one_by_one(self, variant):
        images, augment = photographs(96), RandAugment(variant)
        draws = augment.draw(images, torch.Generator().manual_seed(0))
        together = augment.apply(images, draws)
        for i in range(len(images)):
            one = type(draws)(Crop(*(t[i : i + 1] for t in draws.crop)), *(t[i : i + 1] for t in draws[1:]))
            assert torch.equal(augment.apply(images[i : i + 1], one)[0], together[i])

    def test_the_whole_chain_equals_pillow(self, variant):
        """Crop, flip, operation and Cutout of 200 images, each with what it drew."""
        images, augment = photographs(200), RandAugment(variant)
        draws = augment.draw(images, torch.Generator().manual_seed(1))
        ours = augment.apply(images, draws)
        padding = augment.variant.padding
        for i in range(len(images)):
            padded = tv.pad(images[i], [padding], fill=128)
            image = tv.crop(padded, int(draws.crop.top[i]), int(draws.crop.left[i]), SIDE, SIDE)
            image = tv.horizontal_flip(image) if draws.crop.flip[i] else image
            name = augment.variant.operations[int(draws.operation[i])].name
            if name != "cutout":
                value = draws.strengths[i, COLUMN[name]].item()
                image = with_pillow(image[None], lambda im, n=name, v=value: PILLOW[n](im, v))[0]
            side = int(draws.strengths[i, COLUMN["cutout"]])
            top, left = int(draws.cutout_row[i]) - side // 2, int(draws.cutout_column[i]) - side // 2
            box = (slice(None), slice(max(top, 0), max(top + side, 0)), slice(max(left, 0), max(left + side, 0)))
            image[box] = torch.tensor(CUTOUT_FILL, dtype=torch.uint8).view(3, 1, 1)
            assert torch.equal(ours[i], image), (i, name)

    def test_result_is_normalised_and_channels_last(self, variant):
        images, mean, std = photographs(8), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
        augment = RandAugment(variant, mean, std)
        draws = augment.draw(images, torch.Generator().manual_seed(0))
        pixels = augment.apply(images, draws)
        result = augment(images, torch.Generator().manual_seed(0))
        assert result.dtype == torch.float32 and result.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(result, tv.normalize(pixels / 255, mean, std))

    def test_input_is_left_alone_and_its_memory_format_does_not_matter(self, variant):
        images, augment = photographs(32), RandAugment(variant)
        before = images.clone()
        planar = augment(images, torch.Generator().manual_seed(0))
        interleaved = augment(images.to(memory_format=torch.channels_last), torch.Generator().manual_seed(0))
        assert torch.equal(images, before) and torch.equal(planar, interleaved)

    def test_operations_flips_and_crops_are_drawn_evenly(self, variant):
        n, augment = 60_000, RandAugment(variant)
        draws = augment.draw(torch.empty(n, 3, SIDE, SIDE, dtype=torch.uint8), torch.Generator().manual_seed(0))

        def is_even(values, size):
            expected = n / size
            chi2 = ((torch.bincount(values, minlength=size) - expected) ** 2 / expected).sum()
            return chi2 < size - 1 + 5 * (2 * (size - 1)) ** 0.5  # five standard deviations

        assert is_even(draws.operation, len(augment.variant.operations))
        places = 2 * augment.variant.padding + 1
        assert is_even(draws.crop.top, places) and is_even(draws.crop.left, places)
        assert is_even(draws.cutout_row, SIDE) and is_even(draws.cutout_column, SIDE)
        assert draws.crop.flip.float().mean() == pytest.approx(0.5, abs=0.01)
        both = draws.crop.flip & (draws.operation % 2 == 0)  # independent draws
        assert both.float().mean() == pytest.approx(0.25, abs=0.01)

    def test_strengths_fill_their_range_and_leave_the_others_neutral(self, variant):
        n, augment = 60_000, RandAugment(variant)
        draws = augment.draw(torch.empty(n, 3, SIDE, SIDE, dtype=torch.uint8), torch.Generator().manual_seed(0))
        for index, operation in enumerate(augment.variant.operations):
            mine = draws.operation == index
            values = draws.strengths[mine, COLUMN[operation.name]]
            unit = SIDE if operation.per_side else 1
            low, high = operation.low * unit, operation.high * unit
            assert values.abs().min() >= low and values.abs().max() <= high
            if operation.signed:
                assert (values < 0).float().mean() == pytest.approx(0.5, abs=0.05)
            else:
                assert values.min() >= low
            if high > low:
                levels = augment.variant.levels
                expected = (low + high) / 2 if levels is None else low + (levels + 1) / (2 * levels) * (high - low)
                assert values.abs().mean().item() == pytest.approx(expected, abs=0.03 * (high - low))
                assert len(values.abs().unique()) == levels if levels else len(values.unique()) > 1000
            others = [column for name, column in COLUMN.items() if name not in (operation.name, "cutout")]
            neutral = torch.tensor(list(NEUTRAL.values()), dtype=torch.float64)
            assert (draws.strengths[mine][:, others] == neutral[others]).all()

    def test_no_value_is_read_back_from_the_device(self, variant):
        """Meta tensors have shapes and no values: any .item(), boolean mask or nonzero would raise here."""
        images = torch.empty(16, 3, SIDE, SIDE, dtype=torch.uint8, device="meta")
        result = RandAugment(variant)(images, torch.Generator())
        assert result.shape == images.shape and result.dtype == torch.float32

    def test_computing_every_image_gives_the_same_pixels(self, variant, monkeypatch):
        """An accelerator computes all and keeps some, the CPU computes some: the results are one."""
        images, augment = photographs(128), RandAugment(variant)
        some = augment(images, torch.Generator().manual_seed(0))

        def change_all(images, strengths, names, change):
            chosen = torch.stack([strengths[:, COLUMN[name]] != NEUTRAL[name] for name in names]).any(dim=0)
            return torch.where(chosen.view(-1, 1, 1, 1), change(images, strengths), images)

        monkeypatch.setattr("dmtlib.data.images.effects.change_chosen", change_all)
        assert torch.equal(augment(images, torch.Generator().manual_seed(0)), some)


def test_the_authors_translations_leave_8_75_percent_black():
    """Two operations of 16 at m ≥ 4 of 10 move a 32-pixel image out of sight: 2/16 · 7/10 (the authors' code)."""
    n, augment = 10_000, RandAugment("authors")
    images = torch.full((n, 3, SIDE, SIDE), 200, dtype=torch.uint8)
    black = (augment.apply(images, augment.draw(images, torch.Generator().manual_seed(0))) == 0).flatten(1).all(dim=1)
    assert black.float().mean() == pytest.approx(0.0875, abs=0.012)  # four standard deviations


@pytest.mark.gpu
def test_the_accelerator_is_never_waited_for():
    images = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8, device="cuda")
    augment = AUGMENTATIONS["paper"]((0.5,) * 3, (0.2,) * 3)
    generator = torch.Generator("cuda").manual_seed(0)
    augment(images, generator)  # constants reach the device once
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        assert augment(images, generator).shape == images.shape
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_an_accelerator_gives_the_same_pixels():
    device = "cuda"
    images = photographs(512)
    for variant in VARIANTS:
        augment = RandAugment(variant)
        draws = augment.draw(images, torch.Generator().manual_seed(0))
        moved = type(draws)(Crop(*(t.to(device) for t in draws.crop)), *(t.to(device) for t in draws[1:]))
        assert torch.equal(augment.apply(images.to(device), moved).cpu(), augment.apply(images, draws))


@pytest.mark.wrong_shapes
@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 3, 8, 8), torch.zeros(3, 8, 8, dtype=torch.uint8), torch.zeros(2, 1, 8, 8, dtype=torch.uint8)],
)
def test_wrong_images_are_refused(images):
    with pytest.raises(ValueError, match="^images must be uint8 of shape"):
        RandAugment()(images, torch.Generator())
    with pytest.raises(ValueError, match="^images must be uint8 of shape"):
        apply_operation(images, "rotate", 3)


def test_unknown_names_are_refused_with_those_that_exist():
    with pytest.raises(ValueError, match="variant must be one of paper, paper-half, photo, authors, got 'strong'"):
        RandAugment("strong")
    with pytest.raises(ValueError, match="operation must be one of identity, .*cutout, got 'blur'"):
        apply_operation(photographs(1), "blur", 1)
    with pytest.raises(ValueError, match="mean and std must be three numbers each"):
        RandAugment(mean=(0.5,), std=(0.5,))
