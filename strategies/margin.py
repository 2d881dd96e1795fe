"""Margin sampling: the smallest difference between the two largest class probabilities.

Scheffer, Decomain & Wrobel, *Active Hidden Markov Models for Information Extraction*, IDA 2001.
"""

from __future__ import annotations

from torch import Tensor

from strategies.api import Passes, Pool, ScoreStrategy, register
from strategies.kernels.margins import margin_uncertainty


@register("margin", group=("core", "uncertainty"), paper="scheffer2001", version=1)
class Margin(ScoreStrategy):
    """One minus the margin between the two most probable classes, 1 − (p_(1) − p_(2))."""

    cost = "O(N C)"
    forward_passes = Passes(pool=1)
    remarks = (
        "Bahri et al. (2022) found nothing better on 69 tabular data sets. A large batch may hold near-duplicates."
    )

    def score(self, pool: Pool) -> Tensor:
        return margin_uncertainty(pool.probs)
