# %% tags=["setup", "remove-cell"] jupyter={"source_hidden": true}
# @title Set-up: finds the clone of the book. On Colab, or beside a lone notebook, it brings the book and its needs
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

REPOSITORY = ""  # the book's public address; `make repo-url URL=…` writes it here
here = Path.cwd()
places = [here, *here.parents, here / "the-dmt-book", *map(Path, sys.path)]
clone = next((place for place in places if (place / "book/figures").is_dir()), None)
if clone is None:
    if not REPOSITORY:
        raise ModuleNotFoundError(
            "This chapter needs the clone of the book that it belongs to, and this copy doesn't know the address to "
            "fetch it from. Write the book's git address into REPOSITORY above, or open the chapter in a clone."
        )
    clone = here / "the-dmt-book"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", REPOSITORY, str(clone)], check=True)
sys.path.insert(0, str(clone))  # first, so that chapter, figures and library are of one version
needs = "torch torchvision numpy pandas scipy sklearn jaxtyping tqdm rich typer tensorboard filelock yaml"
missing = [name for name in f"{needs} matplotlib seaborn ipywidgets".split() if find_spec(name) is None]
if missing:
    packages = [{"sklearn": "scikit-learn", "yaml": "PyYAML"}.get(name, name) for name in missing]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *packages], check=True)

# %% [markdown]
# # From images to pixels
#
# A classifier gives one answer to an image. A segmentation model gives thousands, one for each pixel, and they are
# not alike. Most say *background*, are right, and are sure of it. The objects are few, and doubtful. **If we keep the
# pixels that the model is surest of, what will the next model learn?**
#
# {cite:t}`feng2022dmt` answer in Sec. 4.2.2. We follow them on *scenes*: generated pictures of signs, each with a real
# handwritten digit. A disc shows a 3 or an 8, a square a 1 or a 7; inside a pair only the digit decides.
#
# :::{admonition} Before you begin
# :class: dmt-goals
# **You need** {doc}`04_curriculum`, for selection on images; to have met a segmentation network helps.
#
# **Afterwards you can**
#
# - say why pixels are ranked inside their predicted class, and what that costs;
# - work out when CBST's division changes a label;
# - select the top α of billions of pixels exactly, without sorting them;
# - make two models differ when they must start from the same weights.
# :::

# %% tags=["hide-input"]
import pandas as pd
import torch

from book.figures import segmentation as draw
from book.page.look import say, show, show_body, style
from book.page.runs import runs_folder
from book.page.slider import slider
from book.studies import segmentation as ranking
from dmtlib import presets
from dmtlib.data.pixels.datasets import ROWS, load_segmentation
from dmtlib.data.pixels.joint_augment import JointAugment
from dmtlib.data.pixels.splits import difference_maximized_halves, labeled_count
from dmtlib.method.pixel_selection import cut_classes, decode_confidence
from dmtlib.method.pseudo_labels import count_selected
from dmtlib.training import RunDirectory, train
from dmtlib.training.pixels.plan import split_of
from dmtlib.training.pixels.stored import phase_segmenter
from dmtlib.training.seeding import derive_seed

style()

# %% tags=["parameters"]
preset = "scenes"
seed = 0  # of the labeled images and of the network
budget = 0.1  # the share of the training that is done
device = "auto"

# %%
config = presets.preset(preset, "baseline", seed, budget)
data = load_segmentation(config.data)
training = data.parts["train"]

# %% tags=["hide-input"]
show(draw.some_scenes(training.images, training.masks, data.classes))

# %% [markdown]
# *Light grey in the truth: the rim of a sign has no class, as in PASCAL VOC, and is neither learned nor counted.*
#
# A small DeepLab learns the few labeled scenes, for a tenth of its preset's steps. Everything on this page is
# small-scale: it shows how pixels are chosen, not how good a model can get. That is {doc}`10_segmentation_results`.

# %% tags=["remove-output"]
runs = runs_folder(config)  # or yours: a finished run isn't repeated
record = train(config, runs=runs, device=device)

# %%
split = split_of(config, data)
names = enumerate(training.names)
unlabeled = [i for i, name in names if name not in split.labeled]
model = phase_segmenter(RunDirectory.of(config, runs), 0)
labeling = ranking.label_pixels(model, data, unlabeled)

