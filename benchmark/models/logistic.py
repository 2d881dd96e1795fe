"""Multinomial logistic regression with an L2 penalty: the minimum, for many problems of one shape at once.

    f(W, b) = (1/n) Σ_i CE(W x_i + b, y_i) + (λ/2) ‖W‖²

is convex, strictly so in W, and the bias has no penalty: there is one minimum, up to a constant added to all biases,
and it is found to a stated tolerance, from W = 0, b = 0 unless told otherwise, so that the data alone decide it.

The inputs are centred, the bias is then the logit at their mean. With fewer examples than dimensions W lies in the span
of the examples, whose coordinates take the place of the dimensions. L-BFGS (Nocedal & Wright, *Numerical Optimization*,
section 7.2) does the rest, in float64, with a step length for each problem. Its initial matrix is the inverse Hessian
at W = 0, b = 0, which is Xᵀ X / (n C) + λ I for W and 1 / C for b in each class (less the mean over the classes): it
takes few steps, however different the variances of the dimensions are. As f is λ-strongly convex in W, ‖W − W*‖ is
about ‖∇f‖ / λ or less: the tolerance is one on W itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

TOLERANCE = 1e-4  # of ‖∇f‖ / λ, which bounds the error of W, over ‖W‖
MOST_STEPS = 10_000
_HISTORY = 10
_SUFFICIENT = 1e-4  # Armijo's share of the decrease that the slope promises
_HALVINGS = 40
_CURVATURE = 1e-12  # sᵀ y of a pair that counts, over yᵀ M⁻¹ y
_JITTER = 1e-12  # added to the diagonal of the initial matrix, of its largest entry
_RANK = 1e-10  # squared singular values below this share of the largest are none


class Fit(NamedTuple):
    """The minima of P problems: ``weights`` (P, C, D) and ``biases`` (P, C), float64, with mean 0 over the classes.

    ``steps`` (P,) are the iterations taken.
    """

    weights: Tensor
    biases: Tensor
    steps: Tensor


@torch.no_grad()
def fit(inputs: Tensor, targets: Tensor, class_count: int, penalty: float | Tensor, start: Fit | None = None) -> Fit:
    """Minimise f for P problems: ``inputs`` (P, n, D), ``targets`` (P, n) int64 in 0…C−1; ``penalty`` is λ > 0.

    ``penalty`` may be a tensor (P,); inputs (1, n, D) and targets (1, n) are then those of all P problems. ``start`` is
    where to begin, such as the minima for other penalties. A problem's result depends on those beside it by the
    rounding of batched products: what must always be the same bits is solved alone, or always with the same others.
    Raises ValueError for a penalty that is not positive, for inputs that are not finite, and where ``MOST_STEPS`` do
    not lead to the tolerance.
    """
    inputs = inputs.double()
    penalties = torch.as_tensor(penalty, dtype=torch.float64, device=inputs.device).reshape(-1)
    if not (penalties > 0).all():
        raise ValueError(f"the penalty must be positive, not {penalty}: without one there may be no minimum")
    if not inputs.isfinite().all():
        raise ValueError("the inputs are not finite")
    centre = inputs.mean(1, keepdim=True)
    coordinates, basis = _spanned(inputs - centre)
    problems, count = max(len(inputs), len(penalties)), inputs.shape[1]
    extended = F.pad(coordinates, (0, 1), value=1.0)
    pulls = F.pad(penalties[:, None, None].expand(-1, 1, coordinates.shape[2]), (0, 1))
    inverse = _inverse_hessian(extended, pulls, class_count)
    hot = F.one_hot(targets, class_count).double().mT

    def value_and_gradient(w: Tensor) -> tuple[Tensor, Tensor]:
        log_probs = (w @ extended.mT).log_softmax(1)
        pulled = w * pulls
        value = _dot(pulled, w) / 2 - _dot(hot, log_probs) / count
        return value, (log_probs.exp() - hot) @ extended / count + pulled

    def found(w: Tensor, gradient: Tensor) -> Tensor:
        return _norm(gradient) <= TOLERANCE * penalties * _norm(w[..., :-1]).clamp_min(1e-9)

    w = inputs.new_zeros(problems, class_count, extended.shape[2])
    if start is not None:
        w[..., :-1] = start.weights if basis is None else start.weights @ basis.mT
        w[..., -1] = start.biases + (start.weights @ centre.mT).squeeze(2)
    w, steps = _lbfgs(value_and_gradient, inverse, found, w)
    weights = w[..., :-1] if basis is None else w[..., :-1] @ basis
    biases = w[..., -1] - (weights @ centre.mT).squeeze(2)
    return Fit(weights - weights.mean(1, keepdim=True), biases - biases.mean(1, keepdim=True), steps)


def _inverse_hessian(extended: Tensor, pulls: Tensor, class_count: int) -> Tensor:
    """That of f in one class's coefficients at W = 0, b = 0, (P, r + 1, r + 1), but for a factor: see the module."""
    hessian = extended.mT @ extended / (extended.shape[1] * class_count) + pulls.mT * torch.eye(
        extended.shape[2], dtype=extended.dtype, device=extended.device
    )
    diagonal = hessian.diagonal(dim1=1, dim2=2)
    diagonal += _JITTER * diagonal.amax(1, keepdim=True)
    return torch.cholesky_inverse(torch.linalg.cholesky(hessian))


def _spanned(inputs: Tensor) -> tuple[Tensor, Tensor | None]:
    """Coordinates (P, n, n) of the inputs (P, n, D) in orthonormal rows (P, n, D): inputs = coordinates @ rows.

    A direction that the inputs lack is a coordinate that is 0. With n ≥ D the inputs themselves, and no rows.
    """
    if inputs.shape[1] >= inputs.shape[2]:
        return inputs, None
    values, vectors = torch.linalg.eigh(inputs @ inputs.mT)
    there = values > _RANK * values[:, -1:]
    lengths = torch.where(there, values, 0.0).sqrt()
    rows = torch.where(there, lengths, 1.0).reciprocal().mul(there).unsqueeze(2) * (vectors.mT @ inputs)
    return vectors * lengths.unsqueeze(1), rows


