"""Uncertainty of one softmax output: least confidence, margin, entropy (Settles, 2009)."""

from __future__ import annotations

import torch
from torch import Tensor

from strategies.api.base import Pool, ScoreStrategy
from strategies.registry import register


@register("least-confidence", group=("core", "uncertainty"), paper="settles2009")
class LeastConfidence(ScoreStrategy):
    """Least confidence 1 − max_c p_c."""

    cost = "O(N C)"
    remarks = "Reads the probability of the predicted class only. A large purchase may hold near-duplicates."

    def score(self, pool: Pool) -> Tensor:
        return 1 - pool.probs.amax(dim=1)


@register("margin", group=("core", "uncertainty"), paper="scheffer2001")
class Margin(ScoreStrategy):
    """One minus the margin between the two most probable classes, 1 − (p_(1) − p_(2))."""

    cost = "O(N C)"
    remarks = (
        "Bahri et al. (2022) found nothing better on 69 tabular data sets. A large purchase may hold near-duplicates."
    )

    def score(self, pool: Pool) -> Tensor:
        first, second = pool.probs.topk(2, dim=1).values.unbind(1)
        return 1 - (first - second)


@register("entropy", group=("core", "uncertainty"), paper="settles2009")
class Entropy(ScoreStrategy):
    """Predictive entropy H(p) = −Σ_c p_c log p_c, in nats."""

    cost = "O(N C)"
    remarks = (
        "Counts doubt among unlikely classes, which margin ignores; for two classes it orders images as margin does. "
        "A large purchase may hold near-duplicates."
    )

    def score(self, pool: Pool) -> Tensor:
        return torch.special.entr(pool.probs).sum(dim=1)
