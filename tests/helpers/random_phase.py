"""A phase of Alg. 1 on random images."""

import dataclasses

import torch

from dmtlib.data.images.augment import AUGMENTATIONS
from dmtlib.presets import preset
from dmtlib.training.images.phase import PhaseTask, PhaseTrainer, PseudoLabels, start_phase


def random_phase(config, device) -> PhaseTrainer:
    """A trainer of phase 1 on 200 random images, of which 40 are labeled."""
    labels = torch.arange(200, device=device) % 10
    task = PhaseTask(
        config=config,
        phase=1,
        total_steps=100,
        num_classes=10,
        augment=AUGMENTATIONS[config.augmentation]((0.3,), (0.4,)),
        images=torch.randint(0, 256, (200, 1, 8, 8), dtype=torch.uint8).to(device),
        labeled=torch.arange(40, device=device),
        labeled_targets=labels[:40],
        pseudo=PseudoLabels(
            torch.arange(40, 200, device=device), labels[40:], torch.rand(160, device=device), labels[40:]
        ),
        normalised={"mean": [0.3], "std": [0.4]},
    )
    return PhaseTrainer(task, start_phase(task))


def small_task(device: torch.device, method: str = "dmt") -> PhaseTask:
    """The paper's step with a smaller network and batch, on 96 random images, the first third labeled."""
    config = preset("cifar10-4000", method)
    config = dataclasses.replace(config, depth=10, widen_factor=1, batch_size=16, labeled_per_batch=4)
    labels = torch.arange(96, device=device) % 10
    confidence = torch.rand(64).to(device)
    pseudo = PseudoLabels(torch.arange(32, 96, device=device), labels[32:], confidence, labels[32:])
    return PhaseTask(
        config=config,
        phase=int(config.iterative),
        total_steps=100,
        num_classes=10,
        augment=AUGMENTATIONS["paper"]((0.5,) * 3, (0.2,) * 3),
        images=torch.randint(0, 256, (96, 3, 32, 32), dtype=torch.uint8).to(device),
        labeled=torch.arange(32, device=device),
        labeled_targets=labels[:32],
        pseudo=pseudo if config.iterative else None,
        normalised={"mean": [0.5] * 3, "std": [0.2] * 3},
    )
