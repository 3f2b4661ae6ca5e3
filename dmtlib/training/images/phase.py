"""One phase: a model learns labeled and pseudo-labeled images (Alg. 1, lines 2 and 7)."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm.auto import tqdm

from ...data.images.augment import WEAK, Augmentation, normalise, shift_and_flip
from ...data.images.packed import UNKNOWN, ImageFile, read_ahead
from ...method import rules
from ...method.dynamic_loss import disagreement_cases, weighted_cross_entropy
from ...method.mixup import MixedBatch, mixup, mixup_loss
from ...method.rules import PREDICTION_FREE, RULES, Supervision, supervise
from ...method.schedules import gamma_ramp
from ...models.whitened import classifier
from ...words import printable
from ..descent import SCHEDULES, Descent, start_descent
from ..processes import after_first, part, whole
from ..seeding import ShuffledStream, derive_seed
from ..statistics import batch_sums
from .config import METHODS, RunConfig
from .graph import Replayed

_cross_entropy = partial(weighted_cross_entropy, ignore_index=UNKNOWN)  # 255 may be a class of images


class PseudoLabels(NamedTuple):
    """What a model has said of some unlabeled images, ``indices`` into the training images: ``labels`` y_A and
    ``confidence`` c_A. The ``truth`` is for the record only; −1 where unknown."""

    indices: Int64[Tensor, " p"]
    labels: Int64[Tensor, " p"]
    confidence: Float[Tensor, " p"]
    truth: Int64[Tensor, " p"]


class Batch(NamedTuple):
    """What one step learns. All that changes from step to step stands here, so that the rest can be replayed: training
    images (``which``) and their labels, the labeled ones first; more of the others, None in phase 0; λ of mixup, None
    without it; γ1 and γ2 at this step: numbers on the CPU, elsewhere tensors without dimensions; the images, if they
    came from a file."""

    which: Int64[Tensor, " b"]
    targets: Int64[Tensor, " b"]
    pseudo: PseudoLabels | None
    lam: Tensor | None
    gammas: tuple[float, float] | tuple[Tensor, Tensor] | None
    images: Tensor | None = None


@dataclass(frozen=True)
class PhaseTask:
    """All that a phase's training depends on; tensors live on the device. ``pseudo`` is None in phase 0."""

    config: RunConfig
    phase: int
    total_steps: int
    num_classes: int
    augment: Augmentation
    images: Tensor | ImageFile  # (N, C, H, W) uint8, the whole training set
    labeled: Tensor  # (l,) indices
    labeled_targets: Tensor  # (l,)
    pseudo: PseudoLabels | None = None
    whitening: Tensor | None = None  # the filters that WhitenedCNN begins with
    normalised: dict[str, Any] | None = None  # mean and std of the data: weak views need them, timm's undo them

    @property
    def device(self) -> torch.device:
        return self.images.device

    @property
    def architecture(self) -> dict[str, Any]:
        """The arguments of :func:`~dmtlib.models.whitened.classifier`."""
        config = self.config
        if config.network is not None:
            sizes = {"network": config.network_of(self.phase)[0], "side": config.side, **self.normalised}
        else:
            names = ("depth", "widen_factor") if config.widths is None else ("widths",)
            sizes = {name: getattr(config, name) for name in names}
        return {**sizes, "num_classes": self.num_classes, "in_channels": self.images.shape[1]}


def start_phase(task: PhaseTask, before: nn.Module | None = None) -> Descent:
    """A model, its average, optimiser and schedule. Alg. 1 (line 6) has a new model, from a seed that no other phase
    uses; methods whose model learns its own labels give the one ``before``, to go on from its weights."""
    config = task.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "initialise", task.phase))
        model = classifier(**task.architecture)
        network, weights = config.network_of(task.phase)
        if weights != "random" and before is None:
            from ...models.pretrained import load_classifier  # torchvision, which it needs, takes seconds

            report = after_first(lambda: load_classifier(model, network, weights))
            if task.phase < (1 if network == config.network else 2):
                each = "each" if network == config.network else "every other"
                tqdm.write(printable(f"{each} phase starts from {weights}: {report}"), file=sys.stderr)
    if task.whitening is not None:
        model.whitening.copy_(task.whitening)
    if before is not None:
        model.load_state_dict(before.state_dict(), strict=task.phase > 0)  # a start has another head
    model = model.to(task.device, memory_format=torch.channels_last)
    averaged = classifier(**task.architecture).to(task.device, memory_format=torch.channels_last)
    averaged.load_state_dict(model.state_dict())
    schedule = partial(SCHEDULES[config.schedule], total_steps=task.total_steps)
    return start_descent(config, task.phase, model, schedule, averaged.requires_grad_(False), config.nesterov)


