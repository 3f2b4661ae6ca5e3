"""The methods of the paper's tables: who labels for whom. What is made of a label is a row of ``RULES``."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Method:
    """How a method uses the unlabeled images. ``title``: what tables and figures call it. ``labeler``: who stores the
    pseudo labels that a model learns: another model, the model itself, or nobody. On images (Alg. 1) a model that
    learns another one's labels is a new one, a model that learns its own goes on from where it was; on pixels (Alg. 2)
    every model goes on, and the other one stands beside it. ``pair``: on images, too, two models take turns, and from
    the second iteration on each goes on from where it was. ``online``: one phase on the model's own predictions of the
    same step, as long as the others' phases together: predictions of the view that is ``learned``, or of a ``weak``
    one while a strong one is learned. ``flexible``: what is asked of a class rises as the model comes to know it.
    ``all_labels``: the supervised phase has all images' labels."""

    title: str
    labeler: Literal["other", "itself"] | None = None
    pair: bool = False
    online: Literal["learned", "weak"] | None = None
    flexible: bool = False
    all_labels: bool = False


METHODS = {
    "baseline": Method("baseline"),
    "online-st": Method("Online ST", online="learned"),
    "cbst": Method("CBST", labeler="itself"),
    "dst": Method("DST", labeler="itself"),
    "cl": Method("CL", labeler="other"),
    "dmt": Method("DMT", labeler="other"),
    "dmt-naive": Method("DMT-Naive", labeler="other"),
    "dmt-flip": Method("DMT-Flip", labeler="other"),
    "dmt-pair": Method("DMT-Pair", labeler="other", pair=True),
    "fixmatch": Method("FixMatch", online="weak"),
    "flexmatch": Method("FlexMatch", online="weak", flexible=True),
    "small-loss": Method("Small loss", labeler="other"),
    "js": Method("JS weight", labeler="other"),
    "oracle": Method("oracle", all_labels=True),
}
"""`dst` and `dmt` have the same rule, and differ here; `cbst` and `dst` are the same here, and differ in the rule.
`cl` and `cbst` share a rule too: CL trains a new model in each phase, CBST goes on with the one it has."""

BEYOND = ("fixmatch", "flexmatch", "small-loss", "js")
"""What the paper doesn't have, on images: FixMatch and its kin, and DMT with other weights than those of Eq. 3."""

SEGMENTATION_METHODS = {name: METHODS[name] for name in METHODS if name not in ("cl", "dmt-pair", *BEYOND)}
"""The rows of Table 7. CL is CBST on images; on pixels the class-balanced one is what the paper compares with, and DMT
itself is a pair that goes on."""
