"""The authors' choice of a checkpoint, which leaks the labels of val. For the variant `authors` alone."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ...data.pixels.datasets import SegmentationData
from .evaluation import confusion_matrix, mean_iou

LOOK_STEPS = 500
"""Steps between two looks at val, whatever the budget: the default of the authors' code, which all their phases on VOC
have. Their scripts look every 300 steps in phases on Cityscapes, and every 100 to 350 at first, on labels alone."""


class BestOnVal:
    """Scores a model in training on val every :data:`LOOK_STEPS` steps and after the phase's last, and keeps the
    weights that were best, the first of equals. The model's weights are only read.

    In the authors' code they end the phase: they label for the other model, and go on into the next phase. So what a
    phase learns depends on val's labels, and the score on val is no longer one of labels that nobody saw. The paper
    says nothing of it; the presets that follow the paper keep the last weights.
    """

    def __init__(self, model: nn.Module, data: SegmentationData, total_steps: int) -> None:
        self._model, self._data, self._total_steps = model, data, total_steps
        self.score, self.step = -1.0, 0
        self.weights: dict[str, Tensor] = {}

    def after_step(self, step: int) -> None:
        """Score the model if it is time."""
        if step % LOOK_STEPS and step < self._total_steps:
            return
        score = mean_iou(confusion_matrix(self._model, self._data, "val"))
        self._model.train()
        if score > self.score:
            self.score, self.step = score, step
            self.weights = {name: value.clone() for name, value in self._model.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        return {"score": self.score, "step": self.step, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.score, self.step, self.weights = state["score"], state["step"], state["weights"]
