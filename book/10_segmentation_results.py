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
# # Segmentation results
#
# {doc}`09_mutual_training` showed Alg. 2 at work. In the paper's tables on images the dynamic loss adds less than a
# point to CL ({doc}`06_cifar10`), and the paper says why pixels should be kinder to it: in one picture some pixels are
# labeled well and some badly, and a weight for each can tell them apart (Sec. 7). **How much does DMT gain on pixels,
# where the paper measured it, and where we could?**
#
# :::{admonition} Before you begin
# :class: dmt-goals
# **You need** {doc}`09_mutual_training`, and {doc}`07_honest_evaluation` for what a difference over three seeds says.
#
# **Afterwards you can**
#
# - read Tables 4, 5 and 6 with the methods' different starts and Oracles in mind;
# - say what of them was repeated here, and at which scale;
# - see in a prediction what a higher mean IoU is made of, and what it hides.
# :::
#
# The score is mean IoU: for each class, the pixels that are of it both in truth and by prediction, divided by those
# that are of it in either; then the mean over classes. A rare class counts as much as the background.
#
# *Paper* columns are printed by {cite:t}`feng2022dmt`; *here* columns are computed from records in `results/`. Where
# no record is, the cell says "not run".

# %% tags=["hide-input"]
from book.figures import segmentation_results as draw
from book.figures.methods import by_method, differences
from book.page.look import say, show, show_table, style
from book.page.places import missing_data
from book.page.places import results as recorded_results
from book.studies.mutual_training import course
from book.studies.recorded import difference, difference_of_means, mean_of_models, recorded
from book.studies.segmentation_results import (
    class_table,
    predicted_pictures,
    score_of_seed,
    wrong_in_words,
    wrong_pixels,
)
from dmtlib import presets
from dmtlib.data.pixels.datasets import ROWS, SCENES
from dmtlib.data.pixels.splits import labeled_count
from dmtlib.records import tables
from dmtlib.records.comparison import comparison, paired_differences
from dmtlib.records.printed import paper_number, printed_numbers

style()

# %% [markdown]
# ## The paper's claim in one figure: Fig. 8
#
# PASCAL VOC 2012, with 1/106 to 1/8 of its 10,582 training images labeled. The paper's Fig. 8 shows the methods over
# these ratios; here it is again, drawn from the numbers of Table 4.

# %% tags=["hide-input"]
show(draw.over_ratios(recorded_results()))

# %% [markdown]
# *The paper's numbers. Our own runs would be rings.*
#
# The lower panel is the fairer one. These methods were not run in one code base. Their Oracles, the same code with all
# labels, lie apart too, so some of the upper panel's differences are between implementations. Nor do they start
# alike: the paper marks CutMix {cite:p}`french2020cutmix` as pre-trained on ImageNet, while DMT also uses weights that
# have seen COCO, which has all of VOC's classes. A model that has seen them before can do with fewer labels.
#
# ## Table 4: PASCAL VOC 2012

# %% tags=["hide-input"]
table_4 = tables.table_4(recorded_results())
show_table(table_4)

# %% [markdown]
# *Mean IoU on val. "paper − its Oracle" is what the paper prints in brackets, "here − our Oracle" the same of ours,
# seed by seed; n counts our seeds. "DMT − Baseline" is the difference of the lines above it.*
#
# What the others do, in a sentence each:
#
# - **MT-Seg** is Mean Teacher {cite:p}`tarvainen2017meanteacher` on pixels: a model learns to agree with an average of
#   its own past weights.
# - **Hung et al.** {cite:p}`hung2018adversarial` train a second network to tell true masks from predicted ones, and
#   learn the predictions that it takes for true.
# - **s4GAN + MLMT** {cite:p}`mittal2021s4gan` has such a network for whole images, and a classifier that strikes out
#   the classes that an image doesn't show.
# - **CutMix** {cite:p}`french2020cutmix` pastes a piece of one image into another, and asks that the predictions be
#   pasted in the same way.
# - **CCT** {cite:p}`ouali2020cct` spoils the features between encoder and decoder in several ways, and asks several
#   decoders for the same answer.
# - **GCT** {cite:p}`ke2020gct` has two models and a third that finds flaws: where a model's prediction looks flawed,
#   the other one teaches.

