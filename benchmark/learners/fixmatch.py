"""FixMatch: confident pseudo-labels of weak views, learned on strong views.

Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence", NeurIPS 2020, arXiv
2001.07685:

    w(u) = 1[max q ≥ τ],  τ = 0.95,  λ = 1,  μ = 7.

In a step where no image reaches the threshold the unlabelled loss is 0.
"""

from __future__ import annotations

from torch import Tensor

from benchmark.learners.online import Online, Rule


class Threshold(Rule):
    """Weight 1 where the confidence is at least ``threshold``, otherwise 0."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, probs: Tensor, positions: Tensor) -> Tensor:
        return (probs.amax(1) >= self.threshold).float()


class FixMatch(Online):
    """Pseudo-labels of weak views, where they are confident, learned on strong views."""

    name = "fixmatch"
    version = 1
    paper = "sohn2020"

    def __init__(
        self, *, threshold: float = 0.95, mu: int = 7, weight: float = 1.0, ema: float = 0.999, steps: int = 0
    ) -> None:
        super().__init__(mu, weight, ema, steps)
        self.threshold = check_threshold(threshold)

    def rule(self, class_count: int, unlabelled_count: int) -> Rule:
        return Threshold(self.threshold)


def check_threshold(threshold: float) -> float:
    """``threshold`` itself. Raises ValueError unless it is a probability."""
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be a probability, not {threshold}")
    return threshold
