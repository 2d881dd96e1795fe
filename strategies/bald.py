"""BALD: Bayesian active learning by disagreement, by Monte-Carlo dropout."""

from __future__ import annotations

import torch
from torch import Tensor

from strategies.api.base import Pool, ScoreStrategy
from strategies.registry import register


@register("bald", group=("core", "bayesian"), paper="houlsby2011")
class BALD(ScoreStrategy):
    """Mutual information of label and weights, I = H(p̄) − (1/K) Σ_k H(p^k), in nats.

    p^k is the softmax under the k-th dropout mask, p̄ their mean over ``samples`` masks. Houlsby et al., 2011
    (arXiv 1112.5745); with Monte-Carlo dropout, Gal et al., ICML 2017 (arXiv 1703.02910).
    """

    needs = frozenset({"dropout"})
    cost = "K forward passes, O(N K C)"
    remarks = (
        "Passes over images that are uncertain for every dropout mask alike. Its n highest are often alike, which "
        "batchbald was made for (Kirsch et al., 2019)."
    )

    def __init__(self, samples: int = 20) -> None:
        if samples < 2:
            raise ValueError(f"samples must be at least 2, not {samples}")
        self.samples = samples

    def score(self, pool: Pool) -> Tensor:
        probs = pool.mc_probs(self.samples)
        return mutual_information(probs)


def mutual_information(probs: Tensor) -> Tensor:
    """I(y; ω) in nats, (N,), from Monte-Carlo probabilities (N, K, C)."""
    of_mean = torch.special.entr(probs.mean(dim=1)).sum(dim=1)
    mean_of = torch.special.entr(probs).sum(dim=2).mean(dim=1)
    return of_mean - mean_of
