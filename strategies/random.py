"""Random acquisition: the baseline that every strategy has to beat."""

from __future__ import annotations

import torch
from torch import Tensor

from strategies.api import Passes, Pool, Strategy, register


@register("random", group=("core", "baseline"), version=1)
class Random(Strategy):
    """Uniform draws without replacement."""

    cost = "O(N)"
    forward_passes = Passes()
    remarks = "The baseline. A strategy has to beat it to be worth its cost, and with few labels many do not."

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        return torch.randperm(len(pool.indices), generator=generator)[:n]
