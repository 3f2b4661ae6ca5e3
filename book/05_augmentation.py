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
# # Augmentation, consistency and mixup
#
# A labels the clean image. B learns that label from a copy that is rotated, recoloured and cropped, that has a hole in
# it, and that is mixed with another image as well. **Why make it so hard for B, when the label is in doubt already?**
#
# {cite:t}`feng2022dmt` (Sec. 2.2) call the label on the clean image an *anchor*: it is made where the model errs
# least, and it stays the same while the image is changed. This page looks at what happens to the image, then at what
# an anchor is worth, and last at what mixing does to a label's weight.
#
# :::{admonition} Before you begin
# :class: dmt-goals
# **You need** {doc}`03_dynamic_loss`; {doc}`04_curriculum` for what the anchors are made of.
#
# **Afterwards you can**
#
# - tell the augmentation of the paper's words from that of the authors' code;
# - say what an anchor gives that consistency alone doesn't, and show it;
# - work mixup with dynamic weights by hand.
# :::

# %% tags=["hide-input"]
import numpy as np
import torch

from book.figures import augmentation as draw
from book.page.look import say, show, show_body, style
from book.page.runs import runs_folder
from book.page.slider import slider
from book.studies import augmentation as anchoring
from book.studies.augmentation import black_pairs, black_share
from dmtlib import presets
from dmtlib.data.images.augment import AUGMENTATIONS
from dmtlib.data.images.datasets import load_dataset
from dmtlib.data.images.randaugment import RandAugment
from dmtlib.data.images.splits import split_labeled
from dmtlib.method.mixup import mixup, mixup_loss
from dmtlib.training import RunDirectory, train
from dmtlib.training.images.evaluation import predict
from dmtlib.training.images.stored import phase_model

style()

# %% tags=["parameters"]
preset = "digits-40"
seed = 0  # of the labeled images, the network and all draws
budget = 0.25  # the share of the training that is done
device = "auto"

# %% [markdown]
# ## What each operation does
#
# For CIFAR-10 the paper uses RandAugment {cite:p}`cubuk2020randaugment` with Cutout, and draws for every image and
# step *one operation at a random strength*, so that neither has to be tuned. Here are all of them on a photograph
# that comes with scikit-learn, shrunk to CIFAR-10's 32×32 pixels.

# %% tags=["hide-input"]
pagoda, flower = draw.photograph(*draw.PAGODA), draw.photograph(*draw.FLOWER)
slider(
    lambda level: draw.operations_frame(pagoda, level / 10),
    values=(0, 1, 3, 5, 7, 9, 10),
    label="strength",
    format="{} of 10",
    start=5,
    colours=256,
)

# %% [markdown]
# *Each operation at the same share of its range. The first three have no strength; Cutout comes on top of every
# image and always erases 16 pixels. Rotations, shears and translations get a random sign.*
#
# A high number isn't always a strong change. Solarize inverts what is brighter than its threshold, so 0 inverts
# everything and 256 nothing. Posterize keeps 4 to 8 of 8 bits. Colour, contrast, brightness and sharpness run from
# 0.1 to 1.9, and 1, in the middle, leaves the image as it is.
#
# In a training step all of it comes together: crop, flip, one operation, Cutout. In the library that is one call for
# a whole batch, on its device, each image with draws of its own:

# %% tags=["hide-input"]
show_body(RandAugment.apply)
show(draw.samples(pagoda, ("paper", "authors"), seed))

# %% [markdown]
# *The same image, as a model may get to see it.*
#
# ## Two readings of one sentence
#
# `paper` is what the paper's words say, read as RandAugment is commonly used. `authors` is what the published code
# draws: 16 operations at 10 levels, Cutout as one of them, and other ranges. One of those stands out. Translations go
# up to 100 pixels, which suits photographs of the usual size. CIFAR-10's are 32 pixels wide.

# %% tags=["hide-input"]
show(draw.translations(pagoda))
black, pairs = black_pairs(pagoda)
shares = {name: black_share(pagoda, name, seed=seed) for name in ("paper", "authors")}
say(
    f"Of the authors' {pairs} equally likely pairs of operation and level, {black} "
    f"leave a black image: **{black / pairs:.2%}**. Of 4,000 augmented copies "
    f"{shares['authors']:.1f}% came out black, and {shares['paper']:.1f}% with the "
    "paper's ranges."
)

# %% [markdown]
# A black image teaches nothing about its label except how common that label is. The published code has this, and
# perhaps the published numbers have it too; the paper's words don't. So the library has both readings, as variants,
# and
# `paper` is the default.
#
# ## An anchor, and two ends that move
#
# Why not do without a fixed label? *Consistency regularisation* asks only that a model gives two augmented copies of
# an image the same answer {cite:p}`tarvainen2017meanteacher`. Our drawing of the paper's Fig. 4:

