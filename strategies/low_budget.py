"""What the strategies for few labels have in common: the space in which they cover or cluster the images.

With a label or two a class, a network trained on them says little about the images; distances between self-supervised
features say more. Vectors are scaled to length 1, so that distances lie between 0 and 2.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from strategies.api.base import Pool, Strategy
from strategies.kernels.distances import Points

Space = Literal["features", "embeddings"]


class LowBudget(Strategy):
    """A strategy in a space: ``"features"``, self-supervised, or the fitted model's ``"embeddings"``."""

    needs = frozenset({"features"})

    def __init__(self, space: Space = "features") -> None:
        if space not in get_args(Space):
            raise ValueError(f"space is one of {', '.join(get_args(Space))}, not '{space}'")
        self.space = space
        if space == "embeddings":
            self.needs = self.needs - {"features"}

    def points(self, pool: Pool) -> tuple[Points, Points]:
        """The N unlabelled and the L labelled images, each of length 1, or 0 where all of its entries are 0.

        Raises ValueError for vectors that are not finite.
        """
        if self.space == "features":
            unlabelled, labelled = pool.features[pool.indices], pool.features[pool.labelled_indices]
        else:
            unlabelled, labelled = pool.embeddings, pool.labelled_embeddings
        return unit(unlabelled), unit(labelled)


def unit(vectors: Tensor) -> Points:
    """``vectors`` (N, D) scaled to length 1, at least in float32."""
    return Points.of(F.normalize(vectors.to(torch.promote_types(vectors.dtype, torch.float32)), dim=1))


def together(unlabelled: Points, labelled: Points) -> Points:
    """Both, (N + L), the unlabelled first."""
    return Points.of(torch.cat([*unlabelled.factors, *labelled.factors]))


def filled(picks: Tensor, n: int, size: int, generator: torch.Generator) -> Tensor:
    """``picks``, followed by other positions below ``size`` at random: ``n`` in all."""
    free = torch.ones(size, dtype=torch.bool, device=picks.device)
    free[picks] = False
    others = free.nonzero().squeeze(1)
    drawn = torch.randperm(len(others), generator=generator)[: n - len(picks)]
    return torch.cat([picks, others[drawn.to(others.device)]])


def margin_uncertainty(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """1 − (p_(1) − p_(2)), (N,), with p = softmax(``logits`` / ``temperature``), (N, C). Raises ValueError for NaN."""
    probs = (logits.to(torch.promote_types(logits.dtype, torch.float32)) / temperature).softmax(dim=1)
    if probs.isnan().any():
        raise ValueError("logits contain NaN: the model's outputs are not finite")
    first, second = probs.topk(2, dim=1).values.unbind(dim=1)
    return 1 - (first - second)