class PhaseTrainer:
    """Runs the steps of one phase. Nothing in :meth:`step` waits for the device. With ``graph``, on CUDA, what a step
    computes is recorded once, and replayed: one launch in the place of a thousand."""

    def __init__(self, task: PhaseTask, state: Descent, graph: bool = False) -> None:
        config, device = task.config, task.device
        self.task, self.state = task, state
        self.rule = RULES[config.method] if task.phase > 0 else None
        self.needs_predictions = task.phase > 0 and config.method not in PREDICTION_FREE
        method = METHODS[config.method]
        weak = task.phase > 0 and method.online == "weak"
        self.loss = self._loss_of_views if weak else self._loss
        self.weights = list(state.averaged.parameters()), list(state.model.parameters())
        # Apart from the counters of batch norm: tensors of several dtypes are copied by one kernel each.
        self.buffers = [
            tuple([b for b in m.buffers() if b.is_floating_point() == floating] for m in (state.averaged, state.model))
            for floating in (True, False)
        ]
        self.generator = torch.Generator(device)
        self.from_file = self._from_file() if isinstance(task.images, ImageFile) else None
        self.labeled_in_batch = config.labeled_per_batch if task.phase > 0 else config.batch_size
        seed = derive_seed(config.seed, "order", task.phase)
        self.labeled_stream = ShuffledStream(len(task.labeled), self.labeled_in_batch, derive_seed(seed, 0), device)
        if task.phase > 0:
            in_batch = config.batch_size - self.labeled_in_batch
            self.pseudo_stream = ShuffledStream(len(task.pseudo.labels), in_batch, derive_seed(seed, 1), device)
            ends, steps = (config.gamma1, config.gamma2), task.total_steps
            ramp = [[gamma_ramp(step, steps, end) for end in ends] for step in range(steps)]
            # p ** γ has other bits with a tensor as γ, and only what is in tensors can change in a graph.
            self.gammas = ramp if device.type == "cpu" else torch.tensor(ramp).to(device)
            if method.flexible:
                state.seen = torch.full((len(task.images) + 1,), -2, device=device)  # the last one is nobody's
                state.seen[task.pseudo.indices] = -1
        self.compute = Replayed(self._compute, self.generator) if graph else self._compute
        self.lam = None
        if not config.mixup_alpha:
            return
        # λ ← max(λ, 1 − λ): a sample stays mostly itself. In this loss that changes nothing but the order of a batch's
        # mixtures, because exchanging λ and 1 − λ is exchanging partners (chapter 5).
        draws = np.random.default_rng(derive_seed(config.seed, "mixup", task.phase))
        lam = draws.beta(config.mixup_alpha, config.mixup_alpha, size=task.total_steps)
        self.lam = torch.from_numpy(np.maximum(lam, 1 - lam)).float().to(device)

    def step(self) -> None:
        """One step of SGD on a batch of labeled and pseudo-labeled images."""
        self.compute(self._feed(self.state.step))
        self.state.descend()
        self._average()

    def _feed(self, step: int) -> Batch:
        """All that the step's number decides."""
        task, config = self.task, self.task.config
        self.generator.manual_seed(derive_seed(config.seed, "augment", task.phase, step))
        which, targets, pseudo = self._drawn(step)
        lam = None if self.lam is None else self.lam[step]
        images = next(self.from_file).to(task.device, non_blocking=True) if self.from_file else None
        return Batch(which, targets, pseudo, lam, None if pseudo is None else tuple(self.gammas[step]), images)

    def _from_file(self) -> Iterator[Tensor]:
        """The images of the first step that is asked for and of those after it, some steps ahead."""
        task, drawn = self.task, [(self.task.labeled.cpu(), self.labeled_stream.on_cpu())]
        if task.pseudo:
            drawn.append((task.pseudo.indices.cpu(), self.pseudo_stream.on_cpu()))
        steps = range(self.state.step, task.total_steps)
        which = (torch.cat([indices[stream.batch(step)] for indices, stream in drawn]) for step in steps)
        yield from read_ahead(task.images[batch] for batch in which)

    def _compute(self, batch: Batch) -> None:
        """From images to gradients. No number of Python's that changes from step to step is read here."""
        images = self.task.images[batch.which] if batch.images is None else batch.images
        self.state.backward(self.loss(images, batch))

    def _loss(self, images: Tensor, batch: Batch) -> Tensor:
        """Without mixup the images that are learned are those that are judged: one pass gives gradient and weights."""
        images = self.task.augment(images, self.generator)
        if batch.lam is None:
            logits = self.state.logits(part(images))
            return _cross_entropy(logits, *map(part, self._supervise(logits.detach(), batch)))
        targets, weights = self._supervise(self._judge(images), batch)
        partner = torch.rand(len(images), generator=self.generator, device=images.device).argsort()
        mixed = MixedBatch(*map(part, mixup(images, targets, weights, partner, batch.lam)))
        return mixup_loss(self.state.logits(mixed.images), mixed)

    def _loss_of_views(self, images: Tensor, batch: Batch) -> Tensor:
        """FixMatch, without mixup: labels are learned of weak views, and what the model says of the others' weak views
        of their strong ones. Each loss is the mean over its own images, unlike in Eq. 6, and counts 1."""
        task, labeled = self.task, self.labeled_in_batch
        moved = shift_and_flip(images, self.generator, WEAK[task.config.augmentation])
        weak, strong = normalise(moved, **task.normalised), task.augment(images[labeled:], self.generator)
        targets, weights = self._supervise(self._judge(weak), batch)
        logits = whole(self.state.logits(part(torch.cat([weak[:labeled], strong]))))
        halves = slice(labeled), slice(labeled, None)
        return sum(_cross_entropy(logits[half], targets[half], weights[half]) for half in halves)

    @torch.no_grad()
    def _judge(self, images: Tensor) -> Tensor | None:
        """The logits of this process's un-mixed images, where the rule looks at them."""
        if not self.needs_predictions:
            return None
        model, moves = self.state.model, self.task.config.weight_pass_moves_statistics
        with contextlib.nullcontext() if moves else batch_statistics_only(model):
            return self.state.logits(part(images))

    def _drawn(self, step: int) -> tuple[Tensor, Tensor, PseudoLabels | None]:
        """Indices and targets, labeled images first; more of the pseudo-labeled rest."""
        task = self.task
        labeled = self.labeled_stream.batch(step)
        if task.phase == 0:
            return task.labeled[labeled], task.labeled_targets[labeled], None
        drawn = self.pseudo_stream.batch(step)
        pseudo = PseudoLabels(*(values[drawn] for values in task.pseudo))
        which = torch.cat([task.labeled[labeled], pseudo.indices])
        return which, torch.cat([task.labeled_targets[labeled], pseudo.labels]), pseudo

    @torch.no_grad()
    def _supervise(self, logits: Tensor | None, batch: Batch) -> Supervision:
        """Targets and weights of the whole batch, from the logits that each process has of its part."""
        pseudo, labeled = batch.pseudo, self.labeled_in_batch
        if pseudo is None:
            return supervise(batch.targets)
        probabilities = cases = None
        if self.needs_predictions:
            probabilities = whole(logits)[labeled:].float().softmax(dim=1)
            cases = disagreement_cases(probabilities, pseudo.labels, pseudo.confidence, ignore_index=UNKNOWN)
        confidence = pseudo.confidence if self.state.seen is None else self._asked(probabilities, pseudo.indices)
        told = probabilities, confidence, *batch.gammas
        taught = supervise(batch.targets, self.rule, *told, ignore_index=UNKNOWN)
        self.state.window += batch_sums(pseudo.labels, pseudo.truth, taught.weights[labeled:], cases)
        return taught

    def _asked(self, probabilities: Tensor, indices: Tensor) -> Tensor:
        """What FlexMatch asks of the confidence in each of these images; then it notes what the model is sure of."""
        seen, (confidence, classes) = self.state.seen, probabilities.max(dim=1)
        asked = rules.flexible_thresholds(seen[:-1], self.task.num_classes)[classes]
        seen[torch.where(confidence >= rules.FIXMATCH_THRESHOLD, indices, -1)] = classes
        return asked

    @torch.no_grad()
    def _average(self) -> None:
        """The exponential moving average of the weights; its memory grows over the first steps, so that a short
        phase does not end with a share of its random initialisation. Buffers follow the model."""
        taken = self.state.step
        decay = min(self.task.config.ema_decay, taken / (9 + taken))
        get_ema_multi_avg_fn(decay)(*self.weights, None)
        for averaged, current in self.buffers:
            torch._foreach_copy_(averaged, current)

    def close_window(self) -> dict[str, Any]:
        """See :meth:`.descent.Descent.close_window`."""
        task, state = self.task, self.state
        gamma = gamma_ramp(state.step, task.total_steps, task.config.gamma1) if self.rule else None
        return state.close_window({"phase": task.phase}, gamma1=gamma)


@contextlib.contextmanager
def batch_statistics_only(model: nn.Module) -> Iterator[None]:
    """Batch norm uses the batch's statistics, as in training, but leaves the running ones alone."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
