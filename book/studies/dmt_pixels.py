"""DMT on one page: Algorithm 2 on generated street signs, from scratch.

As in dmt.py, what is missing is what a long run needs besides the
method, and both end with the same bits. Imported are the data, their
augmentation, the network, the seeds of everything random, and how a
confidence is kept in 16 bits.
"""

from copy import deepcopy
from random import Random

import torch
import torch.nn.functional as F
from torch.optim import SGD
from torch.optim.lr_scheduler import PolynomialLR

from dmtlib.data.pixels.datasets import load_segmentation
from dmtlib.data.pixels.joint_augment import JointAugment
from dmtlib.data.pixels.splits import split_names
from dmtlib.method import pixel_selection as in_16_bits
from dmtlib.models.deeplab import DeepLabV2
from dmtlib.training.pixels.evaluation import measure_segmentation
from dmtlib.training.seeding import ShuffledStream, derive_seed

ALPHAS = 20, 40, 60, 80, 100  # percent of the pixels of each class
GAMMA1 = GAMMA2 = 5.0
BATCH, LABELED = 8, 2  # images in a batch, labeled ones among them
IGNORED = 255
LAST = torch.channels_last
CPU = torch.device("cpu")
augment = JointAugment(crop=(40, 40), flip=0)


def dynamic_weights(p, y_a, c_a, gamma1, gamma2):
    """Eq. 3, for pixels. Where A's label is ignored, the weight is 0."""
    ignored = y_a == IGNORED
    y_a = y_a.masked_fill(ignored, 0)
    c_b, y_b = p.max(dim=1)
    p_b = p.gather(1, y_a[:, None])[:, 0]
    case_2_or_3 = torch.where(c_a >= c_b, p_b**gamma2, 0.0)
    omega = torch.where(y_a == y_b, p_b**gamma1, case_2_or_3)
    return omega.masked_fill(ignored, 0)


def different_subsets(items, seed):
    """Line 7: 80% each, the first and the last of a shuffled list."""
    items, size = list(items), round(0.8 * len(items))
    Random(seed).shuffle(items)
    return items[:size], items[-size:]


@torch.no_grad()
def pseudo_labels(model, images, alpha):
    """Lines 12 and 14: of each class the top α of its pixels."""
    model.eval()
    batches = [x.contiguous(memory_format=LAST) for x in images.split(8)]
    p = torch.cat([model(x).softmax(dim=1) for x in batches])
    c_a, y_a = p.max(dim=1)
    codes = in_16_bits.encode_confidence(c_a)
    kept = torch.full_like(y_a, IGNORED)
    for c in range(p.shape[1]):
        mine = (y_a == c).flatten().nonzero()[:, 0]
        ranked = codes.flatten()[mine].int()
        order = ranked.argsort(descending=True, stable=True)
        kept.view(-1)[mine[order[: len(mine) * alpha // 100]]] = c
    c_a = in_16_bits.decode_confidence(codes)
    return kept.to(torch.uint8), c_a


def train(model, data, labeled, unlabeled, pseudo, seed, steps):
    """Lines 3, 8 and 13: go on learning from one or both sets."""
    settings = dict(lr=0.02, momentum=0.9, weight_decay=5e-4)
    optimizer = SGD(model.train().parameters(), fused=True, **settings)
    schedule = PolynomialLR(optimizer, total_iters=steps, power=0.9)
    n = LABELED if pseudo else BATCH  # of a batch, the first n are labeled
    drawn = derive_seed(seed, "labeled")
    true = ShuffledStream(len(labeled), n, drawn, CPU)
    if pseudo:
        drawn = derive_seed(seed, "pseudo")
        others = ShuffledStream(len(unlabeled), BATCH - n, drawn, CPU)

    for t in range(steps):
        # An image, what it teaches, and how sure of that A was: (x, y, c).
        batch = [data[labeled[i]] for i in true.batch(t)]
        if pseudo:
            for i in others.batch(t):
                x, _ = data[unlabeled[i]]
                batch.append((x, pseudo[0][i], pseudo[1][i]))
        for place, sample in enumerate(batch):
            drawn = derive_seed(seed, "augment", t, place)
            generator = torch.Generator().manual_seed(drawn)
            batch[place] = augment(*sample, generator=generator)
        x = torch.stack([sample[0] for sample in batch])
        y = torch.stack([sample[1] for sample in batch]).long()
        logits = model(x.contiguous(memory_format=LAST))
        omega = torch.ones(y.shape)
        if pseudo:
            c_a = torch.stack([sample[2] for sample in batch[n:]])
            p = logits[n:].detach().softmax(dim=1)
            omega[n:] = dynamic_weights(p, y[n:], c_a, GAMMA1, GAMMA2)
        log_p = F.log_softmax(logits, dim=1)
        ce = F.nll_loss(log_p, y, ignore_index=IGNORED, reduction="none")
        loss = (omega * ce).sum() / (y != IGNORED).sum()  # Eq. 4–6
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


def new_model(seed):
    """A DeepLab-v2 with random weights."""
    torch.manual_seed(seed)
    model = DeepLabV2("narrow", num_classes=5, rates=(1, 2, 4, 6))
    return model.to(memory_format=LAST)


def dmt(data, labeled, unlabeled, seed, start=120, steps=30):
    """Algorithm 2. The pairs F_A, F_B of all generations."""
    clean = data.images[unlabeled]
    subsets = different_subsets(labeled, derive_seed(seed, "halves"))
    pair = {}
    for name, subset in zip("AB", subsets, strict=True):
        model = new_model(derive_seed(seed, "initialise", name))
        place = derive_seed(seed, "phase", 0, name)
        pair[name] = train(model, data, subset, [], None, place, start)
    pairs = [pair]
    for phase, alpha in enumerate(ALPHAS, start=1):
        taught = {  # before either model learns: both are of phase i − 1
            "A": pseudo_labels(pair["B"], clean, alpha),
            "B": pseudo_labels(pair["A"], clean, alpha),
        }
        pair = deepcopy(pair)
        for name in "AB":
            place = derive_seed(seed, "phase", phase, name)
            sets = labeled, unlabeled, taught[name]
            train(pair[name], data, *sets, place, steps)
        pairs.append(pair)
    return pairs


if __name__ == "__main__":
    scenes = load_segmentation("scenes-300")
    images = scenes.parts["train"]
    split = split_names(images.names, ratio=6, split=0)
    place = {name: index for index, name in enumerate(images.names)}
    labeled = [place[name] for name in split.labeled]
    unlabeled = [place[name] for name in split.unlabeled]
    for pair in dmt(images, labeled, unlabeled, seed=0):
        iou = {}
        for name, model in pair.items():
            scores = measure_segmentation(model, scenes)
            iou[name] = scores["val_mean_iou"]
        print(f"mean IoU {iou}, the better one is {max(iou, key=iou.get)}")
