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
# # Reproduce everything
#
# A table of the paper is a few cells, a cell is a mean over a few runs, and a run is one command. This page lists
# them all. **What is done, what would the rest cost you, and which command do you type?**
#
# :::{admonition} Before you begin
# :class: dmt-goals
# **You need** {doc}`00_start_here`; for the paper's tables a GPU, or patience.
#
# **Afterwards you can**
#
# - make any table with one command, stop it, go on, and spread it over several GPUs or machines;
# - say how many of them are worth having;
# - say what a run costs in hours, memory and disk before you start it, and which of these numbers are guesses;
# - tell what is recorded from what is not.
# :::

# %% tags=["hide-input"]
from book.figures.reproduce import hours_by_table
from book.page.look import say, show, show_table, style
from book.page.places import results as recorded_results
from book.studies import cluster as paper
from book.studies import reproduce as tables
from book.studies.costs import GPUS, PEAK_SHARES, count_classification_step, run_cost
from dmtlib.presets import preset
from dmtlib.records.reproduction import TABLES, cells_of, missing_runs, runs_of, train_arguments

style()

# %% tags=["parameters"]
gpu = "NVIDIA H200"  # for the hours: a key of book.studies.costs.GPUS

# %% tags=["hide-input"]
results = recorded_results()
overview = tables.overview(results, gpu)
show(hours_by_table(results, gpu))

# %% [markdown]
# *All runs of a table, one after the other. A bar is calculated, from a fast GPU program to a slow one; the section
# "What it costs" says how. A dot is measured: the sum of what the recorded runs took, on the devices that they ran on,
# which for the small tables were CPUs with other work to do.*
#
# ## One command a table
#
# `dmtlib reproduce` makes a table. It takes the names of the first column:

# %% tags=["hide-input"]
overview

# %% [markdown]
# *"recorded": records of full length, on the preset's own data, of the variant that follows the paper. "other
# records": shorter runs, other data such as the JPEG copy of CIFAR-10, the authors' variant, more seeds. "hours,
# measured": of all records of full length, those on other data too; so a table with none recorded can have hours. "not
# run": nothing of full length. Tables share runs: those of `digits-10` are of `noise-map`, and count
# for `gamma` as γ1 = γ2 = 4.*
#
# For example, Table 4, and a look at what it would do:
#
# ```
# dmtlib reproduce table-4
# dmtlib reproduce table-4 --dry-run
# ```
#
# It trains every run that has no record in `results/` yet, and writes each record when its run ends. **What is
# finished is skipped.** Stop it whenever you like, with Ctrl-C or by pulling the plug: the same command goes on in
# the middle of the run that it was in, from its last checkpoint. On a CPU such a run ends with the same bits as one
# that was never stopped; tests hold it to that. On a GPU it goes on in the same way, from the same weights and the
# same draws. cuDNN is told to repeat its sums there: on the one card that was tried, an H200, forty steps of a small
# network on images were, to the bit, twenty, a stop and twenty more. For other cards, and on pixels, the same bits are
# not promised: take it for another run of the same seed. A run that fails stops no other; it is told in one line, with
# its log, and the exit code is 1. Tables that share cells share their runs, and several can be named at once.
#
# | option | |
# |---|---|
# | `--seeds 0,1` | these seeds instead of the table's own |
# | `--budget 0.1` | a tenth of the training: a first look, kept apart from full runs |
# | `--variant authors` | what the authors' code does otherwise ({doc}`14_deviations`) |
# | `--data folder:PATH` | other data |
# | `--jobs 4` | four runs at a time |
# | `--tidy` | delete a run's directory once it is recorded |
#
# On CUDA a step on images is recorded once and replayed, as one graph: the same bits, and the host is spared its work
# (not with networks of timm's, nor by several processes: no GPU has tried these so).
# `DMT_GRAPH=0` in the environment has the steps run one operation after the other instead. `DMT_MEMORY=4` has at most
# 4 GB of photographs in memory; more are read from a file ({doc}`data_layouts`).
#
# What a dry run prints for Table 5, in short:

# %%
wanted = runs_of(["table-5"])
missing = missing_runs(wanted, results)
print(f"{len(wanted) - len(missing)} of {len(wanted)} runs are recorded")
for config in missing[:3]:
    print("dmtlib", *train_arguments(config), "…")

# %% [markdown]
# The order is seed by seed, so the first whole comparison is there after a third or a fifth of the time.
#
# The data come first. Each script checks what it brings, and says what is missing; `data_prep/README.md` in the clone
# lists sizes, hashes and licences:
#
# ```
# python data_prep/cifar10.py                   # Tables 2 and 3
# python data_prep/voc.py                       # Tables 4, 5 and 7
# python data_prep/cityscapes.py --source PATH  # Table 6; needs registration
# python data_prep/camvid.py --source PATH      # camvid, camvid-small
# ```
#
# Two scripts put that together, and go on where they were stopped:
#
# - `reproduce/cifar10.sh` is all of it for CIFAR-10: data, benchmarks, GPU tests, then Tables 2 and 3 at a tenth of
#   their length and at all of it.
# - `reproduce/accelerator.sh` is for a GPU that you have for minutes: what is worth most a minute comes first.
#   `MINUTES=9` ends it cleanly before a limit, and it needs no network if the data lie beside it in `.carry/`.
#
# ## Several GPUs
#
# A run uses one GPU. More GPUs do more runs at the same time: that needs no communication, and gives the same records.
# (One run on several GPUs is the next section.)
# `reproduce` starts one run a GPU, in a process of its own, and gives a free GPU the next run. `--jobs` changes
# how many: three on one GPU, say, where a single run leaves much of it idle. On a CPU they share its cores.
#
# ```
# dmtlib reproduce table-2 table-3                    # all GPUs, one run each
# CUDA_VISIBLE_DEVICES=0,1 dmtlib reproduce table-4   # two of them
# dmtlib reproduce table-2 --jobs 3                   # three at a time
# dmtlib reproduce digits --device cpu --jobs 2       # two on a CPU
# ```
#
# Two machines share a table by its seeds: `--seeds 0,1` here and `--seeds 2` there. Afterwards copy the records
# into one `results/`. They are small JSON files, and each lies where its settings say.
#
# ## One run on several GPUs
#
# While there are more runs than GPUs, runs side by side are the better use of them. For a single long run there is
# PyTorch's `torchrun`, which starts a process for each GPU of a machine:
#
# ```
# torchrun --nproc-per-node 4 -m dmtlib train cifar10-4000 --seed 1
# ```
#
# **It is the run of one process, up to rounding.** Each process draws the random numbers of whole batches, and learns
# its quarter of each. The batch stays as large as it was. Batch norm has the statistics of all of it, mixup has its
# partners, and the loss is divided by what counts in all of it. Labeling and scoring are shared out. The first process
# writes, and the record says how many processes there were.
#
# Tests train with two and with four processes on a CPU. Over fifty steps the loss is that of one process, to 1e-5 in
# float32 and to 1e-10 in float64, with the same pseudo labels and the same selection. (Of pixels, in float32, all but
# a few at the edge of the selection.) Rounding is not nothing, though. Those tests learn slowly; at the rates of a
# real run a difference in the last digit grows, and two pseudo labels of almost equal confidence may change places in
# the ranking. From then on it is another run of the same seed, as on another GPU.
#
# The same command goes on where it was stopped, with any number of processes, or with `dmtlib train` alone. A process
# that dies ends all of them: one line is ours, and `torchrun` adds many.
#
# What it asks for:
#
# - The processes are of one machine, and their number divides the batch evenly.
# - Each process holds the images. Together they keep to the limit of {doc}`data_layouts`; the first one reads or packs
#   a folder, and the others find it done.
# - A network with dropout is refused: on a part of a batch it would draw other numbers than on the whole.
# - On images each process augments the whole batch, which mixup needs, and keeps its part; on pixels it makes no more
#   than its part. So images gain less.
#
# **No machine with several GPUs has tried this.** Where you have one, `python benchmarks/processes.py` tells how many
# images a second 1, 2 and 4 processes learn.
#
# ## A cluster
#
# More machines than two are a job for [Ray](https://docs.ray.io), an optional need: `pip install '.[cluster]'`. The
# command stays the same, and says where the cluster is: the address of its head, `auto` for the one that this machine
# is in, or `local` for a new one.
#
# ```
# dmtlib reproduce table-2 table-3 --cluster 10.0.0.1:6379
# dmtlib reproduce table-2 --cluster auto --gpus-per-run 0.33
# dmtlib reproduce table-4 --cluster auto --runs /shared/runs
# dmtlib reproduce digits --cluster auto --device cpu
# ```
#
# In the second line three runs share a GPU. In the third a run may move to another node. The last one needs no GPU,
# and takes a core for each run.
#
# Each run is a task that Ray gives to a node with a core and a share of a GPU to spare. Its record comes back to
# the command, which writes it to `results/`. All else is as on one machine: what is recorded is skipped, a run that
# fails stops no other, and Ctrl-C stops the runs.
#
# - **A node dies.** Ray starts its runs on others. If all nodes see the folder `--runs`, such a run goes on from its
#   last checkpoint. A test kills a node, and the records have the bits of one machine. If some node doesn't see it,
#   a run that is stopped, or whose node dies, starts anew. The command finds out which it is, and says so.
# - **The command dies.** Its runs end with it. The same command goes on. Two of them may be at one table: what one
#   has recorded the other leaves out.
# - **Data.** A data set in one file, as CIFAR-10 is, needs to lie on the node where the command is given. A node that
#   lacks it gets it through Ray, once, and its hash is checked. Folders of images have to be on a path that all
#   nodes see.
# - **Code.** Commit, code and versions have to be the same everywhere. A node where they aren't is refused, by name.
#
# The cluster has to be there. Three ways to it:
#
# | you have | take |
# |---|---|
# | one machine, with however many GPUs | `dmtlib reproduce TABLE`; no Ray |
# | machines that you reach by SSH | `ray up reproduce/cluster.yaml`: Ray's cluster launcher, with your addresses |
# | a cluster with Slurm | `sbatch --nodes=4 --gpus-per-node=8 reproduce/slurm.sh table-2 table-3` |
#
# Whoever reaches a cluster's port can run programs on all its nodes. `ray get-auth-token --generate` makes a token in
# `~/.ray/`; copy it to all nodes, and set `RAY_AUTH_MODE=token` there and for the command. `slurm.sh` does that.
#
# ## On paper
#
# **How many GPUs are worth having?** Runs are independent, so the model is short. A run takes its operations, by the
# speed of a measured step. A table takes as long as its runs, each beginning on the first GPU that is free.
# Between two runs a GPU waits for a new process, and the nodes wait for their data:

# %%
cluster = paper.Cluster()
cluster

# %% [markdown]
# *Assumed: GPUs a node, bytes a second of the network and of a shared disk, and seconds between two runs on a GPU. The
# measured part is the step, on the GPU of the benchmarks in `results/benchmarks/`.*

# %% tags=["hide-input"]
scaling = paper.scaling(results, cluster)
show_table(scaling.round(2))

# %% tags=["hide-input"]
whole, two = scaling.loc["all"], scaling.loc["table-2"]
one, eight, many = (whole[f"hours on {gpus}"] for gpus in paper.GPUS)
copied = paper.copy_seconds(paper.paper_runs(), 2, cluster)
say(
    f"All {whole['runs']:.0f} runs take {one:.0f} hours on one GPU, {eight:.1f} on {paper.GPUS[1]}, which is "
    f"{one / eight:.1f} times as fast, and {many:.1f} on {paper.GPUS[2]}, only {one / many:.0f} times as fast. No "
    f"table ends before its longest run, here of {whole['longest run']:.1f} hours. **All tables together keep "
    f"{whole['full GPUs']:.0f} GPUs busy, Table 2 alone {two['full GPUs']:.0f}.** More than these would stand idle, "
    "whatever the cluster; only a run on several GPUs changes that. Network and disk are not what stops it: CIFAR-10 "
    f"reaches a further node in {copied:.2g} s, and on {paper.GPUS[2]} GPUs the runs write "
    f"{whole['MB/s on 64']:.0f} MB a second, {100 * whole['MB/s on 64'] * 1e6 / cluster.disk:.0f}% of what is "
    "assumed for the disk. Where it is slower, look at that number first; `--tidy` doesn't change it."
)

