"""Whose mistake NaN scores are: the model's, or the strategy's own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from strategies.api import Pool, ScoreStrategy
from strategies.testing import SyntheticPool


class Divides(ScoreStrategy):
    def score(self, pool: Pool) -> Tensor:
        return (pool.features[:, 0] - pool.features[:, 0]) / 0.0


def chosen(pool: SyntheticPool) -> Tensor:
    return Divides().select(pool, 3, torch.Generator().manual_seed(0))


def test_nan_of_the_strategys_own_is_not_blamed_on_the_model() -> None:
    pool = SyntheticPool.draw()
    with pytest.raises(ValueError, match="scores contain NaN: the strategy's own arithmetic made it"):
        chosen(pool)
    with pytest.raises(ValueError, match="scores contain NaN: the strategy's own arithmetic made it"):
        chosen(replace(pool, has_model=False))
    broken = replace(pool, points=pool.points * float("nan"))
    with pytest.raises(ValueError, match="scores contain NaN: the model's outputs are not finite"):
        chosen(broken)