# %% tags=["hide-input"]
images, sure = training.images[unlabeled], decode_confidence(labeling.codes)
show(draw.first_labels(images, labeling, sure))
whole = ranking.kept_by_class(labeling, labeling.labels)
signs = whole.drop("background").sum()
say(
    f"{len(split.labeled)} scenes are labeled, {len(unlabeled)} are not. Of {labeling.labels.numel():,} pixels in "
    f"those, the model calls {whole['labeled'].iloc[0] / whole['labeled'].sum():.0%} background and is wrong about "
    f"{whole['wrong'].iloc[0] / whole['known'].iloc[0]:.1%} of them. Of the pixels that it calls a sign, the sign "
    f"is wrong for **{signs['wrong'] / signs['known']:.0%}**."
)

# %% [markdown]
# *Three unlabeled scenes. Confidence: yellow is 1, dark violet 0.*
#
# ## What changes
#
# | | images, Alg. 1 | pixels, Alg. 2 |
# |---|---|---|
# | a label belongs to | an image | a pixel |
# | is ranked among | all images | **the pixels predicted as its class** |
# | who labels | the previous model | the other one of two models |
# | a phase starts from | random weights | the model's last weights |
# | $\gamma$ | rises from nearly 0 | constant |
# | $N$ of the loss | images in the batch | its pixels that aren't ignored |
# | augmentation | RandAugment, mixup | scale, crop, flip: **labels must follow** |
#
# $\gamma$ needs no ramp, because a model that is fine-tuned has an opinion from the first step on. The two models are
# for {doc}`09_mutual_training`. This page is about the way from one model's pixels to the other's batch.
#
# ## Why not rank all pixels together?
#
# {doc}`04_curriculum` did so with images: sort by confidence, keep the top 20%. Here is that, on pixels. Beside it,
# the top 20% of the pixels of each predicted class:

# %%
alpha = 0.2
top = ranking.keep_top(labeling, alpha, by_class=False)
top_by_class = ranking.keep_top(labeling, alpha)

# %% tags=["hide-input"]
together, by_class = (ranking.kept_by_class(labeling, kept) for kept in (top, top_by_class))
show(draw.kept_shares(labeling, alpha))
kept, of_signs = together["kept"].sum(), together["kept"].iloc[1:].sum()
error, error_by_class = (counts["wrong"].sum() / counts["known"].sum() for counts in (together, by_class))
say(
    f"Ranked together, **{of_signs:,} of {kept:,}** kept labels are signs, and {error:.1%} are wrong. "
    f"Ranked by class, {by_class['kept'].iloc[1:].sum():,} are signs, and {error_by_class:.0%} are wrong."
)

# %% [markdown]
# The selection on the left is clean. It also teaches that the world is background. Some classes are easier than
# others, and confidence measures mostly that.
#
# So the paper ranks each class by itself, as CBST {cite:p}`zou2018cbst` does: the top $\alpha$ of the pixels
# *predicted* as a class, over all unlabeled images at once. The price is in the last number. A hard class now has a
# place in the lesson, and brings its errors along.
#
# ## Which pixels, and which are wrong?

# %% tags=["hide-input"]
slider(
    lambda alpha: draw.alpha_frame(labeling, range(4), alpha),
    values=[0.05, 0.2, 0.4, 0.6, 0.8, 1],
    label="α",
    format="{:.0%}",
    start=0.2,
)

# %% [markdown]
# *Above: the first scenes, in the colours of the classes, then in those of the legend; light grey is dropped. Below:
# all unlabeled scenes, without the rims. The curriculum stops at 20, 40, 60, 80 and 100%.*

# %% tags=["hide-input"]
first, last = (ranking.kept_by_class(labeling, ranking.keep_top(labeling, a)).iloc[1:].sum() for a in (0.2, 1))
say(
    f"Of the kept sign labels {first['wrong'] / first['known']:.0%} are wrong at α = 20%, and "
    f"{last['wrong'] / last['known']:.0%} at 100%."
)

