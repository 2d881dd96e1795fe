"""SoftMatch: FixMatch with a weight per pseudo-label, a truncated Gaussian of its confidence.

Chen et al., "SoftMatch: Addressing the Quantity-Quality Trade-off in Semi-supervised Learning", ICLR 2023, arXiv
2301.10921. With EMA(·) a moving average over the steps (momentum m = 0.999, the current batch included), probabilities
are first aligned with the uniform distribution,

    q′ ∝ q (1/C) / EMA(mean_u q),

and with μ = EMA(mean_u max q′), starting at 1/C, and σ² = EMA(var_u max q′), unbiased and starting at 1,

    w(u) = exp(−min(max q′ − μ, 0)² / (2 σ² / n_σ²)),   n_σ = 2.

The pseudo-label is argmax q, not argmax q′. As in the authors' code the mean of q starts at that of the first batch,
and 10⁻⁶ is added to both sides of the quotient. Ours: σ² is at least 10⁻⁶, and a batch of one image has variance 0.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from benchmark.learners.freematch import check_momentum
from benchmark.learners.online import Online, Rule

_EPSILON = 1e-6  # of the alignment
_SMALLEST_VARIANCE = 1e-6


class TruncatedGaussian(Rule):
    """``mean`` () and ``variance`` () of the confidence, and ``probs`` (C,), the mean of q, at first zeros."""

    mean: Tensor
    variance: Tensor
    probs: Tensor

    def __init__(self, class_count: int, momentum: float, width: float) -> None:
        super().__init__()
        self.momentum, self.width = momentum, width
        self.register_buffer("mean", torch.tensor(1 / class_count))
        self.register_buffer("variance", torch.tensor(1.0))
        self.register_buffer("probs", torch.zeros(class_count))

    def forward(self, probs: Tensor, positions: Tensor) -> Tensor:
        new = 1 - self.momentum
        average = probs.mean(0)
        self.probs = torch.where(self.probs.sum() > 0, self.probs.lerp(average, new), average)
        aligned = probs * (1 / probs.shape[1] + _EPSILON) / (self.probs + _EPSILON)
        confidence = aligned.amax(1) / aligned.sum(1)
        self.mean.lerp_(confidence.mean(), new)
        self.variance.lerp_(confidence.var() if len(confidence) > 1 else torch.zeros_like(self.variance), new)
        variance = self.variance.clamp(min=_SMALLEST_VARIANCE) / self.width**2
        return torch.exp(-((confidence - self.mean).clamp(max=0) ** 2) / (2 * variance))


class SoftMatch(Online):
    """FixMatch with soft weights: a Gaussian of the confidence, constant above its running mean.

    ``width`` is n_σ.
    """

    name = "softmatch"
    version = 1
    paper = "chen2023"

    def __init__(
        self,
        *,
        momentum: float = 0.999,
        width: float = 2.0,
        mu: int = 7,
        weight: float = 1.0,
        ema: float = 0.999,
        steps: int = 0,
    ) -> None:
        super().__init__(mu, weight, ema, steps)
        self.momentum = check_momentum(momentum)
        if not 0 < width < math.inf:
            raise ValueError(f"width must be positive, not {width}")
        self.width = width

    def rule(self, class_count: int, unlabelled_count: int) -> Rule:
        return TruncatedGaussian(class_count, self.momentum, self.width)
