"""What several tests draw or compute: a seeded generator, points, distances and pools."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from strategies.api import checked_notes
from strategies.kernels.distances import Points
from strategies.testing import SyntheticPool


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


def materialised(points: Points) -> Tensor:
    """The outer products of two factors, (N, d_f · d_g)."""
    left, right = points.factors
    return torch.einsum("nc,nd->ncd", left, right).flatten(1)


def pairwise(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances from differences, with no cancelling sum."""
    return (x[:, None] - y[None]).square().sum(dim=2)


def blobs(count: int, size: int, width: int = 3) -> Tensor:
    """``count`` blobs of ``size`` points each, far apart; the points of a blob follow one another."""
    return (30 * normal(count, 1, width, seed=1) + normal(count, size, width, seed=2)).flatten(0, 1)


def pool_of(**parts: Any) -> Any:
    """A pool that has nothing but ``parts``: a strategy that reads more fails. What it notes is in ``notes``."""
    notes: dict[str, float] = {}

    def note(**premises: float) -> None:
        notes.update(checked_notes(premises))

    return SimpleNamespace(**parts, notes=notes, note=note)


def drawn_pool(size: int = 40, labelled: int = 12, seed: int = 0, **options: Any) -> SyntheticPool:
    return SyntheticPool.draw(size, labelled, seed=seed, dtype=torch.float64, **options)


def golden(name: str) -> dict[str, np.ndarray]:
    """The arrays of ``golden/<name>.npz``."""
    with np.load(Path(__file__).parents[1] / "golden" / f"{name}.npz") as arrays:
        return dict(arrays)
