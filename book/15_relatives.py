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
# # Four uses of disagreement
#
# Two models that differ tell more than one: {doc}`02_disagreement` showed it, and DMT was not the first to use it.
# The paper closes with its relatives (Sec. 6, Fig. 11). All of them train two networks, A and B, and let what one
# says decide what the other learns. But a disagreement means something else to each of them: a reason to learn, a
# fault to remove, a question of who is surer, a sign of an error. **On the same batch, what would each of them teach
# B?**
#
# :::{admonition} Before you begin
# :class: dmt-goals
# **You need** {doc}`03_dynamic_loss`.
#
# **Afterwards you can**
#
# - tell Co-teaching+, Deep Co-Training, Dual Student and DMT apart by what they do with a disagreement;
# - read a method off its gradient: which elements pull, how strongly, and where to;
# - say what FixMatch does with one model, and where it differs from DMT;
# - say what such a picture of one step leaves open.
# :::

# %% tags=["hide-input"]
import pandas as pd

from book.figures import relatives as draw
from book.page.look import say, show, show_body, show_table, style
from book.studies import relatives
from book.studies.recorded import difference, recorded
from dmtlib.method import rules
from dmtlib.presets import preset
from dmtlib.records.comparison import NAMES, Spread, difference_cell, paired_differences

style()

# %% tags=["parameters"]
seed = 0
budget = 1.0  # the share of the draws below that are made

# %% tags=["hide-input"]
show(draw.four_uses())

# %% [markdown]
# *Our drawing of the paper's Fig. 11.* In words:
#
# - **Co-teaching+** {cite:p}`yu2019coteachingplus` is about noisy labels. Where the two models agree there is nothing
#   to learn, as in Decoupling {cite:p}`malach2017decoupling`. Where they disagree (≠), each picks the labels of small
#   loss for the other, as in Co-teaching {cite:p}`han2018coteaching`.
# - **Deep Co-Training** {cite:p}`qiao2018deepcotraining` asks two models to agree (=) on every unlabeled image.
#   Adversarial examples have to keep them from becoming one and the same.
# - **Dual Student** {cite:p}`ke2019dualstudent` asks on each image which model is surer of itself, under
#   perturbation too. That one teaches (>); the other has no say.
# - **DMT** lets a model of the past label, once. B learns the most confident α of these labels, in the last phase all
#   of them, weighed by how far it agrees (≈): a large disagreement is a sign of an error, not an opportunity, and both
#   models decide together.
#
# Co-teaching+ and DMT read the same sign in opposite directions. Both can be right. *Random* label noise looks the
# same to both models, and what they agree on they have both learned already. A *pseudo* label's error was made by a
# model like the one in training, so the label is most in doubt just where that one disagrees.
#
# ## Five elements by hand
#
# An element is an image or a pixel. All five below carry the label 0, given by a model before, with the
# confidence in the first column; A and B say what they think of class 0 now, and of the rival class 1.

# %% tags=["hide-input"]
names, batch = relatives.by_hand()
said = {"c": batch.confidence, "A on 0": batch.a[:, 0], "A on 1": batch.a[:, 1]}
said |= {"B on 0": batch.b[:, 0], "B on 1": batch.b[:, 1]}
pd.DataFrame(said, index=names).round(2)

# %% [markdown]
# Each method is a loss of B's logits. So its gradient answers all of our questions. The numbers are how far a step
# *raises* B's logit of class 0: positive towards the label, negative away from it, 0 where B learns nothing.

# %%
losses = reversed(relatives.LOSSES.items())  # DMT first
pull = {n: relatives.pulls(loss, batch, batch.labels) for n, loss in losses}
pd.DataFrame(pull, index=names).round(3)

# %% [markdown]
# Compare within a column: the losses have different scales. Row by row:
#
# - *all agree*: DMT pulls hardest here, in its own measure. It makes B surer of what both believe. The others have
#   next to nothing to do.
# - *B agrees, unsure*: Deep Co-Training and Dual Student take B towards A's certainty. To DMT an unsure B is a reason
#   to take a small step, and γ says how small.
# - *B doubts it*: a strong pull by all but DMT, for which B's doubt makes the label light.
# - *B contradicts*, with more confidence than the label had: DMT gives it weight 0. Co-teaching+ learns it at full
#   weight, because A's loss is small. Dual Student leaves B alone: A is not sure enough to teach.
# - *A now contradicts* its own old label: Deep Co-Training and Dual Student follow A as it is now, away from the
#   label. DMT keeps to the old label, and can't know.
#
# In code each is a few lines. Co-teaching+, Dual Student and DMT:

# %% tags=["hide-input"]
for loss in (relatives.co_teaching_plus, relatives.dual_student, relatives.dmt):
    show_body(loss)

# %% [markdown]
# ## A thousand elements
#
# Now real networks, the toy of {doc}`02_disagreement`: points on a spiral, 40 of them labeled, and three networks that
# differ in their seeds. One labels the thousand others; A and B are the two in training. The truth is known to
# us, so each pull is one *towards the truth* or *away from it*.

