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
# # The dynamic loss
#
# Model A labeled an image before training began: "class 1, and I am 70% sure". Model B now meets this image in
# training. B has an opinion of its own, and it may be another one. **How much should A's label count?**
#
# {doc}`02_disagreement` left us with three cases and a number, $p_B$. This chapter makes a loss of them, Eq. 3–6 of
# {cite:t}`feng2022dmt`: one formula, worked by hand, checked by the library, and then looked at from the side that
# matters in training, its gradient.
#
# :::{admonition} Before you begin
# :class: dmt-goals
# **You need** {doc}`02_disagreement`, and to know the derivative of a product.
#
# **Afterwards you can**
#
# - work Eq. 3–6 by hand for a small batch;
# - say which labels teach the most at a given γ, and why the weight is a constant;
# - put the loss into a training loop of your own.
# :::

# %% tags=["hide-input"]
import math

import pandas as pd
import torch
import torch.nn.functional as F

import dmtlib
from book.figures import dynamic_loss as draw
from book.page.look import say, show, show_body, style
from book.page.slider import slider
from book.studies.recorded import case_share, difference, recorded
from dmtlib.presets import preset

style()

# %% [markdown]
# ## Three cases, by hand
#
# A said at labeling time, for each of three images, $(0.1,\ 0.7,\ 0.2)$. So its pseudo label is $y_A = 1$ with
# confidence $c_A = 0.7$. Now B looks at the three images:
#
# | B says | weight | case | $p_B$ | $y_B$ | $c_B$ |
# |---|---|---|---|---|---|
# | $(0.2,\ 0.6,\ 0.2)$ | $p_B^{\gamma_1}$ | 1: B agrees | 0.6 | 1 | 0.6 |
# | $(0.5,\ 0.4,\ 0.1)$ | $p_B^{\gamma_2}$ | 2: B disagrees, A was surer | 0.4 | 0 | 0.5 |
# | $(0.05,\ 0.05,\ 0.9)$ | 0 | 3: B disagrees and is surer | 0.05 | 2 | 0.9 |
#
# Here $y_B$ is B's favourite class and $c_B$ its probability; $p_B$ is **the probability that B gives to A's
# label**. That is Eq. 3:
#
# $$
# \omega_u = \begin{cases}
# p_B^{\gamma_1}, & y_A = y_B \\
# p_B^{\gamma_2}, & y_A \neq y_B,\ c_A \ge c_B \\
# 0, & y_A \neq y_B,\ c_A < c_B
# \end{cases}
# $$
#
# With $\gamma_1 = \gamma_2 = 2$ the weights are $0.6^2 = 0.36$, $0.4^2 = 0.16$ and $0$. The library should say the
# same.

# %%
a = torch.tensor([[0.1, 0.7, 0.2]] * 3)
b = torch.tensor([[0.2, 0.6, 0.2], [0.5, 0.4, 0.1], [0.05, 0.05, 0.9]])
y_a, c_a = dmtlib.pseudo_label(a)
cases = dmtlib.disagreement_cases(b, y_a, c_a)
weights = dmtlib.dynamic_weights(b, y_a, c_a, gamma1=2, gamma2=2)
torch.testing.assert_close(weights, torch.tensor([0.36, 0.16, 0.0]))

# %% tags=["hide-input"]
show(draw.three_cases(a, b, cases, weights))

# %% [markdown]
# *Purple: the class that A chose, in both columns. Orange: the class that B prefers to it. The paper's Fig. 5 shows
# the same three cases with invented histograms; these are the numbers from the table.*
#
# In case 2, a *negative disagreement*, A was at least as sure of its label as B is of another one, and the label keeps
# a weight. In case 3, a *positive disagreement*, B is surer than A was, and the label is left out of this step. A tie
# is case 2.
#
# ## Eq. 3 in code
#
# This is all of it. First the three cases, then their weights:

# %% tags=["hide-input"]
show_body(dmtlib.disagreement_cases)
show_body(dmtlib.dynamic_weights)

# %% [markdown]
# The lines that begin with `_check` and `check` refuse wrong input, and `probability_of` picks $p_B$ out of B's
# probabilities. The other lines are the paper's idea. `ignore_index` is for pixels that have no label.
#
# ## What it comes to
#
# How large can these weights be? (`cifar10-4000` and `voc-8` below are presets: the paper's settings
# for 4,000 labels of CIFAR-10, and for an eighth of those of PASCAL VOC.) Where B disagrees, it prefers another class.
# That class has at least as much probability as A's label, and both together have at most 1. So **in any
# disagreement** $p_B \le \tfrac12$, **and the weight is at most** $2^{-\gamma}$:

