"""TOD: temporal output discrepancy, the change of the outputs since the last round.

The cyclic output discrepancy of an image is

    COD = ½ ‖p_t − p_{t−1}‖²,

p_t the probabilities by this round's model and p_{t−1} by the last round's. The authors show that the discrepancy of
two stages of a training bounds the loss from below; the greatest are selected. In round 0 there is no earlier model:
the authors' code then takes the smallest change of an untrained copy, here the draw is uniform. The authors'
auxiliary semi-supervised loss is a matter of the training and not part of this.

Huang, Wang, Xiong, Huan & Dou, *Semi-Supervised Active Learning with Temporal Output Discrepancy*, ICCV 2021,
arXiv 2107.14153. Reference implementation: github.com/siyuhuang/TOD.
"""

from __future__ import annotations

import torch
from torch import Tensor

from strategies.api import Pool, Strategy, register, top


@register("tod", group="learned", paper="huang2021", version=1)
class TOD(Strategy):
    """Cyclic output discrepancy ½ ‖p_t − p_{t−1}‖² from the last round's model; uniform draws in round 0."""

    needs = frozenset({"previous_probs"})
    cost = "O(N C), and last round's outputs"
    remarks = (
        "Needs no labels and no second forward pass. Where every round trains from scratch, a part of the discrepancy "
        "is the difference between any two trainings; in round 0 it is random."
    )

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        if pool.previous_probs is None:
            order = torch.randperm(len(pool.indices), generator=generator)[:n]
            return order.to(pool.indices.device)
        return top(output_discrepancy(pool.probs, pool.previous_probs), n)


def output_discrepancy(now: Tensor, before: Tensor) -> Tensor:
    """½ ‖now_i − before_i‖², (N,), for probabilities (N, C)."""
    return (now - before).square().sum(dim=1) / 2
