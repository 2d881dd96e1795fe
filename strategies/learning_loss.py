"""Learning loss: a module that predicts each image's loss, trained with the network by ranking."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from strategies.api import Pool, ScoreStrategy, register
from strategies.components.loss_prediction import LossPrediction, Ranking, ranking_loss
from strategies.kernels.batchers import Batcher, check_batcher, take_batch


@register("learning-loss", group=("core", "learned"), paper="yoo2019", version=1)
class LearningLoss(ScoreStrategy):
    """Predicted loss, highest first (Yoo & Kweon, CVPR 2019, arXiv 1905.03677).

    From every stage s of the network v_s = ReLU(W_s GAP(f_s) + b_s) in ``hidden`` dimensions; the predicted loss
    is l̂ = w · concat(v_s) + b. A mini-batch of B is folded into pairs (i, B−1−i); with s = +1 where l_i > l_j and
    −1 elsewhere the module's loss is the mean of max(0, ξ − s (l̂_i − l̂_j)), ξ = ``margin``, times ``weight``.
    Once the share ``detach_after`` of the training is done, it no longer reaches the network. ``ranking =
    "ranknet"`` is the cross-entropy of σ(l̂_i − l̂_j) instead; ``pairs = "all"`` takes all pairs.

    ``batcher = "topk"`` selects the highest of the pool, ``"subset"`` the highest of a random 10 n (the paper's), and
    ``"agglomerative"`` and ``"kmeans"`` the highest of each of n clusters of the 10 n highest.
    """

    cost = "O(N log N), a forward pass through the module along with the network's"
    remarks = (
        "Its paper evaluates it from 1,000 labels on. Images of high predicted loss are alike: with few labels a "
        "batch can crowd into a few classes."
    )

    hooks = frozenset({"attach"})

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

    @property
    def takes_top_scores(self) -> bool:
        return self.batcher == "topk"

    def attach(self, stage_channels: tuple[int, ...], class_count: int) -> LossPrediction:
        return LossPrediction(stage_channels, self.ranking_loss, self.weight, self.hidden, self.detach_after)

    def score(self, pool: Pool) -> Tensor:
        return pool.attachment_output

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        return take_batch(self.checked_scores(pool), pool.embeddings, n, generator, self.batcher)
