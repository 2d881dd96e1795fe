"""Every registered strategy's query: 1,000 of 50,000 images, 512 dimensions, 10 classes, 1,000 labels.

    python -m pytest -o addopts= tests/performance/test_all_queries.py

A strategy with a ``max_batch`` buys no more than that. Time for Monte-Carlo samples, which belong to the model, is
taken off. A query is to take at most a minute; ``PERF_STRICT=1`` makes more than that a failure. Environment:
``PERF_POOL`` (50,000 images) and ``PERF_PICKS`` (1,000).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
import torch
from comparison import compare, timed
from pools import PICKS, POOL, MadeUpPool

from strategies import registry, resolve

LIMIT = 60.0  # seconds


@lru_cache(maxsize=1)
def pool() -> MadeUpPool:
    made = MadeUpPool(POOL)
    assert made.features.isfinite().all()
    assert made.previous_probs.isfinite().all()  # both are made on first use, which no query is to pay for
    return made


@pytest.mark.benchmark(group="queries")
@pytest.mark.parametrize("name", registry.names())
def test_query(benchmark: Any, name: str) -> None:
    images = pool()
    strategy = resolve(name).build()
    count = min(PICKS, strategy.max_batch or PICKS)
    chosen: list[torch.Tensor] = []

    @torch.no_grad()
    def query() -> None:
        chosen.append(strategy.select(images, count, torch.Generator().manual_seed(0)))

    def seconds() -> float:
        images.mc_seconds = 0.0
        return timed(query)() - images.mc_seconds

    note = f"{count} picks" if count < PICKS else ""
    compare(benchmark, seconds, limit=LIMIT, rounds=1, warm_up=False, note=note)
    assert len(chosen[-1].unique()) == count
