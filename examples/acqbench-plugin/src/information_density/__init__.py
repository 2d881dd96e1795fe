"""Information density (Settles & Craven, EMNLP 2008): entropy, times the mean cosine to the pool to the power β."""

from __future__ import annotations

import torch
from torch import Tensor

from strategies import Pool, ScoreStrategy


class InformationDensity(ScoreStrategy):
    """Entropy times density: doubtful images that many others are like."""

    def __init__(self, beta: float = 1.0) -> None:
        if beta < 0:
            raise ValueError(f"beta must be at least 0, not {beta}")
        self.beta = beta

    def score(self, pool: Pool) -> Tensor:  # (N,), highest selected first
        entropy = torch.special.entr(pool.probs.float()).sum(dim=1)
        directions = torch.nn.functional.normalize(pool.embeddings.float(), dim=1)
        density = (directions @ directions.mean(dim=0)).clamp(min=0)
        return entropy * density**self.beta
