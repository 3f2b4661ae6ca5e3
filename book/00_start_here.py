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
# # Start here
#
# Labels are expensive and images are not. With forty labeled digits and a thousand unlabeled ones, a model can label
# the rest itself and learn from its own labels. It will then learn its own errors, too, and believe in them.
#
# **Dynamic Mutual Training** {cite:p}`feng2022dmt` has a second model check each label. Where two models disagree, one
# of them is wrong. So a label that the second model doubts counts less, and a label that it contradicts with more
# confidence than the first one had counts nothing.
#
# This book teaches the method and rebuilds the paper's experiments. A result on its pages comes from a cell that ran
# while the page was made, or from a record in `results/` that names its seed, settings and code. What comes from
# elsewhere says so: numbers quoted from papers, the trials by which presets got their sizes (`results/trials.md`), and
# the times of a benchmark in {doc}`08_segmentation`. What a solution to an exercise says was found by running it.
#
# :::{admonition} Before you begin
# :class: dmt-goals
# **You need** nothing yet. The chapters need the basics of PyTorch.
#
# **Afterwards you can**
#
# - say in two sentences what DMT adds to a model that learns from its own labels;
# - find where each figure and table of the paper is in this book, and whether it has been run;
# - run a chapter yourself, with other parameters.
# :::

# %% tags=["hide-input"]
from book.figures.methods import by_method, noise_map
from book.figures.mutual_training import lesson_frame
from book.figures.start_here import PaperMap
from book.page.look import say, show, style
from book.page.places import results
from book.studies.paper_items import PAPER_TABLES, SMALL_TABLES, recorded_runs
from book.studies.readiness_of_runs import first_error_and_gain, told_by_seeds
from book.studies.recorded import difference, recorded
from book.studies.stored_lesson import load_lesson
from dmtlib.data.pixels.masks import VOID
from dmtlib.records.printed import paper_number
from dmtlib.records.reproduction import NOISE_MAP

style()

# %% [markdown]
# ## What it does, and when it pays
#
# Model A labels every pixel of a picture, and labels some signs wrongly. **What does each of its labels count when B
# learns?**

# %% tags=["hide-input", "fig-lesson"]
lesson = load_lesson(results())
show(lesson_frame(lesson, range(len(lesson.images)), lesson.classes))
sure = lesson.truth != VOID
here = [lesson.weights[kind & sure].mean().item() for kind in (lesson.wrong, ~lesson.wrong)]
(run,) = (record for record in recorded("scenes")["dmt"] if record["seed"] == 0)
whole = [run["phases"][-1]["models"]["B"][f"mean_weight_{kind}"] for kind in ("wrong", "right")]
say(
    f"In these two scenes a wrong label weighs **{here[0]:.2f}** on average, and a right one **{here[1]:.2f}**. Over "
    f"all unlabeled scenes and the whole last phase (one training of each model; a run has several), on the augmented "
    f"images, it was {whole[0]:.2f} and {whole[1]:.2f}."
)

# %% [markdown]
# *Two generated scenes, from a recorded run (`scenes`, seed 0, last phase). Red lines go around A's wrong labels. A
# yellow pixel weighs 1, a dark one 0. The scenes were not picked by eye: of all, ordered by how many labels are
# wrong, they stand at one and at two thirds.*
#
# Where B doubts a label it is dark: most of the wrong ones here, and rims of signs that are right. An error that B
# makes too would stay bright; {numref}`fig-lessons` has the worst scene of that kind in another run.
#
# **Does the weight pay?** Compare DMT with CL, which learns such labels too and gives each the weight 1, and with the
# baseline, which learns none: on data whose first pseudo labels are nearly all right, and on data where many are
# wrong. *First* are those that the first model is surest of, a fifth of all.

# %% tags=["hide-input", "fig-map"]
fast = "cifar10-4000-fast", "cifar10-1000-fast"
map_of = (*NOISE_MAP.values(), *fast, "cifar10-small", "scenes", "camvid-small")
others = {"CL": "cl", "the baseline": "baseline"}
gains = {other: first_error_and_gain(results(), map_of, method) for other, method in others.items()}
show(noise_map({f"DMT − {other.removeprefix('the ')}": points for other, points in gains.items()}))
say("\n".join(f"- {told_by_seeds(points, 'DMT', other)}" for other, points in gains.items()))

