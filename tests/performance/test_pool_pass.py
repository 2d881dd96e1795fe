"""The pass over the pool, and Monte-Carlo dropout, on one core.

    python -m pytest -o addopts= tests/performance/test_pool_pass.py

``Predictor.predict`` on 10,000 images against the usual evaluation loop (Pillow images one by one, a DataLoader,
float32 in NCHW, the training's batch size) on 2,000 of them, by rate. ``mc_probs`` with 20 masks, which repeats what
lies behind the dropout alone, against 20 of the engine's own passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from comparison import compare, size
from loops import Case, Worker, mc_dropout_full_passes, mc_dropout_ours, predict_ours, predict_reference

CASES = {"mnist-cnn": Case("mnist"), "compact": Case("cifar10-short")}
IMAGES = size(10_000, 300)
REFERENCE_IMAGES = size(2000, 50)
MC_IMAGES = size(1000, 50)
SAMPLES = size(20, 3)


@pytest.fixture(scope="module")
def engine() -> Iterator[Worker]:
    worker = Worker(1, keeps_memory=True)
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def reference() -> Iterator[Worker]:
    worker = Worker(1, keeps_memory=False)
    yield worker
    worker.close()


@pytest.mark.benchmark(group="pool pass")
@pytest.mark.parametrize("name", CASES)
def test_predict(benchmark: Any, engine: Worker, reference: Worker, name: str) -> None:
    case = CASES[name]
    compare(
        benchmark,
        lambda: engine.start(predict_ours, case, IMAGES).result(),
        lambda: reference.start(predict_reference, case, REFERENCE_IMAGES).result(),
        items=(IMAGES, REFERENCE_IMAGES),
        unit="images",
    )


@pytest.mark.benchmark(group="pool pass")
@pytest.mark.parametrize("name", CASES)
def test_mc_dropout(benchmark: Any, engine: Worker, name: str) -> None:
    case = CASES[name]
    compare(
        benchmark,
        lambda: engine.start(mc_dropout_ours, case, MC_IMAGES, SAMPLES).result(),
        lambda: engine.start(mc_dropout_full_passes, case, MC_IMAGES, SAMPLES).result(),
        items=(MC_IMAGES, MC_IMAGES),
        unit="images",
    )