# %% tags=["hide-input"]
ratios = list(tables.VOC)
gain = {r: paper_number("Table 4", "Ours (DMT)", r) - paper_number("Table 4", "Baseline", r) for r in ratios}
over_cbst = [paper_number("Table 7", r, "DMT") - paper_number("Table 7", r, "CBST") for r in ("1/20", "1/50")]
over_cl = [paper_number("Table 2", f"{n} labels", "DMT over CL") for n in (4000, 1000)]
say(
    f"The paper's gain over its baseline: {', '.join(f'{gain[r]:.2f} points at {r}' for r in ratios)}. "
    f"That is self-training, and what DMT adds to it. To plain self-training it adds "
    f"{' and '.join(f'{g:.2f}' for g in over_cbst)} points on pixels (CBST, Table 7) and "
    f"{' and '.join(f'{g:.2f}' for g in over_cl)} on images (CL, Table 2)."
)

# %% [markdown]
# So in the paper, what DMT adds to self-training is indeed worth several times more on pixels. How much of that is the
# weights, and how much the second model? {doc}`11_ablations` takes them apart.
#
# ## Table 5: better than people?
#
# VOC's own annotators labeled 1,464 training images. The other 9,118 masks come from SBD {cite:p}`hariharan2011sbd`,
# drawn by paid helpers, more coarsely. The paper's experiment: throw those 9,118 masks away, and let DMT label the
# images instead.

# %% tags=["hide-input"]
table_5 = tables.table_5(recorded_results())
show_table(table_5)
printed = printed_numbers("Table 5")
dmt, oracle, baseline = (printed[row, "mean IoU"] for row in ("DMT", "Oracle", "Baseline"))
ahead = dmt["value"] - oracle["value"]
error = ((dmt["std"] ** 2 + oracle["std"] ** 2) / 3) ** 0.5
say(
    f"DMT is ahead of the Oracle by {ahead:.2f} points, with three runs each and a standard error of about "
    f"{error:.2f}. It is ahead of the baseline by {dmt['value'] - baseline['value']:.2f}."
)

# %% [markdown]
# "DMT exceeds the performance of Oracle", the paper writes. The numbers say something more careful, and still
# remarkable: no difference can be seen between 9,118 masks drawn by people and 9,118 drawn by DMT. An Oracle is no
# upper bound, only the same training with the labels that somebody had.
#
# ## Table 6: Cityscapes

# %% tags=["hide-input"]
table_6 = tables.table_6(recorded_results())
show_table(table_6)
over_cutmix = [
    paper_number("Table 6", "Ours (DMT)", r) - paper_number("Table 6", "CutMix", r) for r in tables.CITYSCAPES
]
say(
    "DMT is ahead of CutMix, the next best, by "
    + " and ".join(f"{g:.2f} points at {r}" for r, g in zip(tables.CITYSCAPES, over_cutmix, strict=True))
    + " (the text says 2 to 3%)."
)

# %% [markdown]
# Here too a row is worth a second look. At 1/8 the paper's plain baseline is above two of the three methods that it
# compares with: it trained longer than was usual ({doc}`07_honest_evaluation`), in other code. And at 1/30, a hundred
# labels leave DMT far from its Oracle. The first model must be good enough to start from; the paper's Sec. 7 says so.
#
# A cell of these tables is three runs of many GPU hours, and one command each. {doc}`13_reproduce` lists them.
#
# ## The comparison at small scale: scenes
#
# What fits two cores is a small copy of the question: the generated scenes of {doc}`08_segmentation`, and a narrow
# network from random weights. As in the paper, the methods share settings and not length: a phase on pseudo labels
# comes on top of the supervised one.

