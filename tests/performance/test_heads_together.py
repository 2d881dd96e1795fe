"""Linear heads solved together against the same ones solved one after the other, on one core.

    python -m pytest -o addopts= tests/performance/test_heads_together.py

Eight problems of ten classes and 256 dimensions, as eight runs of a grid have them at one label count. A run's solution
would depend on its neighbours by rounding, so runs solve alone: this shows what that costs.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from comparison import compare, size, timed

from benchmark.models.logistic import fit

TOGETHER, DIMENSIONS, CLASSES, PENALTY = 8, size(256, 16), 10, 0.0256
LABELS = [10, 50, 200, 400]


@pytest.mark.benchmark(group="embeddings")
@pytest.mark.parametrize("labels", LABELS)
def test_heads_together(benchmark: Any, labels: int) -> None:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(0, CLASSES, (TOGETHER, labels), generator=generator)
    centres = torch.randn(CLASSES, DIMENSIONS, generator=generator) / 2
    scale = (1 + torch.arange(DIMENSIONS)) ** -0.5
    inputs = (torch.randn(TOGETHER, labels, DIMENSIONS, generator=generator) + centres[targets]) * scale

    def alone() -> None:
        for one in range(TOGETHER):
            fit(inputs[one : one + 1], targets[one : one + 1], CLASSES, PENALTY)

    compare(
        benchmark,
        timed(lambda: fit(inputs, targets, CLASSES, PENALTY)),
        timed(alone),
        items=(TOGETHER, TOGETHER),
        unit="heads",
    )