def _lbfgs(
    value_and_gradient: Callable[[Tensor], tuple[Tensor, Tensor]],
    inverse: Tensor,
    found: Callable[[Tensor, Tensor], Tensor],
    start: Tensor,
) -> tuple[Tensor, Tensor]:
    """L-BFGS on P problems at once; the points (P, C, d) and the steps taken (P,).

    ``inverse`` (P, d, d), or (1, d, d), is the inverse Hessian to begin with, of each class and but for a factor. A
    problem for which ``found(points, gradients)`` holds is left as it is. Lines are searched by halving the step;
    where no step decreases the value any more, it is a minimum as far as float64 can tell. Raises ValueError where
    ``MOST_STEPS`` are not enough.
    """
    x = start
    value, gradient = value_and_gradient(x)
    scaled = gradient @ inverse
    history = _History(x)
    steps = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    active = ~found(x, gradient)
    for _ in range(MOST_STEPS):
        if not active.any():
            break
        direction = history.direction(gradient, scaled)
        slope = _dot(direction, gradient)
        length = active.double()
        for _ in range(_HALVINGS):
            candidate = x + _times(length, direction)
            new_value, new_gradient = value_and_gradient(candidate)
            worse = active & (new_value > value + _SUFFICIENT * length * slope)
            if not worse.any():
                break
            length = torch.where(worse, length / 2, length)
        else:
            active = active & ~worse
            length = length * active
            candidate = x + _times(length, direction)
            new_value, new_gradient = value_and_gradient(candidate)
        new_scaled = new_gradient @ inverse
        history.add(candidate - x, new_gradient - gradient, new_scaled - scaled)
        x, value, gradient, scaled = candidate, new_value, new_gradient, new_scaled
        steps += active
        active = active & ~found(x, gradient)
    if active.any():
        raise ValueError(
            f"the linear head has no solution to the stated tolerance after {MOST_STEPS:,} steps: standardise the "
            "embeddings, or raise model.parameters.penalty"
        )
    return x, steps


class _History:
    """The last pairs (s, y) of L-BFGS and the matrix that follows from them, in its compact form.

    With S, Y the pairs as rows, H0 = γ M⁻¹, R the upper triangle of S Yᵀ and D its diagonal,

        H g = H0 g + Sᵀ R⁻ᵀ ((D + Y H0 Yᵀ) R⁻¹ S g − Y H0 g) − H0 Yᵀ R⁻¹ S g

    (Byrd, Nocedal & Schnabel, *Mathematical Programming* 1994, theorem 2.2): products of matrices, whatever the number
    of pairs. A pair of zeros suggests nothing.
    """

    def __init__(self, start: Tensor) -> None:
        self._shape = start.shape
        self._s = self._y = self._my = start.new_empty(len(start), 0, start[0].numel())
        self._r = self._ymy = start.new_empty(len(start), 0, 0)

    def add(self, s: Tensor, y: Tensor, my: Tensor) -> None:
        """``my`` is M⁻¹ y. A pair whose curvature rounding has eaten is left out."""
        curvature, squared = _dot(s, y), _dot(y, my)
        useful = curvature > _CURVATURE * squared
        if not useful.all():
            s, y, my = (_times(useful, part) for part in (s, y, my))
        first = 1 if self._s.shape[1] == _HISTORY else 0
        self._s, self._y, self._my = (
            torch.cat([rows[:, first:], new.flatten(1).unsqueeze(1)], 1)
            for rows, new in ((self._s, s), (self._y, y), (self._my, my))
        )
        self._r = _bordered(self._r[:, first:, first:], self._s @ y.flatten(1).unsqueeze(2))
        self._r[:, -1, -1] = torch.where(useful, curvature, 1.0)
        self._ymy = _bordered(self._ymy[:, first:, first:], self._y @ my.flatten(1).unsqueeze(2))
        self._ymy[:, -1:, :-1] = self._ymy[:, :-1, -1:].mT
        self._gamma = torch.where(useful, curvature / squared, 1.0).view(-1, 1, 1)
        self._middle = torch.diag_embed(self._r.diagonal(dim1=1, dim2=2)) + self._gamma * self._ymy

    def direction(self, gradient: Tensor, scaled: Tensor) -> Tensor:
        """−H g for the ``gradient`` g and ``scaled``, M⁻¹ g; both (P, C, d)."""
        if self._s.shape[1] == 0:
            return -scaled
        g, mg = gradient.flatten(1).unsqueeze(2), scaled.flatten(1).unsqueeze(2)
        u = torch.linalg.solve_triangular(self._r, self._s @ g, upper=True)
        rest = self._middle @ u - self._gamma * (self._my @ g)
        v = torch.linalg.solve_triangular(self._r.mT, rest, upper=False)
        return (self._gamma * (self._my.mT @ u - mg) - self._s.mT @ v).view(self._shape)


def _bordered(matrix: Tensor, column: Tensor) -> Tensor:
    """``matrix`` (P, m − 1, m − 1) with ``column`` (P, m, 1) behind it and a row of zeros below."""
    return torch.cat([F.pad(matrix, (0, 0, 0, 1)), column], 2)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((1, 2))


def _times(factors: Tensor, x: Tensor) -> Tensor:
    return factors.view(-1, 1, 1) * x


def _norm(x: Tensor) -> Tensor:
    return x.square().sum((1, 2)).sqrt()
