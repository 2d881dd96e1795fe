"""Uncertainty by Monte-Carlo dropout: entropy of the mean, variation ratio, mean standard deviation.

p^k is the softmax under the k-th dropout mask, k = 1…K, and p̄ their mean. The three were compared, with BALD, by
Gal, Islam & Ghahramani, *Deep Bayesian Active Learning with Image Data*, ICML 2017, arXiv 1703.02910. Freeman's
variation ratio (1965) counts votes; 1 − max p̄, which some libraries give that name, is least confidence.
"""

from __future__ import annotations

import torch
from torch import Tensor

from strategies.api.base import Pool, ScoreStrategy, Strategy
from strategies.registry import register


class MonteCarlo(Strategy):
    """A strategy that reads the probabilities under ``samples`` dropout masks."""

    needs = frozenset({"dropout"})

    def __init__(self, samples: int = 20) -> None:
        if samples < 2:
            raise ValueError(f"samples must be at least 2, not {samples}")
        self.samples = samples

    def probs(self, pool: Pool) -> Tensor:
        """p^k, (N, K, C), in float32 or more. Raises ValueError for NaN, which an argmax of votes would hide."""
        probs = pool.mc_probs(self.samples)
        if torch.isnan(probs).any():
            raise ValueError("the Monte-Carlo probabilities contain NaN: the model's outputs are not finite")
        return probs.to(torch.promote_types(probs.dtype, torch.float32))


@register("mc-entropy", group="bayesian", paper="gal2017")
class MCEntropy(MonteCarlo, ScoreStrategy):
    """Entropy of the mean over dropout masks, H(p̄) = −Σ_c p̄_c log p̄_c, in nats."""

    cost = "K forward passes, O(N K C)"
    remarks = "Unlike BALD it also buys images on which all masks agree that the class is uncertain."

    def score(self, pool: Pool) -> Tensor:
        return torch.special.entr(self.probs(pool).mean(dim=1)).sum(dim=1)


@register("variation-ratio", group="bayesian", paper="gal2017")
class VariationRatio(MonteCarlo, ScoreStrategy):
    """Share of the dropout masks that do not vote for the modal class, 1 − max_c (1/K) Σ_k 1[argmax p^k = c]."""

    cost = "K forward passes, O(N K C)"
    remarks = "It takes at most K values; among equals, often all images on which the votes agree, the order decides."

    def score(self, pool: Pool) -> Tensor:
        probs = self.probs(pool)
        votes = probs.new_zeros(len(probs), probs.shape[2])
        votes.scatter_add_(1, probs.argmax(dim=2), torch.ones_like(probs[:, :, 0]))
        return 1 - votes.amax(dim=1) / self.samples


@register("mean-std", group="bayesian", paper="gal2017")
class MeanStd(MonteCarlo, ScoreStrategy):
    """Standard deviation over dropout masks, averaged over classes, (1/C) Σ_c √((1/K) Σ_k (p_c^k)² − p̄_c²)."""

    cost = "K forward passes, O(N K C)"
    remarks = "Blind, like BALD, to uncertainty that all masks share."

    def score(self, pool: Pool) -> Tensor:
        return self.probs(pool).std(dim=1, correction=0).mean(dim=1)
