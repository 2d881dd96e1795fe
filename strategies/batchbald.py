"""BatchBALD: the batch whose labels together tell most about the weights.

BALD's sum over a batch counts what two images both tell twice. BatchBALD greedily maximises their joint mutual
information with the weights θ, of which the K dropout masks θ_k are samples:

    I(y_1, …, y_b; θ) = H(y_1, …, y_b) − Σ_i (1/K) Σ_k H(y_i | θ_k).

Given the images picked so far the next one adds, by the chain rule,

    I(y; θ | y_1, …, y_{b−1}) = Σ_m P(m) H( Σ_k w_mk p^k(y) ) − (1/K) Σ_k H(p^k(y)),

m running over the configurations of their labels and w_mk = P(m | θ_k) / Σ_l P(m | θ_l) being the posterior of the
masks: a mean of entropies of mixtures, which is one matrix product and free of the cancellation and underflow of
joint probabilities. All C^(b−1) configurations are used while they are at most ``configurations``; beyond, that
many are drawn, each from one mask and as many from every mask, and then extended by each pick's label.

Kirsch, van Amersfoort & Gal, *BatchBALD: Efficient and Diverse Batch Acquisition for Deep Bayesian Active
Learning*, NeurIPS 2019, arXiv 1906.08158. Reference implementation: github.com/BlackHC/BatchBALD; its results on
MNIST have 100 masks, batches of 5, 10 and 40 and no restriction to ``candidates`` of the highest BALD, which is ours.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from strategies.api import Departure, Pool, register, top
from strategies.components.monte_carlo import MonteCarlo
from strategies.kernels.mixtures import mixture_entropies, mixtures_at_once, mutual_information

SATURATED = 0.95  # of log K: from there on picks are ordered by the noise of the estimate


@register("batchbald", group="bayesian", paper="kirsch2019", version=2)
class BatchBALD(MonteCarlo):
    """Greedy batch of the largest joint mutual information of labels and weights, I(y_1, …, y_n; θ).

    Chosen among the ``candidates`` images (at least n; 0: all) of the highest BALD over ``samples`` dropout masks, from
    ``configurations`` joint labels.
    """

    max_batch = 50
    cost = "K forward passes, O(n M S K C) for M candidates and S configurations"
    remarks = (
        "For small batches: K masks have at most log K nats to tell, and once a batch has told them the rest of it "
        "is arbitrary; a larger batch needs more samples. 100 dropout masks are for batches of up to about 10; 100 "
        "draws of a solved head's posterior, which differ more, for batches of 3 to 5."
    )
    presets: ClassVar = {"authors": {"samples": 100, "candidates": 0, "configurations": 40_000}}
    departures: ClassVar = (
        Departure("candidates", "0 is all; the cost grows with their number, and an image adds at most its BALD"),
        Departure(
            "configurations", "the cost grows with their number; of ten classes all are used up to the fifth pick"
        ),
    )

    def __init__(self, samples: int = 100, candidates: int = 2000, configurations: int = 10_000) -> None:
        super().__init__(samples)
        if candidates < 0:
            raise ValueError(f"candidates must be at least 1, or 0 for all, not {candidates}")
        if configurations < 1:
            raise ValueError(f"configurations must be at least 1, not {configurations}")
        self.candidates = candidates
        self.configurations = configurations

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        probs = self.probs(pool)
        kept = top(mutual_information(probs), max(n, self.candidates or len(probs)))
        kept = kept[pool.indices[kept].argsort()]  # ties do not depend on the order of the pool
        picks, informations = joint_mutual_information(probs[kept], n, self.configurations, generator)
        shares = informations / math.log(self.samples)
        pool.note(information=shares[-1], informative_picks=min(n, int((shares < SATURATED).sum()) + 1))
        return kept[picks]


def joint_mutual_information(
    probs: Tensor, n: int, configurations: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Greedy picks (n,), int64, from ``probs`` (N, K, C), and I(y_1, …, y_b; θ) in nats after each, (n,), float64.

    The smaller position wins ties. Time O(n N S K C) for S ``configurations``, rounded up to a multiple of K where
    they are drawn; memory O(N K C + S K). Raises ValueError unless 1 ≤ n ≤ N.
    """
    if not 1 <= n <= len(probs):
        raise ValueError(f"cannot pick {n} of {len(probs)} images: n must be between 1 and {len(probs)}")
    known = torch.special.entr(probs.double()).sum(dim=2).mean(dim=1)
    by_mask = probs.permute(1, 2, 0).contiguous()
    labels = _Configurations(probs.shape[1], configurations, probs.device)
    taken = torch.zeros_like(known, dtype=torch.bool)
    picks: list[Tensor] = []
    informations: list[Tensor] = []
    while len(picks) < n:
        if picks:
            labels.add(probs[picks[-1]].squeeze(0).double(), generator)
        added = (labels.expected_entropies(by_mask) - known).masked_fill(taken, -torch.inf)
        picks.append(added.argmax().view(1))
        taken[picks[-1]] = True
        gain = added[picks[-1]]
        informations.append(informations[-1] + gain if informations else gain)
    return torch.cat(picks), torch.cat(informations)


