"""EPIG, the expected predictive information gain: what a label tells about other images' labels.

BALD asks how much a label tells about the weights, also about those that no prediction depends on. EPIG asks how
much it tells about the label y* of a target image x*, in the mean over targets:

    EPIG(x) = E_{x*} I(y; y* | x, x*) = E_{x*} [ H(y*) − Σ_y p̄_y(x) H(y* | y) ],

where p(y* | y) = Σ_k w_k p^k(x*) and w_k = p^k_y(x) / Σ_l p^l_y(x) is the posterior of the dropout masks, which all
images share. The targets are ``targets`` images of the pool (all of them in a smaller pool), evenly spaced in the
order of the data set: the score is a function of the pool, whatever its order, and needs no chance.

K draws overestimate the information. How much of the score of an acquired image that is shows where the k-th draw of x
is taken together with another draw of x*: those tell nothing of each other, and what is left is bias.

Bickford Smith, Kirsch, Farquhar, Gal, Foster & Rainforth, *Prediction-Oriented Bayesian Active Learning*, AISTATS
2023, arXiv 2304.08151. Reference implementation: github.com/fbickfordsmith/epig.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Departure, Pool, ScoreStrategy, register
from strategies.components.monte_carlo import MonteCarlo
from strategies.kernels.mixtures import evenly_spaced, mixture_entropies, mixtures_at_once


@register("epig", group="bayesian", paper="bickfordsmith2023", version=2)
class EPIG(MonteCarlo, ScoreStrategy):
    """Mutual information of an image's label with those of target images, in nats, in the mean over the targets."""

    takes_top_scores = True
    cost = "K forward passes, O(N M C² K) for M targets"
    remarks = (
        "Does not select outliers that are informative about nothing but themselves, as BALD may. K samples estimate "
        "the information too high, by up to about (C − 1)² / 2K nats where their predictions are sharp: with ten "
        "classes and 100 draws of a solved head's posterior that can be more than what there is."
    )

    presets: ClassVar = {"authors": {"samples": 100, "targets": 100}}
    departures: ClassVar = (
        Departure(
            "targets drawn",
            "the score is then a function of the pool, so that a wrapper such as `power:epig` draws from one",
            "anew for each label, at random from a set that is like the test images",
            "evenly spaced in the order of the pool",
        ),
        Departure(
            "posterior of a solved head",
            "one posterior for all Bayesian strategies; `samples` is as theirs",
            "with a Laplace approximation, one that is tempered by the number of parameters",
            "untempered, with the prior of highest evidence",
        ),
        Departure(
            "batch",
            "batches of one label would be one training a label; `power:epig` spreads a batch",
            "one label a query",
            "the n highest scores",
        ),
    )

    def __init__(self, samples: int = 100, targets: int = 100) -> None:
        super().__init__(samples)
        if targets < 1:
            raise ValueError(f"targets must be at least 1, not {targets}")
        self.targets = targets

    def score(self, pool: Pool) -> Tensor:
        probs = self.probs(pool)
        return predictive_information(probs, probs[evenly_spaced(pool.indices, self.targets)])

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        picks = super().select(pool, n, generator)
        probs = pool.mc_probs(self.samples)
        targets = probs[evenly_spaced(pool.indices, self.targets)]
        scores = [predictive_information(probs[picks], each).mean() for each in (targets, targets.roll(1, dims=1))]
        known, bias = torch.stack(scores).tolist()  # one wait of the host
        if known > 0:
            pool.note(bias=bias / known)
        return picks


def predictive_information(probs: Tensor, targets: Tensor) -> Tensor:
    """E_{x*} I(y; y*) in nats, (N,), for ``probs`` (N, K, C) and ``targets`` (M, K, C) under the same K masks."""
    by_mask = targets.permute(1, 2, 0).contiguous()
    before = torch.special.entr(targets.mean(dim=1).double()).sum(dim=1).mean()
    scores = []
    for part in probs.split(max(1, mixtures_at_once(by_mask) // probs.shape[2])):
        sums = part.sum(dim=1)
        posteriors = (part / sums.clamp_min(torch.finfo(sums.dtype).tiny)[:, None]).transpose(1, 2).flatten(0, 1)
        after = mixture_entropies(posteriors, by_mask).mean(dim=1, dtype=torch.float64).view_as(sums)
        shares = sums.double() / sums.sum(dim=1, keepdim=True, dtype=torch.float64)
        scores.append((shares * (before - after)).sum(dim=1))
    return torch.cat(scores).to(probs.dtype)