# %% tags=["hide-input"]
draws = max(2, round(12 * budget))
drawn = relatives.spiral_batches(list(range(draws * seed, draws * (seed + 1))))
points, batch = drawn[0]
pulled = {name: relatives.pulls(loss, batch, batch.truth) for name, loss in relatives.LOSSES.items()}
counts = {name: ((pull > 1e-6).sum().item(), (pull < -1e-6).sum().item()) for name, pull in pulled.items()}
words = "; ".join(f"{name}: {to} towards the truth, {away} away" for name, (to, away) in counts.items())
show(draw.pull_map(points, batch))

# %% [markdown]
# *The larger the dot, the stronger the pull, compared with the strongest of the same method.* Over all draws:

# %% tags=["hide-input"]
table = relatives.compare([batch for _, batch in drawn])
table.round(1)

# %% tags=["hide-input"]
dmt, trusting = table.loc["DMT"], table.loc["every label, weight 1"]
wrong, away = "of those labeled wrong (%)", "pull away from the truth (%)"
say(
    f"Of all labels {trusting[wrong]:.1f}% are wrong, and they make **{trusting[away]:.0f}%** of the pull if every "
    f"label has weight 1, because B resists them. Under the dynamic loss they make **{dmt[away]:.0f}%**. Where A and "
    f"B disagree, {table.loc['Co-teaching+', wrong]:.0f}% of what Co-teaching+ learns is labeled wrong."
)

# %% [markdown]
# This is one step, on a toy, with three networks that are equally good. It says what each method looks at, not which
# one ends up better. Co-teaching+ was made for labels whose errors are random; here they come from a network of the
# same kind, which errs where A and B do. Deep Co-Training and Dual Student let both models move on together, step by
# step, and their targets move with them. DMT's labels stay for a whole phase, errors included, and the weight is all
# that stands against those.
#
# What follows from the pictures is smaller, and holds: **DMT is the only one of the four that learns from nearly every
# label that it is given and lets B object to each.** In its tables the paper compares final accuracies with two of the
# others, taken from their papers, with another network ({doc}`06_cifar10`, Table 3).
#
# ## FixMatch: one model, two views
#
# A relative of the same years needs no second model: FixMatch {cite:p}`sohn2020fixmatch`. The model looks at an
# unlabeled image twice. One view is *weak*: shifted a little, perhaps flipped. What the model says of it becomes
# the label, if it is at least 95% sure. The other view is *strong*, and on that one the label is learned. Each step
# makes its labels anew, and the true ones are learned beside them, on weak views.

# %% tags=["hide-input"]
show_body(rules.fixmatch)

# %% [markdown]
# Two questions tell it from DMT:
#
# - *Who labels?* In DMT another model, once a phase, on clean images. In FixMatch the model itself, in the same step.
# - *What is the weight?* In DMT Eq. 3: what the learner believes of the label. In FixMatch 1 or 0, by the labeler's
#   confidence. Nobody is asked who could object.
#
# `--method fixmatch` is a method of Alg. 1's loop, on images. That makes it differ from its paper:
#
# - It goes on from the model of phase 0, which has seen labels alone. FixMatch learns both from its first step on.
# - It takes one phase, as long as DMT's five together: both learn from as many images.
# - A batch has the preset's ratio, on digits three unlabeled images to a labeled one. FixMatch has seven.
# - Optimiser, learning rate and average are the preset's, and so is the strong view: digits are turned, stretched,
#   sheared and moved, and nothing is erased. Their weak view moves them by a pixel at most.
#
# As there, the unlabeled part has the weight 1, each part is the mean over its own images, and nothing is mixed.
#
# ### What if one class is harder than the others?
#
# A fixed 95% takes its labels from the classes that are easy. FlexMatch {cite:p}`zhang2021flexmatch` asks less of the
# others. It remembers of each unlabeled image the last class that the model was 95% sure of, and counts how many
# images each class has come to. The fewer it has, beside the commonest class, the lower is the threshold of the class.
# While more images have no class yet than the commonest one has, it is measured by those: at the beginning nothing
# is known of any class, and every label is learned. `--method flexmatch` is the same loop with these thresholds:

# %% tags=["hide-input"]
show_body(rules.flexible_thresholds)

# %% [markdown]
# None of this was chosen by the results. One thing followed them: three seeds of each were run, and when FlexMatch's
# had been seen, seven more of it with 10 labels and two with 20 and 40. In test accuracy, seed by seed:

# %% tags=["hide-input"]
pairs = [("fixmatch", other) for other in ("baseline", "cl", "dmt")]
pairs += [("flexmatch", other) for other in ("baseline", "cl", "dmt", "fixmatch")]
compared = {
    name: {
        f"{NAMES[method]} − {NAMES[other]}": difference_cell(paired_differences(found[method], found[other]))
        for method, other in pairs
    }
    for name in ("digits-10", "digits-20", "digits-40")
    for found in [recorded(name)]
}
show_table(pd.DataFrame(compared))

