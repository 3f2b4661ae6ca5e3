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
# # Two models disagree
#
# A model has labeled a thousand points, and some of its labels are wrong. It can't say which: ask it again and it
# gives the same answers. Its confidence is a hint, and {doc}`01_pseudo_labels` shows how far the hint goes.
#
# Now a second model comes along. It saw the same few labels and has no more knowledge than the first. It only
# started from another seed. **Can a second model that is no better tell us where the first one errs?**
#
# {cite:t}`feng2022dmt` say that it can, and build a method on it. Their Fig. 3 illustrates it on a toy.
# Here we build such a toy with two real networks, count, and then try to break what we found.
#
# :::{admonition} Before you begin
# :class: dmt-goals
# **You need** {doc}`01_pseudo_labels`.
#
# **Afterwards you can**
#
# - work out from two error rates and a disagreement how many errors two models share;
# - compare disagreement with confidence fairly, at the same number of flags;
# - name what must hold for a second model to help.
# :::

# %% tags=["hide-input"]
import pandas as pd

from book.figures import disagreement as draw
from book.page.look import say, show, style
from book.page.slider import slider
from book.studies import disagreement as toy
from dmtlib.records.comparison import Spread, difference_cell

style()

# %% tags=["parameters"]
seed = 0  # of the labeled points and of the networks
budget = 1.0  # the share of the draws below that are made

# %% [markdown]
# ## A task where few labels are not enough
#
# Two classes lie on the two arms of a spiral: 1,000 points whose classes we pretend not to know, and 40 that carry a
# label. A and B are small networks, 64 sine waves and a linear readout, trained on the same 40 labels until they
# make no mistake on them. They differ in one thing: the seed that draws their first weights.

# %%
task = toy.spiral(seed)
predict = toy.train_networks([task, task], seeds=[2 * seed, 2 * seed + 1])
pair = toy.compare(task, *predict(task.unlabeled))

# %% tags=["hide-input"]
show(draw.boundaries(task, pair, predict))

# %% [markdown]
# *Brown: labeled points. Grey: unlabeled points that the model gets right; red: those it gets wrong. In the
# last map the ground is grey where A and B disagree, and the errors are A's.* (Our drawing of the paper's Fig. 3.)
#
# Near the labels both boundaries are right, because the labels leave no choice. Where labels are missing each
# network fills in what its first weights suggest. **What the data decide, the models share; what chance decides,
# they don't.** That is the whole idea. An error that came by chance is one that another chance would not repeat.

# %% tags=["hide-input"]
found = pair.disagree[pair.wrong]
say(
    f"A gets {len(found)} of the {len(pair.wrong)} points wrong. The models disagree "
    f"on {pair.disagree.sum()} points, {pair.disagree.float().mean():.1%} of them, and "
    f"**{found.sum()} of A's errors ({found.float().mean():.0%}) lie there.**"
)

# %% [markdown]
# ## Half of a disagreement is an error
#
# This is no accident. With two classes, where A and B disagree exactly one of them is wrong. A and B differ only by
# their seeds, so neither is more likely to be the one. On average **half of the disagreement region is A's error and
# half is B's**, however good or bad the two models are.
#
# That is far above the share of errors among all points, and a warning too: the other half of the region are labels
# that A got right. Throw the whole region away and they go too. Keep this in mind for the next chapter.
#
# ## Against what confidence finds
#
# Finding errors is easy if we may flag everything. The fair question: **let A flag equally many points on its own,
# those that it is least confident about. Which flags find more errors?** And since one picture may be luck, we ask
# it about many draws of points, labels and seeds.

# %%
draws = max(4, round(60 * budget))
draw_seeds = range(draws * seed, draws * (seed + 1))
pairs = toy.train_pairs([toy.spiral(i) for i in draw_seeds], seed)
arms = toy.measure(pairs)

# %% tags=["hide-input"]
found_by = ["found by disagreement", "found by A's confidence", "found by both models' mean"]
columns = ["error", "disagreement", *found_by, "wrong where they disagree"]
arms[columns].agg(["mean", "std"]).T.round(1)