# %% [markdown]
# *Small-scale, from the records in `results/`. The further to the right, the more of the first pseudo labels were
# wrong. Above the line DMT ended ahead. A small mark is a seed, a large one the mean of a data set; the axis is linear
# below 1% and logarithmic above. `digits-10` to `digits-80` are the same images with 10 to 80 labels. On pixels
# (scenes and streets) CBST stands for CL ({doc}`glossary`), and DMT's number is the mean of its two models, not the
# better one, which is chosen on the scored images.* Read both panels: to be above CL can mean that CL does harm, as at
# the far right, where DMT itself ends below the baseline. And to be above the baseline can mean a better start: on
# `camvid-small`, one seed, DMT's lead was there before the first pseudo label ({doc}`10_segmentation_results`). The
# numbers behind the map are in {doc}`04_curriculum`.

# %% tags=["hide-input"]
voc = {row: paper_number("Table 4", row, "1/106") for row in ("Ours (DMT)", "Baseline")}
cifar10 = {row: paper_number("Table 2", "4000 labels", row) for row in ("DMT", "CL", "Baseline")}
full, all_full = recorded_runs(PAPER_TABLES, results())
small, all_small = recorded_runs(SMALL_TABLES, results())
say(
    "**What the paper claims.** On PASCAL VOC with 1/106 of the labels DMT reaches a mean IoU (the overlap of "
    "prediction and truth, averaged over the classes) of "
    f"{voc['Ours (DMT)']:.2f}%, and the same network without pseudo labels {voc['Baseline']:.2f}%. On CIFAR-10 with "
    f"4,000 labels DMT gets {cifar10['DMT']:.2f}% right, CL {cifar10['CL']:.2f}% and the baseline "
    f"{cifar10['Baseline']:.2f}%.\n\n"
    f"**What is recorded here.** {small} of {all_small} runs at small scale: digits, CIFAR-10 with "
    "a small network, four of its classes, generated scenes, small streets.\n\n"
    f"**What is not.** Of the {all_full} runs at full length behind the paper's Tables 2 to 7, {full} are recorded "
    "here. Each is one command."
)

# %% [markdown]
# ## One result from near
#
# How many of 500 test images are right, if only 40 digits are labeled? *Baseline* learns the labels alone. *CL*
# (Curriculum Labeling, {cite:t}`cascante2021curriculum`) and *DMT* learn their own pseudo labels too, over five
# generations; CL trusts all of them alike. The *oracle* is told all labels.

# %% tags=["parameters"]
preset = "digits-40"  # the records that are shown

# %% tags=["hide-input"]
records = recorded(preset)
methods = ("baseline", "cl", "dmt", "oracle")
show(by_method(records, methods))
differences = [difference(records, "dmt", other) for other in ("baseline", "cl")]
say("\n".join(f"- {text}" for text in differences))

