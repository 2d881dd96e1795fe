"""TOD: temporal output discrepancy, the change of the outputs since the last round.

The cyclic output discrepancy of an image is

    COD = ½ ‖p_t − p_{t−1}‖²,

p_t the probabilities by this round's model and p_{t−1} by the last round's. The authors show that the discrepancy of
two stages of a training bounds the loss from below; the greatest are selected. In round 0 there is no earlier model:
the authors' code then takes the smallest change of an untrained copy, here the draw is uniform. As in the authors'
code the batch is the n greatest of a random 10 n images.

Huang, Wang, Xiong, Huan & Dou, *Semi-Supervised Active Learning with Temporal Output Discrepancy*, ICCV 2021,
arXiv 2107.14153. Reference implementation: github.com/siyuhuang/TOD.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Departure, Passes, Pool, Query, Strategy, register
from strategies.kernels.batchers import Batcher, check_batcher, take_batch


@register("tod", group="learned", paper="huang2021", version=2)
class TOD(Strategy):
    """Cyclic output discrepancy ½ ‖p_t − p_{t−1}‖² from the last round's model; uniform draws in round 0.

    ``batcher`` is ``"subset"``, the n greatest of a random 10 n, ``"topk"``, those of the whole pool, or a clustering
    of the 10 n greatest as in ``LearningLoss``.
    """

    needs = frozenset({"previous_probs"})
    cost = "O(N C), and last round's outputs"
    remarks = (
        "Needs no labels and no second forward pass. Where every round trains from scratch, most of the discrepancy is "
        "the difference between any two trainings; in round 0 the draw is uniform."
    )

    presets: ClassVar = {"authors": {"batcher": "subset"}}
    departures: ClassVar = (
        Departure(
            "first round",
            "an untrained copy's outputs say nothing of the images",
            "the smallest changes from the outputs of an untrained copy",
            "a uniform draw",
        ),
        Departure(
            "between rounds",
            "it is the protocol's choice for all strategies; `--set warm_start=true` makes every round go on",
            "a round's training goes on from the last weights, in the authors' code",
            "two models of two trainings from fresh weights, unless the protocol starts warm",
        ),
        Departure(
            "auxiliary loss",
            "it is semi-supervised learning and changes the network; `--auxiliary NONE` of their code leaves it out",
            "consistency with an average of the weights on unlabelled images, weight 0.02",
            "none: the learner decides how the network is trained",
        ),
    )

    def __init__(self, batcher: Batcher = "subset") -> None:
        check_batcher(batcher)
        self.batcher = batcher

    @property
    def draws_subset(self) -> bool:
        return self.batcher == "subset"

    def passes_in(self, query: Query) -> Passes:
        return Passes(pool=int(query.round > 0))

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        if pool.previous_probs is None:
            order = torch.randperm(len(pool.indices), generator=generator)[:n]
            return order.to(pool.indices.device)
        scores = output_discrepancy(pool.probs, pool.previous_probs)
        return take_batch(scores, pool.embeddings, n, generator, self.batcher)


def output_discrepancy(now: Tensor, before: Tensor) -> Tensor:
    """½ ‖now_i − before_i‖², (N,), for probabilities (N, C)."""
    return (now - before).square().sum(dim=1) / 2
