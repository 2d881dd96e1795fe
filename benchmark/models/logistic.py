"""Multinomial logistic regression with an L2 penalty: the minimum, for many problems of one shape at once.

    f(W, b) = (1/n) Σ_i CE(W x_i + b, y_i) + (λ/2) ‖W‖²

is convex, strictly so in W, and the bias has no penalty: there is one minimum, up to a constant added to all biases,
and it is found to a stated tolerance from W = 0, b = 0, so that nothing but the data decides it.

With fewer examples than dimensions W lies in the span of the examples, whose coordinates take the place of the
dimensions. L-BFGS (Nocedal & Wright, *Numerical Optimization*, algorithm 7.4) does the rest, in float64, with a step
length for each problem. As f is λ-strongly convex in W, ‖W − W*‖ ≤ ‖∇f‖ / λ: the tolerance is one on W itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

TOLERANCE = 1e-4  # of ‖∇f‖ / λ, which bounds the error of W, over ‖W‖
MOST_STEPS = 1_000
_HISTORY = 10
_SUFFICIENT = 1e-4  # Armijo's share of the decrease that the slope promises
_HALVINGS = 40
_RANK = 1e-10  # squared singular values below this share of the largest are none


class Fit(NamedTuple):
    """The minima of P problems: ``weights`` (P, C, D) and ``biases`` (P, C), float64, with mean 0 over the classes.

    ``steps`` (P,) are the iterations taken.
    """

    weights: Tensor
    biases: Tensor
    steps: Tensor


def fit(inputs: Tensor, targets: Tensor, class_count: int, penalty: float) -> Fit:
    """Minimise f for P problems: ``inputs`` (P, n, D), ``targets`` (P, n) int64 in 0…C−1; ``penalty`` is λ > 0.

    A problem's result does not depend on the others beside it but by the rounding of batched products. Raises
    ValueError for a penalty that is not positive and for inputs that are not finite.
    """
    if penalty <= 0:
        raise ValueError(f"the penalty must be positive, not {penalty}: without one there may be no minimum")
    inputs = inputs.double()
    if not inputs.isfinite().all():
        raise ValueError("the inputs are not finite")
    coordinates, basis = _spanned(inputs)
    problems, count, rank = coordinates.shape
    extended = torch.cat([coordinates, coordinates.new_ones(problems, count, 1)], dim=2)
    penalties = torch.full((rank + 1,), penalty, dtype=torch.float64, device=inputs.device)
    penalties[-1] = 0.0
    hot = F.one_hot(targets, class_count).double()

    def value_and_gradient(w: Tensor) -> tuple[Tensor, Tensor]:
        log_probs = (extended @ w.mT).log_softmax(2)
        pulled = w * penalties
        value = -(hot * log_probs).sum((1, 2)) / count + (pulled * w).sum((1, 2)) / 2
        return value, (log_probs.exp() - hot).mT @ extended / count + pulled

    def found(w: Tensor, gradient: Tensor) -> Tensor:
        return _norm(gradient) <= TOLERANCE * penalty * _norm(w[..., :-1]).clamp_min(1e-9)

    w, steps = _lbfgs(value_and_gradient, found, extended.new_zeros(problems, class_count, rank + 1))
    weights, biases = w[..., :-1] @ basis, w[..., -1]
    return Fit(weights - weights.mean(1, keepdim=True), biases - biases.mean(1, keepdim=True), steps)


def _spanned(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates (P, n, r) of the inputs (P, n, D) in orthonormal rows (P, r, D): inputs = coordinates @ rows.

    r is the smaller of n and D; a direction that the inputs lack is a coordinate that is 0.
    """
    problems, count, dimensions = inputs.shape
    if count >= dimensions:
        eye = torch.eye(dimensions, dtype=inputs.dtype, device=inputs.device)
        return inputs, eye.expand(problems, -1, -1)
    values, vectors = torch.linalg.eigh(inputs @ inputs.mT)
    there = values > _RANK * values[:, -1:]
    lengths = torch.where(there, values, 0.0).sqrt()
    rows = torch.where(there, lengths, 1.0).reciprocal().mul(there).unsqueeze(2) * (vectors.mT @ inputs)
    return vectors * lengths.unsqueeze(1), rows


def _lbfgs(
    value_and_gradient: Callable[[Tensor], tuple[Tensor, Tensor]],
    found: Callable[[Tensor, Tensor], Tensor],
    start: Tensor,
) -> tuple[Tensor, Tensor]:
    """L-BFGS on P problems at once; the points (P, …) and the steps taken (P,).

    A problem for which ``found(points, gradients)`` holds is left as it is. Lines are searched by halving the step;
    where no step decreases the value any more, it is a minimum as far as float64 can tell.
    """
    x = start
    value, gradient = value_and_gradient(x)
    history: list[tuple[Tensor, Tensor, Tensor]] = []
    steps = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    active = ~found(x, gradient)
    for _ in range(MOST_STEPS):
        if not active.any():
            break
        direction = -_two_loops(gradient, history)
        slope = _dot(direction, gradient)
        length = active.double()
        for _ in range(_HALVINGS):
            candidate = x + _scaled(length, direction)
            new_value, new_gradient = value_and_gradient(candidate)
            worse = active & (new_value > value + _SUFFICIENT * length * slope)
            if not worse.any():
                break
            length = torch.where(worse, length / 2, length)
        else:
            active = active & ~worse
            candidate = _where(active, candidate, x)
            new_gradient = _where(active, new_gradient, gradient)
        s, y = candidate - x, new_gradient - gradient
        curvature = _dot(s, y)
        useful = curvature > 1e-12 * _dot(y, y)
        history.append((_where(useful, s, 0 * s), _where(useful, y, 0 * y), torch.where(useful, curvature, 1.0)))
        del history[:-_HISTORY]
        value = torch.where(active, new_value, value)
        x, gradient = candidate, new_gradient
        steps += active
        active = active & ~found(x, gradient)
    return x, steps


def _two_loops(gradient: Tensor, history: list[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """The inverse Hessian that the history suggests, times the gradient; a pair of zeros suggests nothing."""
    q, factors = gradient, []
    for s, y, curvature in reversed(history):
        a = _dot(s, q) / curvature
        q = q - _scaled(a, y)
        factors.append(a)
    if history:
        s, y, curvature = history[-1]
        squared = _dot(y, y)
        q = _scaled(torch.where(squared > 0, curvature / squared.clamp_min(1e-300), 1.0), q)
    for (s, y, curvature), a in zip(history, reversed(factors), strict=True):
        q = q + _scaled(a - _dot(y, q) / curvature, s)
    return q


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(1)


def _scaled(factors: Tensor, x: Tensor) -> Tensor:
    return factors.view(-1, *[1] * (x.dim() - 1)) * x


def _where(chosen: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(chosen.view(-1, *[1] * (a.dim() - 1)), a, b)


def _norm(x: Tensor) -> Tensor:
    return x.flatten(1).norm(dim=1)
