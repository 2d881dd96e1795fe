"""Least confidence: the smallest probability of the predicted class.

Settles, *Active Learning Literature Survey*, University of Wisconsin–Madison, 2009.
"""

from __future__ import annotations

from torch import Tensor

from strategies.api import Passes, Pool, ScoreStrategy, register


@register("least-confidence", group=("core", "uncertainty"), paper="settles2009", version=1)
class LeastConfidence(ScoreStrategy):
    """Least confidence 1 − max_c p_c."""

    cost = "O(N C)"
    forward_passes = Passes(pool=1)
    remarks = "Reads the probability of the predicted class only. A large batch may hold near-duplicates."

    def score(self, pool: Pool) -> Tensor:
        return 1 - pool.probs.amax(dim=1)