# %% tags=["hide-input"]
bounds = {}
for name in ("cifar10-4000", "voc-8"):
    gamma = preset(name, "dmt").gamma2
    bounds[gamma] = 2**-gamma
    most = f"1/{1 / bounds[gamma]:.0f}"
    say(f"- `{name}`, γ = {gamma:g}: in a disagreement at most {most}.")

# %% [markdown]
# Where the two agree, $p_B$ is B's own confidence and may be near 1. So at these γ nearly all weight is in case 1, and
# Eq. 3 says in short: **learn what both models believe, as much as B believes it.** In case 2 a label does not keep
# some of its weight; it loses nearly all of it. Our second image, with $p_B = 0.4$, would weigh $0.4^4 \approx 0.026$
# at γ = 4.
#
# What is then left for case 3, which takes the rest away? It can matter where γ is small, and on images γ is small in
# the first part of each phase (below). Later it changes next to nothing. *DMT-Naive* is Eq. 3 without case 3: every
# label weighs $p_B^\gamma$. The recorded runs of both, on 40 labeled digits with a rising γ (`digits-40`) and on
# generated street signs with a constant one (`scenes`); such a name is a *preset*, all settings of a task:

# %% tags=["hide-input"]
for name in ("digits-40", "scenes"):
    runs = recorded(name)
    share = case_share(runs["dmt"], 3)
    gap = difference(runs, "dmt", "dmt-naive")
    say(f"- `{name}`, {share} in case 3. {gap}")

# %% [markdown]
# *From records in `results/`. The shares are means over all phases; in the last phase, where all labels are in use,
# case 3 has more of them ({doc}`14_deviations`, "CL and CBST against γ = 0"). {doc}`11_ablations` takes the rules
# apart.*
#
# ## From weights to a loss
#
# A batch holds labeled images $\mathcal X$ and pseudo-labeled ones $\mathcal U$, together $N$ of them. A true label
# weighs 1, a pseudo label weighs $\omega_u$, and **both sums are divided by the whole batch** (Eq. 4–6):
#
# $$
# \begin{aligned}
# \mathcal L = \frac1N \Bigl[ & \sum_{\mathcal X} \mathrm{CE}(gt, F_B(x)) \\
# + & \sum_{\mathcal U} \omega_u\, \mathrm{CE}(y_A, F_B(u)) \Bigr]
# \end{aligned}
# $$
#
# Put one labeled image, class 0 and seen by B as $(0.5, 0.4, 0.1)$, beside our three. By hand, with natural
# logarithms:
#
# $$
# \begin{aligned}
# & \tfrac14\,[\,-\ln 0.5 - 0.36 \ln 0.6 \\
# & \qquad - 0.16 \ln 0.4 - 0\,] \\
# & = \tfrac14\,[\,0.693 + 0.184 + 0.147\,] \\
# & = 0.256
# \end{aligned}
# $$

# %%
logits = torch.cat([b[1:2], b]).log()  # the softmax undoes the log
targets = torch.tensor([0, 1, 1, 1])
confidence = torch.tensor([1.0, 0.7, 0.7, 0.7])
labeled = torch.tensor([True, False, False, False])
given = targets, confidence, labeled
batch_loss = dmtlib.dynamic_loss(logits, *given, gamma1=2, gamma2=2)

# %% tags=["hide-input"]
say(f"The library's loss is {batch_loss:.3f}.")

# %% [markdown]
# Why divide by $N$ and not by the sum of the weights? Because then a weight means what it says. If B doubts every
# pseudo label of a batch, the batch teaches little, and the true labels in it speak the louder. Divided by the sum
# of weights, doubtful labels among themselves would be as loud as good ones.

# %% tags=["hide-input"]
doubted = dmtlib.dynamic_weights(b, y_a, c_a, gamma1=8, gamma2=8)
at_2, at_8 = (1 / (1 + w.sum()) for w in (weights, doubted))
say(f"The one true label carries {at_2:.0%} of the batch's weight at γ = 2 and {at_8:.0%} at γ = 8.")

