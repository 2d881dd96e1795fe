"""Noise stability: images whose prediction moves most, each in its own direction, when the weights are disturbed.

The network's weights get Gaussian noise K times: to every weight tensor w a vector ε of the length ξ ‖w‖, in a
random direction. With p the prediction of the network as it is and p^k that of the k-th disturbed one,

    d = (p^1 − p, …, p^K − p) / ‖p‖₂,    (K C,)

and the batch is greedy k-center on the d of all images, with 0 among the centres: first comes the longest d, then
always the one farthest from 0 and from all chosen ones.

Li, Yang, Gu, Zhan, Wang, Xu & Xu, *Deep Active Learning with Noise Stability*, AAAI 2024, arXiv 2205.13340. Reference
implementation: github.com/lixingjian/AL-noise-stability, whose ξ = 0.001 and K = 30 (MNIST and CIFAR-10) are the
defaults. As there, weights of all layers are disturbed and biases are not. Its experiments let every method choose from
a random part of the pool, which is the protocol's ``candidates`` here.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Passes, Pool, Strategy, register
from strategies.components.monte_carlo import check_samples
from strategies.kernels.k_center import k_center
from strategies.kernels.margins import tempered_probs


@register("noise-stability", group="hybrid", paper="li2024", version=1)
class NoiseStability(Strategy):
    """Greedy k-center, from 0, on the deviations of the prediction under noise in the weights.

    ``samples`` is K, ``scale`` the length ξ of the noise relative to that of each weight tensor.
    """

    cost = "K + 1 forward passes through the whole network, O(n N K C)"
    remarks = (
        "Needs no dropout and no second training, but passes through all layers, so that a query on a large pool takes "
        "longer than others by far; a protocol's candidates bound it. The deviations of confident images are near 0."
    )
    presets: ClassVar = {"authors": {"samples": 30, "scale": 0.001}}

    def __init__(self, samples: int = 30, scale: float = 0.001) -> None:
        check_samples(samples)
        if not 0 < scale <= 1:
            raise ValueError(f"scale must be above 0 and at most 1, not {scale}")
        self.samples = samples
        self.scale = scale
        self.forward_passes = Passes(pool=samples + 1)

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        deviations = self.deviations(pool)
        return k_center(deviations, n, centres=torch.zeros_like(deviations[:1]))

    def deviations(self, pool: Pool) -> Tensor:
        """d of each unlabelled image, (N, K C)."""
        plain = tempered_probs(pool.noisy_logits(1, 0.0).flatten(1))  # by the passes that the noisy ones go through
        noisy = tempered_probs(pool.noisy_logits(self.samples, self.scale).flatten(0, 1))
        moved = noisy.view(len(plain), self.samples, -1).sub_(plain[:, None])
        return moved.div_(plain.norm(dim=1)[:, None, None]).flatten(1)