# %% [markdown]
# Is the model right? `benchmarks/cluster.py` starts a cluster of one node and one of three, as processes on one core,
# and gives each ten short runs of `digits-40`. From how long each run took, and how long the first one waited, the
# model says when the last one should end:

# %% tags=["hide-input"]
checked = paper.checked(results)
show_table(checked.round(1))

# %% [markdown]
# *Seconds, on a core that had other work to do. "between" is what is left, for each of the runs that follow one
# another in a place. Three nodes that share a core don't compute faster than one: each run takes longer, which the
# model is told. So this checks the order of runs and what lies between them; the step was measured on a GPU.*
#
# ## What a run is
#
# The paper's Table 1, read from the presets that the commands name:

# %% tags=["hide-input"]
tables.table_1()

# %% [markdown]
# *Epochs are passes over the pseudo-labeled images of a phase, and a run of DMT has five such phases after the
# supervised one. The settings of the small presets are in `presets.yml` of `dmtlib/training/images` and `pixels`.*
#
# ## What it costs
#
# Three of the four costs can be counted before anything runs:
#
# - **steps** follow from the numbers of images, epochs and batches;
# - **operations** of a step are counted by torch itself, on tensors that have a shape and no content;
# - **bytes** on the GPU, likewise: weights, gradients, momentum, and what the forward pass keeps for the backward
#   pass. A real process needs somewhat more. On the disk: weights of each phase, and three bytes for each
#   pseudo-labeled pixel.
#
# Only the **hours** need an assumption: which share of a GPU's peak the training reaches.

# %% tags=["hide-input"]
step = count_classification_step(28, 2, 512, 10)
cost = run_cost(preset("cifar10-4000", "dmt"))
fast, slow = (f"{100 * share:.0f}%" for share in sorted(PEAK_SHARES, reverse=True))
say(
    f"For example a run of DMT on CIFAR-10 with 4,000 labels: {cost.images / 1e6:.0f} million images, "
    f"{(step.training + step.forward) / 512 / 1e9:.2f} GFLOP for each, as every batch passes forward twice. Together "
    f"{cost.flops / 1e15:.0f} PFLOP. At **{fast}** to **{slow}** of the peak of an {gpu}, "
    f"{GPUS[gpu].flops_per_second / 1e12:.0f} TFLOP/s, that is {tables.hours_in_words(cost.hours(GPUS[gpu]))} hours."
)
say("\n\n".join(tables.measured_steps(results)))

# %% [markdown]
# The hours below are these **calculated** ones wherever the column says so, and not measured. Small images and
# small batches keep a large GPU from its peak, and on pixels the images come from the disk, which takes
# processor cores. Where records exist, a column of its own says what they took. First CIFAR-10:

# %% tags=["hide-input"]
show_table(tables.cells_table(["table-2", "table-3"], results, gpu))

# %% [markdown]
# PASCAL VOC:

# %% tags=["hide-input"]
show_table(tables.cells_table(["table-4", "table-5", "table-7"], results, gpu))

# %% [markdown]
# Street scenes, and what runs on a CPU:

# %% tags=["hide-input"]
show_table(tables.cells_table(["table-6", "camvid"], results, gpu))

