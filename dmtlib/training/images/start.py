"""How phase 0 may start: with weights that are learned of all training images without labels, by Barlow Twins.

Zbontar et al. (2021), arXiv 2103.03230: on two views of a batch each output should agree with itself and not with the
others. Loss and head are lightly's, an optional need; for its VICReg and SimCLR, which use masks, a host waits.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from ...data.images.packed import ImageFile, read_ahead
from ...models.whitened import classifier
from ..descent import SCHEDULES, start_descent
from ..processes import count
from ..seeding import ShuffledStream, derive_seed
from .phase import PhaseTask

HIDDEN, OUTPUTS = 256, 128
"""Widths of the projection head, which stands in the place of the network's last layer until its start is over."""


class StartTrainer:
    """Runs the steps before phase 0, of whose ``task`` no label is read; ``images`` are the indices of all that may be
    looked at. Nothing in :meth:`step` waits for the device. A ValueError of one line, if lightly isn't there, or for
    several processes: the loss is one of a whole batch."""

    def __init__(self, task: PhaseTask, images: Int64[Tensor, " n"]) -> None:
        config = task.config
        if count() > 1:
            raise ValueError(f"several processes can't learn a {config.start} start: start it without torchrun")
        try:
            from lightly.loss import BarlowTwinsLoss
            from lightly.models.modules.heads import BarlowTwinsProjectionHead
        except ImportError as error:
            needs = "needs lightly: pip install lightly, or '.[start]' in a clone"
            raise ValueError(f"a {config.start} start {needs}") from error
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(config.seed, "start"))
            model = classifier(**task.architecture)
            name, last = list(model.named_children())[-1]
            setattr(model, name, BarlowTwinsProjectionHead(last.in_features, HIDDEN, OUTPUTS))
        if task.whitening is not None:
            model.whitening.copy_(task.whitening)
        model = model.to(task.device, memory_format=torch.channels_last)
        schedule = partial(SCHEDULES[config.schedule], total_steps=task.total_steps)
        self.task, self.state = task, start_descent(config, 0, model, schedule, nesterov=config.nesterov)
        self.loss, self.generator = BarlowTwinsLoss(), torch.Generator(task.device)
        self.images = self._images(images)

    def step(self) -> None:
        """One step of SGD on two augmented views of a batch."""
        task, state = self.task, self.state
        images = next(self.images).to(task.device, non_blocking=True)
        self.generator.manual_seed(derive_seed(task.config.seed, "start", state.step))
        views = torch.cat([task.augment(images, self.generator) for _ in range(2)])
        state.backward(self.loss(*state.logits(views).chunk(2)) / OUTPUTS)
        state.descend()

    def _images(self, which: Tensor) -> Iterator[Tensor]:
        """Those of the first step that is asked for and of those after it, some steps ahead."""
        task, steps = self.task, range(self.state.step, self.task.total_steps)
        which = which.cpu() if isinstance(task.images, ImageFile) else which
        order = derive_seed(task.config.seed, "start", "order")
        stream = ShuffledStream(len(which), task.config.batch_size, order, which.device)
        yield from read_ahead(task.images[which[stream.batch(step)]] for step in steps)

    def close_window(self) -> dict[str, Any]:
        """See :meth:`.descent.Descent.close_window`."""
        self.line = self.state.close_window({"phase": 0, "start": self.task.config.start})
        return self.line
