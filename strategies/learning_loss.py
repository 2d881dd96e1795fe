"""Learning loss: a module that predicts each image's loss, trained with the network by ranking."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from strategies.api import Departure, Passes, Pool, ScoreStrategy, register
from strategies.components.loss_prediction import LossPrediction, Ranking, RankingLoss, check_joint
from strategies.kernels.batchers import Batcher, check_batcher, take_batch


@register("learning-loss", group=("core", "learned"), paper="yoo2019", version=2)
class LearningLoss(ScoreStrategy):
    """Predicted loss, highest first (Yoo & Kweon, CVPR 2019, arXiv 1905.03677).

    From every stage s of the network, the last of which is the embedding that the classifier sees, v_s = ReLU(W_s
    GAP(f_s) + b_s) in ``hidden`` dimensions; the predicted loss is l̂ = w · concat(v_s) + b. A mini-batch of B is
    folded into pairs (i, B−1−i); with s = +1 where l_i > l_j and −1 elsewhere the ranking loss is the mean of
    max(0, ξ − s (l̂_i − l̂_j)), ξ = ``margin``. ``ranking = "ranknet"`` is the cross-entropy of σ(l̂_i − l̂_j) instead;
    ``pairs = "all"`` takes all pairs.

    The joint loss is the network's plus λ = ``weight`` times the ranking loss. The module learns from the whole of
    it, at ``learning_rate_scale`` times the recipe's learning rate; the network gets ``gradient_factor`` times the
    ranking loss's gradient until the share ``detach_after`` of the training is done, and none from then on.

    As in the paper, the n highest of a random 10 n images are selected (``batcher = "subset"``). ``"topk"`` takes the
    n highest of the whole pool, ``"agglomerative"`` and ``"kmeans"`` the highest of each of n clusters of the 10 n
    highest.

    Ours: ``gradient_factor`` is 0, so that the network is the one that a plain training gives. The paper's 1, in 200
    epochs of ResNet-18, is the preset ``authors``; in a short training it costs the network more accuracy than the
    labels gain (on CIFAR-10, 2,400 steps on 4,000 random labels: 70.4 % instead of 75.9 %), and the module ranks the
    pool as well without.
    """

    cost = "O(N log N), a forward pass through the module along with the network's"
    forward_passes = Passes(pool=1)
    remarks = (
        "Its paper evaluates it from 1,000 labels on. Images of high predicted loss are alike: taken from the whole "
        "pool (batcher=topk), a batch crowds into a few classes, which the random subset prevents."
    )

    hooks = frozenset({"attach"})
    presets: ClassVar = {
        "authors": {
            "ranking": "hinge",
            "weight": 1.0,
            "gradient_factor": 1.0,
            "detach_after": 0.6,
            "learning_rate_scale": 1.0,
            "margin": 1.0,
            "hidden": 128,
            "pairs": "fold",
            "batcher": "subset",
        }
    }

    departures: ClassVar = (
        Departure(
            "gradient_factor",
            "in a short training the joint loss costs the network more accuracy than the labels gain",
        ),
    )

    def __init__(
        self,
        ranking: Ranking = "hinge",
        weight: float = 1.0,
        gradient_factor: float = 0.0,
        detach_after: float = 0.6,
        learning_rate_scale: float = 1.0,
        margin: float = 1.0,
        hidden: int = 128,
        pairs: Literal["fold", "all"] = "fold",
        batcher: Batcher = "subset",
    ) -> None:
        check_batcher(batcher)
        check_joint(weight, gradient_factor, detach_after, learning_rate_scale)
        if hidden < 1:
            raise ValueError(f"hidden must be at least 1, not {hidden}")
        self.ranking_loss = RankingLoss(ranking, margin, pairs)
        self.weight, self.gradient_factor, self.detach_after = weight, gradient_factor, detach_after
        self.learning_rate_scale, self.hidden = learning_rate_scale, hidden
        self.batcher = batcher

    @property
    def takes_top_scores(self) -> bool:
        return self.batcher == "topk"

    @property
    def draws_subset(self) -> bool:
        return self.batcher == "subset"

    def attach(self, stage_channels: tuple[int, ...], class_count: int) -> LossPrediction:
        return LossPrediction(
            stage_channels,
            self.ranking_loss,
            weight=self.weight,
            gradient_factor=self.gradient_factor,
            detach_after=self.detach_after,
            learning_rate_scale=self.learning_rate_scale,
            hidden=self.hidden,
        )

    def score(self, pool: Pool) -> Tensor:
        return pool.attachment_output

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        return take_batch(self.checked_scores(pool), pool.embeddings, n, generator, self.batcher)
