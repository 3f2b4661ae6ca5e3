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
# # Honest evaluation
#
# With 4,000 labels of CIFAR-10, CL gets 94.02% of the test images right and DMT 94.21%, says the paper's Table 2.
# Another table could say it of your model and mine. **Is the second one better?**
#
# Such a number depends on three kinds of chance: which images are in the test set, which seed the model had, and how
# often somebody looked before writing it down. And it is compared with a baseline, which may have been trained with
# more or with less care. The paper's Appendices B and C are about just these things. This page measures each of them,
# on small models that you can train while you read.
#
# :::{admonition} Before you begin
# :class: dmt-goals
# **You need** {doc}`04_curriculum`, a mean and a standard deviation.
#
# **Afterwards you can**
#
# - say how many test images and seeds a difference needs;
# - compare two models on the same images, and know what fine-grained testing mixes in;
# - judge a gain by how long its baseline trained, and by who chose the checkpoint.
# :::

# %% tags=["hide-input"]
import dataclasses

import pandas as pd
import torch

from book.figures import honest_evaluation as draw
from book.page.look import say, show, show_body, show_table, style
from book.page.places import results
from book.page.runs import runs_folder
from book.page.slider import slider
from book.page.together import train_together
from book.studies import baselines
from book.studies import honest_evaluation as evaluation
from book.studies.recorded import recorded
from dmtlib import presets
from dmtlib.data.images.datasets import load_dataset
from dmtlib.records.comparison import difference_cell
from dmtlib.records.printed import paper_number
from dmtlib.training.directory import RunDirectory
from dmtlib.training.images.evaluation import accuracy, fine_grained_accuracy, predict
from dmtlib.training.images.stored import phase_model

style()

# %% tags=["parameters"]
preset = "digits-40"
seed = 0  # the first of two
budget = 0.5  # the share of the training that is done
device = "auto"

# %% [markdown]
# ## What a number of images can tell
#
# A model that is right with probability $p$ gets a binomial number of $n$ test images right. So a measured accuracy
# strays by $\sqrt{p(1-p)/n}$, and $n$ grows slowly under a root. Two models, truly at 94.0% and 94.2%, each on
# random images of its own:

# %% tags=["hide-input"]
slider(
    draw.strays_frame,
    values=[200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 200_000],
    label="test images",
    format="{:,}",
    start=10_000,
)

# %% [markdown]
# *Each bell has the same height, whatever its width. The percentages above are exact, from the binomial
# distribution.*
#
# The other way round: what do we know about $p$, once $n$ images are counted? An interval that would contain it 19
# times in 20 (Wilson's), at a measured 90%:

# %% tags=["hide-input"]
sizes = {"valtiny": 200, "usual validation set": 5000, "CIFAR-10's test set": 10_000}
show(draw.widths(90, sizes))
low, high = evaluation.interval(180, 200)
alone = evaluation.images_to_tell(94.0, 94.2)
shared = evaluation.images_to_tell(94.0, 94.2, disagreement=4)
say(
    f"After 180 of 200 right the accuracy lies between **{low:.1f}% and "
    f"{high:.1f}%**: {high - low:.1f} points. To tell 94.0% from 94.2%, four times "
    f"in five, takes **{alone:,} images** for each model, or {shared:,} that both "
    "answer, if exactly one of them is right on 4% of the images."
)

# %% [markdown]
# 200 is the size of the paper's validation set, *valtiny*. Five thousand, as many had used before, is more than the
# labels that the model learns from: someone who has 4,000 labels and 5,000 to validate on would rather have 9,000 to
# learn from {cite:p}`oliver2018realistic`. The paper's choice is the realistic one, and it has this price.
#
# No test set of CIFAR-10's size settles a difference of 0.2 points between *two models*. Averages over seeds help
# against the chance of the seed. Against the chance of the test images they don't: all seeds share them. What an
# average over many seeds tells is which method does better *on these 10,000 images*, and that is what most tables
# mean.
#
# ## A dozen models to rank
#
# Now with real models. Baselines of digits-40, of two seeds and six lengths of training, and one more without mixup;
# they train one a core. They are asked about all images that none of them learned. We take those images for the whole
# world: the better model is the one that is right on more of them.