# %% [markdown]
# *In percent: of all points (the first two rows), of A's errors (the next three), of the disagreements (the last).*

# %% tags=["hide-input"]
gain = arms["found by disagreement"] - arms["found by A's confidence"]
say(
    f"In the same draw, disagreement finds **{difference_cell(gain.tolist(), digits=1)} points** "
    f"more of A's errors than A's own confidence: the mean over {draws} draws, its 95% interval, "
    f"and in how many of the draws it is above zero. In {(gain < 0).sum()} it is below."
)

# %% [markdown]
# Three things to take from here. First, disagreement wins on average, not always: a draw from the winning side makes
# a fine figure and a poor argument. Second, of the points in the disagreement region A got about half wrong (the last
# row), as the argument from symmetry says. Third, B's answer can be used in another way: take the mean of both models'
# probabilities for A's label, and flag the points where it is lowest.

# %% tags=["hide-input"]
by_disagreement, by_a, by_mean = arms[found_by].mean()
say(
    f"**The mean of both models finds {by_mean:.1f}% of A's errors, and "
    f"disagreement {by_disagreement:.1f}%**, with equally many flags. A's "
    f"confidence finds {by_a:.1f}%."
)

# %% [markdown]
# So the mean of two models is as good a detector as their disagreement. **What helps is a second opinion**, however
# it is read.
#
# ## From yes or no to a number
#
# A and B agree or they don't, so disagreement flags as many points as it flags. A finer reading is $p_B$, *the
# probability that B gives to A's label*. It ranks all points. Where it is below one half, B disagrees. We can now
# flag any share we like. Move the slider:

# %% tags=["hide-input"]
slider(
    lambda share: draw.flags(task, pair, share),
    values=[0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4],
    label="points flagged",
    format="{:.0%}",
    start=0.2,
)

# %% [markdown]
# Confidence is low at A's boundary, so A's flags gather at the ends of a wrong stretch and leave its middle alone:
# there A is wrong and sure. B's flags cover whole stretches, since B's boundary lies elsewhere. But where B made A's
# mistake too, it has nothing to object. The curve over all draws shows both:

# %% tags=["hide-input"]
show(draw.found_curve(pairs))

# %% [markdown]
# *Mean over the draws; the bands are its 95% interval.*
#
# With few flags B finds more. Beyond the points on which the two disagree, $p_B$ is only B's confidence in a label
# that both gave, and does no better than A's. **The errors that A and B share are the ones that no disagreement
# shows.**
#
# ## Who is right when they disagree?
#
# One of the two is wrong. Is it the one who is less sure? Sort the points into the three cases of Sec. 4.1.1: the
# models agree (1); they disagree and A is at least as confident as B (2); they disagree and B is more confident (3).

# %% tags=["hide-input"]
cases = [f"wrong in case {case}" for case in (1, 2, 3)]
arms[cases].agg(["mean", "std"]).T.round(1)

# %% [markdown]
# These are the shares, in percent, of each case's points that A got wrong. Agreement makes a label fairly safe. Of the
# disagreements, the more confident model is more often the right one: a label that B contradicts with the greater
# confidence is wrong more often than not. A label that A defends is right more often than not. It may stay, with less
# weight; {doc}`03_dynamic_loss` says how little that is. Three cases, three kinds of treatment: this is where Eq. 3
# comes from.
#
# ## How far does this carry?
#
# We chose the task and the networks. What if we choose otherwise?
#
# - **no gap**: the points fill the disc up to the border of the classes, instead of lying on two separate arms;
# - **rectifiers**: ordinary ReLU networks with two hidden layers, instead of sine waves;
# - **digits**: real input, the 64 pixels of handwritten digits, 40 of them labeled, ten classes, ReLU networks.

