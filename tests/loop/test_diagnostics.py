"""Diagnostics of predicted losses: the measures, where they come from in a run, and the table of a report."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from support.report_lines import BUDGETS, accuracy_of, change_rounds, write_experiment, write_run
from support.tiny import bench, experiment, plugin, run_lines
from torch import Tensor
from torch.nn import functional as F

from benchmark.data.datasets import load
from benchmark.loop.diagnostics import rank_agreement, spaced
from benchmark.reports import write_report
from benchmark.training.predict import Predictions

MEASURES = ("kendall", "spearman", "pairwise", "auroc")


def predictions(attached: Tensor, logits: Tensor) -> Predictions:
    return Predictions(logits, torch.zeros(len(logits), 2), attached)


def measured(attached: Tensor, logits: Tensor, labels: Tensor) -> dict[str, float]:
    found = rank_agreement(predictions(attached, logits), labels, "pool")
    assert all(key.startswith("loss_rank.pool.") for key in found)
    return {key.removeprefix("loss_rank.pool."): value for key, value in found.items()}


@pytest.mark.parametrize("seed", range(3))
def test_the_measures_are_counts_over_pairs(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randint(-2, 3, (60, 3), generator=generator).float()  # so that losses tie
    labels = torch.randint(3, (60,), generator=generator)
    output = torch.randint(8, (60,), generator=generator)
    attached = output.tolist()
    losses = F.cross_entropy(logits.double(), labels, reduction="none").tolist()
    wrong = (logits.argmax(1) != labels).tolist()
    signs = [
        ((attached[i] > attached[j]) - (attached[i] < attached[j]), (losses[i] > losses[j]) - (losses[i] < losses[j]))
        for i, j in itertools.combinations(range(60), 2)
    ]
    untied = [sum(s[part] != 0 for s in signs) for part in (0, 1)]
    assert len(signs) > max(untied)
    found = measured(output.float(), logits, labels)
    assert found["kendall"] == pytest.approx(sum(a * b for a, b in signs) / math.sqrt(untied[0] * untied[1]))
    right = [0.5 if a == 0 else float(a == b) for a, b in signs if b != 0]
    assert found["pairwise"] == pytest.approx(sum(right) / len(right))
    ranks = stats.rankdata(attached), stats.rankdata(losses)
    assert found["spearman"] == pytest.approx(np.corrcoef(*ranks)[0, 1])
    against = [
        0.5 if attached[i] == attached[j] else float(attached[i] > attached[j])
        for i, j in itertools.product(range(60), repeat=2)
        if wrong[i] and not wrong[j]
    ]
    assert found["auroc"] == pytest.approx(sum(against) / len(against))


def test_the_losses_themselves_agree_and_their_negatives_do_not() -> None:
    logits, labels = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 3
    losses = F.cross_entropy(logits, labels, reduction="none")
    assert {key: measured(losses, logits, labels)[key] for key in MEASURES[:3]} == pytest.approx(
        {"kendall": 1, "spearman": 1, "pairwise": 1}
    )
    assert {key: measured(-losses, logits, labels)[key] for key in MEASURES[:3]} == pytest.approx(
        {"kendall": -1, "spearman": -1, "pairwise": 0}
    )


def test_what_is_not_defined_is_left_out() -> None:
    logits, labels = torch.randn(9, 3, generator=torch.Generator().manual_seed(0)), torch.arange(9) % 3
    right = F.one_hot(labels, 3) + torch.rand(9, 3, generator=torch.Generator().manual_seed(0)) / 2
    attached = torch.arange(9.0)
    assert set(measured(attached, logits, labels)) == set(MEASURES)
    assert set(measured(attached, right, labels)) == set(MEASURES) - {"auroc"}
    assert set(measured(torch.ones(9), logits, labels)) == {"auroc"}
    assert measured(torch.full((9,), torch.nan), logits, labels) == {}
    assert measured(attached[:1], logits[:1], labels[:1]) == {}


@pytest.mark.parametrize(("size", "most", "count"), [(10, 4, 4), (10, 10, 10), (3, 10, 3), (50_000, 2_000, 2_000)])
def test_spaced_positions_are_even(size: int, most: int, count: int) -> None:
    positions = torch.arange(size) + 7
    chosen = spaced(positions, most)
    assert len(chosen) == count
    assert chosen[0] == 7
    gaps = chosen.diff()
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1
    assert chosen[-1] + gaps.max() >= positions[-1]


# --- in a run


LOOKING = """\
import torch.nn.functional as F
from scipy import stats
from strategies.learning_loss import LearningLoss
class Mine(LearningLoss):
    takes_top_scores = False
    def select(self, pool, n, generator):
        torch.save((pool.indices, pool.logits, pool.attachment_output), {path!r})
        return super().select(pool, n, generator)