# %% tags=["remove-output"]
config = presets.preset(preset, "baseline", seed, budget)
lengths = (1, 3 / 4, 1 / 2, 3 / 8, 1 / 4, 1 / 16)
seeds = (seed, seed + 1)
levels = ["length", "seed"]
names = pd.MultiIndex.from_product([lengths, seeds], names=levels)
begun = {s: dataclasses.replace(config, seed=s) for s in seeds}
configs = [baselines.of_length(begun[s], length) for length, s in names]
half = baselines.of_length(config, 1 / 2)
unmixed = dataclasses.replace(half, preset="unmixed", mixup_alpha=1e-3)
runs = runs_folder(*configs, unmixed)  # or yours: no run is repeated
records = train_together([*configs, unmixed], runs=runs, device=device)

# %%
data = load_dataset(config.data)
images, truth = baselines.unseen_images(data, configs)
trained = [RunDirectory.of(c, runs) for c in [*configs, unmixed]]
models = [phase_model(run, 0) for run in trained]
asked = images, data.mean, data.std
answers = torch.stack([predict(model, *asked) for model in models])
scores = evaluation.Scores.of(answers, truth)

# %% tags=["hide-input"]
overall = [100 * part[:-1].mean(dim=1) for part in scores]
table = pd.DataFrame({"plain (%)": overall[0], "fine-grained (%)": overall[1]}, index=names)
table.unstack().round(1).rename("{:g}".format)

# %% [markdown]
# *Length 1 is half of the preset's 800 steps. Accuracy on all unseen images, by seed. Fine-grained accuracy is
# explained below.*
#
# ## Ask both the same images
#
# Two models that answer the same images are both right on most of them and both wrong on some. Those say nothing.
# What counts are the images that only one gets right. If neither model is better, a coin decides each of those: that
# is the sign test, here McNemar's.

# %% tags=["hide-input"]
similar = evaluation.Scores(*(part[:10] for part in scores))  # the shortest are far behind
pairs = evaluation.rank_pairs(similar, images=200, seed=seed)
pair = pairs.loc[(pairs["gap"] - 2).abs().idxmin()]
better, worse = (similar.plain[int(pair[name])].bool() for name in ("better", "worse"))
tests = {}
for count in (200, 500, len(truth)):
    sample = evaluation.subsets(len(truth), count, 1, seed)[0]
    tests[f"{count:,}"] = evaluation.paired_test(better[sample], worse[sample])
columns = ["only the better is right", "only the worse is right", "p"]
table = pd.DataFrame.from_dict(tests, "index", columns=columns).rename_axis("images")
table.assign(p=table["p"].map("{:.2g}".format))

# %% tags=["hide-input"]
both = [100 * m.double().mean().item() for m in (better, worse)]
apart = 100 * (better != worse).double().mean().item()
needed = evaluation.images_to_tell(*both, apart)
found = evaluation.share_found(better, worse, 200, seed=seed)
say(
    f"These two are {both[0]:.1f}% and {both[1]:.1f}% right, and exactly one of them "
    f"on {apart:.1f}% of the images. By the formula it takes {needed:,} images to "
    "find that at p < 0.05 four times in five; on images of their own it would take "
    f"{evaluation.images_to_tell(*both):,}. With 200 it was found in "
    f"**{found:.0f}%** of 500 random samples."
)

# %% [markdown]
# Paired, a test set is worth several times its size. So keep every model's answers and not only its score. It still
# isn't enough to find a gap as small as those that methods are ranked by.
#
# ## How right is it?
#
# For 200 images the paper proposes *fine-grained testing*: count a right decision not as 1 but as the probability that
# the model gave it (Appendix C). A wrong one is still 0.

