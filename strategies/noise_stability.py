"""Noise stability: images whose prediction moves most, each in its own direction, when the weights are disturbed.

The network's weights get Gaussian noise K times: to every weight tensor w a vector ε of the length ξ ‖w‖, in a
random direction. With p the prediction of the network as it is and p^k that of the k-th disturbed one,

    d = (p^1 − p, …, p^K − p) / ‖p‖₂,    (K C,)

and the batch is greedy k-center on the d of all images, with 0 among the centres: first comes the longest d, then
always the one farthest from 0 and from all chosen ones. Its authors draw a random part of the pool anew for each query
and choose among its images; so does this.

Li, Yang, Gu, Zhan, Wang, Xu & Xu, *Deep Active Learning with Noise Stability*, AAAI 2024, arXiv 2205.13340. Reference
implementation: github.com/lixingjian/AL-noise-stability, whose ξ = 0.001 and K = 30 (MNIST and CIFAR-10) and random
25 n images (CIFAR-10) are the defaults. As there, weights of all layers are disturbed and biases are not.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Departure, Passes, Pool, Query, Strategy, register
from strategies.components.monte_carlo import check_samples
from strategies.kernels.k_center import k_center
from strategies.kernels.margins import tempered_probs


@register("noise-stability", group="hybrid", paper="li2024", version=2)
class NoiseStability(Strategy):
    """Greedy k-center, from 0, on the deviations of the prediction under noise in the weights.

    ``samples`` is K, ``scale`` the length ξ of the noise relative to that of each weight tensor. ``subset`` times n
    images, drawn at random, are those that it chooses from; 0 for all.
    """

    cost = "K + 1 forward passes of 25 n images through the whole network, O(n² K C)"
    remarks = (
        "Needs no dropout and no second training, but passes through all layers. The farthest of a whole pool are its "
        "extremes, which the random part keeps it from. The deviations of confident images are near 0."
    )
    presets: ClassVar = {
        "authors": {"samples": 30, "scale": 0.001, "subset": 25},
        "authors-mnist": {"samples": 30, "scale": 0.001, "subset": 50},
    }
    departures: ClassVar = (
        Departure(
            "subset on MNIST",
            "a strategy does not see the data set's name; `noise-stability[subset=50]` has it",
            "1,000 images for batches of 20 on MNIST, 25,000 for 1,000 on CIFAR-10",
            "25 n on all data sets",
        ),
    )

    def __init__(self, samples: int = 30, scale: float = 0.001, subset: int = 25) -> None:
        check_samples(samples)
        if subset < 0:
            raise ValueError(f"subset must be at least 1, or 0 for all, not {subset}")
        if not 0 < scale <= 1:
            raise ValueError(f"scale must be above 0 and at most 1, not {scale}")
        self.samples = samples
        self.scale = scale
        self.subset = subset

    @property
    def draws_subset(self) -> bool:
        return self.subset > 0

    def passes_in(self, query: Query) -> Passes:
        count = self.subset * query.n
        if not 0 < count < query.unlabelled:
            return Passes(pool=self.samples + 1)
        return Passes(images=(self.samples + 1) * count)

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        count, size = self.subset * n, len(pool.indices)
        if not 0 < count < size:
            return self._farthest(self.deviations(pool), n)
        drawn = torch.randperm(size, generator=generator)[:count].to(pool.indices.device)
        return drawn[self._farthest(self.deviations(pool, drawn), n)]

    @staticmethod
    def _farthest(deviations: Tensor, n: int) -> Tensor:
        return k_center(deviations, n, centres=torch.zeros_like(deviations[:1]))

    def deviations(self, pool: Pool, positions: Tensor | None = None) -> Tensor:
        """d of each unlabelled image, (N, K C), or of those at ``positions`` (M,) alone, (M, K C)."""
        plain = pool.noisy_logits(1, 0.0, positions)  # by the passes that the noisy ones go through
        plain = tempered_probs(plain.flatten(1))
        noisy = tempered_probs(pool.noisy_logits(self.samples, self.scale, positions).flatten(0, 1))
        moved = noisy.view(len(plain), self.samples, -1).sub_(plain[:, None])
        return moved.div_(plain.norm(dim=1)[:, None, None]).flatten(1)
