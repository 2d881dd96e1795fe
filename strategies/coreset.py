"""Core-set: greedy k-center on the embeddings.

Always selects argmax_i min_j ‖h_i − h_j‖₂ over all j labelled or already chosen: the image farthest from
everything known. The radius that this leaves is at most twice the smallest possible one.

Sener & Savarese, *Active Learning for Convolutional Neural Networks: A Core-Set Approach*, ICLR 2018,
arXiv 1708.00489. This is their greedy variant, the one that others compare with; the refinement by
mixed-integer programming is not part of it.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Departure, Passes, Pool, Strategy, register
from strategies.kernels.k_center import k_center


@register("coreset", group=("core", "diversity"), paper="sener2018", version=1)
class CoreSet(Strategy):
    """Greedy k-center: the image farthest from all labelled and chosen ones, again and again."""

    cost = "O((L + n) N D)"
    forward_passes = Passes(pool=1, labelled=1)
    remarks = "Does not read the predictions, and is drawn to outliers: what is far from everything comes first."

    departures: ClassVar = (
        Departure(
            "refinement",
            "the greedy variant is what the field compares with; theirs needs a commercial solver and hours",
            "the greedy solution, refined by mixed-integer programming with a share of outliers",
            "the greedy solution",
        ),
    )

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        return k_center(pool.embeddings, n, centres=pool.labelled_embeddings)