# %% [markdown]
# Inside a class, confidence tells something, and less than one would wish. If a model can't tell a 3 from an 8, its
# confidence can't either. No choice of $\alpha$ changes that; a second model may.
#
# ## CBST divides; why not here?
#
# CBST reaches the same share another way. It takes the confidence at each class's cut as a threshold $t_c$, divides
# all probabilities by the thresholds of their classes, and keeps a pixel if its largest quotient exceeds 1:
#
# $$
# \begin{gathered}
# \text{label} = \arg\max_c \frac{p_c}{t_c} , \\
# \text{kept if } \max_c \frac{p_c}{t_c} > 1 .
# \end{gathered}
# $$
#
# Mostly that is the same. The paper gives an example where it isn't: a model says $(0.6,\ 0.4)$ and the thresholds are
# $(0.61,\ 0.39)$.

# %%
p, t = torch.tensor([[0.6, 0.4]]), torch.tensor([0.61, 0.39])
example, quotient = ranking.renormalise(p, t)

# %% tags=["hide-input"]
say(
    f"0.6 / 0.61 = {0.6 / 0.61:.3f} and 0.4 / 0.39 = {0.4 / 0.39:.3f}. The library's largest quotient is "
    f"{quotient.item():.3f}. CBST keeps the pixel, **as class {example.item()}**, the one that the model finds less "
    "likely."
)

# %% [markdown]
# Direct ranking drops this pixel: 0.6 is below class 0's cut, and class 1 isn't what the model said.
#
# When can a label change? Class $c$ must beat its threshold, $p_c > t_c$, while another class is likelier. The two
# share at most 1, so $p_c < \tfrac12$, and the threshold lies lower still. **Labels can change only where a threshold
# is below one half.** With two classes none is, if thresholds come from a ranking: a predicted class has at least a
# half. So 0.39 makes the paper's example short rather than real. With $C$ classes a threshold can come down to $1/C$.

# %% tags=["hide-input"]
alphas = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1]
effect = ranking.renormalisation_effect(labeling, alphas)
show(draw.cbst_lines(labeling, alphas))
worst = effect["changed"].idxmax()
say(
    f"Dividing changes most at α = {worst:.0%}: {effect['changed'][worst]:.1f}% of the kept labels. "
    f"{effect['right made wrong'][worst]:.2f}% were right and become wrong, "
    f"{effect['wrong made right'][worst]:.2f}% the reverse. At 20% it changes {effect['changed'][0.2]:.2f}%, "
    f"at 100% {effect['changed'][1.0]:.2f}%."
)

# %% [markdown]
# That fits what the paper says: harmless in CBST's own experiments, which use less than half of the labels, a "slight
# degradation" with nearly all. Why is there so little left of it at 100%? There each threshold is the least confidence
# of its class, they all come near $1/C$, and dividing by equal numbers changes nothing.
#
# We haven't trained on re-normalised labels, so what they cost a model isn't measured here. Direct ranking is simpler
# and never touches a label. DMT uses it, and so does the CBST of the paper's ablations, and ours.
#
# ## Exactly α, without sorting
#
# "Save top $\alpha$ pixels from each class", says Alg. 2. Two things hide in that. Real data sets have too many pixels
# to sort, and more of them tie than one would think:

# %% tags=["hide-input"]
cut, tied = ranking.class_cut(labeling, alpha)
ties = pd.DataFrame(
    {
        "confidence at the cut": [f"{confidence:.7f}" for confidence in decode_confidence(cut.code)],
        "pixels of just that": tied,
        "of them kept": cut.ties,
    },
    index=pd.Index(labeling.classes, name=f"top {alpha:.0%} of"),
)
ties

# %% [markdown]
# Next to 1 a 32-bit float has few values left, and the background is there. Keeping what is *above* the cut would keep
# too little, *at or above* too much. The library keeps exactly $\lfloor\alpha n\rfloor$ pixels of a class; of equal
# ones those that come first, by image and then by position.
#
# And it doesn't sort. Each confidence is stored as one of 65,536 codes, spaced more densely towards 1. One pass counts
# how often each class has each code. The cut is read off the counts, and a second pass keeps or drops. (The authors'
# code takes the cut from every 16th pixel. Here all are counted.)

# %% tags=["hide-input"]
show_body(cut_classes)

