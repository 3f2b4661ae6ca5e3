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
# # Beyond the paper
#
# The paper ends with what it leaves open (Sec. 7): models that are too weak at first; a confidence that one look
# estimates badly; and what the research on noisy labels could add. A reader of today has one more question: there are
# two models at the end, so why is only one of them used? **Which of these is worth switching on, and what does it
# cost?**
#
# :::{admonition} Before you begin
# :class: dmt-goals
# **You need** {doc}`04_curriculum`, and {doc}`09_mutual_training` for the part on pixels.
#
# **Afterwards you can**
#
# - make pseudo labels from several views of an image, and say what that does to their errors and to their confidence;
# - put another weight in the place of Eq. 3, and say which errors it finds;
# - say what a start without labels is worth, and what two models know together;
# - choose among these by what they gained here and what they cost.
# :::
#
# Each of them is one option of the same command, and each is compared with the same seeds without it. No setting below
# was chosen by a result that is shown. All sets are small, and all records lie in `results/`.

# %% tags=["hide-input"]
import pandas as pd

from book.figures import beyond as draw
from book.page.look import say, show, show_body, show_table, style
from book.page.places import results
from book.studies import beyond, noise_kinds
from book.studies.recorded import difference, recorded
from dmtlib.method import rules
from dmtlib.records.comparison import difference_cell

style()

# %% tags=["parameters"]
preset = "digits-10"
seed = 0  # the first of three
budget = 1.0

# %% [markdown]
# ## Several views of an image
#
# A model's confidence is what it says of one look. Shift the image by a pixel, and it may say something else. If it
# does, it was less sure than it said. So ask it several times and take the mean: `--views 4` labels by the clean image
# and three weak views, which are shifted, and flipped where a mirrored image is of the same class. That takes K times
# as long, but only for labeling, which happens once a phase.
#
# Here are fresh baselines, each asked about its unlabeled images in one view, in four and in sixteen:

# %%
views = (1, 4, 16)
found = beyond.labelings(preset, range(seed, seed + 3), views, budget)
beyond.error_by_views(found).round(1)

# %% [markdown]
# *Wrong labels among the most confident ones, in percent, and the expected calibration error (ECE): how far the
# confidence and the share of right labels are apart {cite:p}`guo2017calibration`. Means over the seeds.*

# %% tags=["hide-input"]
show(draw.reliability({count: beyond.pooled(seen) for count, seen in found.items()}))

# %% [markdown]
# *All seeds together, where there are 20 labels or more. Above the dotted line a label is right more often than its
# confidence says, below it less often.*
#
# The mean of several views is never surer than the surest of them, so confidence falls. Whether that is good depends
# on where it was. A model that says 90% and is right in 60% gains. This one is too modest already, and moves further
# from the line. Nor do its labels get better. Perhaps an image of eight by eight pixels loses more by a shift than
# more opinions are worth; larger images were not tried.
#
# And the runs that learn from such labels? All records of DMT with one view and with more:

# %% tags=["hide-input"]
more = [("digits-10-views-4", "dmt"), ("digits-10-views-16", "dmt")]
several = beyond.against(results(), more, ("digits-10", "dmt"))
show_table(several, first=["score (%)", "difference"])

# %% [markdown]
# *Test accuracy, the difference with its 95% interval, and how many seeds are above zero. Seconds are of machines with
# other work beside; they tell no more than that the views are cheap.*
#
# On pixels the views are fixed: the image, its mirror image, both at three quarters of the size, and so on up to
# sixteen; without the mirror images where training has none either, as on scenes, whose signs are digits.

# %% tags=["hide-input"]
streets = beyond.against(results(), [("scenes-views-4", "dmt")], ("scenes", "dmt"))
show_table(streets, first=["score (%)", "difference"])

# %% [markdown]
# *Mean IoU, as above.*
#
# ## Other weights
#
# The weight is where DMT meets the research on noisy labels. Two rules from there fit in the same place. Everything
# else stays: who labels, how many labels are kept, the phases.
#
# - **Small loss** is how Co-teaching chooses {cite:p}`han2018coteaching`: of a batch, the labels that cost least count
#   fully, the others not at all. How many it keeps needs a guess of the share of wrong labels. Here the labeler makes
#   it: as many as its confidences add up to.
# - **JS weight** asks how far the label and the learner's prediction are apart, by the Jensen–Shannon divergence, as
#   Jo-SRC does to find clean labels {cite:p}`yao2021josrc`. It is 1 where the learner is certain of the label and 0
#   where it excludes it, and it is much milder than Eq. 3: where the learner gives the label ½, the weight is 0.69,
#   and Eq. 3 with γ = 4 says 0.06.

# %% tags=["hide-input"]
for rule in (rules.small_loss, rules.jensen_shannon):
    show_body(rule)