# %% tags=["hide-input"]
choices = {
    "no gap,\nwaves": (lambda i: toy.spiral(i, gap=False), "waves"),
    "two arms,\nrectifiers": (toy.spiral, "relu"),
    "no gap,\nrectifiers": (lambda i: toy.spiral(i, gap=False), "relu"),
    "digits,\nrectifiers": (toy.digits, "relu"),
}
results = {"two arms,\nwaves": arms}
for name, (task_of, kind) in choices.items():
    tasks = [task_of(i) for i in draw_seeds]
    results[name] = toy.measure(toy.train_pairs(tasks, seed, kind))
show(draw.setups(results))

# %% [markdown]
# *Mean over the draws, with its 95% interval.*

# %% tags=["hide-input"]
mean = pd.DataFrame({name.replace("\n", " "): r.mean() for name, r in results.items()}).T
gains = [r["found by disagreement"] - r["found by A's confidence"] for r in results.values()]
mean["gain"], mean["±"] = [g.mean() for g in gains], [Spread.of(g.tolist()).half_width() for g in gains]
table = mean[["gain", "±", "error", "disagreement"]].rename(columns={"disagreement": "disagree"})
table[["case 1", "case 3"]] = mean[["wrong in case 1", "wrong in case 3"]]
table["sure"] = mean["confident errors found"]
table.round(1)

# %% [markdown]
# *The gain: by how many points disagreement finds more of A's errors than confidence, and its 95% interval to each
# side. Percent of all points: A's error, and where the models disagree. Cases 1 and 3: percent of them that A got
# wrong. Sure: of A's errors among the half of the points that it is most confident about, the percent that
# disagreement finds.*
#
# Read the table as a list of conditions:
#
# - **The models must differ.** Two ReLU networks in the plane draw almost the same boundary from any seed. They
#   disagree on far fewer points than they get wrong, and find fewer of the errors. The paper says the same in Sec.
#   4.1.2: disagreement has to be *initialised*, by seeds where that suffices, and by other weights or other labels
#   where it doesn't.
# - **The classes should be apart.** Without a gap many points lie right beside a boundary. Errors are dense there,
#   confidence is low there, and it does nearly as well.
# - **On real digits two seeds do differ**, and the gain is small and steady. Case 3 is the clearest there: with ten
#   classes, both may be wrong, so a label that B contradicts with confidence is wrong more often than on the spiral.
# - **Few of A's confident errors are found.** Confidence can't find those of the last column at all. Disagreement
#   finds some where the models differ much, and hardly any on the digits.
#
# So the honest claim is modest. Disagreement, at the moment when labels are made, is a somewhat better guide to
# errors than confidence. It needs no threshold, and it tells apart three cases that confidence throws into one.
#
# ## What to do with it
#
# {cite:t}`feng2022dmt` don't flag and discard. They let the second opinion set the *weight* of each pseudo label
# while B learns, and ask for it again at every step. Here is their framework:

# %% tags=["hide-input"]
show(draw.framework())

# %% [markdown]
# *The paper's Fig. 2, redrawn.*
#
# Who is the second model, and does it teach the first one back? The paper calls its method *mutual* training, and that
# is true of pixels only:
#
# - **On images it is a chain** (Alg. 1, {doc}`04_curriculum`). A labels, and a new model B learns. Then B labels, and
#   a third model learns from it. Each model has one teacher, the generation before it. Nobody teaches A back.
# - **On pixels it is an exchange** (Alg. 2, {doc}`09_mutual_training`). Two models are kept. In every phase B learns
#   what A said, and A learns what B said.

# %% tags=["hide-input"]
show(draw.chain_and_exchange())

