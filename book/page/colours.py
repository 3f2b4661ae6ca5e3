"""What each colour of the book stands for: here and nowhere else, and no colour for two things.

Figures are white cards on light and dark pages alike, so a colour has to stand out from white, by 3 to 1 at least.
Those of meanings and methods were searched for by their distance to the least fortunate of four readers: one who sees
all colours and three who lack one kind of cone. Methods and data sets have a marker each as well.
"""

COLOURS = {
    "A": "#0072B2",  # blue: the first model, and what is its own
    "B": "#C46A00",  # orange: the second one
    "labeled": "#734554",  # brown: true labels
    "pseudo": "#8800CC",  # purple: labels that a model gave, and what they weigh
    "wrong": "#C1121F",  # red
    "right": "#009E73",  # green
    "quiet": "#8A8F98",  # grey: what is only there for comparison
    "second": "#C25CD6",  # orchid: a second of two that are no models A and B, beside ink
    "ink": "#22262B",
}

METHOD_COLOURS = {
    "baseline": COLOURS["quiet"],
    "online-st": "#660000",
    "cbst": "#506286",
    "cl": "#8A14FF",
    "dst": "#DC3853",
    "dmt": COLOURS["ink"],
    "dmt-naive": "#002A80",
    "dmt-flip": "#4B0F57",
    "dmt-pair": "#EE00FF",
    "fixmatch": "#C38746",
    "flexmatch": "#360000",
    "small-loss": "#A380B7",
    "js": "#6C2C2C",
    "oracle": "#136C22",
}
"""The book's subject in ink, what it is compared with in grey, and a colour for each of the others."""

METHOD_MARKERS = {
    "baseline": "v",
    "online-st": "<",
    "cbst": "^",
    "cl": "s",
    "dst": "D",
    "dmt": "o",
    "dmt-naive": "P",
    "dmt-flip": "X",
    "dmt-pair": "H",
    "fixmatch": ">",
    "flexmatch": "h",
    "small-loss": "p",
    "js": "d",
    "oracle": "*",
}

PEERS = {
    "MT-Seg": ("v", "#6A8CAF"),
    "Hung et al.": ("s", "#B07580"),
    "s4GAN + MLMT": ("D", "#8D7B4F"),
    "CutMix": ("^", "#5B8A72"),
    "CCT": ("<", "#7D7D7D"),
    "GCT": (">", "#9A6FB0"),
}
"""A marker and a colour for each method that the paper compares with on pixels: paler than our own."""

SETS = {
    "digits-10": ("o", "#06302B"),
    "digits-20": ("s", "#0E5A50"),
    "digits-40": ("D", "#1C877A"),
    "digits-80": ("^", "#3A9C8E"),
    "cifar10-small": ("v", "#A0522D"),
    "scenes": ("P", "#B03A7A"),
    "camvid-small": ("X", "#5A3FA0"),
    "cifar10-4000-fast": ("d", "#7A1F3D"),
    "cifar10-1000-fast": ("p", "#8C6A00"),
}
"""A marker and a colour for each data set; the digits are one hue, the paler the more labels."""

PALE = "#C9CDD3"  # a mark that must not be looked at
WORDS = "#5F6570"  # print beside a grey mark
FADED_RIGHT, FADED_WRONG = "#B9E2D5", "#F0B6BA"  # right and wrong labels that are dropped
PSEUDO_SHADES = ("#C08BDC", COLOURS["pseudo"], "#45106A")  # from little to much of something that pseudo labels have
