"""What the deviations change, as far as it can be counted, computed in a moment, or read from records.

Each function answers with a sentence; book/deviations.yml names them. "Not run" stands where records are missing.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from dmtlib.method.mixup import mixup, mixup_loss
from dmtlib.method.pixel_selection import decode_confidence, encode_confidence
from dmtlib.method.pseudo_labels import count_selected
from dmtlib.method.schedules import gamma_ramp
from dmtlib.models.deeplab import AUTHORS_RATES, RATES, DeepLabV2
from dmtlib.presets import preset
from dmtlib.records.comparison import cell, difference_cell, paired_differences, recorded_settings
from dmtlib.records.reproduction import CIFAR10, CITYSCAPES, VOC
from dmtlib.records.store import load_records

from ..page.places import results
from .augmentation import black_pairs, black_share
from .honest_evaluation import gain_by_choice
from .recorded import case_share, mean_of_models

ALPHA = 0.2  # the curriculum's first share


def black_images() -> str:
    """How often the ranges of the authors' code leave nothing of a 32-pixel image."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(1, 256, (1, 3, 32, 32), dtype=torch.uint8, generator=generator)
    black, pairs = black_pairs(noise)
    shares = {variant: black_share(noise, variant) for variant in ("authors", "paper")}
    return (
        f"{black} of {pairs} pairs of operation and level leave a black image, {100 * black / pairs:.2f}%. Of 4,000 "
        f"augmented copies {shares['authors']:.1f}% are black, and {shares['paper']:.1f}% with the paper's variant."
    )


def jpeg_copy() -> str:
    """What CIFAR-10's JPEG copy costs, where runs on both are recorded."""
    found = []
    for name in CIFAR10.values():
        settings = recorded_settings(results(), name)
        for setting, group in settings.items():
            copy = settings.get(setting._replace(data="cifar10-jpeg")) if setting.data == "cifar10" else None
            for method, records in group.items() if copy else ():
                found += paired_differences(copy[method], records)
    return f"JPEG − original, all methods, in points of accuracy: {difference_cell(found)}."


def branches() -> str:
    """DeepLab-v2's classifiers with two rates instead of four: how large they are, and how far they look."""
    sizes, widths = [], []
    for rates in (RATES, AUTHORS_RATES):
        with torch.device("meta"):
            aspp = DeepLabV2("resnet101", 21, rates).aspp
        sizes.append(sum(weight.numel() for weight in aspp.parameters()) / 1e6)
        widths.append(2 * max(rates) * 8 + 1)  # output stride 8
    return (
        f"{sizes[1]:.1f} instead of {sizes[0]:.1f} million weights in the classifiers, which span {widths[1]} pixels "
        f"of the image instead of {widths[0]}. What that does to mean IoU is not measured."
    )


def memory_of_the_average() -> str:
    """How old the averaged weights are."""
    steps = {
        variant: 1 / (1 - preset("cifar10-4000", "dmt", variant=variant).ema_decay) for variant in ("paper", "authors")
    }
    return (
        f"The weights that are averaged are {steps['paper']:,.0f} steps old on average, and {steps['authors']:.3f} by "
        "the authors' line: the last iterate."
    )


def ramp_at_the_start() -> str:
    """A label's weight in the first step, with the minus sign of the ramp and without it."""
    risen, printed = gamma_ramp(0, 1, 4.0), 4.0 * math.exp(5)
    return (
        f"With γmax = 4, a label that B finds 90% likely weighs {0.9**risen:.3f} in the first step (γ = {risen:.3f}). "
        f"As printed it would weigh 1e{printed * math.log10(0.9):.0f} (γ = {printed:.0f}): nothing would be learned."
    )


def statistics_twice() -> str:
    """How far running statistics move where a step updates them twice."""
    momentum = nn.BatchNorm2d(1).momentum
    return (
        f"Running statistics move by {100 * (1 - (1 - momentum) ** 2):.0f}% a step instead of {100 * momentum:.0f}%."
    )


def exchanged_partners() -> str:
    """The loss of a batch with λ, and with 1 − λ and partners exchanged."""
    generator = torch.Generator().manual_seed(0)
    images, classifier = (torch.randn(n, 5, generator=generator, dtype=torch.float64) for n in (64, 10))
    targets, weights = torch.randint(10, (64,), generator=generator), torch.rand(64, generator=generator)
    partner = torch.randperm(64, generator=generator)
    losses = []
    for lam, order in ((0.3, partner), (0.7, partner.argsort())):
        batch = mixup(images, targets, weights, order, torch.tensor(lam, dtype=torch.float64))
        losses.append(mixup_loss(batch.images @ classifier.T, batch).item())
    return f"The loss of a batch is {losses[0]:.5f} with λ = 0.3, and {losses[1]:.5f} with 0.7 and partners exchanged."


