"""Stochastic batch acquisition: a batch drawn by score, around any strategy that buys the highest scores.

Each of the n highest scores is what one image is worth if the others are not bought with it, and they are often
worth the same thing. Drawing the batch by the score, without replacement, spreads it and costs no more. With s_i
the score of image i and r_i its rank, 1 for the highest, the images are drawn one after the other, among those that
are left, with probability

    power      ∝ s_i^β
    softmax    ∝ exp(β s_i)
    softrank   ∝ r_i^−β.

With g_i independent standard Gumbel draws this is the top n of β log s_i + g_i, β s_i + g_i and −β log r_i + g_i. A
large β gives the n highest scores, a small one a random batch.

Kirsch, Farquhar, Atighehchian, Jesson, Branchaud-Charron & Gal, *Stochastic Batch Acquisition: A Simple Baseline for
Deep Active Learning*, TMLR 2023, arXiv 2106.12059.

Ours: under ``power`` an image with a score of 0 or below has no weight and is bought only when all others are, in
random order; under ``softrank`` images of one score share the mean of their ranks, so that the order of the pool
plays no part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from strategies.api.base import Pool, ScoreStrategy, Strategy, top
from strategies.bald import BALD
from strategies.learning_loss import LearningLoss
from strategies.registry import register, register_wrapper
from strategies.uncertainty import Entropy, Margin


class Law(NamedTuple):
    """``log_weights`` takes scores (N,) float64 to the logarithms (N,) of the weights at β = 1; −∞ for no weight."""

    log_weights: Callable[[Tensor], Tensor]
    summary: str
    remarks: str


def log_power(scores: Tensor) -> Tensor:
    return scores.clamp(min=0).log()


def log_exponential(scores: Tensor) -> Tensor:
    return scores


def log_inverse_rank(scores: Tensor) -> Tensor:
    _, which, counts = scores.unique(return_inverse=True, return_counts=True)
    better = len(scores) - counts.cumsum(0)  # how many images score higher than each distinct score
    return -(better + (counts + 1) / 2)[which].double().log()


LAWS = {
    "power": Law(
        log_power,
        "Draws without replacement ∝ s^β, s the scores of {}.",
        "In its paper as good as BatchBALD and BADGE at a fraction of their cost. The score must be one whose zero "
        "means something: twice the score is 2^β times the weight.",
    ),
    "softmax": Law(
        log_exponential,
        "Draws without replacement ∝ exp(β s), s the scores of {}.",
        "Depends on the scale of the scores: with β = 1 and scores in [0, 1] no weight is more than e times another, "
        "which is close to random.",
    ),
    "softrank": Law(
        log_inverse_rank,
        "Draws without replacement ∝ r^−β, r the rank by {}'s score, 1 for the highest.",
        "Reads the order of the scores only, so it works on any scale, negative scores included.",
    ),
}


_classes: dict[tuple[str, type[ScoreStrategy]], type[Strategy]] = {}


def draw(log_weights: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """``n`` positions drawn without replacement ∝ exp(``log_weights``), (N,) float64, in the order drawn.

    Where the images with a weight are used up, the others follow at random.
    """
    exponential = torch.empty(len(log_weights), dtype=torch.float64).exponential_(generator=generator)
    gumbel = -exponential.log().to(log_weights.device)
    shuffled = top(gumbel, len(gumbel))  # the order of those whose weights are 0, which the draws cannot tell apart
    return shuffled[top((log_weights + gumbel)[shuffled], n)]


def around(law: str, inner: Strategy) -> type[Strategy]:
    """The class of ``law:inner``: that of ``inner`` in all but the choice; the same for the same two.

    Its constructor takes the parameters of the strategy inside in a mapping, and ``beta``, positive, by keyword.
    Raises ValueError where ``inner`` does not buy the highest of its scores.
    """
    if not isinstance(inner, ScoreStrategy) or not _buys_the_highest(inner):
        raise ValueError(f"{law} wraps strategies that buy the highest scores, which '{inner.name}' does not")
    key = law, type(inner)
    if key not in _classes:
        _classes[key] = _class(*key)
    return _classes[key]


def _buys_the_highest(strategy: ScoreStrategy) -> bool:
    if isinstance(strategy, LearningLoss) and type(strategy).select is LearningLoss.select:
        return strategy.batcher == "topk"
    return type(strategy).select is ScoreStrategy.select


def _class(law: str, inner: type[ScoreStrategy]) -> type[Strategy]:
    log_weights = LAWS[law].log_weights

    # A subclass, so that whatever else the strategy inside does in a run, and what it needs, is left as it is.
    class Stochastic(inner):  # type: ignore[misc, valid-type]
        __doc__ = summary = LAWS[law].summary.format(inner.name)

        name = f"{law}:{inner.name}"
        groups = ("stochastic", *(group for group in inner.groups if group == "cheating"))
        paper = "kirsch2023"
        cost = f"that of {inner.name}, and O(N log N)"
        remarks = LAWS[law].remarks

        def __init__(self, parameters: Mapping[str, Any] | None = None, /, *, beta: float = 1.0) -> None:
            if not 0 < beta < math.inf:
                raise ValueError(f"beta must be positive and finite, not {beta}")
            super().__init__(**(parameters or {}))
            self.__beta = beta  # a mangled name: the strategy inside may have a beta of its own

        def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
            scores = self.score(pool).double()
            if torch.isnan(scores).any():
                raise ValueError("scores contain NaN: the model's outputs are not finite")
            return draw(self.__beta * log_weights(scores), n, generator)

    Stochastic.__name__ = Stochastic.__qualname__ = f"{law.capitalize()}{inner.__name__}"
    return Stochastic


for _law, _described in LAWS.items():
    _usage = f" β is 1, or as in {_law}[beta=2]:X."
    register_wrapper(_law, partial(around, _law), _described.summary.format("X") + _usage)
for _law, _inner in (("power", Margin), ("power", Entropy), ("power", BALD), ("softmax", Margin), ("softrank", Margin)):
    register(f"{_law}:{_inner.name}", group="stochastic", paper="kirsch2023")(around(_law, _inner()))
