"""A phase of Alg. 1 on random images."""

import torch

from dmtlib.data.images.augment import AUGMENTATIONS
from dmtlib.training.images.phase import PhaseTask, PhaseTrainer, start_phase


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
        pseudo=torch.arange(40, 200, device=device),
        pseudo_labels=labels[40:],
        pseudo_confidence=torch.rand(160, device=device),
        pseudo_truth=labels[40:],
    )
    return PhaseTrainer(task, start_phase(task))