# %% tags=["hide-input"]
show_table(tables.cells_table(["digits", "cifar10-small", "scenes", "camvid-small"], results, gpu))

# %% [markdown]
# *With the words of its column `dmtlib train` trains the first seed, with `--seed 1` the next one; with `--results
# results` the record goes where the tables look. GB are 10⁹ bytes.*
#
# Look at the disk. A run of DMT on VOC labels every pixel of some 10,000 images for two models in five phases, and
# keeps all of it, so that each phase can be looked at later. Whoever only wants the numbers adds `--tidy`: a run
# still needs the space, but gives it back.

# %% tags=["hide-input"]
memory = {name: cost.gpu_bytes for name in ("voc-8", "cityscapes-8") if (cost := run_cost(preset(name, "dmt")))}
smallest = min(GPUS, key=lambda name: GPUS[name].memory)
say(
    f"Memory is no obstacle: {memory['voc-8'] / 1e9:.1f} GB for VOC and {memory['cityscapes-8'] / 1e9:.1f} GB for "
    f"Cityscapes, calculated, fit on the paper's own {smallest}, which has {GPUS[smallest].memory / 1e9:.0f} GB."
)

# %% [markdown]
# ## Exercises
#
# ```{exercise} A weekend
# :label: ex-a-weekend
# You have one Tesla T4 for 48 hours. Which of the paper's tables can you make at the lower speed that is assumed? How
# many seeds of Table 2 fit, at the lower and at the higher one?
# ```
#
# ````{solution} ex-a-weekend
# :class: dropdown
# ```python
# hours = {name: tables.table_hours(name, "Tesla T4") for name in TABLES}
# slow = {name: round(both[1]) for name, both in hours.items() if both}
# one_seed = [round(both / 5) for both in hours["table-2"]]
# slow, one_seed
# ```
# At the lower speed none of them, and not even one seed of Table 2. At the higher one three of its five seeds fit. A
# tenth of the training (`--budget 0.1`) fits in any case, and that is what a first look is for.
# ````
#
# ```{exercise} Stop it
# :label: ex-stop-it
# Start `dmtlib reproduce digits --seeds 0 --results mine --runs mine-runs`, stop it in the middle with
# Ctrl-C, and start it again. What does it skip, and where does it go on? What tells you that nothing was lost?
# ```
#
# ````{solution} ex-stop-it
# :class: dropdown
# The records in `mine/` are skipped; the first line says how many. The run that was stopped goes on from its last
# checkpoint, seconds before the stop. On a CPU it ends with the very bits of a run that was never stopped, so it has
# the accuracy that is recorded here, if the processor rounds as ours did:
# ```python
# from dmtlib.records.store import load_records
#
# for record in load_records(results, "digits-40", "baseline")[:1]:
#     print(record["seed"], record["test_accuracy"], record["device"], record["commit"])
# ```
# The labeled images are the same on every machine: a run's `split.json` lists them.
# ````
#
# ## What was shown
#
# Every number of Tables 2 to 7 that this library can make has its runs, each run its command, and each table one for
# all of them. What is recorded is counted, and what isn't has a price: the counted part is exact, and the hours are as
# good as their assumption. Whoever runs a table leaves a record that names its code, data and device, and
# the pages of this book show it when they are next built.
#
# Equal settings don't make equal programs. {doc}`14_deviations` lists where ours differs from the paper's words and
# from its authors' code.

# %% tags=["hide-input"]
assert (overview["recorded"] <= overview["runs"]).all()
assert sum(len(cell.seeds) for cell in cells_of(TABLES)) == len(runs_of(TABLES))
assert len(missing) == len(wanted) - overview.loc["table-5", "recorded"]
assert all(low < high for low, high in filter(None, (tables.table_hours(name, gpu) for name in TABLES)))
assert max(memory.values()) < GPUS[smallest].memory
assert (scaling["hours on 64"] >= scaling["longest run"]).all() and scaling.loc["all", "full GPUs"] < 64
assert (checked["until the last, model"] <= checked["measured"]).all()
