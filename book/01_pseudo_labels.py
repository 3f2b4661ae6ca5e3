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
# # Pseudo labels and their noise
#
# A model has learned ten digits from ten labeled images. Nearly 1,300 more lie beside them, unlabeled. Why not let
# the model label those itself, and learn from its own labels? They cost nothing. Some will be wrong.
# **Can the model tell us which ones?**
#
# It has something to say about that: with every label comes a probability, its *confidence*. Most methods trust the
# confident labels and discard the rest. {cite:t}`feng2022dmt` open with an experiment on how far that goes, their
# Fig. 1. Here it is on scikit-learn's handwritten digits, with a model trained on this page.
#
# :::{admonition} Before you begin
# :class: dmt-goals
# **You need** to have trained a classifier in PyTorch.
#
# **Afterwards you can**
#
# - make pseudo labels, and draw how their error grows with the share that is kept (Fig. 1);
# - say what a threshold on confidence buys, and what it costs;
# - tell a self-error from any other error.
# :::

# %% tags=["hide-input"]
import torch

from book.figures import pseudo_labels as draw
from book.page.look import say, show, show_body, style
from book.page.runs import runs_folder
from book.page.slider import slider
from book.studies import pseudo_labels as confidence
from dmtlib import presets
from dmtlib.data.images.datasets import load_dataset
from dmtlib.data.images.splits import split_labeled
from dmtlib.method.pseudo_labels import pseudo_label
from dmtlib.records.printed import paper_number
from dmtlib.training import RunDirectory, train
from dmtlib.training.images.stored import phase_model

style()

# %% tags=["parameters"]
preset = "digits-10"
seed = 0  # of the labeled images and of the network
budget = 0.25  # the share of the training that is done
device = "auto"

# %%
config = presets.preset(preset, "baseline", seed, budget)
data = load_dataset(config.data)
split = split_labeled(data.train_labels, config.num_labels, seed)

# %% tags=["hide-input"]
some = torch.cat([split.labeled[:5], split.unlabeled[:5]])
captions = [str(label) for label in data.train_labels[some[:5]].tolist()] + ["?"] * 5
show(draw.gallery(data.train_images[some], captions))

# %% [markdown]
# *Above: five of the labeled images. Below: five of those that have no label.*
#
# ## Ten labels and a model
#
# One image of each digit carries a label. A small WideResNet learns them, with strong augmentation, because ten
# images are soon known by heart. This is phase 0 of everything that follows. A quarter of its usual length is enough
# here. (Later chapters have 40 labels, and fewer errors. Here we want to see many.)

# %% tags=["remove-output"]
runs = runs_folder(config)  # or yours: a finished run isn't repeated
record = train(config, runs=runs, device=device)

# %%
model = phase_model(RunDirectory.of(config, runs), 0)
labeling = confidence.labeling_by(model, data, split.unlabeled)

# %% tags=["hide-input"]
wrong, errors = labeling.wrong, int(labeling.wrong.sum())
say(
    f"The model gets {record['test_accuracy']:.1f}% of the {len(data.test_labels)} test "
    f"images right. Of the {len(wrong)} unlabeled images it labels **{errors} wrongly, "
    f"{errors / len(wrong):.1%}**."
)

# %% [markdown]
# We can count errors only because the digits' true classes are known after all. Training never sees them.
#
# ## A label, or none
#
# A model $F$ gives an image $x$ a probability $p_c$ for each of $C$ classes. Its pseudo label is the most probable
# class $c^\star = \arg\max_c F(c|x)$, if that is probable enough (Eq. 2):
#
# $$
# l = \begin{cases} c^\star, & F(c^\star|x) > T \\ \text{ignored}, & \text{otherwise} \end{cases}
# $$
#
# $T$ is a fixed value, or whatever value keeps the top 20%, say. In the library:

# %% tags=["hide-input"]
show_body(pseudo_label)

# %% [markdown]
# ## The error among the confident
#
# If confidence knew everything, we could sort the labels by it and cut where the errors begin. Sort them, keep the
# top 20%, 40%, …, and count:

# %%
alphas = (0.2, 0.4, 0.6, 0.8, 1.0)
tops = confidence.error_in_top(labeling, alphas)

# %% tags=["hide-input", "fig-error-by-confidence"]
show(draw.error_bars(tops, f"digits, {config.num_labels} labels"))

# %% [markdown]
# *The bars were measured on this page. The grey lines are printed in the paper's Fig. 1, for other images and
# another model: they show the same kind of curve, not the same experiment.*

# %% tags=["hide-input"]
share = confidence.largest_clean_share(labeling, error_below=1)
kept = round(share / 100 * len(wrong))
order = labeling.confidence.argsort(descending=True, stable=True)
dropped_right = int((~wrong)[order[kept:]].sum())
discarded, below = (paper_number("Fig. 1", "discarding 60%", column) for column in ("discarded", "error below"))
say(
    f"Here an error below 1% means discarding {100 - share:.0f}% of the labels: "
    f"{len(wrong) - kept} labels, of which **{dropped_right} are right**. "
    f"On CIFAR-10 the paper's model has to discard {discarded}% for an error below {below}%."
)

# %% [markdown]
# Confidence is a guide, then, and the paper names two things that are wrong with it.
#
# **Right labels are discarded.** A cut doesn't remove errors, it removes *doubt*, and most of what is doubtful may be
# right. These are the images from which there would be most to learn: what the model labels with confidence, it
# knows already.
#
# **Confident errors stay.** No cut reaches them without taking nearly everything. Here are the ten wrong labels that
# this model is surest of:

# %% tags=["hide-input"]
worst = confidence.confident_errors(labeling, 10)
said, sure, truth = labeling.labels[worst], labeling.confidence[worst], labeling.truth[worst]
captions = [f"“{y}”, {c:.0%}\nis {t}" for y, c, t in zip(said, sure, truth, strict=True)]
show(draw.gallery(data.train_images[labeling.indices[worst]], captions))

# %% [markdown]
# *In quotes the pseudo label and its confidence, below it the truth.*

# %% tags=["hide-input"]
beaten = (labeling.confidence[~wrong] < labeling.confidence[worst[0]]).float().mean()
say(f"It is surer of the first of these labels than of {beaten:.0%} of its right ones.")

# %% [markdown]
# If the model learns these again, it learns them as truth. It has no reason ever to change its mind: they are *its*
# errors, and it would repeat them if asked once more. The paper calls them self-errors (Sec. 3).
#
# ## Would another score do better?
#
# Confidence looks at the favourite class alone. The entropy (Eq. 1) looks at all of them,
#
# $$
# H = -\sum_{c=1}^{C} p_c \log p_c ,
# $$
#
# from 0, where one class has everything, to $\log C$, where all have the same. Many losses push it down, and a model
# that trains on its own hard labels does so too. Is it low where the labels are right?

# %% tags=["hide-input"]
show(draw.entropies(labeling))
by_confidence = confidence.errors_ranked_last(labeling.confidence, wrong)
by_entropy = confidence.errors_ranked_last(-labeling.entropy, wrong)
say(
    f"Let each score flag {errors} labels, as many as there are errors. Those of lowest "
    f"confidence contain {by_confidence} of the errors, those of highest entropy {by_entropy}. "
    f"Either way, {errors - max(by_confidence, by_entropy)} or more are missed."
)

# %% [markdown]
# Both scores come from the same ten numbers of the same model. Where that model is wrong and sure, both are fooled.
#
# ## Choose a threshold
#
# Now choose $T$ yourself. Is there a value that you would like?

# %% tags=["hide-input"]
slider(
    lambda threshold: draw.threshold_frame(labeling, threshold),
    values=[0, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95],
    label="threshold T",
    format="{:.2f}",
    start=0.7,
)

# %% [markdown]
# *Above: every threshold is a point of the curve. Below: all labels, kept ones in full colour, dropped ones pale.*

# %% tags=["hide-input"]
low = labeling.confidence <= 0.7
low_right, still_wrong = int((low & ~wrong).sum()), int((wrong & ~low).sum())
say(
    f"At T = 0.7, where the slider begins, {int(low.sum())} labels are dropped. **{low_right} of them are right, "
    f"and {still_wrong} of the {errors} wrong ones are kept.**"
)