# %% [markdown]
# ## The weight as a landscape
#
# Eq. 3 asks three things of a pseudo label: $p_B$, $c_A$, and how sure B is of its own favourite, $c_B$. With two
# classes $c_B$ follows from $p_B$. With ten it doesn't; let us say that B's favourite rival holds half of what the
# label lacks.

# %% tags=["hide-input"]
show(draw.surface(gamma=2))

# %% [markdown]
# *The numbers are the cases. Grey: impossible, because the largest of $C$ probabilities is at least $1/C$.*
#
# Two things are easy to miss in the formula and plain in the picture. The weight **does not grow with A's
# confidence**: $c_A$ only decides where case 3 begins. And between cases 2 and 3 there is a cliff. It is highest at
# the right-hand corner of case 3, where B nearly agrees. With more classes case 3 shrinks, because B's doubt is
# spread over more rivals and the favourite among them beats A less often.
#
# ## What gamma does
#
# $\gamma$ bends the weight. High values trust B's doubts: a label that B finds half likely keeps half of its weight
# at $\gamma = 1$, and a sixteenth at $\gamma = 4$, the value that the paper uses on CIFAR-10. Move the slider:

# %% tags=["hide-input"]
slider(
    draw.gamma_frame,
    values=[0, 0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10],
    label="γ",
    format="{:g}",
    start=4,
)

# %% [markdown]
# *The thin lines are $\gamma$ = 0, 1, 4 and 10. The right-hand picture belongs to a later section.*
#
# **$\gamma = 0$ is not "no dynamic loss".** Anything to the power 0 is 1, so cases 1 and 2 weigh 1. But case 3 is a
# rule of its own and still weighs 0. To trust every label is another method, Curriculum Labeling (CL,
# {cite:p}`cascante2021curriculum`). The authors' code has no rule for CL: it reads $\gamma_1 = \gamma_2 = 0$ as "every
# weight is 1", which Eq. 3 doesn't say ({doc}`14_deviations`). In our library both are rows of one table:

# %%
rules = {name: dmtlib.RULES[name] for name in ("dmt", "cl")}
pd.DataFrame(
    {name: rule(b, y_a, c_a, 0, 0).weights for name, rule in rules.items()},
    index=["agreement", "negative disagreement", "positive disagreement"],
)

# %% [markdown]
# ## The gradient: what a weight is for
#
# A loss acts through its gradient. For the cross-entropy with a label $y$ and the logit $z_y$ that belongs to it,
#
# $$
# \Bigl|\frac{\partial\,\mathrm{CE}}{\partial z_y}\Bigr| = 1 - p_B ,
# $$
#
# which is the error of B's answer, *if the label is right*. If the label is wrong, it is the reverse: **a plain
# cross-entropy pulls hardest where B believes the label least**, and those are the labels most likely to be wrong.
# The dynamic loss multiplies by the weight:
#
# $$
# \text{pull}(p_B) = p_B^{\gamma}\,(1 - p_B) .
# $$
#
# This vanishes at both ends: where B rejects the label, and where it has learned it. In between it is largest where
# the derivative is zero:
#
# $$
# \begin{aligned}
# \gamma\,p_B^{\gamma-1}(1-p_B) - p_B^{\gamma} &= 0 \\
# \gamma\,(1-p_B) &= p_B \\
# p_B &= \frac{\gamma}{\gamma+1}
# \end{aligned}
# $$
#
# At $\gamma = 4$ that is $0.8$. Labels that B finds likely but hasn't settled on teach the most. Let autograd draw
# the curve: two classes, and $c_A = 1$, so that no disagreement is positive.

# %%
p_b = torch.linspace(0.001, 0.999, 999)
measured = {}
for gamma in (0, 1, 4, 10):
    z = torch.stack([p_b.log(), (1 - p_b).log()], dim=1).requires_grad_()
    label, sure = torch.zeros(999, dtype=torch.long), torch.ones(999)
    loss = dmtlib.dynamic_loss(z, label, sure, label.bool(), gamma, gamma)
    loss.backward()
    measured[gamma] = 999 * z.grad[:, 0].abs()  # the loss is divided by N
    assert abs(p_b[measured[gamma].argmax()] - gamma / (gamma + 1)) < 0.0015

# %% tags=["hide-input"]
show(draw.pull(p_b, measured))