class _Configurations:
    """Joint labels m of some images, at most ``limit`` or drawn: P(m), (M,), and the masks' posteriors w, (M, K)."""

    def __init__(self, mask_count: int, limit: int, device: torch.device) -> None:
        self.limit = limit
        self.images: list[Tensor] = []
        self.shares = torch.ones(1, dtype=torch.float64, device=device)
        self.posteriors = torch.full((1, mask_count), 1 / mask_count, dtype=torch.float64, device=device)
        self.masks: Tensor | None = None  # (M,) once drawn: the one that each configuration is drawn from

    def add(self, image: Tensor, generator: torch.Generator) -> None:
        """Extend all configurations by the label of ``image`` (K, C)."""
        self.images.append(image)
        mask_count, class_count = image.shape
        if class_count ** len(self.images) <= self.limit:
            likelihoods = (self.posteriors[:, None] * image.T).flatten(0, 1)
            evidence = likelihoods.sum(dim=1)
            self.shares = self.shares.repeat_interleave(class_count) * evidence
            self.posteriors = likelihoods / evidence.clamp_min(torch.finfo(evidence.dtype).tiny)[:, None]
            return
        new = [image]
        cumulate = image.new_ones(class_count, class_count).triu()  # a GPU orders cumsum's own additions as it likes
        if self.masks is None:
            self.masks = torch.arange(mask_count, device=image.device).repeat(math.ceil(self.limit / mask_count))
            self.shares = image.new_full((len(self.masks),), 1 / len(self.masks))
            self.posteriors = image.new_full((len(self.masks), mask_count), 1 / mask_count)
            new = self.images
        for each in new:
            bounds = (each @ cumulate)[self.masks]
            points = torch.rand(len(self.masks), 1, generator=generator, dtype=torch.float64).to(each.device)
            labels = (bounds <= points * bounds[:, -1:]).sum(dim=1).clamp_(max=class_count - 1)
            self.posteriors = F.normalize(
                self.posteriors * each.T[labels], p=1, dim=1, eps=torch.finfo(each.dtype).tiny
            )

    def expected_entropies(self, by_mask: Tensor) -> Tensor:
        """Σ_m P(m) H(Σ_k w_mk p^k_n) in nats, (N,), float64, for N images ``by_mask`` (K, C, N)."""
        total = torch.zeros(by_mask.shape[2], dtype=torch.float64, device=by_mask.device)
        step = mixtures_at_once(by_mask)
        posteriors = self.posteriors.to(by_mask.dtype)
        for shares, weights in zip(self.shares.split(step), posteriors.split(step), strict=True):
            total += shares @ mixture_entropies(weights, by_mask).double()
        return total