# %%
one = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
two = torch.tensor([[0.6, 0.4], [0.6, 0.4], [0.1, 0.9]])
labels = torch.tensor([0, 0, 0])
for answer in (one, two):
    plain = accuracy(answer, labels)
    fine = fine_grained_accuracy(answer, labels)
    say(f"plain {plain:.1f}%, fine-grained {fine:.1f}%")

# %% tags=["hide-input"]
show_body(fine_grained_accuracy)

# %% [markdown]
# By hand: $(0.9 + 0.6 + 0)/3 = 0.5$ and $(0.6 + 0.6 + 0)/3 = 0.4$. Two right answers in both cases, and a tie no more.
# But a tie broken by what? Here is one of our models, its decisions untouched, its logits divided by a temperature:

# %% tags=["hide-input"]
slider(
    lambda temperature: draw.temperature_frame(answers[2], truth, temperature),
    values=[0.1, 0.25, 0.5, 1, 2, 3, 5],
    label="temperature",
    format="{:g}",
    start=1,
)

# %% [markdown]
# Same model, same decisions, any fine-grained accuracy from a tenth of the plain one up to all of it. It measures two
# things at once: how often a model is right, and how sure it is then. So does it rank models better? A sample of 200
# images, a thousand times, for every pair of ten of our models:

# %% tags=["hide-input"]
show(draw.ranking(pairs, 200))

# %% [markdown]
# *One dot a pair, its height the share of samples that rank it rightly, half of the ties included. Filled: pairs that
# fine-grained accuracy ranks rightly if it sees all images; hollow: pairs that it ranks wrongly even then.*

# %% tags=["hide-input"]
close = pairs[pairs["gap"] < 1.5]
turned = close[close["fine gap"] < 0]
plain_right = (close["plain right"] + close["plain tied"] / 2).mean()
there = f", and there its samples are right in {turned['fine right'].mean():.0f}%"
say(
    f"Of the {len(close)} pairs less than 1.5 points apart, 200 images rank "
    f"**{plain_right:.0f}%** rightly by plain accuracy "
    f"({close['plain tied'].mean():.0f}% are ties) and "
    f"**{close['fine right'].mean():.0f}%** by fine-grained accuracy, which has no "
    f"ties. But {len(turned)} of these pairs it has the wrong way round on all "
    f"images{there if len(turned) else ''}."
)

# %% [markdown]
# Plain accuracy measures the right thing coarsely: the closer the pair, the more often 200 images rank it by luck.
# Fine-grained accuracy measures finely, and measures sureness as well. Where the better model is also the surer one,
# it needs few images. Where it isn't, more images only make it more certain of the wrong order.
#
# The paper says where to expect that: between models with mixup and without, because mixup changes how sure a model
# is. Our one pair, the same but for mixup:

# %% tags=["hide-input"]
mixed = configs.index(half)
plain, fine = (100 * part[[mixed, len(configs)]].mean(dim=1) for part in scores)
gap, fine_gap = (plain[0] - plain[1]).item(), (fine[0] - fine[1]).item()
say(
    f"With mixup {plain[0]:.1f}% plain and {fine[0]:.1f}% fine-grained; without "
    f"{plain[1]:.1f}% and {fine[1]:.1f}%. The plain accuracies are {abs(gap):.1f} "
    "points apart, the fine-grained ones "
    f"**{abs(fine_gap):.1f}**{', in the opposite order' if gap * fine_gap < 0 else ''}."
)

# %% [markdown]
# So use it as the paper does, between a few values of a setting that doesn't change how sure a model is, and look at
# the plain accuracy too. In our list the length of training was the setting, and longer training makes surer.
#
# ## How long does the baseline train?
#
# A gain is a difference, and the baseline is half of it. If an oracle trains $N$ epochs on all images, how many should
# a baseline train on a share $r$ of them? The same $N$ are few steps, because its epochs are short. The same number of
# steps are $N/r$ epochs, the same images over and over. Appendix B calls the first too few and the second too many,
# and takes the geometric mean, $\sqrt{1/r}\,N$. Our six lengths:

# %% tags=["hide-input"]
steps = [record["phases"][0]["steps"] for record in records[:-1]]
by_seed = pd.MultiIndex.from_arrays([steps, names.get_level_values("seed")])
curves = pd.Series(overall[0].numpy(), index=by_seed).unstack()
everything = len(data.train_labels)
oracle = dataclasses.replace(config, method="oracle").steps(0, everything)
marks = baselines.steps_by_rule(oracle, config.num_labels / everything)
show(draw.lengths(curves, marks))
best = curves.mean(axis=1).idxmax()
dmt = {record["seed"]: record["test_accuracy"] for record in recorded(preset)["dmt"]}
gains = {length: [] for length in steps}
for record, length, (_, s) in zip(records, steps, names, strict=False):
    gains[length] += [dmt[s] - record["test_accuracy"]] if s in dmt else []
words = [f"- {length} steps: {difference_cell(g, digits=1)}" for length, g in gains.items()]
say(
    f"On digits the best of these lengths is {best:,} steps. Against the baseline of "
    "each length, the recorded full runs of DMT gain on the same seeds, in points "
    "on the test images (95% interval; seeds above zero):\n\n" + "\n".join(words)
)

# %% [markdown]
# One method and one result, and the smallest and the largest of these gains are many points apart, by how long the
# baseline was trained. Here nothing speaks for the rule: eight by eight pixels, augmented anew in every step, can be
# looked at very often, and the preset gives its baseline as many steps as its oracle. On CIFAR-10 the paper settled on
# the middle, and our presets there follow it. What has been recorded of it:

# %% tags=["hide-input"]
show_table(baselines.recorded_lengths(results()))

# %% [markdown]
# *Epochs are passes over the labeled images. From the records in `results/`, none of it from this page. A single
# length can't show that the rule is right; two would be needed.*
#
# ## The luckiest checkpoint
#
# Training goes up and down towards its end. Whoever tests every checkpoint and reports the best has let the test
# images choose, and the winner won partly by luck. How much is that? Take equally good checkpoints, any two of which
# disagree on a certain share of 10,000 test images, and choose the best of them:

# %% tags=["hide-input"]
printed = paper_number("Table 2", "4000 labels", "DMT over CL")
show(draw.gains(10_000, (1, 2, 4), printed))

# %% [markdown]
# *Simulated, with the share of images on which two checkpoints disagree at the end of each line. Dashed: the paper's
# difference between DMT and CL, for scale. Nothing suggests that either was chosen so.*
#
# And measured: twenty checkpoints of the second half of one run. Choose the best by 500 of the unseen images, and see
# what it is worth on the others.

# %%
answered = baselines.checkpoints(half, data, images)
states = evaluation.Scores.of(answered, truth).plain

# %% tags=["hide-input"]
chosen_by = evaluation.subsets(len(truth), 500, 1, seed)[0]
show(draw.choice(states, chosen_by))
luck = evaluation.optimism(states, 500, seed=seed)
differ = torch.pdist(states, p=1).mean() / len(truth)  # the images that one of two gets right
expected = evaluation.gain_by_choice(500, len(states), 100 * differ.item())
say(
    f"Over 1,000 random choices of 500 images the best checkpoint looks **{luck:.2f} "
    "points** better there than it is on the others. Two of these checkpoints "
    f"disagree on {differ:.1%} of the images on average; equally good ones that do "
    f"would give {expected:.2f}."
)