# %% tags=["hide-input"]
show(draw.anchoring())

# %% [markdown]
# *Purple: made once, before training began. $F^i$ learns, $F^{i-1}$ doesn't. In Mean Teacher the upper $F^i$ of the
# second drawing is an average of the weights so far; it moves too, more slowly.*
#
# The upper scheme says what the answer is. The lower one says only that both copies must get the same answer. The
# paper argues for the upper with one observation: on the clean image the label is right more often. Is it?
# A small model learns 40 digits, as one learned ten in {doc}`01_pseudo_labels`. We ask it about each unlabeled image,
# clean and in eight augmented copies.

# %% tags=["remove-output"]
config = presets.preset(preset, "baseline", seed, budget)
runs = runs_folder(config)  # or yours: a finished run isn't repeated
train(config, runs=runs, device=device)

# %%
data = load_dataset(config.data)
split = split_labeled(data.train_labels, config.num_labels, seed)
model = phase_model(RunDirectory.of(config, runs), 0)
augment = AUGMENTATIONS[config.augmentation](data.mean, data.std)
images = data.train_images[split.unlabeled]
truth = data.train_labels[split.unlabeled]
clean = predict(model, images, data.mean, data.std).argmax(dim=1)
copies = anchoring.ask_copies(model, images, augment, 8, seed).argmax(dim=2)

# %% tags=["hide-input"]
right, right_copies = (anchoring.percent(said == truth) for said in (clean, copies))
alike = anchoring.percent(copies[:4] == copies[4:])
say(
    f"**{right:.1f}%** of the answers to the clean images are right, and "
    f"**{right_copies:.1f}%** of those to augmented copies. Two copies of one image "
    f"get the same answer {alike:.1f}% of the time."
)

# %% [markdown]
# ## The same images, three targets
#
# Now let this model learn on from the unlabeled images, in three ways that differ in nothing but the target of an
# augmented copy:
#
# - **anchor**: the label that it gave to the clean image before it began;
# - **other copy**: the probabilities that it gives, at this step, to another augmented copy;
# - **label of other copy**: only the favourite class of those.

# %% tags=["hide-input"]
targets = {
    "anchor": anchoring.to_anchor,
    "other copy": anchoring.to_other_copy,
    "label of other copy": anchoring.to_label_of_other_copy,
}
for loss in targets.values():
    show_body(loss)

# %% [markdown]
# First without any true label, to see what each target wants by itself; then two of them as they are used in
# practice, with the labeled images in every step.

# %%
steps = max(10, round(360 * budget))
setting = dict(model=model, data=data, split=split, augment=augment)
setting |= dict(seed=seed, steps=steps)
alone, practice = {}, {}
for name, loss in targets.items():
    alone[name] = anchoring.learn_on(loss=loss, labels=False, **setting)
for name in ("anchor", "other copy"):
    loss = targets[name]
    practice[name] = anchoring.learn_on(loss=loss, labels=True, **setting)

# %% tags=["hide-input"]
show(draw.drift(alone, practice))
start = alone["anchor"].iloc[0]
anchor, moving, collapsed = (history.iloc[-1] for history in alone.values())
say(
    "Without true labels: the model that imitates its other copy reduced their "
    f"distance from {start['distance']:.2f} to {moving['distance']:.2f}, as it was "
    f"told to, while its accuracy went from {start['accuracy']:.1f}% to "
    f"**{moving['accuracy']:.1f}%**; learning the other copy's label it ended at "
    f"**{collapsed['accuracy']:.1f}%**; with the anchor at "
    f"**{anchor['accuracy']:.1f}%**."
)

# %% [markdown]
# Why can the consistency loss fall while the model becomes worse? There is a cheap way to make it fall: give every
# image the same answer, and any two copies agree. Nothing in the loss forbids it. Flatter probabilities are a step
# towards it; one class for everything is the end. Something else must prevent it, and in practice the labeled images
# do.

# %% tags=["hide-input"]
held = {name: history.iloc[-1]["accuracy"] for name, history in practice.items()}
say(
    "With the labeled images in each step, the moving target ends at "
    f"{held['other copy']:.1f}% and the anchor at {held['anchor']:.1f}%."
)

# %% [markdown]
# With labeled images in each step the two end close to each other: "similar principles and similar outcomes", as the
# paper's caption says. Consistency needs the labeled images for that, the anchor doesn't. And an anchored step needs
# no second copy: once the labels are there, it is ordinary supervised training. The price is that an anchor is
# *fixed*, also where it is wrong:

# %% tags=["hide-input"]
wrong = int((clean != truth).sum())
say(
    f"{wrong} anchors were wrong. In the end the model still gives {anchor['wrong kept']:.0f}% of "
    f"these labels, and {anchor['right kept']:.0f}% of the right ones."
)