# %% [markdown]
# First on errors of a known kind, as in {doc}`11_ablations`: one phase on labels of which equally many are wrong, in
# three ways.

# %% tags=["hide-input"]
kinds = noise_kinds.by_rule(results())
show_table(kinds.infer_objects().round(2), first=["weight, wrong", "accuracy (%)"])

# %% [markdown]
# *`digits-10`, one phase, five seeds, from `results/noise-kinds/`. Weights are means.*
#
# Read the weights of wrong labels first. Of a teacher's errors, its own or another's, Small loss lets the fewest pass,
# Eq. 3 more, and JS the most; and Small loss takes less from right labels than Eq. 3. So here a batch that is sorted
# finds errors better than a formula that looks at one label at a time, on every seed. What that wins in this one phase
# is another question:

# %% tags=["hide-input"]
phases = noise_kinds.records(results())
for kind in ("own", "other"):
    runs = [record["kinds"][kind] for record in phases]
    gains = [run["small-loss"]["accuracy"] - run["dmt"]["accuracy"] for run in runs if "small-loss" in run]
    say(f"- Small loss − DMT, on errors that are {noise_kinds.KINDS[kind]}: {difference_cell(gains)} points")

# %% [markdown]
# And in whole runs:

# %% tags=["hide-input"]
ten = recorded("digits-10")
for method in ("js", "small-loss"):
    lines = [f"- {difference(ten, method, other)}" for other in ("dmt", "cl")]
    say("\n".join(lines))

# %% [markdown]
# By these five seeds neither can be told from DMT, nor from CL, although they find errors so differently. (DMT itself
# can be told from CL on this set, by ten seeds: {doc}`11_ablations`.)
#
# ## A start without labels
#
# A first model that has seen ten labels is weak, and Alg. 1 builds on its labels. All the other images are there, too,
# and something can be learned of them before any label is read: that two views of one image belong together.
# `--start self-supervised` begins phase 0 with weights that were learned so, on all training images, by Barlow Twins
# {cite:p}`zbontar2021barlow` of the library lightly (`pip install '.[start]'`). The phases after it begin anew, as
# Alg. 1 has it. Lightly's losses of SimCLR and VICReg make a program wait for its GPU in every step, and in the trials
# (`results/trials.md`) neither was better.

# %% tags=["hide-input"]
started = [("digits-10-self-supervised", method) for method in ("baseline", "dmt")]
small = [("cifar10-small-self-supervised", "baseline")]
parts = [beyond.against(results(), [run], ("digits-10", run[1])) for run in started]
parts.append(beyond.against(results(), small, ("cifar10-small", "baseline")))
show_table(pd.concat(parts), first=["score (%)", "difference"])

# %% [markdown]
# *Test accuracy, each row that has a difference against the row above it.*
#
# None of the three can be told from a random start. These are small images, a small network and a short start; larger
# ones were not tried.
#
# ## Both models' word
#
# Alg. 2 trains A and B, and line 16 keeps the better of the two. But two models that err in different places know more
# together: the mean of their probabilities is right where one of them is right and sure of it. `dmtlib predict --both`
# answers so, and every new record of two models has its score, after the supervised phase and at the end.

# %% tags=["hide-input"]
four = [*recorded("scenes-views-4")["dmt"]]
say(
    "On `scenes-views-4`, mean IoU of both together, against the better one of the two, and against their mean:\n\n"
    f"- two baselines, after phase 0: {beyond.worth_of_both(four, 0)}, and "
    f"{beyond.worth_of_both(four, 0, beyond.mean_of_two)}\n"
    f"- DMT's A and B at the end: {beyond.worth_of_both(four, -1)}, and "
    f"{beyond.worth_of_both(four, -1, beyond.mean_of_two)}"
)

# %% [markdown]
# The better one is chosen on the images that it is scored on, and nobody chooses both together. So the fair comparison
# is with the mean of the two scores, which is what a model picked blindly comes to: there both together are ahead on
# every seed. It costs a second model at the time of use: twice the memory and twice the seconds of an answer.
#
# ## FixMatch
#
# FixMatch, of the same years, is one more option, `--method fixmatch`, and FlexMatch's thresholds by class another,
# `--method flexmatch`. {doc}`15_relatives` says how they differ and has their results on digits. One of those stands
# out:

# %% tags=["hide-input"]
say(f"On `digits-10`: {difference(ten, 'flexmatch', 'dmt')}")