# %% tags=["hide-input"]
scenes = recorded("scenes")
c = presets.preset("scenes", "dmt")
counts = SCENES[c.data]
labels = labeled_count(counts["train"], c.labeled_ratio)
say(
    f"`scenes`: {counts['train']} scenes, {labels} of them labeled, {counts['val']} scored. How hard they are, and "
    "how long the baseline trains, was chosen by trials of the baseline and the oracle, but the second time after DMT "
    "had been seen with the first sizes."
)
comparison(recorded_results(), "scenes")

# %% [markdown]
# *"over the baseline" has the mean difference, in brackets its 95% interval and how many seeds are above zero. "steps
# a model" are those of all phases; {doc}`09_mutual_training` has a baseline that trains as long as DMT's models.
# Seconds are of one thread on a CPU that had other work to do. DMT's number is that of the better of its two models,
# chosen on the scored scenes as in the paper. The rows Online ST, CBST, DST, DMT-Naive and DMT-Flip are the method
# with parts taken out, which is the subject of {doc}`11_ablations`.*
#
# The preset's sizes were chosen twice: with the first ones, a baseline that trained as long as DMT ended level with
# it. Each time the trials were of the baseline and the oracle alone; {doc}`09_mutual_training` says what had been seen
# when.

# %% tags=["hide-input"]
methods = ("baseline", "cbst", "dmt", "oracle")
show(by_method(scenes, methods, "mean IoU"))
pairs = [("dmt", "cbst"), ("dmt", "baseline"), ("cbst", "baseline"), ("oracle", "dmt")]
fair = [("dmt", "cbst"), ("dmt", "baseline")]  # by the mean of DMT's models
show(differences(scenes, "dmt", ["cbst", "baseline"], "mean IoU"))
say("\n".join(f"- {difference(scenes, *pair)}" for pair in pairs))
say("Without the choice of the better model:\n\n" + "\n".join(f"- {difference_of_means(scenes, *p)}" for p in fair))

# %% [markdown]
# *In both figures a dot is a seed, which draws the labeled scenes and everything else. Above, a bar is the mean with
# the standard deviation; here, the mean difference with its 95% interval. DMT's number is again that of its better
# model.*
#
# A mean over classes can hide one that is lost:

# %% tags=["hide-input"]
show_table(class_table(recorded_results(), "scenes"), first=["DMT", "baseline"])

# %% [markdown]
# ## Real streets: CamVid
#
# CamVid {cite:p}`brostow2009camvid` has 701 street scenes with 11 classes. Two presets: `camvid-8`, with a ResNet-50
# and an accelerator in mind, and `camvid-small`, for one core: a quarter of the side, 90×120 pixels, and the narrow
# network from random weights.

# %% tags=["hide-input", "tab-camvid"]
both = tables.TABLES["camvid"](recorded_results())
begun = both.groupby(level="preset")["seeds"].transform("sum") > 0
show_table(both[begun])
waiting = both.index[~begun].unique("preset")
if len(waiting):
    say(f"*Not run yet: {', '.join(f'`{name}`' for name in waiting)}.*")

# %% tags=["hide-input"]
camvid = recorded("camvid-small")
c = presets.preset("camvid-small", "dmt")
labels = labeled_count(ROWS["camvid"].counts["train"], c.labeled_ratio)
say(f"`camvid-small`, {labels} labels of {ROWS['camvid'].counts['train']}:")
say("\n".join(f"- {difference(camvid, *pair)}" for pair in pairs))
say("Without the choice of the better model:\n\n" + "\n".join(f"- {difference_of_means(camvid, *p)}" for p in fair))
for record in camvid["dmt"]:
    name, (first, *_, last) = record["best"], record["phases"]
    begun, ended = (phase["models"][name]["val_mean_iou"] for phase in (first, last))
    say(
        f"Seed {record['seed']}: model {name}, the better one, had {begun:.1f}% before the first pseudo label and "
        f"{ended:.1f}% in the end."
    )
