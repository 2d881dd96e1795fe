"""Squared Euclidean distances by matrix products, in blocks that stay in cache.

‖x − y‖² = ‖x‖² + ‖y‖² − 2⟨x, y⟩ turns distances into one GEMM, for plain vectors and for outer products
alike: with x = f ⊗ g the inner product is ⟨x_i, x_j⟩ = ⟨f_i, f_j⟩⟨g_i, g_j⟩, so the products are never
formed.

The sum cancels where two points are close. What remains below its rounding error says nothing and is set to
0: duplicate points are at distance exactly 0, as they are in exact arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

_CPU_BLOCK, _GPU_BLOCK = 2**20, 2**24  # distances in a block, about what the last cache holds


@dataclass(frozen=True, eq=False)
class Points:
    """N points: vectors f_i, or outer products f_i ⊗ g_i that are kept as their two factors.

    Memory is that of the factors, N (d_f + d_g), not N d_f d_g. ``squared_norms`` is (N,).
    """

    factors: tuple[Tensor, ...]
    squared_norms: Tensor

    @classmethod
    def of(cls, *factors: Tensor) -> Points:
        """The points with one or two factors (N, d), in their common dtype and at least in float32.

        Raises ValueError if the factors are not one or two matrices of the same length or if a point is not finite.
        """
        lengths = {len(factor) for factor in factors if factor.dim() == 2}
        if len(factors) not in (1, 2) or len(lengths) != 1 or any(factor.dim() != 2 for factor in factors):
            shapes = ", ".join(str(tuple(factor.shape)) for factor in factors)
            raise ValueError(f"points take one or two factors of shape (N, d) with the same N, not {shapes}")
        dtype = torch.float32
        for factor in factors:
            dtype = torch.promote_types(dtype, factor.dtype)
        factors = tuple(factor.to(dtype) for factor in factors)
        squared_norms = torch.stack([torch.einsum("nd,nd->n", f, f) for f in factors]).prod(dim=0)
        if not squared_norms.isfinite().all():
            raise ValueError("points contain NaN or infinity: the model's outputs are not finite")
        return cls(factors, squared_norms)

    def __len__(self) -> int:
        return len(self.squared_norms)

    def __getitem__(self, rows: Tensor | slice) -> Points:
        return Points(tuple(factor[rows] for factor in self.factors), self.squared_norms[rows])

    @property
    def rounding(self) -> Tensor:
        """Squared distances below this, (N,), are rounding errors of the cancelling sum."""
        width = sum(factor.shape[1] for factor in self.factors)
        return self.squared_norms * (4 * width**0.5 * torch.finfo(self.squared_norms.dtype).eps)


def squared_distances(x: Points, y: Points) -> Tensor:
    """‖x_i − y_j‖², (N, M), all at once: for sizes at which that fits."""
    buffers = x.squared_norms.new_empty(len(x.factors), len(x), len(y))
    distances = _without_own_norm(x, y, buffers).add_(x.squared_norms[:, None])
    return distances.masked_fill_(distances < x.rounding[:, None], 0)


def lower(nearest: Tensor, x: Points, y: Points, block: int = 256) -> None:
    """nearest_i ← min(nearest_i, min_j ‖x_i − y_j‖²), in place: ``nearest`` (N,), N points x, M points y.

    All x meet ``block`` of the y at a time. Memory beyond the points is O(N).
    """
    rounding = x.rounding
    # Matrix products are up to 1.7 times as fast on multiples of 16; a centre that is met twice changes no minimum.
    width = len(y) if len(y) <= 8 else math.ceil(len(y) / 16) * 16
    met = torch.arange(width, device=nearest.device).clamp_(max=len(y) - 1)
    for columns in _slices(width, block):
        centres = y[met[columns]]
        height = min(len(x), (_CPU_BLOCK if nearest.device.type == "cpu" else _GPU_BLOCK) // len(centres))
        buffers = x.squared_norms.new_empty(len(x.factors), height, len(centres))
        for rows in _slices(len(x), height):
            part = x[rows]
            closest = _without_own_norm(part, centres, buffers[:, : len(part)]).amin(dim=1)
            closest += part.squared_norms
            closest.masked_fill_(closest < rounding[rows], 0)
            torch.minimum(nearest[rows], closest, out=nearest[rows])


def _without_own_norm(x: Points, y: Points, buffers: Tensor) -> Tensor:
    """‖y_j‖² − 2⟨x_i, y_j⟩, (N, M), in the first of ``buffers``, (factors, N, M)."""
    if len(x.factors) == 1:
        return torch.addmm(y.squared_norms, x.factors[0], y.factors[0].T, alpha=-2, out=buffers[0])
    for f, g, buffer in zip(x.factors, y.factors, buffers, strict=True):
        torch.mm(f, g.T, out=buffer)
    return torch.addcmul(y.squared_norms, buffers[0], buffers[1], value=-2, out=buffers[0])


def _slices(length: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, length)) for start in range(0, length, step))
