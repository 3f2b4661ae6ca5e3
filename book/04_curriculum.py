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
# # The curriculum
#
# A labels, B learns, and the dynamic loss lets B object. That is one step. But B is now the better model, or so we
# hope. Its labels should be better too. So let B label, and let a third model learn from it.
# **How far can a handful of labels carry, generation by generation? And does DMT notice the wrong labels on the
# way?**
#
# {cite:t}`feng2022dmt` take five such generations (Sec. 4.2.1, Alg. 1). Each uses more of the labels: the most
# confident 20% first, all of them at last. This page shows the whole of it as code, runs it, and compares three
# methods from the same 40 labels:
#
# - **baseline**: the labels alone;
# - **CL**, Curriculum Labeling {cite:p}`cascante2021curriculum`: five generations, every pseudo label counts 1 (its
#   kin CBST, on pixels, keeps one model through all phases instead);
# - **DMT**: the same five generations, every pseudo label counts what Eq. 3 says ({doc}`03_dynamic_loss`).
#
# :::{admonition} Before you begin
# :class: dmt-goals
# **You need** {doc}`03_dynamic_loss`.
#
# **Afterwards you can**
#
# - write Algorithm 1 yourself;
# - measure whether wrong labels get less weight, and say which ones get away;
# - compare two methods seed by seed.
# :::

# %% tags=["hide-input"]
from book.figures import curriculum as draw
from book.figures.methods import by_method, differences, noise_map
from book.figures.pseudo_labels import gallery
from book.page.look import say, show, show_source, style
from book.page.places import results
from book.studies import dmt as one_page
from book.studies.readiness_of_runs import first_error_and_gain
from book.studies.recorded import (
    difference,
    difference_of_means,
    last_phase,
    mean_over_seeds,
    recorded,
    summary,
)
from dmtlib import presets
from dmtlib.data.images.datasets import load_digits
from dmtlib.data.images.splits import split_labeled
from dmtlib.records.comparison import NAMES
from dmtlib.records.printed import paper_number
from dmtlib.records.reproduction import NOISE_MAP
from dmtlib.training.images.evaluation import predict

style()

# %% tags=["hide-input"]
show(draw.scheme())

# %% [markdown]
# *Alg. 1, drawn.* $S_l$ is the labeled subset, $F^i$ the model of generation $i$.

# %% tags=["parameters"]
seed = 0  # of the labeled images and of all networks
budget = 0.25  # the share of the training that is done live; 1 is all of it

# %% [markdown]
# ## The algorithm, as code
#
# $S_l$ is the labeled subset, $S_u$ the unlabeled one. Algorithm 1 has eight lines. This is where each of them stands
# in the code below. Two things in it are not lines of the algorithm: mixup trains on blends of two images and
# their targets ({doc}`05_augmentation`), and what labels and is tested is a moving average of the weights
# ({doc}`glossary`).
#
# | line of Alg. 1 | in the code |
# |---|---|
# | 1, 2: initialise $F^0$, train it on $S_l$ | `train`, without pseudo labels |
# | 3: α = 20, 40, 60, 80, 100% | `ALPHAS` |
# | 4: for each α | the loop in `dmt` |
# | 5: $F^{i-1}$ labels $S_u$, the top α are kept | `pseudo_labels` |
# | 6: initialise $F^i$ with a new seed | the first lines of `train` |
# | 7: train $F^i$ on both with the dynamic loss | the loop in `train` |
# | 8: $F = F^5$ | the last of the models |
#
# It is the whole program, and short enough to type. Begin with `dmt`, near its end.

# %% tags=["hide-input"]
show_source(one_page)

# %% [markdown]
# Two things are worth noticing. A new model starts *from scratch*, so it doesn't inherit its teacher's errors with
# the weights; and there is one chain, not two: the "other model" of the dynamic loss is the previous generation, and
# nobody teaches that one back. CL is the same program without the two lines that set `omega[n:]`: every pseudo label
# then weighs 1.
#
# Why steps of 20%? They are those of Curriculum Labeling {cite:p}`cascante2021curriculum`, and the paper keeps them.
# Smaller steps take more phases, each of them a training; a single step has no curriculum, which the first exercise
# tries. No table of the paper compares other steps, and no record here does.
#
# The library does the same in more files. A run of it may be killed at any moment and goes on from its last
# checkpoint, it keeps records, and it knows the other methods and other data. A test holds the two together: same
# seed, same pseudo labels, same weights, to the bit.
#
# ## A short run
#
# So let us run what was shown. The page has time for a part of the training:

# %%
settings = presets.preset("digits-40", "dmt")
steps = max(1, round(settings.phase_steps * budget))
data = load_digits()
split = split_labeled(data.train_labels, settings.num_labels, seed)
models = one_page.dmt(data, split.labeled, split.unlabeled, seed, steps)

# %% tags=["hide-input"]
recordings = recorded(settings.preset)
shown = "baseline", "cl", "dmt"
whole = {name: mean_over_seeds(recordings[name]) for name in shown}
live = [one_page.accuracy(model, data) for model in models]
full = [phase["test_accuracy"] for phase in whole["dmt"]["phases"]]
say(
    f"The program runs, but {budget:.0%} of the training is too little to gain anything: the first "
    f"model gets {live[0]:.1f}% of the test images right, the last one "
    f"{live[-1]:.1f}%. Each model starts from scratch, and {steps} steps "
    "don't take it to the end. **Trained to the end, with "
    f"{settings.phase_steps} steps a phase, DMT goes from {full[0]:.1f}% "
    f"to {full[-1]:.1f}%** (recorded, mean of {len(recordings['dmt'])} seeds)."
)

# %% [markdown]
# The runs that count are therefore in records, `results/<preset>/<method>/seed-<n>.json`: all methods on the same
# seeds, each seed with its own 40 labels, all of them at full length. What follows is computed from those files,
# except for the pictures of single labels, which need a model at hand. The data are small; how DMT does on CIFAR-10 is
# another question.
#
# ## The recorded result

# %% tags=["hide-input", "fig-phases"]
show(draw.phases(whole))

# %% [markdown]
# *Recorded, full length, mean over the seeds.* Phase 0 is the same model in all three: it learns the labels only.
# Follow the upper panel: the share of wrong labels depends on two things that pull against each other. Each generation
# takes more labels, and later ones are less confident. But each generation's labels come from a later model.
#
# The last phase, seed by seed:

# %% tags=["hide-input", "fig-last-phase"]
methods = ("baseline", "cl", "dmt", "dmt-naive", "oracle")
show(by_method(recordings, methods))
say(f"{summary(recordings, methods)}.")

# %% [markdown]
# *Test accuracy in percent. A dot is a seed, the bar the mean with the sample standard deviation, which is also what
# follows ±; n is the number of seeds. The oracle learns all the true labels.*
#
# Much of the spread comes from the labels that a seed draws, and all methods share those. So compare methods seed by
# seed:

# %% tags=["hide-input"]
show(differences(recordings, "dmt", ["cl", "dmt-naive", "baseline"]))
pairs = [("dmt", other) for other in ("cl", "dmt-naive", "baseline")] + [("oracle", "dmt")]
say("\n".join(f"- {difference(recordings, *pair)}" for pair in pairs))

# %% [markdown]
# The interval is Student's: if seeds scatter as these do, 95 of 100 such intervals hold the mean of all seeds. Where
# it holds zero, these seeds can't tell which method is ahead. Read the first line with the paper's Table 2 in mind:

# %% tags=["hide-input"]
rows = ("4000 labels", "1000 labels")
gains = [f"{paper_number('Table 2', row, 'DMT over CL'):+.2f} points with {row}" for row in rows]
say(f"On CIFAR-10 the paper reports, for DMT − CL, {' and '.join(gains)} (printed, not measured here).")

# %% [markdown]
# Even there it is a small difference, far smaller than the one between using pseudo labels and not using them. To see
# one that size, or to see that there is none, takes seeds in pairs.
#
# ## Do wrong labels get less weight?
#
# That is what the dynamic loss is for. Training never learns which labels are wrong, but we know the digits' classes
# and can look. Over all steps of a phase, right and wrong pseudo labels weighed on average:

# %% tags=["hide-input"]
show(draw.weights(whole["dmt"]))
table = draw.phases_table(whole["dmt"])
draw.in_print(table)

# %% tags=["hide-input"]
last = table.iloc[-1]
right, wrong = last["weight, right"], last["weight, wrong"]
before = last["wrong (%)"] / 100
after = before * wrong / (before * wrong + (1 - before) * right) if before else 0
say(
    f"In the last phase, with every label in use, a right label weighs {right:.2f} on average "
    f"and a wrong one {wrong:.2f}: **the wrong one has {wrong / right:.0%} of the right one's "
    f"weight.** {before:.1%} of the labels are wrong, and they carry {after:.1%} of the weight "
    f"of all pseudo labels. CL gives them {before:.1%}."
)

