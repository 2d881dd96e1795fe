"""FALCUN: fast active learning by contrastive uncertainty.

Uncertainty and diversity both live in the predictions p. With the uncertainty u = 1 − (p_(1) − p_(2)) and the distance
d, which starts as u and after each draw q becomes min(d, ‖p − p_q‖₁), images are drawn one after the other with
probability

    ∝ (u + (d − min d) / (max d − min d))^γ,

the extremes taken over the images not yet drawn; uniformly once all their d are 0.

Gilhuber, Beer, Ma & Seidl, *FALCUN: A Simple and Efficient Deep Active Learning Strategy*, ECML PKDD 2024. Reference
implementation: github.com/sobermeier/falcun. That of scikit-activeml differs: it carries the rescaled d on.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Passes, Pool, Strategy, register
from strategies.kernels.kmeans_plus_plus import proportionally
from strategies.kernels.margins import margin_uncertainty


@register("falcun", group="hybrid", paper="gilhuber2024", version=2)
class FALCUN(Strategy):
    """Draws ∝ (u + d)^γ: the margin uncertainty u plus the distance d of the prediction from those drawn before.

    ``gamma`` γ: 0 draws uniformly, the larger the nearer to always taking the maximum.
    """

    cost = "O(n N C)"
    forward_passes = Passes(pool=1)
    remarks = "Reads nothing but the predictions, so that its cost does not grow with the embedding."

    presets: ClassVar = {"authors": {"gamma": 10.0}}

    def __init__(self, gamma: float = 10.0) -> None:
        if not gamma >= 0:
            raise ValueError(f"gamma must be at least 0, not {gamma}")
        self.gamma = gamma

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        probs = pool.probs.to(torch.promote_types(pool.probs.dtype, torch.float32))
        uncertainty = margin_uncertainty(pool.probs).to(probs.dtype)
        if uncertainty.isnan().any():
            raise ValueError("probabilities contain NaN: the model's outputs are not finite")
        distance = uncertainty
        free = torch.ones_like(uncertainty, dtype=torch.bool)
        picks: list[Tensor] = []
        while len(picks) < n:
            if picks:
                distance = torch.minimum(distance, torch.cdist(probs, probs[picks[-1]], p=1).squeeze(1))
            weights = relevance(uncertainty, distance, free, self.gamma)
            picks.append(proportionally(weights, 1, generator))
            free[picks[-1]] = False
        return torch.cat(picks)


def relevance(uncertainty: Tensor, distance: Tensor, free: Tensor, gamma: float) -> Tensor:
    """What the next image is drawn in proportion to, (N,), float64: 0 unless ``free``, and not 0 for all that are."""
    distance = distance.double()
    low, high = distance.where(free, torch.inf).amin(), distance.where(free, -torch.inf).amax()
    scaled = (distance - low) / torch.where(high > low, high - low, 1)
    sums = (uncertainty.double() + scaled) * free
    weights = (sums / sums.max().clamp(min=torch.finfo(sums.dtype).tiny)).pow(gamma) * free
    return torch.where(weights.any() & (high > 0), weights, free.double())
