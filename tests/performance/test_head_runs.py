"""Whole runs on embeddings, random and margin, with their records, on one core.

    python -m pytest -o addopts= tests/performance/test_head_runs.py

50,000 embeddings of 256 dimensions and 10,000 to test on, 20 rounds from 20 to 400 labels, one run of each strategy.
The baseline is the loop that everyone writes: scikit-learn's LogisticRegression for each round with the same penalty,
the accuracy on the test set, and its probabilities of the pool for margin; it writes nothing down. Its BLAS has one
thread: with two it takes four to twenty times as long on matrices as small as these. ``runs`` are the runs of 20
rounds, all that is recorded of them included.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from comparison import compare, size, timed
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from benchmark.campaign.data_access import DataSource
from benchmark.campaign.tasks import perform
from benchmark.data.datasets import ImageData
from benchmark.experiment import load
from benchmark.experiment.keys import RunKey
from benchmark.loop.task import RunTask
from benchmark.models.heads import Linear
from benchmark.results.paths import run_path

STRATEGIES = ("random", "margin")
POOL, TEST, DIMENSIONS = size(50_000, 600), size(10_000, 200), size(256, 16)
BUDGETS = list(range(20, size(401, 61), 20))


def write_embeddings(path: Path) -> Path:
    """Ten classes of eight clusters each, with variances that fall as those of principal components do."""
    rng = np.random.default_rng(0)
    scale = (1 + np.arange(DIMENSIONS)) ** -0.5
    centres = rng.normal(0, 0.4, (10, 1, DIMENSIONS)) + rng.normal(0, 0.4, (10, 8, DIMENSIONS))
    arrays = {}
    for part, count in (("train", POOL), ("test", TEST)):
        labels, clusters = rng.integers(0, 10, count), rng.integers(0, 8, count)
        rows = (centres[labels, clusters] + rng.normal(0, 1, (count, DIMENSIONS))) * scale
        arrays |= {f"x_{part}": rows.astype(np.float32), f"y_{part}": labels}
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    folder = tmp_path_factory.mktemp("embeddings")
    return DataSource(str(write_embeddings(folder / "clusters.npz")), folder, folder / "cache")


def ours(source: DataSource, data: ImageData, sha256: str, seed: int) -> None:
    protocol = load("cifar10-embeddings").override(embedding="", dataset=source.dataset, budgets=BUDGETS)
    for strategy in STRATEGIES:
        key = RunKey(strategy, "supervised", seed)
        task = RunTask(
            key=key,
            reference=strategy,
            source_sha256=None,
            protocol=protocol,
            path=run_path(source.data_dir / "results", key),
            cache=source.cache,
            data_dir=source.data_dir,
            dataset_sha256=data.sha256,
            manifest_sha256=sha256,
            device="cpu",
        )
        ended = perform(task, data, lambda _: None)
        assert ended.outcome == "done", ended.failure


def baseline(data: ImageData, seed: int) -> None:
    head = Linear(DIMENSIONS, (1, 1), 10)
    train, test = ((x.flatten(1) - data.mean) / data.std for x in (data.train_images, data.test_images))
    x, y, test_x, test_y = (part.numpy() for part in (train, data.train_labels, test, data.test_labels))
    for strategy in STRATEGIES:
        rng = np.random.default_rng(seed)
        labelled = rng.permutation(len(x))[: BUDGETS[0]]
        for count, then in zip(BUDGETS, [*BUDGETS[1:], 0], strict=True):
            penalty = head.penalty
            model = LogisticRegression(C=1 / (penalty * count), max_iter=1000).fit(x[labelled], y[labelled])
            assert (model.predict(test_x) == test_y).mean() > 0
            if not then:
                break
            unlabelled = np.setdiff1d(np.arange(len(x)), labelled)
            if strategy == "random":
                chosen = rng.choice(unlabelled, then - count, replace=False)
            else:
                probs = np.sort(model.predict_proba(x[unlabelled]), axis=1)
                chosen = unlabelled[np.argsort(probs[:, -1] - probs[:, -2], kind="stable")[: then - count]]
            labelled = np.concatenate([labelled, chosen])


@pytest.mark.benchmark(group="embeddings")
def test_runs_on_embeddings(benchmark: Any, source: DataSource) -> None:
    data, identity = source.load()
    torch.set_num_threads(1)
    threadpool_limits(limits=1)
    seeds = iter(range(1_000))
    compare(
        benchmark,
        timed(lambda: ours(source, data, identity.manifest_sha256, next(seeds))),
        timed(lambda: baseline(data, 0)),
        items=(len(STRATEGIES), len(STRATEGIES)),
        unit="runs",
        goal=150 / 49,
        note="150 a minute are 2.5 runs/s",
    )
