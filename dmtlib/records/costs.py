"""How long a run is, before it is run: steps and images are counted from its settings and the size of its data."""

from ..data.pixels.datasets import ROWS
from ..data.pixels.splits import HALF_SHARE, labeled_count
from ..method.pseudo_labels import count_selected
from ..training.methods import METHODS
from ..training.pixels.config import SegmentationConfig
from ..training.settings import Config

CIFAR10_IMAGES = 50_000  # to train on


def steps_of_a_run(config: Config) -> list[list[int]]:
    """Training steps, by phase and model. A KeyError for other data than CIFAR-10 and :data:`.datasets.ROWS`."""
    if isinstance(config, SegmentationConfig):
        labeled, unlabeled = labeled_and_unlabeled(config)
        supervised = round(HALF_SHARE * labeled) if config.difference_maximized and len(config.models) > 1 else labeled
        supervised += unlabeled if METHODS[config.method].all_labels else 0
        sizes = [supervised] + [unlabeled] * (config.phases - 1)
        return [[config.steps(phase, size)] * len(config.models) for phase, size in enumerate(sizes)]
    unlabeled = CIFAR10_IMAGES - config.validation - config.num_labels
    supervised = config.num_labels + (unlabeled if config.method == "oracle" else 0)
    sizes = [supervised] + [count_selected(alpha, unlabeled) for alpha in config.alphas[: config.phases - 1]]
    return [[config.steps(phase, size)] for phase, size in enumerate(sizes)]


def training_images(config: Config) -> int | None:
    """How many images a run trains on, in all its phases and models, each as often as it comes."""
    if config.data in ("cifar10", *ROWS):
        steps = sum(map(sum, steps_of_a_run(config)))
    elif config.phase_steps is None or config.baseline_steps is None:
        return None
    else:  # in steps, so the size of the data doesn't matter
        models = len(config.models) if isinstance(config, SegmentationConfig) else 1
        steps = models * sum(config.steps(phase, 0) for phase in range(config.phases))
    return config.batch_size * steps


def labeled_and_unlabeled(config: SegmentationConfig) -> tuple[int, int]:
    """How many training images of each there are."""
    counts, ratio = ROWS[config.data].counts, config.labeled_ratio
    labeled = counts.get("labeled", 0) if ratio is None else labeled_count(counts["train"], ratio)
    return labeled, counts["train"] - labeled
