"""DMT on one page: Algorithm 1 on handwritten digits, from scratch.

The library adds what a long run needs: it can be killed and resumed,
writes records, knows other methods and other data. None of that is
here, and both end with the same bits. Imported are the data, their
augmentation, the network, and the seeds of everything random.
"""

from copy import deepcopy
from math import exp

import numpy as np
import torch
import torch.nn.functional as F
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import update_bn

from dmtlib.data.images.augment import augment_digits, normalise
from dmtlib.data.images.datasets import load_digits
from dmtlib.data.images.splits import split_labeled
from dmtlib.models.wideresnet import WideResNet
from dmtlib.training.images.phase import batch_statistics_only
from dmtlib.training.seeding import ShuffledStream, derive_seed

ALPHAS = 20, 40, 60, 80, 100  # percent of the unlabeled images
GAMMA1 = GAMMA2 = 4.0
BATCH, LABELED = 128, 32  # images in a batch, labeled ones among them
CPU = torch.device("cpu")


def ramp(t, t_max):
    """From nearly 0 to 1: what γ is multiplied by in step t."""
    return exp(-5 * (1 - t / t_max) ** 2)


def dynamic_weights(p, y_a, c_a, gamma1, gamma2):
    """Eq. 3. p is what B says now; y_a and c_a, what A had said."""
    c_b, y_b = p.max(dim=1)
    p_b = p.gather(1, y_a[:, None])[:, 0]
    case_2_or_3 = torch.where(c_a >= c_b, p_b**gamma2, 0.0)
    return torch.where(y_a == y_b, p_b**gamma1, case_2_or_3)


@torch.no_grad()
def pseudo_labels(model, data, unlabeled, alpha):
    """Line 5: the top α of what a model says of the clean images."""
    clean = normalise(data.train_images[unlabeled], data.mean, data.std)
    model.eval()
    p = torch.cat([model(x).softmax(dim=1) for x in clean.split(250)])
    c_a, y_a = p.max(dim=1)
    order = c_a.argsort(descending=True, stable=True)
    top = order[: len(order) * alpha // 100]
    return unlabeled[top], y_a[top], c_a[top]


def train(data, labeled, pseudo, seed, phase, steps):
    """Lines 1 and 2, or 6 and 7: a new model learns one or both sets."""
    torch.manual_seed(derive_seed(seed, "initialise", phase))
    model = WideResNet(10, 1, num_classes=10, in_channels=1)
    model = model.to(memory_format=torch.channels_last).train()
    average = deepcopy(model).requires_grad_(False)
    settings = dict(lr=0.1, momentum=0.9, weight_decay=5e-4)
    optimizer = SGD(model.parameters(), fused=True, **settings)
    schedule = CosineAnnealingLR(optimizer, T_max=steps)

    order = derive_seed(seed, "order", phase)
    n = LABELED if pseudo else BATCH  # of a batch, the first n are labeled
    true = ShuffledStream(len(labeled), n, derive_seed(order, 0), CPU)
    if pseudo:
        u, y_a, c_a = pseudo
        drawn = derive_seed(order, 1)
        others = ShuffledStream(len(u), BATCH - n, drawn, CPU)
    random = np.random.default_rng(derive_seed(seed, "mixup", phase))
    lams = random.beta(0.75, 0.75, size=steps)
    lams = torch.from_numpy(np.maximum(lams, 1 - lams)).float()
    generator = torch.Generator()

    for t, lam in enumerate(lams):
        generator.manual_seed(derive_seed(seed, "augment", phase, t))
        which = labeled[true.batch(t)]
        y, omega = data.train_labels[which], torch.ones(BATCH)
        if pseudo:
            i = others.batch(t)
            which, y = torch.cat([which, u[i]]), torch.cat([y, y_a[i]])
        x = data.train_images[which]
        x = augment_digits(x, generator, data.mean, data.std)
        if pseudo:  # what does the model itself say of these images?
            with torch.no_grad(), batch_statistics_only(model):
                p = model(x)[n:].softmax(dim=1)
            gammas = GAMMA1 * ramp(t, steps), GAMMA2 * ramp(t, steps)
            omega[n:] = dynamic_weights(p, y[n:], c_a[i], *gammas)

        # Mixup: images, weights and losses, each with a partner's.
        partner = torch.rand(BATCH, generator=generator).argsort()
        x = lam * x + (1 - lam) * x[partner]
        omega = lam * omega + (1 - lam) * omega[partner]
        log_p = F.log_softmax(model(x), dim=1)
        own = F.nll_loss(log_p, y, reduction="none")
        other = F.nll_loss(log_p, y[partner], reduction="none")
        loss = (omega * (lam * own + (1 - lam) * other)).mean()  # Eq. 4–6

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()

        # The moving average of the weights is what labels and is scored.
        decay = min(0.99, (t + 1) / (t + 10))
        now, learned = model.state_dict(), dict(model.named_parameters())
        for name, mean in average.state_dict().items():
            if name in learned:
                mean.lerp_(now[name], 1 - decay)
            else:  # what batch norm counts
                mean.copy_(now[name])

    # Batch norm shall know clean images, not the augmented ones.
    clean = normalise(data.train_images, data.mean, data.std)
    update_bn(clean.split(BATCH), average)
    return average.eval()


def dmt(data, labeled, unlabeled, seed, steps=800):
    """Algorithm 1. The models F⁰ to F⁵ of all generations."""
    models = [train(data, labeled, None, seed, 0, steps)]
    for phase, alpha in enumerate(ALPHAS, start=1):
        pseudo = pseudo_labels(models[-1], data, unlabeled, alpha)
        models.append(train(data, labeled, pseudo, seed, phase, steps))
    return models


@torch.no_grad()
def accuracy(model, data):
    """Percent of the test images that it gets right."""
    clean = normalise(data.test_images, data.mean, data.std)
    right = model(clean).argmax(dim=1) == data.test_labels
    return 100 * right.double().mean().item()


if __name__ == "__main__":
    digits = load_digits()
    split = split_labeled(digits.train_labels, num_labels=40, seed=0)
    for model in dmt(digits, split.labeled, split.unlabeled, seed=0):
        print(f"{accuracy(model, digits):.1f}% of the test images right")
