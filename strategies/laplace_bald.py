"""BALD under a Laplace approximation of the posterior over the last layer, which needs no dropout.

K weights are drawn from N(θ̂, (H + λ I)⁻¹), which the labelled images define by their curvature and, through the
evidence, by the precision λ of the prior (see ``kernels.laplace``). With p^k the predictions by the k-th weights, the
same for every image, the score is the mutual information I = H(p̄) − (1/K) Σ_k H(p^k). The embedding is taken as
certain: where it is the same for all images, so is the score.

Daxberger, Kristiadi, Immer, Eschenhagen, Bauer & Hennig, *Laplace Redux – Effortless Bayesian Deep Learning*, NeurIPS
2021, arXiv 2106.14806; the score is that of Houlsby et al., 2011, arXiv 1112.5745. Reference implementation of the
posterior: github.com/aleximmer/Laplace (laplace-torch), whose last-layer form with Kronecker factors is the default
there and here. Ours: the biases are weights of a constant input instead of a block of their own, and have no part in
the evidence that sets λ.
"""

from __future__ import annotations

from typing import ClassVar, get_args

import torch
from torch import Tensor

from strategies.api import Departure, Passes, Pool, Strategy, register, top
from strategies.components.monte_carlo import check_samples
from strategies.kernels.laplace import LastLayerPosterior, Prior, Structure, with_one
from strategies.kernels.mixtures import mutual_information

_BLOCK = 2**22  # probabilities at once


@register("laplace-bald", group="bayesian", paper="daxberger2021", version=2)
class LaplaceBALD(Strategy):
    """Mutual information of label and last-layer weights under a Laplace approximation, in nats.

    ``samples`` is K. ``structure`` is that of the curvature: ``"kronecker"`` for the product of two small factors,
    ``"full"`` for all of it. ``prior`` is what the evidence for λ counts: ``"weights"``, or ``"all"`` with the biases.
    """

    cost = "O(N K C D + D³); with structure=full O(N K C D + (C D)³)"
    forward_passes = Passes(pool=1, labelled=1)
    remarks = (
        "Works with every network; the uncertainty is the last layer's alone, so that an image whose embedding lies "
        "where the labelled ones do is taken for known. Its n highest are often alike, as bald's are."
    )

    presets: ClassVar = {"authors": {"samples": 100, "structure": "kronecker", "prior": "all"}}
    departures: ClassVar = (
        Departure(
            "biases",
            "one posterior over all of the layer's parameters",
            "a block of their own",
            "weights of a constant input",
        ),
        Departure(
            "prior",
            "a solved head has no penalty on its biases: that of a class without labels is far below 0, and with it "
            "the prior is so wide that draws predict at chance",
        ),
    )

    def __init__(self, samples: int = 100, structure: Structure = "kronecker", prior: Prior = "weights") -> None:
        check_samples(samples)
        for name, value, known in (("structure", structure, Structure), ("prior", prior, Prior)):
            if value not in get_args(known):
                raise ValueError(f"{name} is one of {', '.join(get_args(known))}, not '{value}'")
        self.samples = samples
        self.structure = structure
        self.prior = prior

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        return top(self.scores(pool, generator), n)

    def scores(self, pool: Pool, generator: torch.Generator) -> Tensor:
        """I(y; θ) of each unlabelled image, (N,)."""
        if not len(pool.labels):
            raise ValueError(
                "laplace-bald needs labelled images, and there are none: draw the initial labels otherwise"
            )
        posterior = LastLayerPosterior.fitted(pool.head, pool.labelled_embeddings, self.structure, self.prior)
        shape = (self.samples, *posterior.mean.shape)
        noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        weights = posterior.weights(noise.to(posterior.mean.device)).flatten(0, 1)
        inputs = with_one(pool.embeddings.to(torch.promote_types(pool.embeddings.dtype, torch.float32)))
        rows = max(1, _BLOCK // len(weights))
        return torch.cat([self._information(part, weights.to(part.dtype)) for part in inputs.split(rows)])

    def _information(self, inputs: Tensor, weights: Tensor) -> Tensor:
        logits = (inputs @ weights.T).view(len(inputs), self.samples, -1)
        return mutual_information(logits.softmax(dim=2))
