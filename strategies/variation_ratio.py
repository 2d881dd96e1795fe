"""Variation ratio: how many dropout masks vote against the majority.

Freeman's variation ratio (1965) counts votes; 1 − max p̄, which some libraries call by that name, is least confidence.
As an acquisition function: Gal, Islam & Ghahramani, *Deep Bayesian Active Learning with Image Data*, ICML 2017,
arXiv 1703.02910.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Pool, ScoreStrategy, drawn_top, register
from strategies.components.common_departures import POOL_OF_2000
from strategies.components.monte_carlo import MonteCarlo


@register("variation-ratio", group="bayesian", paper="gal2017", version=3)
class VariationRatio(MonteCarlo, ScoreStrategy):
    """Share of the dropout masks that do not vote for the modal class, 1 − max_c (1/K) Σ_k 1[argmax p^k = c]."""

    cost = "K forward passes, O(N K C)"
    takes_top_scores = True
    remarks = (
        "Takes at most K values, so that many images tie, often all those on which the masks agree; ties are broken at "
        "random."
    )

    departures: ClassVar = (POOL_OF_2000,)

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        return drawn_top(self.checked_scores(pool), n, generator)

    def score(self, pool: Pool) -> Tensor:
        probs = self.probs(pool)
        votes = probs.new_zeros(len(probs), probs.shape[2])
        votes.scatter_add_(1, probs.argmax(dim=2), torch.ones_like(probs[:, :, 0]))
        return 1 - votes.amax(dim=1) / self.samples
