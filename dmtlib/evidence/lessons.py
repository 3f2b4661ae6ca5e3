"""What the pixels of the unlabeled images teach in a phase of Alg. 2: their pseudo labels, and what each weighs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from ..data.masks import VOID
from ..data.segmentation_images import StoredImages
from ..method.dynamic_loss import dynamic_weights
from ..training.runs import RunDirectory
from ..training.segmentation_config import SegmentationConfig
from ..training.segmentation_evaluation import predict_images
from ..training.segmentation_runs import phase_segmenter, stored_pixel_labels


class Lessons(NamedTuple):
    """All unlabeled images of a run as a model is taught them.

    Attributes:
        truth: nobody shows it to a model; 255 where no class is known.
        labels: the pseudo labels, 255 where ignored.
        weights: by Eq. 3, 0 where ignored.
    """

    images: UInt8[Tensor, "N 3 H W"]
    truth: UInt8[Tensor, "N H W"]
    labels: UInt8[Tensor, "N H W"]
    weights: Float[Tensor, "N H W"]

    @property
    def right(self) -> Bool[Tensor, "N H W"]:
        return (self.labels == self.truth) & (self.truth != VOID)

    @property
    def wrong(self) -> Bool[Tensor, "N H W"]:
        """Where the truth is void, a label is neither right nor wrong."""
        return (self.labels != self.truth) & (self.labels != VOID) & (self.truth != VOID)


def lessons(config: SegmentationConfig, run: RunDirectory, images: StoredImages, phase: int, model: str) -> Lessons:
    """What ``model`` is taught in ``phase``, weighed by what it thinks as the phase begins, of the clean images.

    Training weighs augmented images, by the model as it is at each step.

    Args:
        config: of ``run``, a run of a method whose rule is Eq. 3.
        images: the training images.
        phase: 1 or later, and finished.
    """
    pseudo, learner = stored_pixel_labels(run, phase, model), phase_segmenter(run, phase - 1, model)
    labels, c_a = (torch.stack(tensors) for tensors in zip(*(pseudo[i] for i in range(len(pseudo))), strict=True))
    place = {name: index for index, name in enumerate(images.names)}
    indices = [place[name] for name in pseudo.names]
    p = torch.stack(list(predict_images(learner, images, indices)))
    omega = dynamic_weights(p, labels, c_a, config.gamma1, config.gamma2)
    return Lessons(images.images[indices], images.masks[indices], labels, omega)


def fewest_wrong_first(taught: Lessons) -> Int64[Tensor, " N"]:
    """The order of the images by their number of wrong pixels."""
    return taught.wrong.sum(dim=(1, 2)).argsort(stable=True)


def mean_weights(taught: Lessons) -> dict[str, float]:
    """The mean weight of right pseudo labels, by whether they say background (class 0), and of wrong ones.

    NaN where there is none of a kind.
    """
    background = taught.labels == 0
    kinds = {
        "right, background": taught.right & background,
        "right, object": taught.right & ~background,
        "wrong": taught.wrong,
    }
    return {kind: taught.weights[pixels].mean().item() for kind, pixels in kinds.items()}
