"""Greedy maximisation of log det(K_S + σ²I) for a kernel K = XXᵀ, by pivoted Cholesky factorisation.

Adding i to S raises the log-determinant by log(σ² + r_i), r_i = K_ii − K_iS (K_SS + σ²I)⁻¹ K_Si, so the greedy always
picks the largest residual r. The Cholesky factor keeps the residuals up to date: with its new column
ℓ_i = (K_is − Σ_t ℓ_it ℓ_st) / √(σ² + r_s) for a pick s, r_i ← r_i − ℓ_i². Because K = XXᵀ, the columns are XW for a
matrix W (D, n) with one column a pick, and the factor itself, N × n, is never stored.

One sweep over all N points for each pick is a matrix-vector product, bound by memory. Residuals only fall, so here
many picks share a sweep, and are the same picks: the greedy runs inside the block of the m largest residuals, by
their m × m kernel, while its maximum is not below τ, the largest residual outside.

Chen, Zhang & Zhou, *Fast Greedy MAP Inference for Determinantal Point Process to Improve Recommendation Diversity*,
NeurIPS 2018, arXiv 1709.05135. The block, W and the sweep in common are ours.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from strategies.kernels.distances import Points

_ROWS = 2**13  # points that meet the new columns of W at a time


def pivoted_cholesky(points: Tensor, n: int, noise: float, *, block: int | None = None) -> Tensor:
    """``n`` distinct positions among the N ``points`` (N, D), int64, in the order of picking.

    ``noise`` σ² > 0 is added to the diagonal of K = XXᵀ. ``block`` points are looked at between two sweeps, by default
    √(4 N); the picks do not depend on it but for rounding. Time O(n N D) as matrix products, memory
    O(N + n D + block²) beyond the points.
    Raises ValueError unless 1 ≤ n ≤ N, and for points that are not finite.
    """
    x = Points.of(points)
    if not 1 <= n <= len(x):
        raise ValueError(f"cannot pick {n} of {len(x)} points: n must be between 1 and {len(x)}")
    (rows,) = x.factors
    residuals = x.squared_norms.double()  # and −∞ for the picks
    basis = residuals.new_empty(rows.shape[1], 0)  # W
    picks = torch.empty(0, dtype=torch.int64, device=rows.device)
    while len(picks) < n:
        size = min(block or math.isqrt(4 * len(x)), len(x) - len(picks))
        largest = residuals.topk(min(size + 1, len(x)))
        members = largest.indices[:size].sort().values
        tau = largest.values[size].item() if len(largest.values) > size else -math.inf

        among = rows[members].double()
        explained = among @ basis
        kernel = (among @ among.T).addmm_(explained, explained.T, alpha=-1)
        accepted, triangle = _within(kernel.cpu().numpy(), tau, n - len(picks), noise)
        # The columns w_t of the new part of W solve (I − WWᵀ) x_s = Σ_{u ≤ t} T_tu w_u for the t-th pick s.
        left = among[accepted] - explained[accepted] @ basis.T
        new = torch.linalg.solve_triangular(torch.from_numpy(triangle).to(left), left, upper=False).T
        for some, residual in zip(rows.split(_ROWS), residuals.split(_ROWS), strict=True):
            residual.sub_((some @ new.to(some)).square_().sum(dim=1)).clamp_(min=0)
        basis = torch.cat([basis, new], dim=1)
        picks = torch.cat([picks, members[accepted]])
        residuals[picks] = -torch.inf
    return picks


def _within(kernel: np.ndarray, tau: float, wanted: int, noise: float) -> tuple[list[int], np.ndarray]:
    """The next picks of the greedy, at least one and at most ``wanted``, that need no sweep, and their factor T.

    ``kernel`` (m, m) is what is left of K after all earlier picks; T is lower triangular, TTᵀ = K_SS + σ²I.
    """
    size = min(wanted, len(kernel))
    columns = np.zeros((len(kernel), size))
    now = kernel.diagonal().copy()
    accepted: list[int] = []
    while len(accepted) < size:
        best = int(now.argmax())
        if accepted and now[best] < tau:
            break
        t = len(accepted)
        pivot = math.sqrt(noise + max(now[best], 0))
        column = (kernel[:, best] - columns[:, :t] @ columns[best, :t]) / pivot
        column[best] = pivot  # σ² counts on the diagonal alone
        columns[:, t] = column
        now -= column**2
        accepted.append(best)
        now[accepted] = -np.inf
    return accepted, np.tril(columns[accepted, : len(accepted)])
