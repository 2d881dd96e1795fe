"""Greedy oracle: the label that lowers the test loss of a refitted linear head most, again and again. A diagnostic.

The embeddings are kept, with a 1 appended for the bias: h (D + 1), and the head W (C, D + 1) is refitted. On the
labelled and chosen images it minimises

    J(W) = Σ_i CE(W h_i, y_i) + (λ/2) ‖W − W_0‖²,    W_0 the fitted head, λ = ``ridge`` · mean ‖h‖².

A softmax's Hessian is at most ½ (1 − 11ᵀ/C) ⊗ h hᵀ (Böhning, *Multinomial logistic regression algorithm*, Annals of
the Institute of Statistical Mathematics 44, 1992), so the step W − 2 ∇J(W) G⁻¹, G = Σ_i h_i h_iᵀ + 2λ 1, never raises
J; at the minimum it stays. A candidate (h, y) adds h hᵀ to G and (p − e_y) hᵀ to the gradient: where J is minimal
its step is a change of rank one,

    ΔW = 2 (e_y − p) gᵀ / (1 + hᵀ g),    g = G⁻¹ h,

which costs O(T C) to judge on T test images whose ⟨h_t, g⟩ are known. The candidate whose step gives the lowest mean
test NLL is selected; then J with it is minimised by 10 full steps before the next. Ours, as a reference for how much
there is to win with 500 candidates; no published method.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from strategies.api import OraclePool, Pool, Strategy, register

_STEPS = 10  # of the refit after each selection
_BLOCK = 2**20  # test logits kept at once


@register("greedy-oracle", group="diagnostic", version=1)
class GreedyOracle(Strategy):
    """Of 500 random candidates, repeatedly the one whose label lowers the test loss most: a diagnostic."""

    needs = frozenset({"oracle"})
    max_batch = 100
    cost = "O(n M T C) for M candidates and T test images"
    remarks = "Greedy, on frozen embeddings and one step of a refit a candidate: what it reaches is no upper bound."

    def __init__(self, candidates: int = 500, ridge: float = 0.1) -> None:
        if candidates < 1:
            raise ValueError(f"candidates must be at least 1, not {candidates}")
        if not ridge > 0:
            raise ValueError(f"ridge must be positive, not {ridge}")
        self.candidates, self.ridge = candidates, ridge

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        oracle = cast(OraclePool, pool)
        if not pool.embeddings.isfinite().all():
            raise ValueError("embeddings are not finite: the model is broken")
        size = len(pool.indices)
        drawn = torch.randperm(size, generator=generator)[: max(n, self.candidates)].to(pool.embeddings.device)
        points, labels = with_one(pool.embeddings[drawn]), oracle.true_labels[drawn]
        known, targets = with_one(pool.labelled_embeddings), pool.labels
        test, test_labels = with_one(oracle.test_embeddings), oracle.test_labels
        fitted = torch.cat([pool.head.weight, pool.head.bias[:, None]], 1).detach().double()
        ridge = self.ridge * float(points.square().sum(1).mean())
        gram = known.T @ known + 2 * ridge * torch.eye(known.shape[1]).to(known)
        factor = torch.linalg.cholesky(gram)
        weights = refit(fitted, fitted, known, targets, ridge, factor)
        left = torch.ones(len(drawn), dtype=torch.bool, device=drawn.device)
        chosen: list[int] = []
        for _ in range(n):
            nll = nll_after(weights, factor, points, labels, test, test_labels)
            best = int(nll.masked_fill(~left, torch.inf).argmin())
            chosen.append(best)
            left[best] = False
            known, targets = torch.cat([known, points[best, None]]), torch.cat([targets, labels[best, None]])
            gram.addr_(points[best], points[best])
            factor = torch.linalg.cholesky(gram)
            weights = refit(weights, fitted, known, targets, ridge, factor)
        return drawn[chosen]


def with_one(embeddings: Tensor) -> Tensor:
    """Embeddings (M, D) with a 1 appended for the bias, (M, D + 1), in float64."""
    return F.pad(embeddings.double(), (0, 1), value=1.0)


def refit(weights: Tensor, fitted: Tensor, points: Tensor, labels: Tensor, ridge: float, factor: Tensor) -> Tensor:
    """The head (C, D) after 10 steps down J from ``weights``; ``factor`` is the Cholesky factor of G."""
    for _ in range(_STEPS):
        errors = (points @ weights.T).softmax(1)
        errors[torch.arange(len(labels), device=labels.device), labels] -= 1
        gradient = errors.T @ points + ridge * (weights - fitted)
        weights = weights - 2 * torch.cholesky_solve(gradient.T, factor).T
    return weights


def nll_after(
    weights: Tensor, factor: Tensor, points: Tensor, labels: Tensor, test: Tensor, test_labels: Tensor
) -> Tensor:
    """The mean NLL on ``test`` (T, D) after a step with each of ``points`` (M, D) and its label added, (M,)."""
    solved = torch.cholesky_solve(points.T, factor).T
    missing = F.one_hot(labels, len(weights)) - (points @ weights.T).softmax(1)
    change = (2 * missing / (1 + (points * solved).sum(1, keepdim=True))).float()
    before, along = (weights @ test.T).float(), solved.float() @ test.float().T  # (C, T), (M, T)
    block = max(1, _BLOCK // before.numel())
    values = []
    for some, step in zip(along.split(block), change.split(block), strict=True):
        logits = torch.addcmul(before[:, None], step.T[:, :, None], some)  # classes first: sums run along images
        right = logits.gather(0, test_labels.expand(1, *some.shape)).squeeze(0)
        highest = logits.amax(0)
        values.append((logits.sub_(highest).exp_().sum(0).log_().add_(highest) - right).mean(1))
    return torch.cat(values)
