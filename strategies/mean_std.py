"""Mean standard deviation of the class probabilities under Monte-Carlo dropout.

Gal, Islam & Ghahramani, *Deep Bayesian Active Learning with Image Data*, ICML 2017, arXiv 1703.02910.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from strategies.api import Pool, ScoreStrategy, register
from strategies.components.common_departures import POOL_OF_2000
from strategies.components.monte_carlo import MonteCarlo


@register("mean-std", group="bayesian", paper="gal2017", version=2)
class MeanStd(MonteCarlo, ScoreStrategy):
    """Standard deviation over dropout masks, averaged over classes, (1/C) Σ_c √((1/K) Σ_k (p_c^k)² − p̄_c²)."""

    cost = "K forward passes, O(N K C)"
    remarks = "Blind, like BALD, to uncertainty that all masks share."

    departures: ClassVar = (POOL_OF_2000,)

    def score(self, pool: Pool) -> Tensor:
        return self.probs(pool).std(dim=1, correction=0).mean(dim=1)
