"""Laplace approximation of the posterior over the last layer's weights.

With θ = (W, b), (C, D + 1), and inputs h̃ = (h, 1), the posterior given the L labelled images is approximated by

    N(θ̂, (H + λ I)⁻¹),    H = Σ_l (diag p_l − p_l p_lᵀ) ⊗ h̃_l h̃_lᵀ,

the Gaussian with the mode θ̂ that training has found, the curvature H of the cross-entropy at it (exact for a linear
layer: the generalised Gauss–Newton matrix and the Fisher information are the Hessian) and the prior N(0, I / λ).
``"kronecker"`` takes the product of the sums, Σ_l (diag p_l − p_l p_lᵀ) ⊗ (1/L) Σ_l h̃_l h̃_lᵀ, in H's place, which
needs eigenvectors of C × C and (D + 1) × (D + 1) only.

λ maximises the marginal likelihood of the labelled images, log p(y | θ̂) − ½ (log det(I + H / λ) + λ ‖θ̂‖²), whose
derivative vanishes where the number of well-determined parameters is λ ‖θ̂‖² (MacKay, *Neural Computation* 1992):

    Σ_i e_i / (e_i + λ) = λ ‖θ̂‖²    with the eigenvalues e_i of H.

``prior`` says what ‖θ̂‖² counts: ``"weights"``, W alone, or ``"all"``, the biases as well. A head without a penalty on
its biases puts that of a class without labels far below 0, which says nothing of the weights' scale.

The left side falls with λ and the right side rises, so there is one solution. Everything is in float64.

Daxberger, Kristiadi, Immer, Eschenhagen, Bauer & Hennig, *Laplace Redux*, NeurIPS 2021, arXiv 2106.14806.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from strategies.kernels.fisher import fisher_information

Structure = Literal["kronecker", "full"]
Prior = Literal["weights", "all"]
LEAST, MOST = 1e-8, 1e8  # the prior precisions that the evidence may choose
_HALVINGS = 80


@dataclass(frozen=True, eq=False)
class LastLayerPosterior:
    """N(``mean``, (H + λ I)⁻¹) by H's eigenvalues and eigenvectors.

    ``mean`` is (C, D + 1), the biases last. ``bases`` are the eigenvectors of H's two factors, (C, C) and
    (D + 1, D + 1), or those of H, (C (D + 1), C (D + 1)); ``eigenvalues`` has the shape of ``mean``.
    """

    mean: Tensor
    eigenvalues: Tensor
    bases: tuple[Tensor, ...]
    prior_precision: float

    @classmethod
    def fitted(
        cls, head: nn.Linear, embeddings: Tensor, structure: Structure = "kronecker", prior: Prior = "weights"
    ) -> LastLayerPosterior:
        """The posterior given labelled images with the ``embeddings`` (L, D), L ≥ 1, that ``head`` was trained on.

        Raises ValueError for outputs that are not finite.
        """
        inputs = with_one(embeddings.double())
        bias = head.weight.new_zeros(len(head.weight)) if head.bias is None else head.bias
        mean = torch.cat([head.weight, bias[:, None]], dim=1).detach().double()
        probs = (inputs @ mean.T).softmax(dim=1)
        if not probs.isfinite().all():
            raise ValueError("the labelled images' outputs are not finite")
        bases: tuple[Tensor, ...]
        if structure == "full":
            values, basis = torch.linalg.eigh(fisher_information(probs, inputs))
            eigenvalues, bases = values.clamp_min(0).view_as(mean), (basis,)
        else:
            curvature = probs.sum(dim=0).diag() - probs.T @ probs
            left, right = torch.linalg.eigh(curvature), torch.linalg.eigh(inputs.T @ inputs / len(inputs))
            eigenvalues = left.eigenvalues.clamp_min(0)[:, None] * right.eigenvalues.clamp_min(0)
            bases = (left.eigenvectors, right.eigenvectors)
        counted = mean if prior == "all" else head.weight.detach().double()
        return cls(mean, eigenvalues, bases, evidence_precision(eigenvalues, float(counted.square().sum())))

    def weights(self, noise: Tensor) -> Tensor:
        """θ̂ + (H + λ I)^(−½) z, (K, C, D + 1), for standard normal ``noise`` z of this shape, in float64.

        The symmetric root does not depend on the signs and rotations that eigenvectors leave open.
        """
        scales = (self.eigenvalues + self.prior_precision).rsqrt()
        if len(self.bases) == 2:
            left, right = self.bases
            return self.mean + left @ ((left.T @ noise @ right) * scales) @ right.T
        (basis,) = self.bases
        return self.mean + ((noise.flatten(1) @ basis * scales.flatten()) @ basis.T).view_as(noise)


def evidence_precision(eigenvalues: Tensor, squared_norm: float) -> float:
    """The λ in [1e-8, 1e8] of highest evidence, for all ``eigenvalues`` of H and ``squared_norm`` ‖θ̂‖²."""
    low, high = math.log(LEAST), math.log(MOST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        precision = math.exp(middle)
        determined = float((eigenvalues / (eigenvalues + precision)).sum())
        low, high = (middle, high) if determined > precision * squared_norm else (low, middle)
    return math.exp((low + high) / 2)


def with_one(embeddings: Tensor) -> Tensor:
    """h̃ = (h, 1), (N, D + 1): the input by which the bias is a weight."""
    return torch.cat([embeddings, embeddings.new_ones(len(embeddings), 1)], dim=1)