def share_of_case_3() -> str:
    """How many labels case 3 holds in the last phase, in the records; and over all phases, as chapters 3 and 11."""
    shares, over_all = [], []
    for name in ("digits-40", "cifar10-small"):
        last = [record["phases"][-1]["case_shares"] for record in load_records(results(), name, "dmt")]
        shares.append(f"{_mean([100 * share[2] for share in last if share])} on {name}")
        over_all.append(f"{case_share(load_records(results(), name, 'dmt'), 3)} on {name}")
    pixels = [record["phases"][-1]["models"].values() for record in load_records(results(), "scenes", "dmt")]
    in_scenes = _mean([100 * m["case_shares"][2] for models in pixels for m in models])
    shares.append(f"{in_scenes} on scenes, where each run has two models")
    over_all.append(f"{case_share(load_records(results(), 'scenes', 'dmt'), 3)} on scenes")
    return (
        f"Of the labels in the last phase of DMT, which takes all of them, case 3 holds, in percent, in the records: "
        f"{', '.join(shares)}. Over all phases, of which the first take sure labels only, it is on average "
        f"{', '.join(over_all)}; that is the number in chapters 3 and 11."
    )


def dmt_against_dst() -> str:
    """The difference that the other model makes on pixels, in the records."""
    dmt, dst = (load_records(results(), "scenes", method) for method in ("dmt", "dst"))
    better, mean = (difference_cell(paired_differences(records, dst)) for records in (dmt, mean_of_models(dmt)))
    return (
        f"DMT − DST on scenes, in points of mean IoU: {better} for the better of DMT's two models, {mean} for their "
        "mean."
    )


def strict_threshold() -> str:
    """How many labels a cut strictly above the k-th confidence leaves of a very sure model."""
    logits = 30 * torch.randn(1000, 10, generator=torch.Generator().manual_seed(0))
    confidence = logits.softmax(dim=1).amax(dim=1)
    keep = count_selected(ALPHA, len(confidence))
    strict = (confidence > confidence.sort(descending=True).values[keep - 1]).sum()
    certain = (confidence == 1).sum()
    return (
        f"Of 1,000 made-up predictions of a very sure model {certain} are exactly 1 in float32. Of {keep} labels to "
        f"keep, the strict cut leaves {strict}."
    )


def every_sixteenth_pixel() -> str:
    """How far a threshold from every 16th pixel misses α."""
    generator, errors = torch.Generator().manual_seed(0), {}
    for pixels in (1_000, 100_000):
        found = []
        for _ in range(50):
            confidence = torch.rand(pixels, generator=generator)
            some = confidence[::16].sort(descending=True).values
            kept = (confidence > some[count_selected(ALPHA, len(some))]).sum().item()
            found.append(abs(kept / (ALPHA * pixels) - 1))
        errors[pixels] = 100 * sum(found) / len(found)
    words = [f"{error:.1f}% for a class of {pixels:,} pixels" for pixels, error in errors.items()]
    return f"Simulated: too many or too few are kept, by {' and '.join(words)} on average."


def confidence_codes() -> str:
    """What a confidence loses in 16 bits."""
    confidence = torch.linspace(0, 1, 1_000_001)
    worst = (decode_confidence(encode_confidence(confidence)) - confidence).abs().max()
    return f"A stored confidence is off by {worst:.1e} at most."


def luck_of_choice() -> str:
    """What the best of five equally good epochs gains by luck."""
    gain = gain_by_choice(1449, 5, 2)
    return (
        f"Among five equally good epochs that disagree on 2% of 1,449 images, the best is ahead by {gain:.2f} points "
        "of accuracy, by luck. In mean IoU it is not measured."
    )


def baseline_lengths() -> str:
    """Epochs of the baselines, by the paper's rule and in the authors' code."""
    lengths = []
    for kind, rows in (("VOC", VOC), ("VOC", {"1,464 labels": "voc-1464"}), ("Cityscapes", CITYSCAPES)):
        for ratio, name in rows.items():
            epochs = [preset(name, "baseline").baseline_epochs]
            try:
                epochs.append(preset(name, "baseline", variant="authors").baseline_epochs)
            except ValueError:
                continue  # the authors' number is not known
            lengths.append(f"{kind} {ratio}: {epochs[0]:.0f} and {epochs[1]:.0f}")
    return f"Epochs by the rule, and in the authors' code. {'; '.join(lengths)}."


def better_of_two() -> str:
    """How far the better of the two models is above their mean, in the records."""
    gains = []
    for record in load_records(results(), "scenes", "dmt"):
        scores = [model["val_mean_iou"] for model in record["phases"][-1]["models"].values()]
        gains.append(max(scores) - sum(scores) / len(scores))
    return f"On scenes the better model is above the mean of both by {_mean(gains)} points of mean IoU, on val."


def _mean(values: list[float]) -> str:
    """A table's cell, and how many values it is of."""
    return cell(values) + (f" (n = {len(values)})" if values else "")
