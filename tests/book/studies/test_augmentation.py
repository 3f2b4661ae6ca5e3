"""Anchored and moving targets, on a model that is quick to train."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from book.figures.augmentation import drift
from book.studies import augmentation as anchoring
from dmtlib.data.images.augment import AUGMENTATIONS
from dmtlib.data.images.datasets import load_digits
from dmtlib.data.images.splits import split_labeled


@pytest.fixture
def batch() -> anchoring.Unlabeled:
    logits = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]).log()
    other = torch.tensor([[0.4, 0.5, 0.1], [0.2, 0.2, 0.6]])
    return anchoring.Unlabeled(logits, other, anchors=torch.tensor([0, 0]))


def test_losses_by_hand(batch):
    logs = [torch.tensor(p).log().item() for p in (0.7, 0.1, 0.2, 0.8)]
    assert anchoring.to_anchor(batch).item() == pytest.approx(-(logs[0] + logs[1]) / 2)
    assert anchoring.to_label_of_other_copy(batch).item() == pytest.approx(-(logs[2] + logs[3]) / 2)
    assert anchoring.to_other_copy(batch).item() == pytest.approx((0.09 + 0.09 + 0.01 + 0.01 + 0.04) / 2)


@pytest.fixture(scope="module")
def setting() -> dict:
    """A linear model that has learned 200 digits."""
    data = load_digits()
    split = split_labeled(data.train_labels, 200, 0)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    images, labels = data.train_images[split.labeled], data.train_labels[split.labeled]
    augment = AUGMENTATIONS["digits"](data.mean, data.std)
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        loss = F.cross_entropy(model(augment(images, generator)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return dict(model=model.eval(), data=data, split=split, augment=augment, steps=60)


def test_a_moving_target_gets_what_it_wants(setting):
    before = [weight.clone() for weight in setting["model"].parameters()]
    moving = anchoring.learn_on(loss=anchoring.to_other_copy, labels=False, **setting)
    assert all(map(torch.equal, before, setting["model"].parameters()))  # the model is left as it was
    assert moving.index.tolist() == list(range(0, 61, 6))
    assert (moving.iloc[0][["wrong kept", "right kept"]] == 100).all()
    assert moving["distance"].iloc[-1] < moving["distance"].iloc[0]


def test_a_model_follows_its_anchors_wherever_they_lead(setting):
    """Every anchor moved by one class: had it been the class of the model in training, that would move on."""

    def to_next_class(batch: anchoring.Unlabeled) -> torch.Tensor:
        return F.cross_entropy(batch.logits, (batch.anchors + 1) % 10)

    longer = {**setting, "steps": 600}
    held = anchoring.learn_on(loss=anchoring.to_anchor, labels=False, **longer).iloc[-1]
    led = anchoring.learn_on(loss=to_next_class, labels=False, **longer).iloc[-1]
    assert held["accuracy"] > 80 and held["right kept"] > 85
    assert led["accuracy"] < 10 and led["right kept"] < 10


def test_runs_repeat_and_labels_take_part(setting):
    once, again = (anchoring.learn_on(loss=anchoring.to_anchor, labels=True, **setting) for _ in "12")
    assert once.equals(again)
    assert not once.equals(anchoring.learn_on(loss=anchoring.to_anchor, labels=False, **setting))


def test_copies_are_asked_with_draws_of_their_own(setting):
    images = setting["data"].test_images[:20]
    asked = anchoring.ask_copies(setting["model"], images, setting["augment"], copies=3)
    assert asked.shape == (3, 20, 10)
    assert not torch.equal(asked[0], asked[1])
    torch.testing.assert_close(asked.sum(dim=2), torch.ones(3, 20))


def test_the_drift_is_drawn(setting):
    history = anchoring.learn_on(loss=anchoring.to_anchor, labels=False, **{**setting, "steps": 2})
    figure = drift({"anchor": history}, {"anchor": history})
    assert [line.get_label() for line in figure.axes[0].lines] == ["anchor", "anchor, with labels"]
