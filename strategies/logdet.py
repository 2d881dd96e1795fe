"""LogDet: a batch of unsure and mutually different images, by the determinant of a kernel.

Chooses the batch S greedily to maximise log det(K_S + σ²I) with

    K_ij = q_i q_j ⟨h_i, h_j⟩ / (‖h_i‖ ‖h_j‖),    q = 1 − (p_(1) − p_(2)) the uncertainty, h the embedding.

The determinant is the squared volume that the vectors q_i h_i / ‖h_i‖ span: large for long vectors (unsure images)
in different directions (different images). It is the mode of a determinantal point process, found greedily. σ² keeps
it defined beyond D images: what more than the noise is left to learn in a direction falls with every image there.

Bıyık, Wang, Anari & Sadigh, *Batch Active Learning Using Determinantal Point Processes*, 2019, arXiv 1906.07975;
quality times similarity of unit vectors as in Kulesza & Taskar, *Determinantal Point Processes for Machine
Learning*, 2012, arXiv 1207.6083. Ours: the margin as the quality, the cosine as the similarity, and σ².
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from strategies.api import Departure, Passes, Pool, Strategy, register
from strategies.kernels.margins import margin_uncertainty
from strategies.kernels.pivoted_cholesky import pivoted_cholesky


@register("logdet", group=("hybrid", "diversity"), paper="biyik2019", version=1)
class LogDet(Strategy):
    """Greedy maximum of log det(K_S + σ²I), K the cosine of the embeddings scaled by the margin uncertainty.

    ``noise`` is σ²; a second, equal image with uncertainty q adds log(σ² + q²σ² / (q² + σ²)) instead of log(σ² + q²).
    """

    cost = "O(n N D)"
    forward_passes = Passes(pool=1)
    remarks = (
        "Trades uncertainty against similarity within the batch in one objective. It does not look at the labelled "
        "images: only the uncertainty keeps it from selecting more like them."
    )

    departures: ClassVar = (
        Departure(
            "kernel",
            "the paper treats any quality and similarity; these two are the suite's usual ones",
            "a quality and a similarity that the task suggests",
            "the margin uncertainty and the cosine of the embeddings",
        ),
        Departure(
            "noise",
            "beyond as many images as dimensions the determinant is 0 for every choice",
            "no such term",
            "0.01 on the diagonal",
        ),
    )

    def __init__(self, noise: float = 0.01) -> None:
        if not noise > 0:
            raise ValueError(f"noise must be above 0, not {noise}")
        self.noise = noise

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        embeddings = pool.embeddings.to(torch.promote_types(pool.embeddings.dtype, torch.float32))
        quality = margin_uncertainty(pool.probs).to(embeddings.dtype)
        return pivoted_cholesky(quality[:, None] * F.normalize(embeddings, dim=1), n, self.noise)