# %% [markdown]
# With augmentation the model gives up some of the wrong anchors, since it learns from an image's neighbours too, and
# few of the right ones. But most wrong anchors stay. Against them the paper has two other means: the dynamic loss,
# which lets B object ({doc}`03_dynamic_loss`), and new anchors in each generation ({doc}`04_curriculum`).
#
# ## Mixing images, and their weights
#
# Mixup {cite:p}`zhang2018mixup` trains on $\lambda x + (1-\lambda)x'$ with both targets, in the same proportion. With
# the dynamic loss every sample has a weight, so the weights are mixed too (Sec. 5.2.2):
#
# $$
# \begin{aligned}
# \hat x &= \lambda x + (1-\lambda)\,x' , \\
# \hat\omega &= \lambda\,\omega + (1-\lambda)\,\omega' , \\
# \ell &= \hat\omega\,\bigl[\lambda\,\mathrm{CE}(y, F(\hat x)) \\
# & \qquad + (1-\lambda)\,\mathrm{CE}(y', F(\hat x))\bigr] .
# \end{aligned}
# $$
#
# $\lambda$ is drawn from Beta(0.75, 0.75), which prefers the ends, and then the larger of $\lambda$ and $1-\lambda$ is
# taken. The weights are those of the *un-mixed* images: B is asked about each image by itself, and the answers are
# mixed afterwards.

# %% tags=["hide-input"]
slider(
    lambda lam: draw.mixup_frame(pagoda, flower, (1.0, 0.16), lam),
    values=[level / 10 for level in range(3, 11)],
    label="λ as drawn",
    format="{:.1f}",
    start=0.7,
    colours=256,
)

# %% [markdown]
# *The pagoda carries a true label, the flower a pseudo label that B doubts. 0.3 gives the same picture as 0.7: that is
# the maximum.*
#
# By hand, with $\lambda = 0.7$, for the pagoda mixed with the flower and the flower mixed with the pagoda. Say B
# gives the first mixture $(0.6, 0.3, 0.1)$ and the second $(0.5, 0.4, 0.1)$; the pagoda is class 0, the flower 1.
#
# | | $\hat\omega$ | CE, mixed | $\ell$ |
# |---|---|---|---|
# | first | $0.7 \cdot 1 + 0.3 \cdot 0.16 = 0.748$ | $-0.7 \ln 0.6 - 0.3 \ln 0.3 = 0.719$ | 0.538 |
# | second | $0.7 \cdot 0.16 + 0.3 \cdot 1 = 0.412$ | $-0.7 \ln 0.4 - 0.3 \ln 0.5 = 0.849$ | 0.350 |
#
# The batch's loss is the mean, 0.444. The library's:

# %%
both, classes = torch.cat([pagoda, flower]).float(), torch.tensor([0, 1])
weights, swap = torch.tensor([1.0, 0.16]), torch.tensor([1, 0])
mixed = mixup(both, classes, weights, swap, torch.tensor(0.7))
logits = torch.tensor([[0.6, 0.3, 0.1], [0.5, 0.4, 0.1]]).log()
by_library = mixup_loss(logits, mixed)

# %% tags=["hide-input"]
say(f"Weights {mixed.weights[0]:.3f} and {mixed.weights[1]:.3f}, loss {by_library:.3f}.")

# %% [markdown]
# ## Two things that the formula hides
#
# **The maximum changes nothing here.** A sample mixed with its partner at $\lambda$ is the partner mixed with it at
# $1-\lambda$. If everyone's partner is drawn by a random permutation, the reverse permutation is as likely, so
# exchanging $\lambda$ and $1-\lambda$ only changes the order in which the same mixtures stand in the batch:

# %%
draws = torch.Generator().manual_seed(seed)
x, y = torch.rand(64, 5, generator=draws), torch.arange(64) % 3
omega = torch.rand(64, generator=draws)
partner = torch.randperm(64, generator=draws)
network = torch.rand(5, 3, generator=draws)
losses = []
for lam, other in [(0.2, partner), (0.8, partner.argsort())]:
    batch = mixup(x, y, omega, other, torch.tensor(lam))
    losses.append(mixup_loss(batch.images @ network, batch))

# %% tags=["hide-input"]
say(f"λ = 0.2: {losses[0]:.6f}. λ = 0.8, and the reverse permutation: {losses[1]:.6f}.")

# %% [markdown]
# `argsort` of a permutation is its reverse. The maximum comes from MixMatch {cite:p}`berthelot2019mixmatch`, where
# labeled and unlabeled samples have different losses and position $i$ should stay mostly sample $i$. Here one
# loss serves all of them.
#
# **A label of weight 0 isn't silent.** It lends its target to a mixture, and the mixture has the partner's weight
# too. With $\omega = 0$ and a partner of weight 1 the label counts $(1-\lambda)\cdot\lambda$ in its own place and
# $\lambda\cdot(1-\lambda)$ in the place of whom it is mixed into, where a trusted label among trusted ones counts 1 in
# all. On average over $\lambda$:

# %% tags=["hide-input"]
lam = np.random.default_rng(seed).beta(0.75, 0.75, 100_000)
echo = (2 * lam * (1 - lam)).mean()
say(f"A label that Eq. 3 rejects keeps **{echo:.0%}** of a trusted label's pull, times its partners' mean weight.")

# %% [markdown]
# For Beta($a, a$) it is $a/(2a+1)$, here 0.3 exactly. A mixture made of both images at once is a weaker lesson
# about either, and we haven't measured what it costs. So with mixup a label of weight 0 still teaches a
# little: the dynamic loss weakens wrong labels and doesn't remove them.
#
# ## Exercises
#
# ```{exercise} Larger images
# :label: ex-larger-images
# How large must a square image be for none of the authors' translations to leave it black? And how many of the 160
# pairs do at 64 pixels? Work it out, then count.
# ```
#
# ````{solution} ex-larger-images
# :class: dropdown
# Larger than 100 pixels. At 64, levels 7 to 10 of two operations: 8 pairs, 5%.
# ```python
# for side in (64, 100, 101):
#     print(side, black_pairs(draw.photograph(*draw.PAGODA, side=side)))
# ```
# ````
#
# ```{exercise} Bad anchors
# :label: ex-bad-anchors
# Turn every anchor "3" into "8" and learn on, without the labeled images. Then, instead, turn a random tenth of the
# anchors in each step into something else: about as many wrong labels. Which does more damage, and why? And do four
# true 3s in the batches (`labels=True`) save the others?
# ```
#
# ````{solution} ex-bad-anchors
# :class: dropdown
# ```python
# import torch.nn.functional as F
#
# def threes_are_eights(batch):
#     return F.cross_entropy(batch.logits, torch.where(batch.anchors == 3, 8, batch.anchors))
#
# def one_in_ten(batch):
#     moved = torch.rand(len(batch.anchors)) < 0.1
#     return F.cross_entropy(batch.logits, torch.where(moved, (batch.anchors + 1) % 10, batch.anchors))
#
# for loss in (threes_are_eights, one_in_ten):
#     for labels in (False, True):
#         print(loss.__name__, labels, anchoring.learn_on(loss=loss, labels=labels, **setting)["accuracy"].iloc[-1])
# ```
# The first costs most of the 3s, the second next to nothing. Errors at random are outvoted by their neighbours; errors
# that agree with each other are learned. The true labels save some, more or fewer with the seed. A model's own
# errors are of the first kind, and that is why they are the subject of this book.
# ````
#
# ```{exercise} To each label its own weight
# :label: ex-own-weight
# Another way to mix weights would be $\ell = \lambda\,\omega\,\mathrm{CE}(y)$
# $+\ (1-\lambda)\,\omega'\,\mathrm{CE}(y')$.
# Work out both samples of the table with it. What does a label of weight 0 do now?
# ```
#
# ````{solution} ex-own-weight
# :class: dropdown
# First: $0.7 \cdot 1 \cdot 0.511$ $+\ 0.3 \cdot 0.16 \cdot 1.204$ $= 0.415$. Second: $0.7 \cdot 0.16 \cdot 0.916$
# $+\ 0.3 \cdot 1 \cdot 0.693$ $= 0.311$. A label of weight 0 is silent wherever it goes; its pixels still disturb the
# partner.
# ```python
# own, other = (torch.nn.functional.cross_entropy(logits, t, reduction="none") for t in (classes, classes[swap]))
# weights = torch.tensor([1.0, 0.16])
# 0.7 * weights * own + 0.3 * weights[swap] * other
# ```
# Which of the two teaches more is a question for runs, not for algebra.
# ````
#
# ## What was shown
#
# Augmentation makes an image hard and leaves its label alone. The label comes from the clean image, where the model
# is right more often, and stays: an anchor. A target that moves with the model can be met by giving every image the
# same answer, unless labeled images prevent it. Mixup mixes weights as it mixes images, so a doubted label counts less
# in what it is mixed into, and never quite nothing.
#
# On digits all this is small. {doc}`06_cifar10` is the experiment that the paper ran.

# %% tags=["hide-input"]
assert (black, pairs) == (14, 160) and shares["paper"] == 0
assert abs(shares["authors"] - 8.75) < 2
assert abs(by_library - 0.4438) < 1e-4
torch.testing.assert_close(losses[0], losses[1])
assert abs(echo - 0.75 / 2.5) < 0.005
if budget >= 0.2:  # a trained model: anchors are best made on clean images, and hold
    assert right > right_copies + 1
    assert anchor["accuracy"] > moving["accuracy"] + 2
    assert moving["distance"] < start["distance"]