# %% [markdown]
# *From the records of full runs in `results/`. A dot is a seed, which also draws the 40 labels; the bar is the mean
# with the sample standard deviation. Differences are taken seed by seed; where the 95% interval of their mean holds
# zero, these seeds can't tell which method is ahead.*
#
# This is small: images of 8×8 pixels and a network that trains in a minute or two on a laptop. It is real data
# and the whole method, but no evidence about CIFAR-10 or PASCAL VOC, where the paper's claims are. {doc}`06_cifar10`
# has all of CIFAR-10 with a small network and short phases, and a small case in which learning from oneself does harm.
# On pixels, where the paper gains most, {doc}`10_segmentation_results` has generated scenes and small street images;
# PASCAL VOC and Cityscapes are commands that wait for a GPU ({doc}`13_reproduce`).
#
# ## Who it is for
#
# You have trained a classifier in PyTorch and know what a cross-entropy is. You may be a student who meets
# semi-supervised learning for the first time, a researcher who needs a baseline to trust, or an engineer who wants the
# loss in a loop of your own: that last part is the section *In your own training loop* of {doc}`03_dynamic_loss`.
#
# ## How to read it
#
# The chapters build on each other, and each takes a quarter of an hour or so:
#
# - {doc}`01_pseudo_labels`: a model labels images, and can't tell which of its labels are wrong.
# - {doc}`02_disagreement`: a second model, no better than the first, can tell some of them.
# - {doc}`03_dynamic_loss`: from disagreement to the weight of a label.
# - {doc}`04_curriculum`: five generations of models on real digits, measured.
# - {doc}`05_augmentation`: why the label comes from the clean image and the lesson from a spoiled one.
# - {doc}`06_cifar10`: the paper's tables on CIFAR-10, its numbers beside ours.
# - {doc}`07_honest_evaluation`: what a difference between two numbers is worth.
# - {doc}`08_segmentation`: which pixels to keep, when most of them are background.
# - {doc}`09_mutual_training`: two models label for each other, five times.
# - {doc}`10_segmentation_results`: the paper's tables on pixels, its numbers beside ours.
# - {doc}`11_ablations`: the method taken apart.
# - {doc}`12_your_data`: your images, from a folder to predictions, and whether it will be worth it.
# - {doc}`13_reproduce`: the command, the cost and the state of every cell of every table.
# - {doc}`14_deviations`: where the paper, its authors' code and this book differ, and why.
# - {doc}`15_relatives`: three other uses of two models that disagree.
# - {doc}`16_beyond`: what the paper leaves open, tried on small sets.
#
# If you want images only, read 1 to 7; if you want pixels, go from 3 to 8. Exercises have hidden solutions.
# {doc}`cheat_sheet` is the method on one page, {doc}`glossary` says what each term means, and {doc}`api` is the
# library's own page.
#
# ## How to run it
#
# Three commands in a clone of the book, with git, make and Python 3.10 or newer:
#
# ```
# make book    # install, run every chapter, render these pages
# make test    # test all that needs no made book, in minutes
# make check   # test the rest: these pages, the chapters on Colab
# ```
#
# `make lab` opens the chapters in JupyterLab, where the sliders are live. Each chapter also runs alone, on Colab
# too: its first cell fetches what is missing, from the address that README says how to set. Parameters such as
# `seed` and `budget` stand in a cell of their own.
#
# ## The paper, item by item
#
# Where each figure, table, equation, algorithm and appendix of {cite:t}`feng2022dmt` is in this book, made from the
# code and from `results/` when this page was.

# %% tags=["hide-input"]
paper = PaperMap()
paper

# %% tags=["hide-input"]
say(paper.counted())

# %% [markdown]
# ## Exercises
#
# ```{exercise} What would change your mind?
# :label: ex-change-your-mind
# Look at the figure and the differences above, before you read on. What would you want to know before you use DMT
# instead of CL for a task of yours? Write down three things.
# ```
#
# ```{solution} ex-change-your-mind
# :class: dropdown
# Ours, with the places where the book answers: Does it hold for other labels and seeds, and how large is the
# difference against its spread ({doc}`04_curriculum`)? Why should it work, and when should it not
# ({doc}`02_disagreement`)? And does it hold on harder data, where the baseline errs more ({doc}`06_cifar10`)? Someone
# who pays for the training will add: what does it cost? DMT looks at every batch once more than CL, to learn the
# weights.
# ```
#
# ```{exercise} Read a record
# :label: ex-read-a-record
# Each dot of the figure is a file in `results/`. For one seed, find the share of wrong pseudo labels that DMT learned
# from in its last phase, and the commit of the code.
# ```
#
# ````{solution} ex-read-a-record
# :class: dropdown
# ```python
# for record in records["dmt"][:1]:
#     print(record["phases"][-1]["pseudo_label_error"], record["commit"], record["versions"])
# ```
# The same numbers for all phases are what {doc}`04_curriculum` plots.
# ````
#
# ## What comes next
#
# This page showed where the book is going, and how far it has come. {doc}`01_pseudo_labels` begins at the beginning:
# with one model, and its errors.

# %% tags=["hide-input"]
named = {item.page for item in paper.items} - {None}
assert all(item.page_path(paper.root) and item.file for item in paper.of("explained", "recorded"))
assert len(paper.items) == 12 + 7 + 6 + 2 + 2  # figures, tables, equations, …; App. A is its Fig. A.12
assert "01_pseudo_labels" in named
far = gains["the baseline"].groupby("preset")[["error", "gain"]].mean()
assert far.loc[far["error"].idxmax(), "gain"] < 0  # as is said below the map
