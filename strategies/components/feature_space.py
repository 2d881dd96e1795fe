"""Strategies that cluster or cover the images in a space of unit vectors.

With one or two labels per class a network trained on them knows little about the images; distances between
self-supervised features are more informative. Vectors are scaled to length 1, so that distances are between 0 and 2.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from strategies.api import Passes, Pool, Strategy
from strategies.kernels.distances import Points

Space = Literal["features", "embeddings"]


class FeatureSpaceStrategy(Strategy):
    """A strategy in a space: the self-supervised ``"features"`` or the fitted model's ``"embeddings"``."""

    needs = frozenset({"features"})

    def __init__(self, space: Space = "features") -> None:
        if space not in get_args(Space):
            raise ValueError(f"space is one of {', '.join(get_args(Space))}, not '{space}'")
        self.space = space
        self.cold_start = space == "features"
        self.forward_passes = Passes()
        if space == "embeddings":
            self.needs = self.needs - {"features"}
            self.forward_passes = Passes(pool=1, labelled=1)

    def points(self, pool: Pool) -> tuple[Points, Points]:
        """The N unlabelled and the L labelled images as vectors of length 1, or 0 where all entries are 0.

        Raises ValueError for vectors that are not finite.
        """
        if self.space == "features":
            return unit_points(pool.features), unit_points(pool.labelled_features)
        return unit_points(pool.embeddings), unit_points(pool.labelled_embeddings)

    def everything(self, pool: Pool) -> tuple[Points, Tensor]:
        """All N + L images, the unlabelled first, and their positions in the dataset."""
        return concatenated(*self.points(pool)), torch.cat([pool.indices, pool.labelled_indices])


def unit_points(vectors: Tensor) -> Points:
    """``vectors`` (N, D) scaled to length 1, at least in float32."""
    return Points.of(F.normalize(vectors.to(torch.promote_types(vectors.dtype, torch.float32)), dim=1))


def concatenated(unlabelled: Points, labelled: Points) -> Points:
    """All N + L points, the unlabelled first."""
    return Points.of(torch.cat([*unlabelled.factors, *labelled.factors]))


def filled_at_random(picks: Tensor, n: int, size: int, generator: torch.Generator) -> Tensor:
    """``picks``, followed by other positions below ``size`` at random: ``n`` in all."""
    free = torch.ones(size, dtype=torch.bool, device=picks.device)
    free[picks] = False
    others = free.nonzero().squeeze(1)
    drawn = torch.randperm(len(others), generator=generator)[: n - len(picks)]
    return torch.cat([picks, others[drawn.to(others.device)]])
