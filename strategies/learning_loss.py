"""Learning loss: a module that predicts each image's loss, trained with the network by ranking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strategies.api.base import Attachment, Output, Pool, ScoreStrategy, Step
from strategies.kernels.batchers import Batcher, check_batcher, purchase
from strategies.registry import register

Ranking = Literal["hinge", "ranknet"]


@register("learning-loss", group=("core", "learned"), paper="yoo2019")
class LearningLoss(ScoreStrategy):
    """Predicted loss, highest first (Yoo & Kweon, CVPR 2019, arXiv 1905.03677).

    From every stage s of the network v_s = ReLU(W_s GAP(f_s) + b_s) in ``hidden`` dimensions; the predicted loss
    is l̂ = w · concat(v_s) + b. A mini-batch of B is folded into pairs (i, B−1−i); with s = +1 where l_i > l_j and
    −1 elsewhere the module's loss is the mean of max(0, ξ − s (l̂_i − l̂_j)), ξ = ``margin``, times ``weight``.
    Once the share ``detach_after`` of the training is done, it no longer reaches the network. ``ranking =
    "ranknet"`` is the cross-entropy of σ(l̂_i − l̂_j) instead; ``pairs = "all"`` takes all pairs.

    ``batcher = "topk"`` buys the highest of the pool, ``"subset"`` the highest of a random 10 n (the paper's), and
    ``"agglomerative"`` and ``"kmeans"`` the highest of each of n clusters of the 10 n highest.
    """

    cost = "O(N log N), a forward pass through the module along with the network's"
    remarks = (
        "Its paper evaluates it from 1,000 labels on. Images of high predicted loss are alike: with few labels a "
        "purchase can crowd into a few classes."
    )

    def __init__(
        self,
        ranking: Ranking = "hinge",
        weight: float = 1.0,
        margin: float = 1.0,
        hidden: int = 128,
        detach_after: float = 0.6,
        pairs: Literal["fold", "all"] = "fold",
        batcher: Batcher = "topk",
    ) -> None:
        check_batcher(batcher)
        self.ranking_loss = ranking_loss(ranking, margin, pairs)
        self.weight, self.hidden, self.detach_after = weight, hidden, detach_after
        self.batcher = batcher

    def attach(self, stage_channels: tuple[int, ...], class_count: int) -> LossPrediction:
        return LossPrediction(stage_channels, self.ranking_loss, self.weight, self.hidden, self.detach_after)

    def score(self, pool: Pool) -> Tensor:
        return pool.head_output

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        return purchase(self.score(pool), pool.embeddings, n, generator, self.batcher)


class LossPrediction(Attachment):
    """The loss-prediction module; 123,905 parameters on ResNet-18.

    With ``convolutions`` a bias-free 3×3 convolution of stride 2 precedes the pooling of every stage but the last.
    """

    def __init__(
        self,
        stage_channels: tuple[int, ...],
        ranking: Callable[[Tensor, Tensor], Tensor],
        weight: float,
        hidden: int,
        detach_after: float,
        *,
        convolutions: bool = False,
        learning_rate_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.ranking, self.weight, self.detach_after = ranking, weight, detach_after
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
        stages = step.stages
        if step.progress >= self.detach_after:
            stages = tuple(f.detach() for f in stages)
        return self.weight * self.ranking(self.predict(stages), step.losses)


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
