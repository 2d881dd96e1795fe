"""Entropies of mixtures of Monte-Carlo predictions: what BALD, BatchBALD and EPIG have in common.

Shapes: N images, K dropout masks, C classes, R mixtures.
"""

from __future__ import annotations

import torch
from torch import Tensor

_CPU_BLOCK, _GPU_BLOCK = 2**19, 2**25  # probabilities of mixtures kept at once


def mutual_information(probs: Tensor) -> Tensor:
    """I(y; ω) = H(p̄) − (1/K) Σ_k H(p^k) in nats, (N,), from Monte-Carlo probabilities (N, K, C)."""
    of_mean = torch.special.entr(probs.mean(dim=1)).sum(dim=1)
    mean_of = torch.special.entr(probs).sum(dim=2).mean(dim=1)
    return of_mean - mean_of


def mixture_entropies(weights: Tensor, by_mask: Tensor) -> Tensor:
    """H(Σ_k w_rk p^k_n) in nats, (R, N), for ``weights`` (R, K) and probabilities ``by_mask`` (K, C, N)."""
    mixtures = weights @ by_mask.flatten(1)
    terms = mixtures.clamp_min(torch.finfo(mixtures.dtype).tiny).log_().mul_(mixtures)
    return terms.view(len(weights), *by_mask.shape[1:]).sum(dim=1).neg_()


def mixtures_at_once(by_mask: Tensor) -> int:
    """How many mixtures of ``by_mask`` (K, C, N) make a block that stays in cache."""
    return max(1, (_CPU_BLOCK if by_mask.device.type == "cpu" else _GPU_BLOCK) // by_mask[0].numel())


def evenly_spaced(indices: Tensor, count: int) -> Tensor:
    """Positions of ``count`` of the N images (all, if there are fewer), evenly spaced by dataset index.

    ``indices`` (N,) are the dataset indices. The choice does not depend on the order of the pool.
    """
    order = indices.argsort()
    count = min(count, len(order))
    return order[torch.arange(count, device=order.device) * len(order) // count]
