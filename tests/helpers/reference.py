"""Eq. 3–6 once more, element by element in float64, and random batches to compare on."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays


def elements(probabilities, *maps):
    """One tuple per image or pixel: its class probabilities as a list of floats, then its value in each map."""
    rows = probabilities.double().movedim(1, -1).reshape(-1, probabilities.shape[1]).tolist()
    return zip(rows, *(m.reshape(-1).tolist() for m in maps), strict=True)


def weight_of(p, y_a, c_a, gamma1, gamma2, ignore_index=255):
    """Eq. 3 for one element."""
    if y_a == ignore_index:
        return 0.0
    c_b = max(p)
    y_b = p.index(c_b)
    if y_a == y_b:
        return p[y_a] ** gamma1
    return p[y_a] ** gamma2 if c_a >= c_b else 0.0


def weights_loop(probabilities, labels, confidence, gamma1, gamma2, ignore_index=255):
    triples = elements(probabilities, labels, confidence)
    weights = [weight_of(p, y, c, gamma1, gamma2, ignore_index) for p, y, c in triples]
    return torch.tensor(weights, dtype=torch.float64).reshape(labels.shape)


def loss_loop(logits, targets, confidence, labeled, gamma1, gamma2, ignore_index=255):
    """Eq. 4–6: the labeled elements weigh 1, and N counts every element that is not ignored."""
    labeled = labeled.reshape(-1, *[1] * (targets.dim() - 1)).expand_as(targets)
    total, counted = 0.0, 0
    for z, y, c, is_labeled in elements(logits, targets, confidence, labeled):
        if y == ignore_index:
            continue
        top = max(z)
        log_sum = top + math.log(sum(math.exp(value - top) for value in z))
        p = [math.exp(value - log_sum) for value in z]
        total += (1.0 if is_labeled else weight_of(p, y, c, gamma1, gamma2)) * (log_sum - z[y])
        counted += 1
    return total / max(counted, 1)


@st.composite
def batches(draw, max_batch=6):
    """Probabilities, pseudo labels (some 255) and confidences in eighths, so that ties are common and exact."""
    batch, classes = draw(st.integers(1, max_batch)), draw(st.integers(2, 4))
    space = draw(st.sampled_from([(), (3,), (2, 2)]))

    def integers(shape, values):  # each drawn on its own: by default most elements would be equal
        return draw(arrays(np.int64, shape, elements=st.sampled_from(values), fill=st.nothing()))

    cuts = integers((batch, classes - 1, *space), range(9))
    eighths = np.diff(np.sort(cuts, axis=1), axis=1, prepend=0, append=8)
    labels = integers((batch, *space), [*range(classes), 255])
    confidence = integers((batch, *space), range(1, 9))
    return torch.tensor(eighths / 8).float(), torch.tensor(labels), torch.tensor(confidence / 8).float()


gammas = st.sampled_from([0.0, 0.5, 1.0, 2.5, 4.0, 8.0])