# %% [markdown]
# *Purple: labels for. Black: the same model, trained on. A is blue and B orange, here as on every page.*
#
# ## Exercises
#
# ```{exercise} Errors in common
# :label: ex-common-errors
# Of 1,000 points of two classes A gets 110 wrong and B 90. They disagree on 80. How many errors do they share, and
# what share of A's errors lies where they disagree?
# ```
#
# ```{solution} ex-common-errors
# :class: dropdown
# Let $s$ be the number of shared errors. Where the models disagree exactly one is wrong, so the disagreements are
# the errors that only A makes and those that only B makes: $(110-s)+(90-s)=80$, hence $s=60$. The region holds
# $110-60=50$ of A's 110 errors, 45%. Whoever knows both error rates and the disagreement knows what disagreement can
# find.
# ```
#
# ```{exercise} Different labels instead of different seeds
# :label: ex-different-labels
# Sec. 4.1.2 has a second way to make models differ: train them on two subsets of the labels that overlap as little
# as possible (`dmtlib.difference_maximized_subsets`). Let A and B learn 30 of the 40 labels each. Do ReLU networks
# now disagree more? What does it cost?
# ```
#
# ````{solution} ex-different-labels
# :class: dropdown
# ```python
# import torch
#
# from dmtlib import difference_maximized_subsets
#
# def with_subsets(task, seed):
#     halves = difference_maximized_subsets(range(40), size=30, seed=seed)
#     return [task._replace(points=task.points[half], labels=task.labels[half]) for half in halves]
#
# tasks = [toy.spiral(i) for i in range(60)]
# networks = toy.train_networks([t for i, task in enumerate(tasks) for t in with_subsets(task, i)], range(120), "relu")
# answers = networks(torch.stack([task.unlabeled for task in tasks for _ in "AB"]))
# apart = [toy.compare(task, *answers[2 * i : 2 * i + 2]) for i, task in enumerate(tasks)]
# toy.measure(apart)[["error", "disagreement", *found_by[:2]]].mean()
# ```
# The models disagree several times as often, and disagreement now finds far more of A's errors, and more than
# confidence. But A learned from fewer labels and makes more errors. That is the price, and why seeds come first
# where they suffice.
# ````
#
# ```{exercise} More second opinions
# :label: ex-more-opinions
# Ask five models instead of one, all trained like B, and use the mean of their probabilities in B's place. Does the
# disagreement region find more of A's errors? More than confidence does with as many flags?
# ```
#
# ````{solution} ex-more-opinions
# :class: dropdown
# ```python
# import torch
#
# tasks = [toy.spiral(i) for i in range(60)]
# six = toy.train_networks([task for task in tasks for _ in range(6)], range(360))
# answers = six(torch.stack([task.unlabeled for task in tasks for _ in range(6)])).reshape(60, 6, 1000, 2)
# many = [toy.compare(task, answer[0], answer[1:].mean(dim=0)) for task, answer in zip(tasks, answers, strict=True)]
# toy.measure(many)[["error", "disagreement", *found_by[:2], "wrong where they disagree"]].mean()
# ```
# Slightly more errors, from a smaller region: with a better judge, more than half of the region is A's errors. The
# lead over confidence about doubles. The argument from symmetry no longer holds, because five models together err
# less than A.
# ````
#
# ## What was shown
#
# Two models that differ by a seed alone share what the labels decide and differ in what chance decides. Where they
# differ, errors are dense: about half of the region, and more where B is the more confident one. At the same number
# of flags this finds more errors than A's own confidence, if the models differ enough. What both get wrong stays
# hidden.
#
# The next chapter, {doc}`03_dynamic_loss`, turns the three cases and $p_B$ into the weight of a pseudo label. Before
# that, the page checks its own claims; those about averages need all the draws.

# %% tags=["hide-input"]
assert (mean["found by disagreement"] > 1.5 * mean["disagreement"]).all()  # errors are dense
assert (mean["wrong in case 1"] < mean["error"]).all()
assert (mean["wrong in case 3"] > mean["error"]).all()
if budget >= 1:
    differ, alike = mean.loc["two arms, waves"], mean.loc["two arms, rectifiers"]
    assert 40 < differ["wrong where they disagree"] < 60
    assert differ["wrong in case 2"] < 50 < differ["wrong in case 3"]
    assert alike["disagreement"] < alike["error"] / 2
    assert mean["gain"].idxmax() == "two arms, waves"
    digits = mean.loc["digits, rectifiers"]
    assert digits["gain"] > digits["±"] and digits["confident errors found"] < 20
    assert mean["wrong in case 3"].idxmax() == "digits, rectifiers"
    assert alike["found by disagreement"] < differ["found by disagreement"]
