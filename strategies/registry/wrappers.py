"""Wrappers, strategies around another one: stochastic batches, and the highest scores of a random subset.

``power:``, ``softmax:`` and ``softrank:`` draw the batch by the score.

Each of the n highest scores is what one image is worth if the others are not selected with it, and often they are worth
the same thing. Drawing the batch by the score, without replacement, spreads it at no further cost. With s_i the score
of image i and r_i its rank, 1 for the highest, the images are drawn one after the other, among those that are left,
with probability

    power      ∝ s_i^β
    softmax    ∝ exp(β s_i)
    softrank   ∝ r_i^−β.

With g_i independent standard Gumbel draws this is the top n of β log s_i + g_i, β s_i + g_i and −β log r_i + g_i. A
large β gives the n highest scores, a small one a random batch.

Kirsch, Farquhar, Atighehchian, Jesson, Branchaud-Charron & Gal, *Stochastic Batch Acquisition: A Simple Baseline for
Deep Active Learning*, TMLR 2023, arXiv 2106.12059.

``subset:`` takes the n highest scores of a random subset of ``factor`` · n images, so that images that are all worth
the same thing cannot fill the batch. Several papers acquire this way whatever the score (Beluch, Genewein, Nürnberger &
Köhler, CVPR 2018; Yoo & Kweon, CVPR 2019, arXiv 1905.03677, with a factor of 10): around another strategy it shows how
much of their gain is the subset's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from strategies.api import (
    HOOKS,
    Attachment,
    Departure,
    Labelled,
    Passes,
    Pool,
    Query,
    ScoreStrategy,
    Strategy,
    Tuning,
    top,
)
from strategies.kernels.batchers import top_of_subset


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


def draw(log_weights: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """``n`` positions drawn without replacement ∝ exp(``log_weights``), (N,) float64, in the order drawn.

    Where the images with a weight are used up, the others follow at random.
    """
    exponential = torch.empty(len(log_weights), dtype=torch.float64).exponential_(generator=generator)
    gumbel = -exponential.log().to(log_weights.device)
    shuffled = top(gumbel, len(gumbel))  # the order of those whose weights are 0, which the draws cannot tell apart
    return shuffled[top((log_weights + gumbel)[shuffled], n)]


class Wrapped(ScoreStrategy):
    """What all wrappers have in common: but for the choice of the batch they are the strategy inside.

    Raises ValueError for an ``inner`` that does not take its highest scores.
    """

    version = 1
    hooks = frozenset(HOOKS)

    def __init__(self, inner: Strategy, wrapper: str) -> None:
        if not isinstance(inner, ScoreStrategy) or not inner.takes_top_scores:
            could = isinstance(inner, ScoreStrategy) and getattr(inner, "batcher", "topk") != "topk"
            way_out = " (with batcher=topk it does)" if could else ""
            raise ValueError(
                f"{wrapper} wraps strategies that take the highest scores, which '{inner.name}' does not{way_out}"
            )
        self.inner = inner
        self.name = f"{wrapper}:{inner.name}"
        self.groups = ("stochastic", *(group for group in inner.groups if group == "diagnostic"))
        self.cost = f"that of {inner.name}, and O(N log N)"
        self.version = type(self).version + inner.version - 1  # rises with either
        self.forward_passes = inner.forward_passes
        self.needs, self.hooks, self.max_batch = inner.needs, inner.hooks, inner.max_batch
        self.spares_last_round = inner.spares_last_round
        self.cold_start = inner.cold_start

    def score(self, pool: Pool) -> Tensor:
        return self.inner.score(pool)

    def passes_in(self, query: Query) -> Passes | None:
        return self.inner.passes_in(query)

    def attach(self, stage_channels: tuple[int, ...], class_count: int) -> Attachment | None:
        return self.inner.attach(stage_channels, class_count)

    def after_training(self, tuning: Tuning) -> None:
        self.inner.after_training(tuning)

    def hold_out(self, old: Labelled, new: Labelled) -> Tensor:
        return self.inner.hold_out(old, new)

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.inner.load_state_dict(state)


class StochasticBatch(Wrapped):
    """``inner``, with the batch drawn by ``law``, a key of ``LAWS``, instead of taken from the top of its scores.

    Raises ValueError as ``Wrapped`` does, and for a ``beta`` that is not positive and finite.
    """

    paper = "kirsch2023"
    presets: ClassVar = {"authors": {"beta": 1.0}}
    departures: ClassVar = (
        Departure(
            "scores of 0 and ties",
            "the order of the pool must play no part",
            "not treated",
            "under `power` an image with a score of 0 or below is selected once all others are, in random order; under "
            "`softrank` images of one score share the mean of their ranks",
        ),
    )
    takes_top_scores = False

    def __init__(self, inner: Strategy, law: str, /, beta: float = 1.0) -> None:
        super().__init__(inner, law)
        if not 0 < beta < math.inf:
            raise ValueError(f"beta must be positive and finite, not {beta}")
        self.law, self.beta = LAWS[law], beta
        self.summary, self.remarks = self.law.summary.format(inner.name), self.law.remarks

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        scores = self.inner.checked_scores(pool).double()
        return draw(self.beta * self.law.log_weights(scores), n, generator)


class RandomSubset(Wrapped):
    """The highest scores of ``inner`` in a random subset of ``factor`` · n images of the pool.

    The whole pool where that is no larger. Raises ValueError as ``Wrapped`` does, and for a ``factor`` below 1.
    """

    paper = "yoo2019"
    presets: ClassVar = {"authors": {"factor": 10}}
    takes_top_scores = False
    draws_subset = True

    def __init__(self, inner: Strategy, /, factor: int = 10) -> None:
        super().__init__(inner, "subset")
        if factor < 1:
            raise ValueError(f"factor must be at least 1, not {factor}")
        self.factor = factor
        self.summary = _SUBSET.format(inner.name, factor)
        self.remarks = (
            f"Shows what a random subset alone does for {inner.name}. A small factor comes close to random, a large "
            f"one to {inner.name}."
        )

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        return top_of_subset(self.inner.checked_scores(pool), n, self.factor * n, generator)


_SUBSET = "Highest scores of {} in a random subset of {} times the batch."


class Wrapper(NamedTuple):
    """What a name stands for in ``name:X``: the class around X, and what its constructor takes beside X, by position.

    ``summary`` is a line that says what it makes of a strategy X.
    """

    cls: type[Strategy]
    positional: tuple[Any, ...]
    summary: str

    def around(self, inner: Strategy, **parameters: Any) -> Strategy:
        """The wrapped strategy. Raises ValueError, in one line, for an ``inner`` that cannot be wrapped."""
        return self.cls(inner, *self.positional, **parameters)  # type: ignore[call-arg]


WRAPPERS: dict[str, Wrapper] = {
    name: Wrapper(StochasticBatch, (name,), f"{law.summary.format('X')} β is 1, or as in {name}[beta=2]:X.")
    for name, law in LAWS.items()
}
WRAPPERS["subset"] = Wrapper(RandomSubset, (), f"{_SUBSET.format('X', 10)} Or as in subset[factor=50]:X.")