# %% [markdown]
#
# Moving to the left along the curve makes the set cleaner and smaller; no threshold does one without the other. The
# rest of the book is about methods that don't stay on this curve. Curriculum Labeling {cite:p}`cascante2021curriculum`
# starts at the left end and moves right as its models become better. DMT asks a second model.
#
# ## Exercises
#
# ```{exercise} Entropy by hand
# :label: ex-entropy
# One model says $(0.6, 0.4, 0, 0)$, another $(0.6, 0.14, 0.13, 0.13)$. Which is more confident? Which has the lower
# entropy? Which of the two labels would you rather trust?
# ```
#
# ````{solution} ex-entropy
# :class: dropdown
# ```python
# from dmtlib.method.pseudo_labels import entropy
#
# entropy(torch.tensor([[0.6, 0.4, 0, 0], [0.6, 0.14, 0.13, 0.13]]))
# ```
# Equally confident, and the first has the lower entropy: 0.67 against 1.10 nats. Yet the first has a serious rival
# for its label and the second has none. Low entropy and a safe label are not the same thing.
# ````
#
# ```{exercise} Whose labels are kept?
# :label: ex-whose-labels
# A cut at the top 20% looks at all classes together. Count the kept labels of each digit. What will a model learn
# that is trained on them?
# ```
#
# ````{solution} ex-whose-labels
# :class: dropdown
# ```python
# from dmtlib import select_top_images
#
# labeling.labels[select_top_images(labeling.confidence, 0.2)].bincount(minlength=10)
# ```
# Some digits are easy and take most of the places; others may get none. The labels are clean, and teach little about
# the difficult classes. For segmentation, where the classes differ far more, the paper selects within each class
# (Sec. 4.2.2).
# ````
#
# ```{exercise} More labels
# :label: ex-more-labels
# The labeled subsets of one seed are nested. Train with 40 labels instead of ten (`dataclasses.replace(config,
# num_labels=40)` and another folder of runs). How far does the overall error fall, and how far the error among the top
# 60%?
# ```
#
# ````{solution} ex-more-labels
# :class: dropdown
# ```python
# import dataclasses
# import tempfile
#
# more = dataclasses.replace(config, num_labels=40)
# with_more = tempfile.mkdtemp()
# train(more, runs=with_more, device=device)
# unlabeled = split_labeled(data.train_labels, 40, seed).unlabeled
# better = confidence.labeling_by(phase_model(RunDirectory.of(more, with_more), 0), data, unlabeled)
# confidence.error_in_top(better, alphas)
# ```
# In points the overall error falls more, because it had more to lose. But of the errors among the top 60% hardly any
# are left: a better model errs less, and also knows better where.
# ````
#
# ## What was shown
#
# The surer a model is of its own labels, the more often they are right. But a threshold on that confidence trades
# errors for right labels at a poor rate: it discards many labels that are right, and keeps the errors that the model
# believes in. Entropy reads the same numbers and knows no more. One model has one opinion.
#
# So the next chapter asks someone else. {doc}`02_disagreement` brings in a second model that is no better than the
# first.

# %% tags=["hide-input"]
assert len(labeling.labels) == len(data.train_labels) - config.num_labels
assert not set(split.labeled.tolist()) & set(labeling.indices.tolist())
assert tops["labels"].tolist() == [int(alpha * len(wrong)) for alpha in alphas]
assert wrong[worst].all() and torch.equal(sure, sure.sort(descending=True).values)
for threshold in (0, 0.5, 0.9):  # every label is kept or dropped, and nothing is counted twice
    assert sum(confidence.at_threshold(labeling, threshold)) == len(wrong)
if budget >= 0.2:  # a trained model: confidence helps, and doesn't find everything
    assert tops["error"].iloc[0] < tops["error"].iloc[-1] < 50
    assert max(by_confidence, by_entropy) < errors
    assert low_right > 100 and still_wrong > 10