# %% [markdown]
# These are averages over the whole phase, and γ starts near zero: in the early steps nearly every label weighs 1,
# right or wrong. The *cases* of the table count the same steps. Case 1 is agreement, case 2 a mild objection, case 3
# the strong one that costs a label all its weight for a step.
#
# What can a weight win at all? No more than the wrong labels cost. And it has a price: right labels weigh less than 1
# too, and teach more slowly. How much there was to win and to pay on these digits, in the last phase, seed by seed:

# %% tags=["hide-input"]
text = last_phase(recordings["dmt"])
say(f"{text[0].upper()}{text[1:]}.")

# %% [markdown]
# Where labels are this clean, trusting them all is hard to beat. The dynamic loss is made for noise.
#
# ## Which wrong labels are seen through?
#
# An average hides the single label. Back to the short run: take its last model, ask it about the clean images, and
# weigh by Eq. 3 at full γ all wrong labels that it was trained on. They are many more than after a full training.

# %%
teacher, b = models[-2:]
everything = teacher, data, split.unlabeled, 100
which, y_a, c_a = one_page.pseudo_labels(*everything)
truth, images = data.train_labels[which], data.train_images[which]
p = predict(b, images, data.mean, data.std)
gammas = settings.gamma1, settings.gamma2
omega = one_page.dynamic_weights(p, y_a, c_a, *gammas)

# %% tags=["hide-input"]
y_b = p.argmax(dim=1)
mistaken = (y_a != truth).nonzero().squeeze(1)
ranked = mistaken[omega[mistaken].argsort(stable=True)]
for name, chosen in {"lowest": ranked[:6], "highest": ranked.flip(0)[:6]}.items():
    words = [f"“{y_a[i]}” weighs {omega[i]:.2f}\nis {truth[i]}, B says {y_b[i]}" for i in chosen]
    title = f"Wrong labels of {name} weight"
    figure = gallery(images[chosen], words, columns=3, title=title)
    show(figure)
silent = (omega[mistaken] < 0.01).sum().item()
repeated = (y_a == y_b)[mistaken].sum().item()
say(
    f"Of {len(mistaken)} wrong labels, {silent} weigh less than 0.01 in the end, and with "
    f"{repeated} the trained model agrees: it makes the same error as its teacher."
)

# %% [markdown]
# The second picture shows the limit that {doc}`02_disagreement` predicted. An error that both generations make looks
# like agreement, and no disagreement gives it away.
#
# ## When does disagreement pay?
#
# Fewer labels make a worse first model, and a worse first model makes more wrong labels. So take 10, 20 or 80 labeled
# digits instead of 40 and change nothing else, and add what else is recorded at small scale: CIFAR-10 by the fast
# recipe of {doc}`06_cifar10`, four of its classes, generated scenes, small streets. **Over the error of the first
# pseudo labels, what does DMT win on CL, which trusts all labels alike? And on the baseline, which learns none?**

# %% tags=["hide-input", "fig-map-of-noise"]
fast = "cifar10-4000-fast", "cifar10-1000-fast"
map_of = (*NOISE_MAP.values(), *fast, "cifar10-small", "scenes", "camvid-small")
gains = {f"DMT − {NAMES[m]}": first_error_and_gain(results(), map_of, m) for m in ("cl", "baseline")}
show(noise_map(gains))
others = {"digits": ("cl", "baseline"), "else": ("cbst", "baseline")}
for name in map_of:
    kinds = others["else" if name in presets.SEGMENTATION_PRESETS else "digits"]
    told = difference_of_means if name in presets.SEGMENTATION_PRESETS else difference
    say(f"`{name}`: " + " ".join(told(recorded(name), "dmt", other) for other in kinds))

