"""The loss-prediction module of learning loss, and its ranking losses.

Yoo & Kweon, *Learning Loss for Active Learning*, CVPR 2019, arXiv 1905.03677.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strategies.api import Attachment, Output, Step

Ranking = Literal["hinge", "ranknet"]


class LossPrediction(Attachment):
    """The loss-prediction module; 123,905 parameters on ResNet-18.

    Its loss, the ranking loss times ``weight``, is added to the network's. The module always learns from the whole of
    it; the network gets ``gradient_factor`` times the gradient until the share ``detach_after`` of the training is
    done, and none from then on. ``learning_rate_scale`` multiplies the recipe's learning rate for the module. With
    ``convolutions`` a bias-free 3×3 convolution of stride 2 precedes the pooling of every stage but the last.
    """

    def __init__(
        self,
        stage_channels: tuple[int, ...],
        ranking: Callable[[Tensor, Tensor], Tensor],
        *,
        weight: float,
        gradient_factor: float,
        detach_after: float,
        learning_rate_scale: float,
        hidden: int = 128,
        convolutions: bool = False,
    ) -> None:
        super().__init__()
        self.ranking, self.weight = ranking, weight
        self.gradient_factor, self.detach_after = gradient_factor, detach_after
        self.learning_rate_scale = learning_rate_scale
        last = len(stage_channels) - 1
        self.convolutions = nn.ModuleList(
            nn.Conv2d(c, c, 3, stride=2, padding=1, bias=False) if convolutions and s < last else nn.Identity()
            for s, c in enumerate(stage_channels)
        )
        self.branches = nn.ModuleList(nn.Linear(c, hidden) for c in stage_channels)
        self.out = nn.Linear(hidden * len(stage_channels), 1)

    def forward(self, output: Output | Step) -> Tensor:
        return self.predict(output.stages)

    def predict(self, stages: tuple[Tensor, ...]) -> Tensor:
        """Predicted losses (B,) from the stage features, in float32."""
        pooled = [conv(f).float().mean((2, 3)) for conv, f in zip(self.convolutions, stages, strict=True)]
        with torch.autocast(stages[0].device.type, enabled=False):
            hidden = [F.relu(branch(v)) for branch, v in zip(self.branches, pooled, strict=True)]
            return self.out(torch.cat(hidden, dim=1)).squeeze(1)

    def loss(self, step: Step) -> Tensor:
        factor = self.gradient_factor if step.progress < self.detach_after else 0.0
        stages = tuple(scale_gradient(f, factor) for f in step.stages)
        return self.weight * self.ranking(self.predict(stages), step.losses)


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """``x`` itself, but its gradient is ``factor`` times what it would be; at 0 nothing is propagated at all."""
    if factor == 0:
        return x.detach()
    return x if factor == 1 else _ScaledGradient.apply(x, factor)


class _ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.factor * gradients[0], None


def check_joint(weight: float, gradient_factor: float, detach_after: float, learning_rate_scale: float) -> None:
    """Raises ValueError, in one line, for settings of the joint training that are out of range."""
    for name, value in (("weight", weight), ("gradient_factor", gradient_factor)):
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} must be finite and at least 0, not {value}")
    if not 0 <= detach_after <= 1:
        raise ValueError(f"detach_after is a share of the training, 0 to 1, not {detach_after}")
    if not 0 < learning_rate_scale < math.inf:
        raise ValueError(f"learning_rate_scale must be positive and finite, not {learning_rate_scale}")


def ranking_loss(kind: Ranking, margin: float, pairs: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of predicted (B,) against true losses (B,); true losses get no gradient. Raises ValueError."""
    if kind not in ("hinge", "ranknet"):
        raise ValueError(f"ranking is hinge or ranknet, not '{kind}'")
    if pairs not in ("fold", "all"):
        raise ValueError(f"pairs is fold or all, not '{pairs}'")

    def loss(predicted: Tensor, true: Tensor) -> Tensor:
        i, j = (fold if pairs == "fold" else all_pairs)(len(predicted), predicted.device)
        if len(i) == 0:
            return predicted.sum() * 0
        difference = predicted[i] - predicted[j]
        larger = (true.detach()[i] > true.detach()[j]).float()
        if kind == "hinge":
            return F.relu(margin - (2 * larger - 1) * difference).mean()
        return F.binary_cross_entropy_with_logits(difference, larger)

    return loss


def fold(count: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """The pairs (i, count−1−i), each image in one; an odd one out, the last, is dropped."""
    even = count - count % 2
    i = torch.arange(even // 2, device=device)
    return i, even - 1 - i


def all_pairs(count: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """All count·(count−1)/2 pairs."""
    i, j = torch.triu_indices(count, count, offset=1, device=device)
    return i, j
