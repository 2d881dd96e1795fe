"""Predictive entropy.

Settles, *Active Learning Literature Survey*, University of Wisconsin–Madison, 2009.
"""

from __future__ import annotations

import torch
from torch import Tensor

from strategies.api import Pool, ScoreStrategy, register


@register("entropy", group=("core", "uncertainty"), paper="settles2009", version=1)
class Entropy(ScoreStrategy):
    """Predictive entropy H(p) = −Σ_c p_c log p_c, in nats."""

    cost = "O(N C)"
    remarks = (
        "Counts doubt among unlikely classes, which margin ignores; for two classes it orders images as margin does. "
        "A large batch may hold near-duplicates."
    )

    def score(self, pool: Pool) -> Tensor:
        return torch.special.entr(pool.probs).sum(dim=1)