# %% [markdown]
# Sorting says the same, pixel by pixel:

# %%
labels, codes = labeling.labels.flatten(), labeling.codes.flatten().int()
by_sorting = torch.full_like(labels, 255)
for c in range(len(data.classes)):
    places = (labels == c).nonzero().squeeze(1)
    order = codes[places].argsort(descending=True, stable=True)
    by_sorting[places[order[: count_selected(alpha, len(places))]]] = c
assert torch.equal(by_sorting, ranking.keep_top(labeling, alpha).flatten())

# %% tags=["hide-input"]
voc = ROWS["voc"]
unlabeled_voc = voc.counts["train"] - labeled_count(voc.counts["train"], 8)
pixels, table = unlabeled_voc * 375 * 500, len(voc.classes) * 65_536 * 8
say(
    f"PASCAL VOC with 1/8 labels leaves {unlabeled_voc:,} images, about {pixels / 1e9:.1f} billion pixels. To sort "
    f"them means to hold {5 * pixels / 1e9:.0f} GB of labels and confidences. The table of counts has "
    f"{table / 1e6:.0f} MB, for VOC as for a data set a thousand times larger."
)
print(ranking.measured_selection())

# %% [markdown]
# *The times are copied from the head of `benchmarks/selection.py`, in the clone, which measures them; nothing was
# timed on this page.*
#
# What is kept lies on the disk at three bytes a pixel, one for the label and two for the confidence. Training reads it
# an image at a time.
#
# ## The labels travel with the image
#
# Training shows the model scaled, cropped and flipped views. A class of an image doesn't mind. A class of a pixel must
# go where the pixel goes, and its confidence with it:

# %% tags=["hide-input"]
views = JointAugment(config.crop)  # scale 0.5 to 1.5, flip every other
of_one = ranking.keep_top(labeling, 0.4)[1], sure[1]
rows = draw.joint_views(images[1], *of_one, views, count=4, seed=4)
show(draw.view_rows(rows, data.classes))

# %% [markdown]
# *Confidence: yellow is 1, dark violet 0. Flips are here for show. The preset leaves them out: a mirrored 7 is no 7.*
#
# Three rules keep the maps right.
#
# - A resized image may blend its pixels, a map may not. Halfway between classes 1 and 3 lies class 2, which is
#   neither. Each pixel of a map takes one pixel's value.
# - Where a view reaches beyond the image, the label is *ignored*. It counts neither in the loss nor in $N$.
# - $c_A$ isn't asked again. It was recorded on the clean image and travels along; the model that learns is asked on
#   the view. That is the anchor of {doc}`05_augmentation`, pixel by pixel.
#
# ## Two models from one labeled subset
#
# Mutual training needs two models that differ. On images, two random starts were enough. Segmentation starts from
# pre-trained weights, so the paper takes two sets of those, from ImageNet and from COCO. If one of them is much the
# better, with some 100 to 200 labels, it takes that one twice and lets the *labels* differ: difference-maximised
# sampling, Fig. 6. Shuffle the labeled subset. A learns the first part of it, B the last, and the parts overlap.

# %%
draw_of = derive_seed(seed, "halves")
half_a, half_b = difference_maximized_halves(split.labeled, draw_of)

# %% tags=["hide-input"]
show(draw.halves(split.labeled, half_a, half_b))
both = set(half_a) & set(half_b)
n, size = len(split.labeled), len(half_a)
say(
    f"Each model gets {size} of {n} labels, and {len(both)} are in both: the fewest possible, "
    f"2 · {size} − {n} = {2 * size - n}. Drawn independently they would have {size**2 / n:.0f} in common on average."
)

