"""Initial labels that strategies choose themselves: by whom, what the others start from, and what the page says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.tiny import bench, run_lines

from benchmark.reports.sections import scope
from strategies.registry import names, resolve
from strategies.testing import SyntheticPool

LINEAR = ("--model", "linear", "--set", "recipe.augmentation=none", "initial=strategy")


def embeddings(folder: Path) -> str:
    rng = np.random.default_rng(0)
    y = np.arange(100) % 4
    x = 2 * rng.normal(size=(4, 6))[y] + rng.normal(size=(100, 6))
    np.savez(folder / "four.npz", x_train=x[:80], y_train=y[:80], x_test=x[80:], y_test=y[80:])
    return str(folder / "four.npz")


def test_those_that_can_choose_their_own_and_the_others_share_a_draw(tmp_path: Path) -> None:
    own = ("typiclust", "probcover", "maxherding", "activeft[iterations=20]", "dropquery")
    drawn = ("random", "margin", "qbc", "typiclust[space=embeddings]")
    arguments = ("--dataset", embeddings(tmp_path), *LINEAR, "--seeds", "0", "--budgets", "8", "12")
    assert bench(tmp_path, *arguments, "--strategies", *drawn, *own) == 0
    runs = {lines[0]["key"]["strategy"]: lines for lines in run_lines(tmp_path).values()}
    initial = {name: header["initial"]["acquired_indices"] for name, (header, *_) in runs.items()}
    assert set(initial) == {*own, *drawn}
    assert len({tuple(initial[name]) for name in drawn}) == 1
    assert len({tuple(sorted(initial[name])) for name in (*own, "random")}) == len(own) + 1
    first = {name: rounds[0] for name, (_, *rounds) in runs.items()}
    assert len({first[name]["nll"] for name in drawn}) == 1
    (tmp_path / "plain").mkdir()
    plain = [word.replace("initial=strategy", "initial=random") for word in arguments]
    assert bench(tmp_path / "plain", *plain, "--strategies", "margin") == 0
    ((header, *_),) = run_lines(tmp_path / "plain").values()
    assert header["initial"]["acquired_indices"] == initial["margin"]


def test_a_start_from_features_needs_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--set", "initial=strategy", "--seeds", "0", "--strategies")
    assert bench(tmp_path, *arguments, "dropquery") == 2
    assert "it needs self-supervised features" in capsys.readouterr().err


@pytest.mark.parametrize("name", [n for n in names() if resolve(n).build().cold_start])
def test_who_says_so_chooses_without_model_and_labels(name: str) -> None:
    pool = replace(SyntheticPool.draw(labelled=0), previous_probs=None, has_model=False)
    chosen = resolve(name).build().select(pool, 7, torch.Generator().manual_seed(0))
    assert len(chosen.unique()) == 7


def test_the_page_says_who_chose_and_what_is_paired() -> None:
    def run(strategy: str, seed: int, *indices: int) -> Any:
        header = SimpleNamespace(initial=SimpleNamespace(acquired_indices=indices))
        return SimpleNamespace(key=SimpleNamespace(strategy=strategy, seed=seed), header=header)

    runs = [run("random", 0, 1, 2), run("margin", 0, 2, 1), run("typiclust", 0, 5, 6), run("random", 1, 3, 4)]

    def notes(**protocol: str) -> list[str]:
        report: Any = SimpleNamespace(source=SimpleNamespace(protocol=protocol), runs=runs, reference="random")
        return scope.starts(report)

    (said,) = notes(initial="strategy")
    assert said.startswith("These strategies chose their initial labels themselves: typiclust; the others of a seed")
    assert "includes that choice" in said
    assert notes(initial="random") == notes(initial="strategy", replay="x@1") == notes() == []