# %% [markdown]
# *Test accuracy in points: the mean difference, in brackets its 95% interval and how many seeds are above zero.*
#
# With 10 labels FlexMatch is above DMT on all ten seeds, by far more than DMT is above CL, and one model does it. With
# 20 and 40 labels the two can't be told apart. FixMatch with its fixed threshold shows nothing of the kind. What is it
# that helps? Two things come together: at the beginning every label is learned, and later a class that is hardly known
# has a low threshold. In trials on two other seeds learning every label to the end came to 82% on both, FlexMatch to
# 97% on one and to 76%, where its first model was, on the other (`results/trials.md`). So it isn't the first alone.
#
# Digits of eight by eight pixels can't say how these compare on photographs. {doc}`06_cifar10` has what others
# published about FixMatch there. On CIFAR-10 a run of either by our fast recipe takes more than an hour of a core, so
# it waits for a GPU:

# %% tags=["hide-input"]
for name in ("cifar10-4000-fast-wide", "cifar10-1000-fast-wide"):
    found = recorded(name)
    pairs = [(method, "dmt") for method in ("fixmatch", "flexmatch")]
    say(f"On `{name}`:\n\n" + "\n".join(f"- {difference(found, *pair)}" for pair in pairs))

# %% [markdown]
# ## Exercises
#
# ```{exercise} When A and B become one
# :label: ex-become-one
# Let A and B be equal: `batch._replace(b=batch.a, b_copy=batch.a_copy)`. What is left of each of the four pulls? Which
# method notices, and which goes on as if nothing had happened?
# ```
#
# ````{solution} ex-become-one
# :class: dropdown
# ```python
# same = batch._replace(b=batch.a, b_copy=batch.a_copy)
# {name: relatives.pulls(loss, same, same.truth).abs().sum().item() for name, loss in relatives.LOSSES.items()}
# ```
# Three fall to zero (up to rounding): with no disagreement there is nothing to pick, nothing to pull together, and no
# one surer. That is the collapse that Deep Co-Training's adversarial examples are there to prevent. DMT goes on,
# because its labels come from a third model: fixed labels keep a disagreement that models in training would lose.
# ````
#
# ```{exercise} Another γ
# :label: ex-another-gamma
# How does the share of DMT's pull that leads away from the truth change with γ? Why does it not fall to zero?
# ```
#
# ````{solution} ex-another-gamma
# :class: dropdown
# ```python
# from functools import partial
#
# for gamma in (0.0, 1.0, 2.0, 5.0, 10.0):
#     *_, share = relatives.shares(partial(relatives.dmt, gamma=gamma), [batch for _, batch in drawn])
#     print(gamma, round(share, 1))
# ```
# At γ = 0 it is already lower than with weight 1 everywhere: case 3 takes away what B contradicts with confidence.
# Each doubling of γ takes more, and gains less. Where B makes the labeler's error too, the label has B's blessing, and
# no weight of this kind can tell.
# ````
#
# ## What was shown
#
# Four methods with two models each, told apart by one gradient. Where one of them learns most, another is most
# careful. DMT uses disagreement as a measure of doubt, and its labels stay the same while that doubt is measured.
#
# {doc}`16_beyond` goes on from here: what the paper leaves open, tried one by one.

# %% tags=["hide-input"]
assert (table.loc["DMT", away] < trusting[away]) and (table.loc["Co-teaching+", "learned from (%)"] < 30)
assert pull["DMT"][3] == 0 < pull["Co-teaching+"][3] and pull["Dual Student"][4] < 0 < pull["DMT"][4]
same = batch._replace(b=batch.a, b_copy=batch.a_copy)
still = {name: relatives.pulls(loss, same, same.truth).abs().max() for name, loss in relatives.LOSSES.items()}
assert max(still[name] for name in ("Co-teaching+", "Deep Co-Training", "Dual Student")) < 1e-5 < still["DMT"]
weak, dmt = (preset("digits-40", method) for method in ("fixmatch", "dmt"))
assert weak.batch_size == 4 * weak.labeled_per_batch  # three unlabeled images to a labeled one, and as many steps
few, some = recorded("digits-10"), [recorded(name) for name in ("digits-20", "digits-40")]
over = paired_differences(few["flexmatch"], few["dmt"])
assert (
    len(over) == 10
    and min(over) > 0
    and Spread.of(over).mean > 2 * Spread.of(paired_differences(few["dmt"], few["cl"])).mean
)
for pair in [(found["flexmatch"], found["dmt"]) for found in some] + [(few["fixmatch"], few["dmt"])]:
    low, high = Spread.of(paired_differences(*pair)).interval()
    assert low <= 0 <= high
assert weak.phases == 2 and weak.steps(1, 0) == sum(dmt.steps(phase, 0) for phase in range(1, dmt.phases))
