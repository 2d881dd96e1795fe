"""Entropy of the mean prediction under Monte-Carlo dropout.

Gal, Islam & Ghahramani, *Deep Bayesian Active Learning with Image Data*, ICML 2017, arXiv 1703.02910.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Pool, ScoreStrategy, register
from strategies.components.common_departures import POOL_OF_2000
from strategies.components.monte_carlo import MonteCarlo


@register("mc-entropy", group="bayesian", paper="gal2017", version=2)
class MCEntropy(MonteCarlo, ScoreStrategy):
    """Entropy of the mean over dropout masks, H(p̄) = −Σ_c p̄_c log p̄_c, in nats."""

    cost = "K forward passes, O(N K C)"
    remarks = "Unlike BALD it also selects images on which all masks agree that the class is uncertain."

    departures: ClassVar = (POOL_OF_2000,)

    def score(self, pool: Pool) -> Tensor:
        return torch.special.entr(self.probs(pool).mean(dim=1)).sum(dim=1)