# %% [markdown]
# The measured luck is smaller where some checkpoints are truly better, and then one of those wins by right. It is an
# addition that every method gets, a noisier one more. Some of the numbers that {doc}`06_cifar10` quotes from
# elsewhere are of this kind. In this library the last checkpoint counts, and the validation images are there to
# choose by.
#
# ## Exercises
#
# ```{exercise} Five seeds
# :label: ex-five-seeds
# A method's accuracy has a standard deviation of 0.15 points over seeds. Two methods are run with five seeds each, on
# the same test set, and their means differ by 0.19. Does the 95% interval of the difference hold zero? And if the
# seeds share their labels pairwise, and half of the variance with them?
# ```
#
# ```{solution} ex-five-seeds
# :class: dropdown
# The standard error of the difference is $0.15\sqrt{2/5} = 0.095$. With eight degrees of freedom Student's factor is
# 2.31, so the interval reaches 0.22 to each side and holds zero. Paired, the shared half cancels, and the error is
# $0.15\sqrt{2 \cdot 0.5/5} = 0.067$; with four degrees the factor is 2.78, and the interval, 0.186, just leaves zero
# out. All of that is about these 10,000 images; with others the mean difference may be another.
# ```
#
# ```{exercise} A fairer fine-grained accuracy?
# :label: ex-fairer
# Bring both models of a pair to the same mean confidence first (find a temperature with `evaluation.sharpened`). Does
# fine-grained accuracy then rank close pairs better than plain accuracy does?
# ```
#
# ````{solution} ex-fairer
# :class: dropdown
# ```python
# def temperature_for(probabilities, confidence):
#     low, high = 0.05, 5.0
#     for _ in range(30):
#         middle = (low * high) ** 0.5
#         mean = evaluation.sharpened(probabilities, middle).max(dim=1).values.mean()
#         low, high = (middle, high) if mean > confidence else (low, middle)
#     return middle
#
# alike = torch.stack([evaluation.sharpened(a, temperature_for(a, 0.9)) for a in answers[:10]])
# again = evaluation.rank_pairs(evaluation.Scores.of(alike, truth), images=200)
# again[again["gap"] < 1.5].mean()
# ```
# Fewer pairs stand the wrong way round, if any. But little is left of the advantage on the other pairs either: much
# of what made them easy to rank was that the better model was the surer one.
# ````
#
# ```{exercise} Coins
# :label: ex-coins
# Twenty students guess 10 yes-or-no questions each. How many does the best of them get right on average? Which line
# of code on this page knows?
# ```
#
# ````{solution} ex-coins
# :class: dropdown
# ```python
# 5 + 10 * evaluation.gain_by_choice(10, 20, 50) / 100
# ```
# Eight of ten, nearly: two guessers disagree on half of the questions. Nobody learned anything.
# ````
#
# ## What was shown
#
# Few images tell little, and it can be said beforehand how little. The same images for both models tell much more.
# Fine-grained testing sees small differences and can't say what they are differences of. A baseline's length decides
# how large a gain looks. And choosing by the test set adds tenths of points to everybody, more to some.
#
# So a result is a mean over seeds, with its spread, against a baseline that trained as long as it should, on images by
# which nothing was chosen. {doc}`00_start_here` shows ours, and which parts of the paper are still to come.

# %% tags=["hide-input"]
assert evaluation.images_to_tell(94.0, 94.2) > 200_000 > 10_000 and high - low > 8
assert accuracy(one, labels) == accuracy(two, labels)
assert fine_grained_accuracy(one, labels) > fine_grained_accuracy(two, labels)
assert steps == sorted(steps, reverse=True) and len(truth) > 1700
cold = evaluation.Scores.of(evaluation.sharpened(answers[:1], 0.1), truth)
assert torch.equal(cold.plain, scores.plain[:1])
assert cold.fine.mean() > scores.fine[0].mean()
if budget >= 0.5:  # trained models: few images guess about close pairs, and choice flatters
    assert 50 < plain_right < 90 and luck > 0
    assert curves.iloc[0].mean() < curves.max().max() - 5
    sizes = [sum(g) / len(g) for g in gains.values() if g]
    assert not sizes or max(sizes) - min(sizes) > 10  # "many points apart"