# %% [markdown]
# *Drawn from this page's own split: grey is in both. A `dmt` run of the preset `scenes-halves` with this seed uses the
# same two. The preset `scenes` has no need of them: its models start from random weights, and those differ. What the
# two subsets cost is measured in {doc}`09_mutual_training`.*
#
# The two are for phase 0 only; from then on both models learn from the whole labeled subset. The size, 80%, is in the
# authors' code and not in the paper.
#
# ## Exercises
#
# ```{exercise} Two classes are safe
# :label: ex-two-classes
# Draw random predictions for two classes and for five. Take thresholds by ranking, at $\alpha$ = 90%, and count kept
# labels that re-normalising changes. Why are there none for two classes?
# ```
#
# ````{solution} ex-two-classes
# :class: dropdown
# ```python
# for classes in (2, 5):
#     logits = 2 * torch.randn(1, classes, 200, 200, generator=torch.Generator().manual_seed(0))
#     logits[:, 0] += 2  # an easy class
#     nobody_knows = torch.full((1, 200, 200), 255, dtype=torch.uint8)
#     drawn = ranking.pixel_labeling(tuple("abcde"[:classes]), logits.softmax(dim=1), nobody_knows)
#     print(classes, ranking.thresholds(drawn, 0.9), ranking.renormalisation_effect(drawn, [0.9])["changed"].item())
# ```
# A ranked threshold is the confidence of some pixel in its own class. Of two classes the likelier has at least a half,
# so no threshold is below it, and a kept label has $p_c > t_c \ge \tfrac12$: it was the favourite all along.
# ````
#
# ```{exercise} All scenes, or each by itself
# :label: ex-each-scene
# Keep the top 20% of each class *in every scene* instead of over all scenes. The counts are about the same. Are the
# labels?
# ```
#
# ````{solution} ex-each-scene
# :class: dropdown
# ```python
# each = torch.cat(
#     [
#         ranking.keep_top(labeling._replace(labels=labels, codes=codes), alpha)
#         for labels, codes in zip(labeling.labels.split(1), labeling.codes.split(1), strict=True)
#     ]
# )
# for kept in (ranking.keep_top(labeling, alpha), each):
#     counts = ranking.kept_by_class(labeling, kept)
#     print((counts["wrong"] / counts["known"]).round(3).to_dict())
# ```
# Of most classes more are wrong. A scene without a 3 may have a few pixels labeled 3, all in error, and a fifth of
# those is kept now. Over all scenes they would compete with better ones. That is why the ranking needs the whole
# unlabeled subset, and why it has to stream.
# ````
#
# ```{exercise} A blended mask
# :label: ex-blended
# Resize the true mask of a scene to 48×48 pixels as if it were an image, bilinearly, and round. Which classes appear
# that the scene doesn't have, and on how many pixels? Count the void rim as background.
# ```
#
# ````{solution} ex-blended
# :class: dropdown
# ```python
# import torch.nn.functional as F
#
# mask = labeling.truth[:1, None].float()
# mask[mask == 255] = 0
# for mode in ("bilinear", "nearest-exact"):
#     small = F.interpolate(mask, size=(48, 48), mode=mode).round()
#     invented = ~torch.isin(small, mask)
#     print(mode, small[invented].unique().tolist(), int(invented.sum()))
# ```
# The scene shows a 1 and a 3, which are classes 3 and 1. Blending puts class 2, an 8, along the edge of the 1: the way
# from 0 to 3 leads past it. Taking one pixel's value invents nothing.
# ````
#
# ## What was shown
#
# Confidence can't be compared between an easy class and a hard one. Ranked together, the easy class takes every place;
# ranked by class, each has its share, and its errors. The ranking is direct, exact to the pixel, and needs two passes
# and a table of counts. What is kept travels with the image through every view.
#
# What a ranking can't do is tell which of a hard class's labels are wrong. {doc}`09_mutual_training` lets a second
# model have its say.

# %% tags=["hide-input"]
assert together["kept"].sum() == count_selected(alpha, labels.numel())
assert by_class["kept"].tolist() == [count_selected(alpha, n) for n in whole["labeled"]]
assert example.item() == 1 and round(quotient.item(), 3) == 1.026
assert ((cut.ties >= 0) & (cut.ties <= tied)).all()
assert len(both) == 2 * size - n and set(half_a) | set(half_b) == set(split.labeled)
if budget >= 0.1:  # a trained model: the background takes all, and a threshold below a half lets labels change
    assert of_signs < 0.01 * kept and error < error_by_class
    assert last["wrong"] / last["known"] > first["wrong"] / first["known"]
    assert effect["changed"][worst] > effect["changed"][0.2] and worst >= 0.8
