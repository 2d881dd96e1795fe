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


class RankingLoss:
    """The loss of predicted losses (B,) against true ones (B,), averaged over pairs of images.

    ``pairs`` is ``fold``, each image in one pair, the first with the last, or ``all``. Raises ValueError.
    """

    def __init__(self, kind: Ranking, margin: float, pairs: str) -> None:
        if kind not in ("hinge", "ranknet"):
            raise ValueError(f"ranking is hinge or ranknet, not '{kind}'")
        if pairs not in ("fold", "all"):
            raise ValueError(f"pairs is fold or all, not '{pairs}'")
        if not 0 <= margin < math.inf:
            raise ValueError(f"margin must be finite and at least 0, not {margin}")
        self.kind, self.margin, self.pairs = kind, margin, pairs

    def __call__(self, predicted: Tensor, true: Tensor, among: Tensor | None = None) -> Tensor:
        """The loss, a scalar; 0 if there is no pair. True losses get no gradient.

        With ``among`` (B,), bool, only those images count, as if the others were not there. All shapes stay those of
        the batch, so that no device has to tell the host how many there are.
        """
        pairs = fold if self.pairs == "fold" else all_pairs
        if among is None:
            i, j = pairs(len(predicted), predicted.device)
            losses = self._of_pairs(predicted, true.detach(), i, j)
            return losses.mean() if len(losses) else predicted.sum() * 0
        order = (~among).int().argsort(stable=True)
        i, j, valid = pairs_among_first(among.sum(), len(among), self.pairs)
        losses = self._of_pairs(predicted[order], true.detach()[order], i, j)
        return (losses * valid).sum() / valid.sum().clamp(min=1)

    def _of_pairs(self, predicted: Tensor, true: Tensor, i: Tensor, j: Tensor) -> Tensor:
        difference = predicted[i] - predicted[j]
        larger = (true[i] > true[j]).float()
        if self.kind == "hinge":
            return F.relu(self.margin - (2 * larger - 1) * difference)
        return F.binary_cross_entropy_with_logits(difference, larger, reduction="none")


def pairs_among_first(count: Tensor, size: int, pairs: str) -> tuple[Tensor, Tensor, Tensor]:
    """The pairs of the first ``count`` (a tensor) of ``size`` images: i, j and which of them are pairs at all."""
    if pairs == "all":
        i, j = all_pairs(size, count.device)
        return i, j, j < count
    i = torch.arange(size // 2, device=count.device)
    even = count - count % 2
    return i, (even - 1 - i).clamp(min=0), i < even // 2


def fold(count: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """The pairs (i, count−1−i), each image in one; an odd one out, the last, is dropped."""
    even = count - count % 2
    i = torch.arange(even // 2, device=device)
    return i, even - 1 - i


def all_pairs(count: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """All count·(count−1)/2 pairs."""
    i, j = torch.triu_indices(count, count, offset=1, device=device)
    return i, j
