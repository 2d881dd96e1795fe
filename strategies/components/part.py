"""A pool that is a part of another: for strategies that ask others about some of the images."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from strategies.api import Pool

_ROWS = ("indices", "logits", "probs", "embeddings", "attachment_output", "features", "previous_probs", "true_labels")


class PartOfPool:
    """The unlabelled images at ``rows`` (M,) of ``pool``, with all of its labelled ones; a ``Pool`` itself.

    What is noted there is not recorded. Its positions are those in ``rows``.
    """

    def __init__(self, pool: Pool, rows: Tensor) -> None:
        self._pool, self._rows = pool, rows

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._pool, name)
        return value[self._rows] if name in _ROWS and value is not None else value

    def mc_probs(self, samples: int) -> Tensor:
        return self._pool.mc_probs(samples)[self._rows]

    def noisy_logits(self, samples: int, scale: float, positions: Tensor | None = None) -> Tensor:
        if positions is None:
            return self._pool.noisy_logits(samples, scale)[self._rows]
        return self._pool.noisy_logits(samples, scale, self._rows[positions])

    def refitted_with(self, batches: Tensor) -> Tensor:
        pool: Any = self._pool
        return pool.refitted_with(self._rows[batches])

    def note(self, **premises: float | Tensor) -> None:
        """Nothing: the whole pool's notes are those of the strategy that asks."""
