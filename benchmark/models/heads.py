"""Classifiers of embeddings, which are images of one pixel: a linear one that is solved, and a perceptron."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.models import logistic
from benchmark.models.network import Dropout, Network

PENALTY = 1e-4


class Linear(Network):
    """Multinomial logistic regression on embeddings, solved, not trained: its recipe is ``penalty`` alone.

    The mean cross-entropy plus (λ/2) ‖W‖² is minimised to a stated tolerance, so that the result depends on the
    labelled embeddings alone (see ``benchmark.models.logistic``). λ is ``penalty`` times the number of dimensions,
    which is the mean squared norm of standardised embeddings. The default is within 1.3 points of the best at every
    label count from 10 to 10,000: docs/recipes/cifar10-embeddings.csv has the search. Bayesian strategies draw from
    the Laplace approximation of its posterior. Its prior is not the penalty, with which draws contradict the solution,
    but the one of highest evidence (``Predictor.posterior_probs``). With few labels their mean still predicts worse
    than the solution: the same table says by how much.
    """

    smallest = 1
    of_embeddings = True
    solved = True

    def __init__(
        self, channels: int, image_size: tuple[int, int], class_count: int, *, penalty: float = PENALTY
    ) -> None:
        super().__init__()
        _check_embeddings("linear", image_size)
        self.penalty = penalty * channels
        self.stage_channels = ()
        self.dropout = Dropout(0.0, channels)
        self.head = nn.Linear(channels, class_count)

    def backbone(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        return x.flatten(1), ()

    def solved_heads(self, inputs: Tensor, targets: Tensor) -> Tensor:
        fit = logistic.fit(inputs, targets, self.head.out_features, self.penalty)
        return torch.cat([fit.weights, fit.biases.unsqueeze(2)], 2).to(self.head.weight.dtype)

    def solve(self, x: Tensor, targets: Tensor, weights: Tensor | None = None) -> None:
        features, penalty, counts = x.flatten(1), self.penalty, None
        if weights is not None:
            total = float(weights.sum(dtype=torch.float64))
            penalty, counts = penalty / total, weights[None].double() * (len(weights) / total)
        fit = logistic.fit(features[None], targets[None], self.head.out_features, penalty, counts)
        with torch.no_grad():
            self.head.weight.copy_(fit.weights[0])
            self.head.bias.copy_(fit.biases[0])


class MLP(Network):
    """A perceptron on embeddings: dense–ReLU, dropout, dense; the hidden layer of ``width`` units is its embedding."""

    smallest = 1
    of_embeddings = True

    def __init__(
        self,
        channels: int,
        image_size: tuple[int, int],
        class_count: int,
        *,
        width: int = 256,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        _check_embeddings("mlp", image_size)
        self.stage_channels = ()
        self.dense = nn.Linear(channels, width)
        self.dropout = Dropout(dropout, width)
        self.head = nn.Linear(width, class_count)

    def backbone(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        return x.flatten(1), ()

    def embed(self, features: Tensor) -> Tensor:
        return F.relu(self.dense(features))


def _check_embeddings(name: str, image_size: tuple[int, int]) -> None:
    if image_size != (1, 1):
        raise ValueError(
            f"model '{name}' classifies embeddings, not images of {image_size[0]}×{image_size[1]}: give the protocol "
            "an embedding"
        )
