"""FreeMatch: FixMatch with thresholds that follow the model's confidence, and a term that balances the classes.

Wang et al., "FreeMatch: Self-adaptive Thresholding for Semi-supervised Learning", ICLR 2023, arXiv 2205.07246. With
EMA(·) a moving average over the steps (momentum m = 0.999, the current batch included) that starts at 1/C,

    τ = EMA(mean_u max q),   p̃ = EMA(mean_u q),   h̃ = EMA(share of u with ŷ = c),
    T_c = τ p̃_c / max_c p̃_c,   w(u) = 1[max q ≥ T_ŷ],

and the penalty, with the weight ``fairness``, is computed over the images with w = 1. With p̄ the mean of their
probabilities p(· | A(u)) on strong views and h̄ the share of each class among the argmax of these, it is

    L_f = Σ_c S(p̃ / h̃)_c log S(p̄ / h̄)_c,   S(x) = x / Σ x,

that is, −H(S(p̃ / h̃), S(p̄ / h̄)). As in the authors' code a quotient by 0 is 0, 10⁻¹² is added inside the
logarithm, and L_f is 0 where no image has w = 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.learners.online import Online, Rule

_EPSILON = 1e-12  # inside the logarithm


class SelfAdaptive(Rule):
    """``level`` () is τ, ``probs`` (C,) is p̃ and ``shares`` (C,) is h̃."""

    level: Tensor
    probs: Tensor
    shares: Tensor

    def __init__(self, class_count: int, momentum: float, fairness: float) -> None:
        super().__init__()
        self.momentum, self.fairness = momentum, fairness
        self.register_buffer("level", torch.tensor(1 / class_count))
        self.register_buffer("probs", torch.full((class_count,), 1 / class_count))
        self.register_buffer("shares", torch.full((class_count,), 1 / class_count))

    def forward(self, probs: Tensor, positions: Tensor) -> Tensor:
        confidence, predicted = probs.max(1)
        new = 1 - self.momentum
        self.level.lerp_(confidence.mean(), new)
        self.probs.lerp_(probs.mean(0), new)
        self.shares.lerp_(F.one_hot(predicted, probs.shape[1]).float().mean(0), new)
        thresholds = self.level * self.probs / self.probs.max()
        return (confidence >= thresholds[predicted]).float()

    def penalty(self, logits: Tensor, weights: Tensor) -> Tensor:
        probs = logits.softmax(1)
        chosen = weights.unsqueeze(1)
        total = weights.sum().clamp(min=1)
        mean = (chosen * probs).sum(0) / total
        shares = (chosen * F.one_hot(probs.argmax(1), probs.shape[1])).sum(0) / total
        loss = _normalised(self.probs, self.shares) * (_normalised(mean, shares) + _EPSILON).log()
        return self.fairness * loss.sum() * (weights.sum() > 0)


def _normalised(x: Tensor, y: Tensor) -> Tensor:
    """S(x / y), where a quotient by 0 is 0; all zeros if every quotient is."""
    quotient = x * torch.where(y > 0, 1 / torch.where(y > 0, y, 1), 0)
    return quotient / quotient.sum().clamp(min=torch.finfo(x.dtype).tiny)


class FreeMatch(Online):
    """FixMatch with a threshold per class that follows the model's confidence, overall and in that class."""

    name = "freematch"
    version = 1
    paper = "wang2023"

    def __init__(
        self,
        *,
        momentum: float = 0.999,
        fairness: float = 0.001,
        mu: int = 7,
        weight: float = 1.0,
        ema: float = 0.999,
        steps: int = 0,
    ) -> None:
        super().__init__(mu, weight, ema, steps)
        self.momentum = check_momentum(momentum)
        if not 0 <= fairness < math.inf:
            raise ValueError(f"fairness must not be negative, not {fairness}")
        self.fairness = fairness

    def rule(self, class_count: int, unlabelled_count: int) -> Rule:
        return SelfAdaptive(class_count, self.momentum, self.fairness)


def check_momentum(momentum: float) -> float:
    """``momentum`` itself. Raises ValueError unless it is at least 0 and below 1."""
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be at least 0 and below 1, not {momentum}")
    return momentum
