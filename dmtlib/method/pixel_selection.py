"""The most confident pixels of each class, out of more pixels than fit into memory (Sec. 4.2.2; Alg. 2, line 12).

Ranking needs no sorting once a confidence is one of 65,536 codes: count how often each class has each code, and the
code at which the class is cut can be read off the counts. So the pixels pass by twice, a chunk at a time: once to be
counted, once to be kept or ignored. What must be remembered is one table of counts, however many pixels there are.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, Integer, UInt8, UInt16
from torch import Tensor

from .dynamic_loss import describe
from .pseudo_labels import count_selected

IGNORED = 255
"""The label of pixels that take no part: they are neither counted nor kept."""

CODES = 2**16
TOP_CODE = CODES - 1


def encode_confidence(confidence: Float[Tensor, "*S"]) -> UInt16[Tensor, "*S"]:
    """c_A as a number of 16 bits, 65535 − round(65535·√(1 − c_A)): the more confident, the larger. A ValueError for a
    value outside [0, 1], or NaN.

    The root spends the codes where the pixels are, next to 1. Evenly spaced codes would tie all confidences above 1 −
    7.6e-6, often more than the share α of a class, and ties go to the first images. With the root, every float32 above
    1 − 2⁻¹⁸ has a code of its own. What the code stands for is never further away than 1.6e-5."""
    confidence = confidence.float()
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("confidence must lie in [0, 1], and be free of NaN")
    return (TOP_CODE - (TOP_CODE * (1 - confidence).sqrt()).round()).int().to(torch.uint16)


def decode_confidence(codes: Integer[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """The confidence that a code stands for, float32. A confidence of 1 comes back as 1."""
    return 1 - ((TOP_CODE - codes.int()) / TOP_CODE) ** 2


def select_top_pixels(
    chunks: Iterable[tuple[UInt8[Tensor, "*S"], UInt16[Tensor, "*S"]]], num_classes: int, alpha: float
) -> Iterator[UInt8[Tensor, "*S"]]:
    """Ignore all but the ⌊α·n⌋ most confident of the n pixels predicted as each class, over all chunks together.

    The ranking is direct: confidences are compared as they are, not re-normalised by class as in CBST (Sec. 4.2.2).
    Pixels of equal code are kept in the order in which they come, earlier chunks first, so the counts are exact.
    Returns the labels of one chunk after the other, 255 where a pixel is not kept. A ValueError for ``chunks`` that
    can be iterated only once; ``num_classes``, ``alpha`` or a label out of range; a wrong shape or dtype.

    Args:
        chunks: predicted labels and confidence codes, on the CPU; most naturally one image each. Iterated twice.
        num_classes: labels are 0…num_classes − 1, or 255 for pixels that take no part.
        alpha: the share to keep of each class, in (0, 1].
    """
    if iter(chunks) is chunks:
        raise ValueError(f"chunks must be a collection, to be iterated twice, got a {type(chunks).__name__}")
    count_selected(alpha, 0)  # refuses a bad alpha before all the counting
    histogram = empty_histogram(num_classes)
    for labels, codes in chunks:
        count_pixels(histogram, labels, codes)
    return _keep_chunks(chunks, cut_classes(histogram, alpha))


def empty_histogram(num_classes: int) -> Int64[Tensor, "C 65536"]:
    """Half a megabyte a class, all 0. A ValueError for a ``num_classes`` outside 1…255."""
    if not 1 <= num_classes <= IGNORED:
        raise ValueError(f"num_classes must lie in 1…{IGNORED}, got {num_classes}")
    return torch.zeros(num_classes, CODES, dtype=torch.int64)


def count_pixels(
    histogram: Int64[Tensor, "C 65536"], labels: UInt8[Tensor, "*S"], codes: UInt16[Tensor, "*S"]
) -> None:
    """The first pass: add a chunk's pixels to ``histogram``, in place. A ValueError for shapes that differ, a wrong
    dtype, or a label that is neither a class nor 255."""
    if labels.dtype != torch.uint8 or codes.dtype != torch.uint16 or labels.shape != codes.shape:
        got = f"{describe(labels)} and {describe(codes)}"
        raise ValueError(f"labels and codes must be uint8 and uint16 of one shape, got {got}")
    counted = (labels != IGNORED).long()  # an ignored pixel adds 0 to the count, wherever
    cells = (labels.long() * counted).mul_(CODES).add_(codes.long()).reshape(-1)
    if len(cells) and cells.max() >= histogram.numel():
        raise ValueError(f"labels must lie in 0…{len(histogram) - 1}, or be {IGNORED}, got {cells.max() // CODES}")
    histogram.view(-1).scatter_add_(0, cells, counted.reshape(-1))


class Cut(NamedTuple):
    """Where each class's ranking ends: pixels of a larger ``code`` are kept, and of this code the first ``ties``."""

    code: Int64[Tensor, " C"]
    ties: Int64[Tensor, " C"]


def cut_classes(histogram: Int64[Tensor, "C 65536"], alpha: float) -> Cut:
    """Between the passes: find for each class the code of its ⌊α·n⌋-th most confident pixel. A class without pixels,
    or with too few for a single one to be kept, is cut above its top. A ValueError for an ``alpha`` outside (0, 1]."""
    code, ties = [], []
    for counts in histogram:  # one by one: all at once would need memory for two more histograms
        ranked = counts.flip(0)  # most confident first
        reached = ranked.cumsum(0)
        keep = count_selected(alpha, int(reached[-1]))
        place = int(torch.searchsorted(reached, keep))  # the first at which enough pixels are reached
        code.append(TOP_CODE - place)
        ties.append(keep - int(reached[place] - ranked[place]))
    return Cut(torch.tensor(code, device=histogram.device), torch.tensor(ties, device=histogram.device))


def keep_pixels(labels: UInt8[Tensor, "*S"], codes: UInt16[Tensor, "*S"], cut: Cut) -> tuple[UInt8[Tensor, "*S"], Cut]:
    """The second pass: the labels of a chunk, 255 where not kept, and the cut with the ties that are left for later.
    The chunks must be those that were counted, in the order that decides about ties."""
    flat, codes = labels.reshape(-1), codes.reshape(-1).int()
    code_of_label = torch.full((IGNORED + 1,), CODES, dtype=torch.int32, device=labels.device)  # out of reach
    code_of_label[: len(cut.code)] = cut.code.int()
    code = code_of_label.index_select(0, flat.int())
    keep = codes > code

    tied = (codes == code).nonzero().squeeze(1)
    order = flat[tied].argsort(stable=True)  # by class, and in order of position within each
    tied, tied_class = tied[order], flat[tied[order]].long()
    count = tied_class.bincount(minlength=len(cut.ties))
    rank = torch.arange(len(tied), device=labels.device) - (count.cumsum(0) - count)[tied_class]
    keep[tied[rank < cut.ties[tied_class]]] = True

    ignored = (~keep).to(torch.uint8) * IGNORED  # all bits set, so that "or" overwrites any label
    return (flat | ignored).reshape(labels.shape), Cut(cut.code, (cut.ties - count).clamp(min=0))


def _keep_chunks(chunks: Iterable[tuple[Tensor, Tensor]], cut: Cut) -> Iterator[Tensor]:
    for labels, codes in chunks:
        kept, cut = keep_pixels(labels, codes, cut)
        yield kept
