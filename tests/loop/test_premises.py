"""What a round records of its acquisition: by brute force, and without effect on the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny import bench, experiment, run_lines
from torch import Tensor

from benchmark.data import datasets
from benchmark.experiment import seeds
from benchmark.experiment.keys import RunKey
from benchmark.loop import run as active_learning
from benchmark.loop.diagnostics import Digests, acquisition_measures
from benchmark.loop.pool import FittedPool
from benchmark.models import factory
from benchmark.results.paths import run_path
from benchmark.results.store import read_run
from benchmark.training.batches import Images
from benchmark.training.predict import Predictor

STRATEGIES = ["random", "margin", "bald", "cluster-margin", "learning-loss[batcher=kmeans]", "power:margin"]


def rounds_of(folder: Path, strategy: str) -> list[dict[str, float]]:
    record = read_run(run_path(experiment(folder), RunKey(strategy, "supervised", 0)))
    assert record is not None
    return [dict(round_.diagnostics) for round_ in record.rounds]


def fitted_pool(indices: Tensor, labelled: Tensor) -> FittedPool:
    data = datasets.load("digits")
    with seeds.scoped(0, "weights", 0):
        network = factory.build("cnn", {"width": 4, "dropout": 0.5}, 1, (8, 8), 10)
    images = Images(data.train_images, data.mean, data.std)
    predictor = Predictor(network, None, "float32")
    return FittedPool(images, indices, labelled, data.train_labels[labelled], 10, predictor)


def test_recording_changes_no_acquisition_and_no_accuracy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--seeds", "0", "--strategies", *STRATEGIES)
    recorded, silent = tmp_path / "recorded", tmp_path / "silent"
    for folder in (recorded, silent):
        folder.mkdir()
    assert bench(recorded, *arguments) == 0
    monkeypatch.setattr(active_learning, "acquisition_measures", lambda *_: {})
    monkeypatch.setattr(active_learning, "rank_agreements", lambda *_: {})
    monkeypatch.setattr(FittedPool, "note", lambda *_, **__: None)
    assert bench(silent, *arguments) == 0

    def without_diagnostics(folder: Path) -> Any:
        return {
            key: [{name: value for name, value in line.items() if name != "diagnostics"} for line in lines]
            for key, lines in run_lines(folder).items()
        }

    assert without_diagnostics(recorded) == without_diagnostics(silent)
    for strategy in STRATEGIES:
        *querying, last = rounds_of(recorded, strategy)
        assert last == {}
        for found in querying:
            assert found["acquisition.scored"] > 1000
            assert ("acquisition.margin_overlap" in found) == (strategy != "random")
        assert all(not found for found in rounds_of(silent, strategy))
    assert [found["acquisition.margin_overlap"] for found in rounds_of(recorded, "margin")[:-1]] == [1, 1]
    assert rounds_of(recorded, "cluster-margin")[0]["premise.candidates"] == 100


def test_the_overlap_is_that_with_the_smallest_margins_of_the_pool() -> None:
    indices, labelled = torch.arange(300, 0, -1), torch.arange(400, 420)
    pool = fitted_pool(indices, labelled)
    assert "acquisition.margin_overlap" not in measured(pool, indices[:20], labelled)
    ordered = pool.probs.sort(dim=1, descending=True).values
    smallest = (ordered[:, 0] - ordered[:, 1]).argsort(stable=True)
    pool.indices.zero_()  # what a strategy writes there is its own affair
    chosen = indices[torch.cat([smallest[:14], smallest[-6:]])]
    assert measured(pool, chosen, labelled)["acquisition.margin_overlap"] == pytest.approx(14 / 20)
    assert measured(pool, chosen, labelled)["acquisition.scored"] == 300


def test_of_a_strategy_that_reads_only_masks_the_overlap_is_that_of_their_mean() -> None:
    indices, labelled = torch.arange(200), torch.arange(400, 420)
    pool = fitted_pool(indices, labelled)
    ordered = pool.mc_probs(5).mean(dim=1).sort(dim=1, descending=True).values
    smallest = (ordered[:, 0] - ordered[:, 1]).argsort(stable=True)[:10]
    assert measured(pool, indices[smallest], labelled)["acquisition.margin_overlap"] == 1
    assert "_predictions" not in vars(pool)  # no pass over the pool for it


def test_outputs_that_are_not_finite_have_no_overlap() -> None:
    pool = fitted_pool(torch.arange(200), torch.arange(400, 420))
    with torch.no_grad():
        pool._fitted.network.head.bias[3] = torch.nan
    assert not pool.logits.isfinite().all()
    assert "acquisition.margin_overlap" not in measured(pool, torch.arange(10), torch.arange(400, 420))


def test_the_overlap_is_that_of_the_outputs_as_the_strategy_got_them() -> None:
    acquired, labelled = torch.arange(10), torch.arange(400, 420)
    pool, written = (fitted_pool(torch.arange(200), labelled) for _ in range(2))
    assert pool.logits.isfinite().all()
    written.logits.zero_()
    assert measured(written, acquired, labelled) == measured(pool, acquired, labelled)


def test_duplicates_are_equal_in_every_pixel_to_a_label_or_an_earlier_pick() -> None:
    pixels = torch.randint(0, 256, (600, 4, 4, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labelled, acquired = torch.arange(300), torch.tensor([310, 400, 401, 402, 403])
    pool = fitted_pool(torch.arange(300, 600), labelled)

    def duplicates() -> float:
        return acquisition_measures(pool, acquired, labelled, Digests(pixels))["acquisition.duplicates"]

    assert duplicates() == 0
    pixels[401] = pixels[299]
    pixels[402] = pixels[310]
    pixels[403] = pixels[310]
    pixels[550] = pixels[400]  # in the pool, not acquired
    assert duplicates() == 3
    pixels[402, 3, 3, 2] ^= 1
    assert duplicates() == 2


def measured(pool: FittedPool, acquired: Tensor, labelled: Tensor) -> dict[str, float]:
    return acquisition_measures(pool, acquired, labelled, Digests(datasets.load("digits").train_images))
