"""Fisher information of a softmax layer, and the greedy design that makes a trace of its inverse small.

For logits W h the Fisher information of W (CD × CD) at an image with probabilities p and embedding h is

    F = (diag p − p pᵀ) ⊗ h hᵀ = Vᵀ V,    V = R ⊗ hᵀ (C × CD),    R = diag(√p)(I − 1 pᵀ).

With M the information gathered so far and a target T, adding the image lowers tr(M⁻¹ T), and taking it out of M
raises it, by

    tr(B (I ± A)⁻¹),    A = V M⁻¹ Vᵀ,    B = V M⁻¹ T M⁻¹ Vᵀ    (Woodbury, C × C).

A and B of all candidates are kept and follow each change of M, which is of rank C: with M⁻¹ ← M⁻¹ ∓ U Uᵀ,

    A ← A ∓ (V U)(V U)ᵀ,    B ← B ∓ 2 sym((V U)(V H)ᵀ),    H = M⁻¹ T U ∓ ½ U Uᵀ T U,

and as V is a product, V U and V H are two products with h and with p: O(m D C²) for m candidates in place of the
O(m C (CD)²) of the formulas above. Everything is in float64.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

_BLOCK = 2**22  # entries of h hᵀ at once
_FLOOR = 1e-12  # of an eigenvalue of I − A, which rounding can take below 0


def fisher_information(probs: Tensor, embeddings: Tensor) -> Tensor:
    """Σ_i (diag p_i − p_i p_iᵀ) ⊗ h_i h_iᵀ, (CD, CD), for ``probs`` (N, C) and ``embeddings`` (N, D), both float64."""
    classes, width = probs.shape[1], embeddings.shape[1]
    rows, columns = torch.triu_indices(classes, classes, device=probs.device)
    sums = probs.new_zeros(len(rows), width * width)
    for p, outer in _blocks(probs, embeddings):
        covariance = p.diag_embed() - p[:, :, None] * p[:, None, :]
        sums.addmm_(covariance[:, rows, columns].T, outer)
    blocks = probs.new_empty(classes, classes, width, width)
    blocks[rows, columns] = blocks[columns, rows] = sums.view(-1, width, width)
    return blocks.transpose(1, 2).reshape(classes * width, classes * width)


def greedy_design(start: Tensor, target: Tensor, probs: Tensor, embeddings: Tensor, n: int) -> Tensor:
    """``n`` of the m candidates, int64, that make tr((``start`` + Σ F)⁻¹ ``target``) small, in the order of picking.

    2 n candidates are added greedily (all of them, if there are fewer), then n left are reached by taking out
    greedily. ``start`` (CD, CD), positive definite, ``target`` (CD, CD), ``probs`` (m, C) and ``embeddings`` (m, D)
    are float64. Time O(n (m D C² + m C³ + (CD)² C)), memory O((CD)² + m C²). Raises ValueError unless 1 ≤ n ≤ m.
    """
    if not 1 <= n <= len(probs):
        raise ValueError(f"cannot pick {n} of {len(probs)} candidates: n must be between 1 and {len(probs)}")
    state = InverseTrace(start.inverse(), target, probs, embeddings)
    free = torch.ones(len(probs), dtype=torch.bool, device=probs.device)
    picks: list[Tensor] = []
    while len(picks) < min(2 * n, len(probs)):
        best = state.falls().where(free, -torch.inf).argmax().view(1)
        state.add(best)
        free.index_fill_(0, best, False)
        picks.append(best)
    kept = torch.cat(picks)
    # Inverted again: what rounding the updates have gathered ends here.
    reached = start + fisher_information(probs[kept], embeddings[kept])
    state = InverseTrace(reached.inverse(), target, probs[kept], embeddings[kept])
    while len(kept) > n:
        least = state.rises().argmin().view(1)
        state.remove(least)
        kept = kept[_all_but(least, len(kept))]
    return kept


class InverseTrace:
    """tr(M⁻¹ T) while images enter M and leave it: what each of m candidates would change.

    ``inverse`` is M⁻¹ (CD, CD), ``target`` is T (CD, CD); ``probs`` (m, C) and ``embeddings`` (m, D); all float64.
    """

    def __init__(self, inverse: Tensor, target: Tensor, probs: Tensor, embeddings: Tensor) -> None:
        self.inverse = inverse.clone()
        self.target = target
        self.probs = probs
        self.embeddings = embeddings
        self._a = self._sandwich(inverse)
        self._b = self._sandwich(inverse @ target @ inverse)  # only its symmetric part is kept up to date

    def falls(self) -> Tensor:
        """By how much tr(M⁻¹ T) falls if the image enters M, (m,)."""
        return (self._b * torch.linalg.inv_ex(self._eye + self._a).inverse).sum(dim=(1, 2))

    def rises(self) -> Tensor:
        """By how much tr(M⁻¹ T) rises if the image leaves M, which it must be part of, (m,)."""
        left = self._eye - self._a
        if left.device.type == "cpu":
            values, vectors = torch.linalg.eigh(left)
            return ((vectors * (self._b @ vectors)).sum(dim=1) / values.clamp(min=_FLOOR)).sum(dim=1)
        factor, failed = torch.linalg.cholesky_ex(left)
        inverses = torch.cholesky_inverse(factor)
        return (self._b * inverses).sum(dim=(1, 2)).masked_fill_(failed > 0, torch.inf)

    def add(self, i: Tensor) -> None:
        """Let candidate ``i`` (1,) enter M. It stays a candidate."""
        self._change(i, 1.0)

    def remove(self, i: Tensor) -> None:
        """Let candidate ``i`` (1,) leave M, and be a candidate no more."""
        self._change(i, -1.0)
        rest = _all_but(i, len(self.probs))
        self.probs, self.embeddings = self.probs[rest], self.embeddings[rest]
        self._a, self._b = self._a[rest], self._b[rest]

    def _change(self, i: Tensor, sign: float) -> None:
        root = self._rooted(self._eye, i)[0]
        v = (root[:, :, None] * self.embeddings[i]).flatten(1)
        u = self.inverse @ v.T
        u = _whitened(u, self._eye + sign * (v @ u))
        towards = self.target @ u
        h = self.inverse @ towards - sign / 2 * u @ (u.T @ towards)
        self.inverse.addmm_(u, u.T, alpha=-sign)
        of_u, of_h = self._times(torch.cat([u, h], dim=1)).split(len(v), dim=2)
        self._a.baddbmm_(of_u, of_u.mT, alpha=-sign)
        self._b.baddbmm_(of_u, of_h.mT, alpha=-2 * sign)

    @property
    def _eye(self) -> Tensor:
        return torch.eye(self.probs.shape[1], dtype=self.probs.dtype, device=self.probs.device)

    def _rooted(self, factor: Tensor, rows: Tensor | slice = slice(None)) -> Tensor:
        """R X for each of the candidates' X (m, C, k), or for one (C, k)."""
        p = self.probs[rows]
        return p.sqrt()[:, :, None] * (factor - p[:, None, :] @ factor)

    def _times(self, columns: Tensor) -> Tensor:
        """V X, (m, C, k), for X (CD, k)."""
        size, classes = self.probs.shape
        by_width = columns.view(classes, -1, columns.shape[1]).transpose(0, 1)
        return self._rooted((self.embeddings @ by_width.flatten(1)).view(size, classes, -1))

    def _sandwich(self, matrix: Tensor) -> Tensor:
        """V X Vᵀ, (m, C, C), for a symmetric X (CD, CD)."""
        size, classes = self.probs.shape
        rows, columns = torch.triu_indices(classes, classes, device=matrix.device)
        blocks = matrix.view(classes, -1, classes, self.embeddings.shape[1]).transpose(1, 2)[rows, columns]
        forms = torch.cat([outer @ blocks.flatten(1).T for _, outer in _blocks(self.probs, self.embeddings)])
        full = matrix.new_empty(size, classes, classes)
        full[:, rows, columns] = full[:, columns, rows] = forms
        return self._rooted(self._rooted(full).mT)


def _whitened(u: Tensor, matrix: Tensor) -> Tensor:
    """W with W Wᵀ = U X⁻¹ Uᵀ for U (CD, C) and a positive definite X (C, C).

    By eigenvectors on the CPU, with a floor; by the Cholesky factor elsewhere, where eigenvectors make the host wait.
    """
    if matrix.device.type == "cpu":
        values, vectors = torch.linalg.eigh(matrix)
        return u @ vectors / values.clamp(min=_FLOOR).sqrt()
    factor = torch.linalg.cholesky_ex(matrix).L
    return torch.linalg.solve_triangular(factor, u.T, upper=False).T


def _all_but(i: Tensor, size: int) -> Tensor:
    """The positions below ``size`` without ``i`` (1,), in order: (size − 1,)."""
    positions = torch.arange(size - 1, device=i.device)
    return positions + (positions >= i)


def _blocks(probs: Tensor, embeddings: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Some rows of p (k, C) and of h hᵀ (k, D²) at a time."""
    rows = max(1, _BLOCK // embeddings.shape[1] ** 2)
    for p, h in zip(probs.split(rows), embeddings.split(rows), strict=True):
        yield p, (h[:, :, None] * h[:, None, :]).flatten(1)
