"""The identity of a run: strategy, learner and seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class RunKey:
    """One run of an experiment. ``strategy`` and ``learner`` are in canonical form; ``seed`` is not negative.

    This is the only carrier of the triple: what is planned, computed or read from disk holds one. Raises ValueError
    for an empty name or a negative seed.
    """

    strategy: str
    learner: str
    seed: int

    def __post_init__(self) -> None:
        if not self.strategy or not self.learner:
            raise ValueError("a run needs the names of a strategy and of a learner")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, not {self.seed}")

    def __str__(self) -> str:
        learner = "" if self.learner == "supervised" else f" × {self.learner}"
        return f"{self.strategy}{learner}, seed {self.seed}"


def acquirer(learners: Iterable[str]) -> str:
    """The one of an experiment's ``learners`` whose acquired labels are replayed: supervised, else the first."""
    names = list(learners)
    return "supervised" if "supervised" in names else names[0]