"""


def test_lines_tell_how_the_choosing_module_ranks_the_pool_it_chose_from(tmp_path: Path) -> None:
    path = str(tmp_path / "seen.pt")
    mine = plugin(tmp_path, LOOKING.format(path=path))
    assert bench(tmp_path, "--strategies", mine, "margin", "--seeds", "0", "--budgets", "10", "20") == 0
    lines = run_lines(tmp_path)
    first, last = next(rounds for name, (_, *rounds) in lines.items() if "Mine" in name)
    keys = {f"loss_rank.{part}.{measure}" for part in ("labelled", "pool", "test") for measure in MEASURES}
    found = {name for name in first["diagnostics"] if name.startswith("loss_rank.")}
    assert keys - {"loss_rank.labelled.auroc"} <= found <= keys
    assert last["diagnostics"] == {}
    indices, logits, predicted = torch.load(path)
    losses = F.cross_entropy(logits, load("digits").train_labels[indices], reduction="none")
    assert len(indices) == len(load("digits").train_labels) - 10 < 2_000
    tau = stats.kendalltau(predicted, losses).statistic
    assert first["diagnostics"]["loss_rank.pool.kendall"] == pytest.approx(tau, abs=1e-4)
    (margin,) = [rounds for name, (_, *rounds) in lines.items() if "margin" in name]
    assert not any("loss_rank" in name for line in margin for name in line["diagnostics"])


def test_a_person_is_not_asked_for_the_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("builtins.input", lambda prompt: asked.append(prompt) or str(len(asked) % 10))
    request = ("--strategies", "learning-loss", "--seeds", "0", "--budgets", "10", "15", "--set", "oracle=person")
    assert bench(tmp_path, *request) == 0
    assert len(asked) == 15
    ((_, first, _),) = run_lines(tmp_path).values()
    parts = {key.split(".")[1] for key in first["diagnostics"] if key.startswith("loss_rank.")}
    assert parts == {"labelled", "test"}


# --- in a report


def with_diagnostics(path: Path, value: float) -> None:
    def measured(i: int) -> dict[str, float]:
        return {"loss_rank.pool.kendall": value + 0.01 * i, "loss_rank.test.auroc": 0.5, "other": 1.0}

    change_rounds(path, lambda record: replace(record, diagnostics=measured(record.round)))


def test_the_table_shows_final_accuracy_beside_the_mean_agreement(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "mnist")
    for seed in range(2):
        write_run(root, "random", seed)
        with_diagnostics(write_run(root, "learning-loss", seed), 0.2 + 0.2 * seed)
    write_report(root)
    (row,) = pd.read_csv(root / "tables" / "diagnostics.csv").to_dict("records")
    finals = [accuracy_of("learning-loss", seed, BUDGETS[-1]) for seed in range(2)]
    assert (row["strategy"], row["n"], row["labels"]) == ("learning-loss", 2, BUDGETS[-1])
    assert row["final_mean"] == pytest.approx(np.mean(finals))
    assert row["pool.kendall_mean"] == pytest.approx(0.31)  # 0.2, 0.21, 0.22 and 0.4, 0.41, 0.42
    # The last round is left out: a longer ladder measures there, one that ends does not.
    assert row["pool.kendall_sd"] == pytest.approx(np.std([0.21, 0.41], ddof=1))
    assert row["test.auroc_mean"] == 0.5
    assert not any("other" in column for column in row)
    text = (root / "tables" / "diagnostics.md").read_text()
    assert "0.31 ± 0.14" in text
    assert "τ pool" in text
    assert "random" not in text.split("How well")[0]
    assert "## Diagnostics" in (root / "README.md").read_text()


def test_without_diagnostics_there_is_no_table(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "mnist")
    write_run(root, "random", 0)
    write_report(root)
    assert not list((root / "tables").glob("diagnostics*"))
    assert "Diagnostics" not in (root / "README.md").read_text()


def test_a_real_run_is_reported(tmp_path: Path) -> None:
    request = ("--strategies", "learning-loss", "random", "--seeds", "0", "--budgets", "10", "20")
    assert bench(tmp_path, *request, report=True) == 0
    ((_, first, _),) = [lines for name, lines in run_lines(tmp_path).items() if "learning" in name]
    row = pd.read_csv(experiment(tmp_path) / "tables" / "diagnostics.csv").iloc[0]
    assert row["pool.kendall_mean"] == pytest.approx(first["diagnostics"]["loss_rank.pool.kendall"])