# %% [markdown]
# FlexMatch lowers what it asks of a class that it hardly knows, and nothing in DMT looks after such a class. Whether
# that is what helps isn't shown. With 20 and 40 labels the seeds see no difference any more.
#
# ## What to switch on
#
# On our small sets one option of training can be told from plain DMT by its seeds: FlexMatch, with ten labels.
# So start plainly, and take an option for its reason:
#
# | | option | a reason | costs |
# |---|---|---|---|
# | several views | `--views 4` | the first model is surer than right | K looks at each image, once a phase |
# | another weight | `--method js`, `--method small-loss` | you ask what Eq. 3 does on your data | next to nothing |
# | a start without labels | `--start self-supervised` | images are many and labels few | 400 steps of twice the size |
# | both models | `predict --both` | nobody should have to choose one | twice the time of an answer |
# | FixMatch | `--method fixmatch` | you want a second opinion on a set | two looks at each unlabeled image |
# | FlexMatch | `--method flexmatch` | a handful of labels, and classes that get lost | the same |
#
# *A reason is no proof: what was measured stands above.*
#
# ## Exercises
#
# ```{exercise} Views that harm
# :label: ex-views-that-harm
# A weak view must not change the class. Which of the ten digits could become another one when an image of eight by
# eight pixels is shifted by one pixel? And when it is mirrored? Set `WEAK` to flip digits, and look at the table
# again.
# ```
#
# ````{solution} ex-views-that-harm
# :class: dropdown
# A shift by one pixel moves the ink towards the border and may cut a stroke, but turns no digit into another one.
# Mirrored, a 2 looks like a 5 written in a hurry, and a 3 like nothing that the model has seen. So the views of digits
# don't flip:
#
# ```python
# from dataclasses import replace
#
# from dmtlib.data.images.augment import WEAK
#
# WEAK["digits"] = replace(WEAK["digits"], flip=0.5)
# beyond.error_by_views(beyond.labelings(preset, range(seed, seed + 3), views, budget)).round(1)
# ```
# ````
#
# ```{exercise} A weight of your own
# :label: ex-own-rule
# What would a rule look like that keeps exactly the labels with which the learner agrees? Compare its mean weights
# with those of Small loss.
# ```
#
# ````{solution} ex-own-rule
# :class: dropdown
# ```python
# from dmtlib import RULES
# from dmtlib.method.rules import Supervision
#
# def agreeing(probabilities, pseudo_labels, pseudo_confidence, gamma1, gamma2, *, ignore_index=255):
#     same = probabilities.argmax(dim=1) == pseudo_labels
#     return Supervision(pseudo_labels, same.float())
#
# RULES["small-loss"] = agreeing  # then noise_kinds.measure(0), or a run with --method small-loss
# ```
# It has no dial and needs no guess. But a learner at the beginning of a phase agrees with little, and what it doesn't
# learn then it may never agree with. Eq. 3's ramp of γ is there for that reason.
# ````
#
# ## What was shown
#
# Views, weights and starts that sound better than the paper's, and seeds that can't tell them from it. Three things
# were seen on every seed: on digits sorting a batch finds a teacher's errors better than Eq. 3; with ten labeled
# digits FlexMatch ends above DMT; and on scenes two models together score above the mean of the two.
#
# This was the last chapter. {doc}`cheat_sheet` has the method on one page and {doc}`glossary` its words;
# {doc}`12_your_data` is for a first task of your own, and {doc}`13_reproduce` for whoever wants to turn a "not run"
# into a number.

# %% tags=["hide-input"]
if preset == "digits-10" and seed == 0 and budget >= 1:
    told = beyond.error_by_views(found)
    assert told["ECE"].is_monotonic_increasing and (told.loc[4:, "top 100%"] >= told.loc[1, "top 100%"] - 0.5).all()

pairs = [(run, ("digits-10", run[1])) for run in (*more, *started)]
pairs += [(small[0], ("cifar10-small", "baseline")), (("scenes-views-4", "dmt"), ("scenes", "dmt"))]
pairs += [(("digits-10", method), ("digits-10", other)) for method in ("js", "small-loss") for other in ("dmt", "cl")]
pairs += [((name, "fixmatch"), (name, "dmt")) for name in ("digits-10", "digits-20", "digits-40")]
assert not any(beyond.can_be_told(results(), *pair) for pair in pairs)
for labels in (10, 20, 40):
    compared = ((f"digits-{labels}", method) for method in ("flexmatch", "dmt"))
    assert beyond.can_be_told(results(), *compared) == (labels == 10)
assert beyond.can_be_told(results(), ("digits-10", "dmt"), ("digits-10", "cl"))
for kinds_of in (record["kinds"][kind] for record in phases for kind in ("own", "other")):
    passed, kept = ({rule: kinds_of[rule][what] for rule in kinds_of} for what in ("wrong", "right"))
    assert passed["small-loss"] < passed["dmt"] < passed["js"] and kept["small-loss"] > kept["dmt"]
for phase in (0, -1):
    assert all(run["both"] > beyond.mean_of_two(run["A"], run["B"]) for run in beyond.together(four, phase))
