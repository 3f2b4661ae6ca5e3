import pytest
import torch

from dmtlib.models.wideresnet import WideResNet
from dmtlib.training.images.evaluation import accuracy, fine_grained_accuracy, predict


def test_accuracies():
    probabilities = torch.tensor([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1], [0.2, 0.8]])
    labels = torch.tensor([0, 1, 1, 1])
    assert accuracy(probabilities, labels) == 75
    assert fine_grained_accuracy(probabilities, labels) == pytest.approx(100 * (0.7 + 0.6 + 0.8) / 4, abs=1e-4)


def test_predict_is_clean_and_leaves_the_mode():
    model = WideResNet(10, 1, 10, 1).train()
    images = torch.randint(0, 256, (1203, 1, 8, 8), dtype=torch.uint8)
    probabilities = predict(model, images, (0.3,), (0.4,))
    assert model.training
    assert probabilities.shape == (1203, 10)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(1203))
    torch.testing.assert_close(predict(model, images[7:9], (0.3,), (0.4,)), probabilities[7:9])
