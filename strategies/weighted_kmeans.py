"""Weighted k-means: clusters among the most informative images, in which the more informative count for more.

The β n images of the smallest margin are the candidates. A k-means with n clusters on their embeddings counts each by
its informativeness u = 1 − (p_(1) − p_(2)), and the candidate nearest to each centre is selected.

Zhdanov, *Diverse mini-batch Active Learning*, 2019, arXiv 1901.05954; no code by its author is public. Ours: mini-batch
k-means beyond 50 clusters, one seeding, and centres that share their nearest image take the next nearest in turn.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Passes, Pool, Strategy, register, top
from strategies.components.common_departures import K_MEANS
from strategies.kernels.clusters import kmeans, nearest_to_centres
from strategies.kernels.margins import margin_uncertainty


@register("weighted-kmeans", group="hybrid", paper="zhdanov2019", version=1)
class WeightedKMeans(Strategy):
    """k-means, weighted by 1 − margin, among the ``beta`` · n images of the smallest margin; one image a cluster."""

    cost = "O(N log N), and a k-means of β n candidates"
    forward_passes = Passes(pool=1)
    remarks = (
        "β goes from margin sampling (1) to clusters of the whole pool. Differs from clue by its candidates: images "
        "that the model is sure of are none, however many there are. Of a large pool and a small batch all candidates "
        "are about as unsure, and the weights change little; a larger β gives them more to do."
    )

    presets: ClassVar = {"authors": {"beta": 10}}
    departures: ClassVar = (K_MEANS._replace(theirs="k-means; no code by the author is public"),)

    def __init__(self, beta: int = 10) -> None:
        if beta < 1:
            raise ValueError(f"beta must be at least 1, not {beta}")
        self.beta = beta

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        informativeness = margin_uncertainty(pool.probs)
        candidates = top(informativeness, self.beta * n)
        rows = pool.embeddings[candidates]
        _, centres = kmeans(rows, n, generator, weights=informativeness[candidates])
        return candidates[nearest_to_centres(rows, centres)]