say(f"The mean of DMT's two models, from phase to phase: {course(camvid['dmt'])}.")

# %% [markdown]
# So this is no win for pseudo labels. On seed 0 the better model was ahead of the baseline by more before it learned
# the first of them: its random weights happened to learn more from the labels. On seeds 1 and 2 the better model ends
# below its baseline; on seed 2 both had begun far below it, each with four fifths of the labels, and don't catch up.
# The mean of both models falls from the first phase to the last on two seeds, and rises on one. CBST ends below the
# baseline on all three.

# %% tags=["hide-input"]
show_table(class_table(recorded_results(), "camvid-small"), first=["DMT", "baseline"])

# %% [markdown]
# *Scored on val, of which every image is from a drive that is in the training images too. Its test images are mostly
# from another drive, and there even all labels brought this small network hardly more than 45 of them: a place where
# no method can show anything (`load_small_camvid` has the numbers). That was seen, and the choice made, before any
# run but a baseline's and an oracle's. One thing was changed later: the oracle, at first a shorter run, had ended
# below DMT; now it trains for as many steps as one of DMT's models in all phases.*
#
# Poles, signs, pedestrians and bicyclists are a few pixels wide at this size, and rare. They are four of eleven
# classes, so they hold the mean down for every method.
#
# ## What it looks like: Figs. 9 and A.12
#
# The paper shows predictions on VOC and Cityscapes: similar classes confused by the baseline (horse and cow, bus and
# car, road and sidewalk), and mostly put right by DMT. Such rows are easily chosen well. Ours were not chosen: they
# stand at equal distances in the list of scored images.

# %% tags=["hide-input"]
pictures = predicted_pictures(recorded_results(), "scenes", ("baseline", "dmt"), count=4)
if pictures:
    show(draw.prediction_rows(pictures))
else:
    say("Scenes: predictions not stored (not run).")
if pictures:
    say(wrong_in_words(wrong_pixels(pictures), "scenes"))
    score = score_of_seed(recorded_results(), "scenes")
    say(f"Four pictures aren't the score. Over all scenes, mean IoU, seed 0: {score}.")

# %% [markdown]
# *Recorded models with seed 0. Their predictions were stored beside the records when they were made
# (`tools/store_predictions.py`).*
#
# Look at the shapes first. Where one sign has several colours, the model decides patch by patch; where it has one
# colour, it takes the sign for one thing. In these pictures that is no mark of DMT: some signs are patchy under DMT
# and whole under the baseline, others the other way round. And a whole sign in one wrong colour costs as much as a
# sign in patches.

# %% tags=["hide-input"]
missing = missing_data("camvid-quarter")
streets = None
if not missing:
    streets = predicted_pictures(recorded_results(), "camvid-small", ("baseline", "dmt"), count=4)
if streets:
    show(draw.prediction_rows(streets))
else:
    say(f"CamVid: {missing or 'predictions not stored (not run).'}")
if streets:
    say(wrong_in_words(wrong_pixels(streets), "streets"))
    say(f"Over all streets, mean IoU, seed 0: {score_of_seed(recorded_results(), 'camvid-small')}.")