# %% [markdown]
# *The dots are the highest points. $\gamma = 0$ is the plain cross-entropy, cases 1 and 2 only.*
#
# The humps are low: a high $\gamma$ "suppresses gradients overall", as the paper puts it. Not only the labels in
# doubt teach less. All pseudo labels do, and the true labels gain in proportion.
#
# ## The weight is a constant
#
# The weight depends on B's logits. Should a gradient flow through it? Suppose it did. The loss of one label would be
# $\ell(p) = -p^{\gamma} \ln p$, and
#
# $$
# \ell'(p) = -p^{\gamma-1}\,(\gamma \ln p + 1) ,
# $$
#
# which changes its sign at $p = e^{-1/\gamma}$. Below that, B lowers its loss by believing the label *less*: the
# easiest way to please a loss that forgives doubt is to doubt everything. At $\gamma = 4$ this would happen to every
# label below 78%. So the weight is computed first, as a number, and only the cross-entropy is differentiated. Here
# are the lines; look for `detach`:

# %% tags=["hide-input"]
show_body(dmtlib.dynamic_loss)
show_body(dmtlib.weighted_cross_entropy)

# %% [markdown]
# And here is what would happen at $\gamma = 4$ if the gradient did flow through the weight:


# %%
def pull_on(probability, through_weight, gamma=4):
    both = torch.tensor([[probability, 1 - probability]])
    z = both.log().requires_grad_()
    p_b = (z if through_weight else z.detach()).softmax(dim=1)[0, 0]
    (p_b**gamma * F.cross_entropy(z, torch.tensor([0]))).backward()
    return -z.grad[0, 0].item()  # positive: a step raises the label's logit


# %% tags=["hide-input"]

probabilities = (0.3, 0.6, 0.75, 0.8, 0.9)
table = pd.DataFrame(
    {p: [pull_on(p, False), pull_on(p, True)] for p in probabilities},
    index=["constant weight", "gradient through it"],
)
table.rename_axis(columns="p_B").round(3)

# %% [markdown]
# Positive numbers pull B towards the label, negative ones push it away.
#
# ## Gamma starts near zero
#
# A freshly initialised B has nothing to say yet. It gives each of ten classes about 0.1, and at $\gamma = 4$ would
# weigh every pseudo label $0.1^4$: nothing would be learned. So for images, where B starts from scratch in each
# phase, $\gamma$ rises (Sec. 4.2.1), along a curve taken from {cite:t}`tarvainen2017meanteacher`:
#
# $$
# \gamma(t) = \gamma_{\max}\, e^{-5\,(1 - t/t_{\max})^2} .
# $$
#
# The minus sign is missing in the text of the paper that we work from. Read without it, $\gamma$ would start at $e^5
# \approx 148$ times its final value and fall. The curve that it cites rises, and so does the authors' code.

# %% tags=["hide-input"]
show(draw.ramp(gamma_max=4))
start, half, end = (dmtlib.gamma_ramp(step, 800, gamma_max=4) for step in (0, 400, 800))
say(f"Over a phase of 800 steps γ is {start:.3f} at the start, {half:.2f} halfway and {end:g} at the end.")

# %% [markdown]
# Early on every label in cases 1 and 2 weighs about 1, and B learns what A knows. Later it has an opinion, and the
# opinion counts. Segmentation fine-tunes a trained B instead, and keeps $\gamma$ constant.
#
# ## In your own training loop
#
# Nothing above knows about our data or models. In a loop of yours it is one line more. A step with any classifier:

# %%
torch.manual_seed(0)
model = torch.nn.Linear(20, 5)  # yours
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, targets = torch.randn(32, 20), torch.randint(5, (32,))
confidence, labeled = torch.rand(32), torch.arange(32) < 8  # 24 are A's
gamma = dmtlib.gamma_ramp(step=100, total_steps=800, gamma_max=4)
z = model(x)
loss = dmtlib.dynamic_loss(z, targets, confidence, labeled, gamma, gamma)
optimizer.zero_grad()
loss.backward()
optimizer.step()

# %% [markdown]
# Pixels work the same way: logits of shape `(B, C, H, W)`, labels and confidences `(B, H, W)`, and 255 for pixels
# that take no part, neither in the sum nor in $N$.

# %%
probabilities = torch.rand(2, 5, 4, 6).softmax(dim=1)
c_a_pixels, y_a_pixels = torch.rand(2, 4, 6), torch.randint(5, (2, 4, 6))
y_a_pixels[:, 0] = 255  # the top row takes no part
pixels = dmtlib.dynamic_weights(probabilities, y_a_pixels, c_a_pixels, 4, 4)
assert pixels.shape == (2, 4, 6) and not pixels[:, 0].any()

