"""Runs with a solved head: the same lines whatever is computed beside them, and the quick ways agree with the plain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.tiny import bench, experiment, run_lines

from benchmark.loop import calibration
from benchmark.models import factory
from benchmark.training.batches import Images
from benchmark.training.predict import Predictor
from strategies.api import top
from strategies.kernels.margins import margin_uncertainty

SETTINGS = ("--model", "linear", "--set", "recipe.augmentation=none", "recipe.precision=float32", "--budgets")


def embeddings(folder: Path) -> str:
    rng = np.random.default_rng(1)
    labels = np.concatenate([np.arange(4), rng.integers(0, 4, 196)])
    rows = rng.normal(0, 1, (4, 14))[labels] + rng.normal(0, 1, (200, 14))
    path = folder / "four.npz"
    np.savez(path, x_train=rows[:150], y_train=labels[:150], x_test=rows[150:], y_test=labels[150:])
    return str(path)


def computed(folder: Path, dataset: str, strategies: tuple[str, ...], *seeds: str) -> dict[str, list[dict[str, Any]]]:
    folder.mkdir(exist_ok=True)
    budgets = ("5", "10", "20", "30", "40")  # fewer labels than dimensions, and more
    command = ("--dataset", dataset, *SETTINGS, *budgets, "--strategies", *strategies, "--seeds", *seeds)
    assert bench(folder, *command) == 0
    return run_lines(folder)


def test_a_run_is_the_same_alone_in_any_company_and_after_a_kill(tmp_path: Path) -> None:
    dataset = embeddings(tmp_path)
    alone = computed(tmp_path / "alone", dataset, ("margin",), "1")
    (name,) = alone
    for company in (("random", "margin"), ("margin", "bald", "random")):
        together = computed(tmp_path / "-".join(company), dataset, company, "0", "1")
        assert together[name] == alone[name]
    path = experiment(tmp_path / "alone") / "runs" / name
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for rounds in (0, 1, 3):
        path.write_bytes(b"".join(lines[: 1 + rounds]) + lines[1 + rounds][:50])  # torn in its next round
        assert computed(tmp_path / "alone", dataset, ("margin",), "1") == alone


def test_one_product_gives_the_logits_of_the_network_whichever_are_asked_for() -> None:
    g = torch.Generator().manual_seed(0)
    rows = torch.randn(700, 1, 1, 9, generator=g) * 3 + 1
    images = Images(rows, rows.mean((0, 1, 2)), rows.std((0, 1, 2)))
    predictor = Predictor(factory.build("linear", {}, 9, (1, 1), 5), None, "float32")
    everything = torch.arange(700)
    found, plain = predictor.logits(images, everything), predictor.predict(images, everything)
    torch.testing.assert_close(found, plain.logits, rtol=1e-5, atol=1e-5)
    some = torch.randperm(700, generator=g)[:600]
    assert torch.equal(predictor.logits(images, some), found[some])
    torch.testing.assert_close(predictor.logits(images, some[:50]), found[some[:50]], rtol=1e-5, atol=1e-5)
    assert torch.equal(predictor.embeddings(images, some), plain.embeddings[some])


@pytest.mark.parametrize("classes", [2, 3, 10, 64, 65])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_margins_are_those_of_the_two_largest(classes: int, dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(classes)
    probs = torch.randn(300, classes, generator=g, dtype=dtype).softmax(1)
    probs[0], probs[1, 1], probs[2] = 1 / classes, probs[1, 0], 0.0  # ties of all, of two, and of zeros
    values = probs.topk(2, dim=1).values
    assert torch.equal(margin_uncertainty(probs), 1 - (values[:, 0] - values[:, 1]))
    probs[3, -1] = float("nan")
    assert margin_uncertainty(probs).isnan().nonzero().flatten().tolist() == [3]


@pytest.mark.parametrize("n", [0, 1, 7, 60, 400])
def test_the_highest_are_those_of_a_stable_sort_of_all(n: int) -> None:
    g = torch.Generator().manual_seed(n)
    infinite = torch.tensor([float("inf"), float("-inf"), -0.0, 0.0]).repeat(100)
    for scores in (torch.randn(400, generator=g), torch.randint(3, (400,), generator=g) / 2, torch.ones(400), infinite):
        assert torch.equal(top(scores, n), scores.sort(descending=True, stable=True).indices[:n])


def test_a_calibration_of_the_last_seconds_counts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    device, now = torch.device("cpu"), 1e9
    monkeypatch.setattr(calibration.time, "monotonic", lambda: now)
    calibration._latest.pop(device, None)
    first = calibration.calibration_seconds(device)
    calibration._latest[device] = now, first + 1
    assert calibration.calibration_seconds(device) == first + 1
    now += 7
    assert calibration.calibration_seconds(device) != first + 1
    calibration._latest.pop(device)