# %% [markdown]
# *From the records in `results/`, small-scale. The error is that of the most confident fifth of the first model's
# labels, as the run measured it; the axis is linear below 1% and logarithmic above. On pixels CBST stands for CL,
# whose rule it has; streets and scenes count in mean IoU, digits and CIFAR-10 in accuracy. On pixels DMT has two
# models, and its number here is their mean: the paper's choice of the better one, by the scored images, would count
# as a gain.*
#
# A set is one kind of noise. Two sets with the same error can differ in all else, so read the map within the digits
# first: there nothing but the number of labels changes. On `camvid-small` one of three seeds lies above zero, and its
# lead was there before the first pseudo label, and didn't grow ({doc}`10_segmentation_results`).
#
# On `digits-10` one phase that learns all of a baseline's labels at once shows a larger lead of DMT on CL than these
# whole runs do. More of its labels are wrong; {doc}`11_ablations` sets the two side by side
# ({numref}`tab-noise-kinds`).
#
# ## Exercises
#
# ```{exercise} No curriculum
# :label: ex-no-curriculum
# Let the program use all pseudo labels from the first generation on. Then make CL of it, and do the same. What does
# the curriculum buy DMT, and what CL? Which of the two do you expect to need it less?
# ```
#
# ````{solution} ex-no-curriculum
# :class: dropdown
# ```python
# import torch
#
# def last_accuracy():
#     ends = one_page.dmt(data, split.labeled, split.unlabeled, seed, steps)
#     return one_page.accuracy(ends[-1], data)
#
# def trusting(p, y_a, c_a, gamma1, gamma2):
#     return torch.ones(len(y_a))
#
# eq_3, curriculum = one_page.dynamic_weights, one_page.ALPHAS
# for name, rule in {"DMT": eq_3, "CL": trusting}.items():
#     one_page.dynamic_weights = rule
#     for alphas in (curriculum, (100,) * 5):
#         one_page.ALPHAS = alphas
#         print(name, alphas, last_accuracy())
# one_page.dynamic_weights, one_page.ALPHAS = eq_3, curriculum
# ```
# DMT should need it less: a wrong label that enters early can be weighed down, while CL learns it at full weight.
# Repeat over some seeds before you believe a difference.
# ````
#
# ```{exercise} Gamma on real labels
# :label: ex-gamma-digits
# Compute `omega` for γ = 1, 4 and 10. How does the wrong labels' share of the total weight change? And the total?
# ```
#
# ````{solution} ex-gamma-digits
# :class: dropdown
# ```python
# for gamma in (1, 4, 10):
#     at_gamma = one_page.dynamic_weights(p, y_a, c_a, gamma, gamma)
#     print(gamma, at_gamma[mistaken].sum() / at_gamma.sum(), at_gamma.mean())
# ```
# As a rule a higher γ lowers both. The wrong labels that are left over are the ones that B believes, so their share
# can't fall to nothing, while the total falls towards it and pseudo labels stop teaching.
# ````
#
# ```{exercise} Does the last generation still learn?
# :label: ex-more-generations
# Extend the curriculum to eight phases by repeating the 100 at the end of `ALPHAS`. Where does the accuracy stop
# moving by more than a test image or two?
# ```
#
# ````{solution} ex-more-generations
# :class: dropdown
# ```python
# curriculum = one_page.ALPHAS
# one_page.ALPHAS = curriculum + (100, 100, 100)
# longer = one_page.dmt(data, split.labeled, split.unlabeled, seed, steps)
# one_page.ALPHAS = curriculum
# [one_page.accuracy(model, data) for model in longer]
# ```
# One of the 500 test images is 0.2 points. Once a generation's labels are those that its teacher would give anyway,
# the chain has nothing new to say: what is wrong then is wrong in all of them.
# ````
#
# ## What was shown
#
# Algorithm 1 is a short loop around a loss. Models that learn their predecessors' labels, the confident ones first,
# end up above the model that saw the labels alone, if they are trained to the end: the recorded runs say by how much.
# The dynamic loss weighs a label without being told whether it is right; the page counts how much less the wrong ones
# get, and shows the ones that it misses, which two generations get wrong in the same way. What this adds to CL is
# measured above, seed by seed.
#
# That is the whole method on images. Next come photographs: how they are augmented, and why ({doc}`05_augmentation`),
# DMT on CIFAR-10 ({doc}`06_cifar10`), and how to tell a gain from chance ({doc}`07_honest_evaluation`).

# %% tags=["hide-input"]
assert len(models) == 1 + len(one_page.ALPHAS)
for alpha in one_page.ALPHAS:
    top = one_page.pseudo_labels(teacher, data, split.unlabeled, alpha)
    assert len(top[0]) == len(split.unlabeled) * alpha // 100
    assert (top[2].diff() <= 0).all()  # the most confident ones, in order
assert len(y_a) == len(data.train_labels) - settings.num_labels
assert omega.min() >= 0 and omega.max() <= 1
for phase in whole["cl"]["phases"][1:]:
    assert phase["mean_weight"] == 1
if budget >= 0.25:  # models that have learned something
    assert omega[mistaken].mean() < omega[y_a == truth].mean()
assert wrong < right  # and so it is in the recorded runs
ends = [run["phases"][-1]["test_accuracy"] for run in whole.values()]
assert min(ends) == ends[0]  # the baseline's
over_cl = {n: [*map(float, next(iter(gains.values())).query("preset == @n")["gain"])] for n in map_of[:3]}
assert sum(over_cl["digits-40"]) < 0 < sum(over_cl["digits-10"])  # the cheat sheet's
