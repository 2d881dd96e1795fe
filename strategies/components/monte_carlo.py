"""Monte-Carlo dropout: the base class of the strategies that read the probabilities under K dropout masks."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Passes, Pool, Strategy

MOST_SAMPLES = 10_000


def check_samples(samples: int) -> None:
    """Raise ValueError unless there are 2 to 10,000 dropout masks."""
    if samples < 2:
        raise ValueError(f"samples must be at least 2, not {samples}")
    if samples > MOST_SAMPLES:
        raise ValueError(f"samples goes up to {MOST_SAMPLES:,}, not {samples}")


class MonteCarlo(Strategy):
    """A strategy that reads the probabilities under ``samples`` dropout masks."""

    needs = frozenset({"dropout"})
    presets: ClassVar = {"authors": {"samples": 100}}

    def __init__(self, samples: int = 100) -> None:
        check_samples(samples)
        self.samples = samples
        self.forward_passes = Passes(masks=samples)

    def probs(self, pool: Pool) -> Tensor:
        """p^k, (N, K, C), in float32 or more. Raises ValueError for NaN, which an argmax of votes would hide."""
        probs = pool.mc_probs(self.samples)
        if torch.isnan(probs).any():
            raise ValueError("the Monte-Carlo probabilities contain NaN: the model's outputs are not finite")
        return probs.to(torch.promote_types(probs.dtype, torch.float32))