# %% [markdown]
# ## Exercises
#
# ```{exercise} A tie
# :label: ex-tie
# A said class 2 with confidence 0.6. B says $(0.6,\ 0.1,\ 0.3)$. Which case is it, and what is the weight at
# $\gamma_1 = 1,\ \gamma_2 = 3$? And if A had been 0.59 sure?
# ```
#
# ```{solution} ex-tie
# :class: dropdown
# B prefers class 0 with $c_B = 0.6$, so the models disagree. $c_A = c_B$ is case 2, and $\omega = p_B^{\gamma_2} =
# 0.3^3 = 0.027$. With $c_A = 0.59$ it is case 3, and the weight is 0. The step down is small here, because $p_B$ is.
# ```
#
# ```{exercise} Choose gamma for a target
# :label: ex-choose-gamma
# You want labels to which B gives 90% to teach the most. Which $\gamma$ does that? How strong is the pull there,
# compared with the strongest pull at $\gamma = 1$?
# ```
#
# ````{solution} ex-choose-gamma
# :class: dropdown
# From $\gamma/(\gamma+1) = 0.9$ follows $\gamma = 9$. The pull is $0.9^9 \cdot 0.1 \approx 0.039$, against $0.5
# \cdot 0.5 = 0.25$: less than a sixth.
# ```python
# 0.9**9 * 0.1, 0.25
# ```
# ````
#
# ```{exercise} The ablations
# :label: ex-ablations
# Sec. 5.4 tries two other rules. DMT-Naive weighs $p_B^{\gamma_1}$ in all three cases; DMT-Flip teaches B its *own*
# class in case 3, with weight $(1-c_A)^{\gamma_2}$. Work out targets and weights for our three images at $\gamma_1 =
# \gamma_2 = 2$, and check with `dmtlib.RULES`. Why do the paper's results hardly differ between DMT and DMT-Flip?
# ```
#
# ````{solution} ex-ablations
# :class: dropdown
# Naive: targets 1, 1, 1, weights 0.36, 0.16, $0.05^2 = 0.0025$. Flip: targets 1, 1, **2**, weights 0.36, 0.16,
# $(1-0.7)^2 = 0.09$.
# ```python
# for name in ("dmt-naive", "dmt-flip"):
#     print(name, *dmtlib.RULES[name](b, y_a, c_a, gamma1=2, gamma2=2))
# ```
# In the early phases a label that entered the batch was confident, so $1 - c_A$ is small and its power smaller. In the
# last phase all labels enter, unsure ones too, and $1 - c_A$ can be large ({doc}`11_ablations`, first exercise). But
# where B is sure of its own class already, $1 - c_B$, the pull of the flipped label, is small.
# ````
#
# ## What was shown
#
# A pseudo label's weight is what B makes of it: $p_B^\gamma$, and nothing where B objects with more confidence than A
# had. In any disagreement that is at most $2^{-\gamma}$, so that nearly all weight is where both agree. The effect is
# on the gradient. A plain cross-entropy shouts loudest about the labels that B believes least; the dynamic loss
# silences those and listens to labels that B is about to believe.
#
# One question is left open. If B learns from A, who corrects A? {doc}`04_curriculum` lets one generation of models
# teach the next on real digits, and measures whether wrong labels do get less weight.

# %% tags=["hide-input"]
assert cases.tolist() == [1, 2, 3]
assert bounds == {4: 1 / 16, 5: 1 / 32} and round(0.4**4, 3) == 0.026
torch.manual_seed(0)
said, answers = torch.arange(999) % 9, torch.randn(999, 9).softmax(dim=1)
sure = torch.ones(999)  # A is, so that no disagreement is case 3
heavy = dmtlib.dynamic_weights(answers, said, sure, gamma1=4, gamma2=4)
assert heavy[answers.argmax(dim=1) != said].max() <= bounds[4]
by_hand = -(math.log(0.5) + 0.36 * math.log(0.6) + 0.16 * math.log(0.4)) / 4
assert math.isclose(batch_loss, by_hand, rel_tol=1e-5)
for gamma, sizes in measured.items():  # autograd and the formula are the same curve
    torch.testing.assert_close(sizes, p_b**gamma * (1 - p_b), atol=1e-4, rtol=0)
for p, (constant, through) in table.items():
    assert constant > 0 and (through < 0) == (p < math.exp(-1 / 4))
assert start < 0.03 and end == 4
