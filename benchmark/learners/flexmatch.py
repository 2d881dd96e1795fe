"""FlexMatch: FixMatch with a threshold per class, lower for classes with few confident predictions.

Zhang et al., "FlexMatch: Boosting Semi-Supervised Learning with Curriculum Pseudo Labeling", NeurIPS 2021, arXiv
2110.08263. The last confident prediction (max q ≥ τ) of every unlabelled image is kept. With σ_c of them in class c
and ν images that have had none yet,

    β_c = σ_c / max(max_c σ_c, ν),   T_c = τ β_c / (2 − β_c),   w(u) = 1[max q ≥ T_ŷ].

A step uses the thresholds that follow from the steps before it, as in TorchSSL; in the first step they are 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.learners.fixmatch import check_threshold
from benchmark.learners.online import Online, Rule


class Curriculum(Rule):
    """``last`` (N,) is the last confident prediction of every unlabelled image, C (the class count) if it had none."""

    last: Tensor

    def __init__(self, threshold: float, class_count: int, unlabelled_count: int) -> None:
        super().__init__()
        self.threshold, self.class_count = threshold, class_count
        self.register_buffer("last", torch.full((unlabelled_count,), class_count))

    def thresholds(self) -> Tensor:
        """T, (C,)."""
        counts = torch.zeros(self.class_count + 1, dtype=torch.int64, device=self.last.device)
        counts.scatter_add_(0, self.last, torch.ones_like(self.last))
        beta = counts[:-1] / counts.max()
        return self.threshold * beta / (2 - beta)

    def forward(self, probs: Tensor, positions: Tensor) -> Tensor:
        confidence, predicted = probs.max(1)
        weights = (confidence >= self.thresholds()[predicted]).float()
        # A batch that crosses the end of an epoch may hold an image twice; its later prediction counts, on any device.
        order = torch.arange(len(positions), device=positions.device)
        confident = torch.where(confidence >= self.threshold, order, -1)
        latest = torch.full_like(self.last, -1).scatter_reduce_(0, positions, confident, "amax")
        self.last = torch.where(latest >= 0, predicted[latest.clamp(min=0)], self.last)
        return weights


class FlexMatch(Online):
    """FixMatch with a threshold per class, lower for classes that are less often predicted with confidence."""

    name = "flexmatch"
    version = 1
    paper = "zhang2021"

    def __init__(
        self, *, threshold: float = 0.95, mu: int = 7, weight: float = 1.0, ema: float = 0.999, steps: int = 0
    ) -> None:
        super().__init__(mu, weight, ema, steps)
        self.threshold = check_threshold(threshold)

    def rule(self, class_count: int, unlabelled_count: int) -> Rule:
        return Curriculum(self.threshold, class_count, unlabelled_count)
