"""ActiveFT: images whose distribution is that of the pool, found by moving points among its features.

With f_i the features of length 1 and c_j points of length 1, one for each image to select, that start at random
features, the loss is

    −(1/N) Σ_i log [ e^(f_i·c_k / τ) / (e^(f_i·c_k / τ) + β Σ_j e^(c_j·c_k / τ)) ],    k = argmax_j f_i·c_j:

each feature attracts the point next to it, and each point keeps off the others; of a pair of points the loss moves
one, c_k, and takes the other for constant, and the sum has j = k too. Adam lowers it; then each point in turn takes
the image nearest to it that none has taken.

Xie, Lu, Yan, Yang, Tomizuka & Zhan, *Active Finetuning: Exploiting Annotation Budget in the Pretraining-Finetuning
Paradigm*, CVPR 2023, arXiv 2303.14382. Reference implementation: github.com/yichen928/ActiveFT. It selects once, before
any label is there. Ours: in later rounds the labelled images are points that stay where they are.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from strategies.api import Departure, Pool, register
from strategies.components.feature_space import FeatureSpaceStrategy, Space

_BLOCK = 2**22  # similarities at once


@register("activeft", group="low-budget", paper="xie2023", version=1)
class ActiveFT(FeatureSpaceStrategy):
    """The images next to points that are moved until they are spread as the pool's features are.

    ``temperature`` is τ, ``balance`` β, ``iterations`` the number of Adam's steps of ``learning_rate``; ``space`` is
    ``"features"``, self-supervised, or ``"embeddings"``.
    """

    cost = "O(N (L + T n) D) for T iterations"
    remarks = (
        "For the initial labels, on features of a pretrained network: it reads no model and no label. With T = 300 it "
        "takes minutes for batches of a thousand images on one core."
    )

    presets: ClassVar = {
        "authors": {
            "temperature": 0.07,
            "balance": 1.0,
            "iterations": 300,
            "learning_rate": 0.001,
            "space": "features",
        }
    }
    departures: ClassVar = (
        Departure(
            "labelled images",
            "a protocol has several rounds",
            "none: all images are selected at once",
            "points that attract features and are not moved",
        ),
    )

    def __init__(
        self,
        temperature: float = 0.07,
        balance: float = 1.0,
        iterations: int = 300,
        learning_rate: float = 0.001,
        space: Space = "features",
    ) -> None:
        super().__init__(space)
        positive = {"temperature": temperature, "balance": balance, "learning_rate": learning_rate}
        for name, value in positive.items():
            if not 0 < value < torch.inf:
                raise ValueError(f"{name} must be positive and finite, not {value}")
        if not 0 <= iterations <= 100_000:
            raise ValueError(f"iterations is a number from 0 to 100,000, not {iterations}")
        self.temperature, self.balance = temperature, balance
        self.iterations, self.learning_rate = iterations, learning_rate

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        unlabelled, labelled = self.points(pool)
        (features,), (known,) = unlabelled.factors, labelled.factors
        start = torch.randperm(len(features), generator=generator)[:n].to(features.device)
        moved = self.moved(features, features[start], known)
        return one_each(F.normalize(moved, dim=1), features)

    def moved(self, features: Tensor, start: Tensor, known: Tensor) -> Tensor:
        """Where the points ``start`` (n, D) end, among ``features`` (N, D) and the fixed ``known`` (L, D)."""
        points, held = start.clone(), highest_product(features, known)
        optimiser = torch.optim.Adam([points], self.learning_rate)
        for _ in range(self.iterations):
            points.grad = self.gradient(features, points, known, held)
            optimiser.step()
        return points

    def gradient(self, features: Tensor, points: Tensor, known: Tensor, held: Tensor) -> Tensor:
        """The loss's gradient (n, D) by ``points`` (n, D), which need not have length 1.

        A feature moves the point next to it, and none where one of ``known`` is nearer: ``held`` (N,) is its highest
        product with those.
        """
        lengths = points.norm(dim=1, keepdim=True).clamp_min(1e-12)
        unit = points / lengths
        centres = torch.cat([unit, known])
        near = unit @ centres.T / self.temperature
        crowd = near.logsumexp(dim=1) + math.log(self.balance)  # log β Σ_j of each k
        pull, share = torch.zeros_like(unit), unit.new_zeros(len(unit))
        size = max(1, _BLOCK // len(unit))
        for part, least in zip(features.split(size), held.split(size), strict=True):
            similarity, k = (part @ unit.T).max(dim=1)
            excess = (crowd[k] - similarity / self.temperature).sigmoid() * (similarity >= least)
            pulls = part.new_zeros(len(part), len(unit)).scatter_(1, k[:, None], excess[:, None])
            pull += pulls.T @ part  # a product adds up in the same order on a GPU each time
            share += pulls.sum(dim=0)
        push = near.softmax(dim=1) @ centres * share[:, None]
        gradient = (push - pull) / (self.temperature * len(features))
        return (gradient - (gradient * unit).sum(dim=1, keepdim=True) * unit) / lengths


def highest_product(features: Tensor, known: Tensor) -> Tensor:
    """The highest product of each of ``features`` (N, D) with one of ``known`` (L, D): (N,), −∞ without any."""
    if not len(known):
        return torch.full_like(features[:, 0], -torch.inf)
    return torch.cat([(part @ known.T).amax(dim=1) for part in features.split(max(1, _BLOCK // len(known)))])


def one_each(points: Tensor, features: Tensor) -> Tensor:
    """For each of ``points`` (n, D) in turn the row of ``features`` (N, D), n ≤ N, of highest product not yet taken."""
    free = torch.ones(len(features), dtype=torch.bool, device=features.device)
    picks = []
    for part in points.split(max(1, _BLOCK // len(features))):
        for row in part @ features.T:
            picks.append(row.masked_fill_(~free, -torch.inf).argmax())
            free[picks[-1]] = False
    return torch.stack(picks)
