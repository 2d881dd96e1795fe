"""Multinomial logistic regression with an L2 penalty: the minimum, for many problems of one shape at once.

    f(W, b) = (1/n) Σ_i w_i CE(W x_i + b, y_i) + (λ/2) ‖W‖²,   all w_i = 1 unless weights are given,

is convex, strictly so in W, and the bias has no penalty: there is one minimum, up to a constant added to all biases,
and it is found to a stated tolerance. The search begins at W = 0 with the biases that are best there, the logarithms of
the classes' frequencies, so that the data alone decide its end. The bias of a class without examples has no minimum, it
sinks for ever: it begins where the class has all but no probability (``_ABSENT``) and hardly moves from there.

The inputs are centred, the bias is then the logit at their mean. With fewer examples than dimensions W lies in the span
of the examples, whose coordinates take the place of the dimensions. L-BFGS (Nocedal & Wright, *Numerical Optimization*,
section 7.2) does the rest, in float64, with a step length for each problem, on Z = (W, b) L, where

    L Lᵀ = M = Xᵀ diag(w) X / (n C) + λ I   for W,   1 / C for b

is the Hessian at W = 0, b = 0 in each class (but for the mean over the classes): in these coordinates few steps are
needed, however different the variances of the dimensions are. As f is λ-strongly convex in W, ‖W − W*‖ is about
‖∇f‖ / λ or less: the tolerance is one on W itself.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

TOLERANCE = 1e-4  # of ‖∇f‖ / λ, which bounds the error of W, over ‖W‖
MOST_STEPS = 10_000
_HISTORY = 10
_STILL = 64  # steps after which a search that has not moved is over
_ROOM = 4 * _HISTORY  # pairs that the buffers take before the last ones are moved to their beginning
_SUFFICIENT = 1e-4  # Armijo's share of the decrease that the slope promises
_HALVINGS = 40
_CURVATURE = 1e-12  # sᵀ y of a pair that counts, over yᵀ y
_JITTER = 1e-12  # added to the diagonal of M, of its largest entry
_GRAM_JITTER = 1e-10  # likewise to that of the examples' products, which have no rank to spare
_ABSENT = 1e-6  # examples that a class counts as having before the first is seen
_LEAST = 1e-9  # ‖W‖ counts as no less: examples may be all but equal


class Fit(NamedTuple):
    """The minima of P problems: ``weights`` (P, C, D) and ``biases`` (P, C), float64, with mean 0 over the classes.

    ``steps`` (P,) are the iterations taken.
    """

    weights: Tensor
    biases: Tensor
    steps: Tensor


def fit(inputs: Tensor, targets: Tensor, class_count: int, penalty: float, weights: Tensor | None = None) -> Fit:
    """Minimise f for P problems: ``inputs`` (P, n, D), ``targets`` (P, n) int64 in 0…C−1; ``penalty`` is λ > 0.

    ``weights`` (P, n) are the w, none negative and with a mean of 1.
    A problem's result depends on those beside it by the rounding of batched products: what must always be the same bits
    is solved alone, or always with the same others. Raises ValueError for a penalty that is not positive, for inputs
    that are not finite, and where ``MOST_STEPS`` do not lead to the tolerance.
    """
    with torch.inference_mode():  # a tenth faster than no_grad, as all is small matrices
        found = _minima(inputs, targets, class_count, penalty, weights)
    return Fit(*(part.clone() for part in found))


def _minima(inputs: Tensor, targets: Tensor, class_count: int, penalty: float, weights: Tensor | None) -> Fit:
    if not penalty > 0:
        raise ValueError(f"the penalty must be positive, not {penalty}: without one there may be no minimum")
    inputs = inputs.double()
    if not inputs.isfinite().all():
        raise ValueError("the inputs are not finite")
    counts = None if weights is None else weights.double()[..., None]
    centre = inputs.mean(1, keepdim=True) if counts is None else (counts * inputs).mean(1, keepdim=True)
    coordinates, rows = _spanned(inputs - centre)
    problem = _Problem(coordinates, targets, class_count, penalty, counts)
    alike = (inputs == inputs[:, :1]).flatten(1).all(1)  # then W = 0, with which the search begins
    found, steps = _lbfgs(problem, ~alike)
    solution = problem.original(found)
    slopes, biases = solution[..., :-1], solution[..., -1]
    if rows is not None:
        slopes = slopes @ rows
    biases = biases - (slopes @ centre.mT).squeeze(2)
    return Fit(slopes - slopes.mean(1, keepdim=True), biases - biases.mean(1, keepdim=True), steps)


def _spanned(inputs: Tensor) -> tuple[Tensor, Tensor | None]:
    """Coordinates (P, n, n) of the inputs (P, n, D) in orthonormal rows (P, n, D): inputs = coordinates @ rows.

    Both follow from a Cholesky factor of the examples' products, to whose diagonal a little is added: as if each
    example had a dimension of its own in which it is 1e-5 of its length. With n ≥ D the inputs themselves, and no rows.
    """
    if inputs.shape[1] >= inputs.shape[2]:
        return inputs, None
    gram = inputs @ inputs.mT
    diagonal = gram.diagonal(dim1=1, dim2=2)
    diagonal += (_GRAM_JITTER * diagonal.amax(1, keepdim=True)).clamp_min(torch.finfo(gram.dtype).tiny)
    factor = torch.linalg.cholesky(gram)
    return factor, torch.linalg.solve_triangular(factor, inputs, upper=False)


class _Problem:
    """f of P problems in the coordinates Z (P, C, d) of the module's docstring, d being one more than W has.

    ``counts`` (P, n, 1) are the weights of the examples, None where all are 1.
    """

    def __init__(
        self, coordinates: Tensor, targets: Tensor, class_count: int, penalty: float, counts: Tensor | None
    ) -> None:
        extended = F.pad(coordinates, (0, 1), value=1.0)
        count = extended.shape[1]
        self.count, self.class_count, self.penalty = count, class_count, penalty
        self.counts = None if counts is None else counts.mT
        metric = extended.mT @ (extended if counts is None else counts * extended) / (count * class_count)
        diagonal = metric.diagonal(dim1=1, dim2=2)
        diagonal[:, :-1] += penalty
        diagonal += _JITTER * diagonal.amax(1, keepdim=True)
        # ‖∇f‖² in W and b is at least min(λ, 1/C) of that in Z, ‖Z‖² at least λ of ‖W‖²; 1 % is for rounding.
        self.most = 1.01 * TOLERANCE**2 / min(penalty, 1 / class_count)
        self.factor = torch.linalg.cholesky(metric)
        self.columns = torch.linalg.solve_triangular(self.factor, extended.mT, upper=False)  # (P, d, n)
        self.hot = F.one_hot(targets, class_count).double().mT.contiguous()
        if self.counts is not None:
            self.hot *= self.counts
        frequencies = (self.hot.sum(2, keepdim=True) + _ABSENT) / (count + class_count * _ABSENT)
        self.measured: tuple[Tensor, Tensor] | None = None  # a ‖W‖ (P,) and its Z
        self.start = frequencies.log() * self.factor[:, -1:]

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """f (P,) and its gradient (P, C, d). The penalty is that of Z itself less what M has from the examples."""
        logits = torch.bmm(z, self.columns)
        log_probs = logits.log_softmax(1)
        counted = logits if self.counts is None else logits * self.counts
        of_examples = _dot(counted, logits) / self.class_count / 2 + _dot(self.hot, log_probs)
        value = _dot(z, z) / 2 - of_examples / self.count
        probs = log_probs.exp_() if self.counts is None else log_probs.exp_().mul_(self.counts)
        residuals = probs.sub_(self.hot).sub_(counted, alpha=1 / self.class_count)
        return value, torch.baddbmm(z, residuals, self.columns.mT, alpha=1 / self.count)

    def found(self, z: Tensor, gradient: Tensor) -> Tensor:
        """Whether the tolerance is reached, (P,)."""
        bound = (self.penalty * _dot(z, z)).clamp_min((self.penalty * _LEAST) ** 2) * self.most
        near = _dot(gradient, gradient) <= bound
        if not near.any():  # so it is not, and this takes less time to tell
            return near
        steepness, allowed = _norm(gradient @ self.factor.mT), TOLERANCE * self.penalty
        if self.measured is not None:  # ‖W‖ has grown by ‖ΔZ‖ / √λ at most; 1 % is for rounding
            length, before = self.measured
            longest = length + _norm(z - before) / self.penalty**0.5
            if not (near := steepness <= 1.01 * allowed * longest.clamp_min(_LEAST)).any():
                return near
        length = _norm(self.original(z)[..., :-1])
        self.measured = length, z
        return steepness <= allowed * length.clamp_min(_LEAST)

    def original(self, z: Tensor) -> Tensor:
        """W and, as its last column, b; (P, C, d)."""
        return torch.linalg.solve_triangular(self.factor, z, upper=False, left=False)


def _lbfgs(problem: _Problem, unsolved: Tensor) -> tuple[Tensor, Tensor]:
    """The minima (P, C, d) and the steps taken (P,); those not ``unsolved`` (P,) stay where the search begins.

    A problem that has reached the tolerance is left as it is. Lines are searched by halving the step; where no step
    decreases the value any more, or steps have become too small to change Z, it is a minimum as far as float64 can
    tell. Raises ValueError where ``MOST_STEPS`` are
    not enough.
    """
    z = problem.start
    value, gradient = problem.value_and_gradient(z)
    history = _History(z)
    active = unsolved & ~problem.found(z, gradient)
    steps = active.long()
    running = active.tolist()
    earlier = z
    for step in range(MOST_STEPS):
        if not any(running):
            return z, steps
        direction = history.direction(gradient)
        if not all(running):
            direction = _times(active.double(), direction)
        promised = _SUFFICIENT * _dot(direction, gradient)
        candidate = z + direction
        new_value, new_gradient = problem.value_and_gradient(candidate)
        worse = active & (new_value > value + promised)
        if worse.any():
            length = active.double()
            for _ in range(_HALVINGS):
                length = torch.where(worse, length / 2, length)
                candidate = z + _times(length, direction)
                new_value, new_gradient = problem.value_and_gradient(candidate)
                worse = active & (new_value > value + length * promised)
                if not worse.any():
                    break
            else:
                active = active & ~worse
                candidate = z + _times(length * active, direction)
                new_value, new_gradient = problem.value_and_gradient(candidate)
        history.add(candidate, z, new_gradient, gradient)
        z, value, gradient = candidate, new_value, new_gradient
        active = active & ~problem.found(z, gradient)
        if step % _STILL == _STILL - 1:
            active, earlier = active & (z != earlier).flatten(1).any(1), z
        running = active.tolist()
        steps += active
    raise ValueError(
        f"the linear head has no solution to the stated tolerance after {MOST_STEPS:,} steps: standardise the "
        "embeddings, or raise model.parameters.penalty"
    )


class _History:
    """The last pairs (s, y) of L-BFGS and the matrix that follows from them, in its compact form.

    With S, Y the pairs as rows, R the upper triangle of S Yᵀ and D its diagonal,

        H g = γ g + Sᵀ R⁻ᵀ ((D + γ Y Yᵀ) R⁻¹ S g − γ Y g) − γ Yᵀ R⁻¹ S g

    (Byrd, Nocedal & Schnabel, *Mathematical Programming* 1994, theorem 2.2): products of matrices, whatever the number
    of pairs. A pair of zeros suggests nothing.
    """

    def __init__(self, start: Tensor) -> None:
        problems, self._shape = len(start), start.shape
        self._s, self._y = (start.new_empty(problems, _ROOM, start[0].numel()) for _ in range(2))
        self._r, self._yy = (start.new_zeros(problems, _ROOM, _ROOM) for _ in range(2))
        self._end = 0

    @property
    def _window(self) -> slice:
        return slice(max(0, self._end - _HISTORY), self._end)

    def add(self, z: Tensor, z_before: Tensor, gradient: Tensor, gradient_before: Tensor) -> None:
        """Take in the step from ``z_before`` to ``z``. A pair whose curvature rounding has eaten is left out."""
        if self._end == _ROOM:
            self._move()
        at = slice(self._end, self._end + 1)
        torch.sub(z.flatten(1), z_before.flatten(1), out=self._s[:, self._end])
        torch.sub(gradient.flatten(1), gradient_before.flatten(1), out=self._y[:, self._end])
        self._end += 1
        window = self._window
        y = self._y[:, at].mT
        with_s, with_y = torch.bmm(self._s[:, window], y), torch.bmm(self._y[:, window], y)
        curvature, squared = with_s[:, -1:], with_y[:, -1:]
        useful = curvature > _CURVATURE * squared
        if not useful.all():
            for part in (self._s[:, at], self._y[:, at], with_s, with_y):
                part.mul_(useful)
            curvature += ~useful  # so that R stays invertible
            squared += ~useful
        self._gamma = curvature / squared
        self._r[:, window, at] = with_s
        self._yy[:, window, at] = with_y
        self._yy[:, at, window] = with_y.mT
        r = self._r[:, window, window]
        self._now = self._s[:, window], self._y[:, window], r
        self._middle = self._yy[:, window, window] * self._gamma
        self._middle.diagonal(dim1=1, dim2=2).add_(r.diagonal(dim1=1, dim2=2))

    def _move(self) -> None:
        kept = slice(self._end - _HISTORY + 1, self._end)
        self._end = _HISTORY - 1
        self._s[:, : self._end], self._y[:, : self._end] = self._s[:, kept], self._y[:, kept]
        for square in (self._r, self._yy):
            square[:, : self._end, : self._end] = square[:, kept, kept].clone()
            square[:, self._end :] = 0

    def direction(self, gradient: Tensor) -> Tensor:
        """−H g for the ``gradient`` g (P, C, d)."""
        if not self._end:
            return -gradient
        s, y, r = self._now
        g = gradient.flatten(1).unsqueeze(2)
        u = torch.linalg.solve_triangular(r, torch.bmm(s, g), upper=True)
        rest = torch.baddbmm(torch.bmm(y, g) * -self._gamma, self._middle, u)
        v = torch.linalg.solve_triangular(r.mT, rest, upper=False)
        ahead = torch.baddbmm(g, y.mT, u, beta=-1).mul_(self._gamma)
        return torch.baddbmm(ahead, s.mT, v, alpha=-1).view(self._shape)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return torch.bmm(a.flatten(1).unsqueeze(1), b.flatten(1).unsqueeze(2)).view(-1)


def _times(factors: Tensor, x: Tensor) -> Tensor:
    return factors.view(-1, 1, 1) * x


def _norm(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x, dim=(1, 2))