# %% [markdown]
# ## Exercises
#
# ```{exercise} How many runs?
# :label: ex-how-many-runs
# With the standard deviations of Table 5, how many runs of DMT and of the Oracle would it take until a difference of
# 0.10 points is two standard errors?
# ```
#
# ````{solution} ex-how-many-runs
# :class: dropdown
# ```python
# (2 / ahead) ** 2 * (dmt["std"] ** 2 + oracle["std"] ** 2)
# ```
# Nearly sixty of each.
# ````
#
# ```{exercise} The runner-up
# :label: ex-runner-up
# At each ratio of Table 4, which method besides DMT is nearest to its own Oracle, and by how much is DMT nearer?
# ```
#
# ````{solution} ex-runner-up
# :class: dropdown
# ```python
# for ratio in ratios:
#     printed = printed_numbers("Table 4").items()
#     gaps = {row: number["gap"] for (row, column), number in printed if column == ratio}
#     ours = gaps.pop("Ours (DMT)")
#     second = max(gaps, key=gaps.get)
#     print(ratio, second, round(ours - gaps[second], 2))
# ```
# CutMix, but for GCT at 1/8. At 1/50 DMT is nearer by 0.13 points only, and it started from COCO.
# ````
#
# ```{exercise} What the mean hides
# :label: ex-mean-hides
# A model finds ten of eleven classes at 60% IoU, and never predicts the eleventh. Another finds all at 56%. Which has
# the higher mean IoU? The lost class is a thousandth of all pixels: which has more pixels right?
# ```
#
# ````{solution} ex-mean-hides
# :class: dropdown
# The first has $10 \cdot 60 / 11 = 54.5$%, so the second is ahead. The first may well have more pixels right: losing
# the class costs it a thousandth of them. The mean over classes says which errors count; it is a decision, not a fact.
# ````
#
# ## What was shown
#
# In the paper DMT is the nearest to its Oracle at every ratio on VOC and Cityscapes, and it adds several times as much
# to plain self-training on pixels as on images. Against peers the lead may be partly one of starting weights. Against
# people's coarse labels it is a draw, which is news enough.
#
# What was run here is small: scenes and, where {numref}`tab-camvid` has numbers, CamVid on one core. On scenes DMT
# ends above the baseline, and above CBST, which trusts every label it gives itself, on every seed that was run, and
# the mean of its two models does too. So few seeds don't settle it: the paired differences above have intervals, and
# say which of them hold zero. On CamVid three seeds show no gain from pseudo labels.
#
# DMT is several ideas at once. {doc}`11_ablations` takes them out one by one.

# %% tags=["hide-input"]
assert all(d > 0 for pair in pairs[:2] for d in paired_differences(*(scenes[method] for method in pair)))
assert all(d > 0 for _, m in fair for d in paired_differences(mean_of_models(scenes["dmt"]), scenes[m]))
if camvid["dmt"]:  # as is said of its three runs; with more the text is to be read again
    assert [record["seed"] for record in camvid["dmt"]] == [0, 1, 2]
    ahead_of = paired_differences(camvid["dmt"], camvid["baseline"])
    assert ahead_of[0] > 0 > max(ahead_of[1:]) and camvid["dmt"][0]["best"] == "B"
    assert max(paired_differences(camvid["cbst"], camvid["baseline"])) < 0
    rises = []
    for record in camvid["dmt"]:
        begun, ended = ([m["val_mean_iou"] for m in record["phases"][at]["models"].values()] for at in (0, -1))
        rises.append(sum(ended) > sum(begun))
    assert rises == [False, False, True] and max(begun) < camvid["baseline"][2]["mean_iou"] - 5
    assert camvid["dmt"][0]["phases"][0]["models"]["B"]["val_mean_iou"] > camvid["dmt"][0]["mean_iou"]
assert all(gain[a] > gain[b] for a, b in zip(ratios, ratios[1:], strict=False))  # fewer labels, more gain
assert min(over_cbst) > max(over_cl) and ahead < 2 * error
assert set(table_4.loc["1/50"].index) == {"Baseline", "Hung et al.", "s4GAN + MLMT", "CutMix", "Ours (DMT)"} | {
    "DMT − Baseline"
}
cells = printed_numbers("Table 4")
for (row, _), number in cells.items():  # the paper's brackets are its own differences
    assert "gap" not in number or abs(number["value"] - cells[row, "Oracle"]["value"] - number["gap"]) < 0.006
