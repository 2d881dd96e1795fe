"""How runs that were computed again are judged: noise, agreement, and what headers contradict."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from support.report_lines import header_of, round_of

from benchmark.experiment.keys import RunKey
from benchmark.results.records import RunRecord, Seconds
from benchmark.verification.noise import pooled_noise
from benchmark.verification.verdicts import compare_rounds, contradictions, judge_round


def test_the_noise_is_that_of_a_two_way_analysis_of_variance() -> None:
    draw = np.random.default_rng(0)
    table = draw.normal(0, 1, (4, 1)) + draw.normal(0, 3, (1, 5)) + draw.normal(0, 0.5, (4, 5))
    keys = {(i, j): RunKey(f"s{i}", "supervised", j) for i in range(4) for j in range(5)}
    noise = pooled_noise({key: table[place] for place, key in keys.items()})
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    assert noise is not None
    assert (noise.df, noise.sd) == (12, pytest.approx(math.sqrt((rest**2).sum() / 12)))
    half = stats.t.ppf(0.975, 12) * noise.sd * math.sqrt(2)
    assert noise.allows(0.9, 0.9 - half + 1e-9)
    assert not noise.allows(0.9, 0.9 - half - 1e-9)
    alone = pooled_noise({RunKey("margin", "supervised", j): x for j, x in enumerate((0.5, 0.6, 0.7))})
    assert alone is not None
    assert (alone.df, alone.sd) == (2, pytest.approx(0.1))
    assert pooled_noise({RunKey("margin", "supervised", 0): 0.5}) is None


@pytest.mark.parametrize("images", [-300, 300])
def test_three_points_are_caught_among_three_seeds(images: int) -> None:
    """Eight strategies whose accuracies spread over seeds by a point and as much again on their own, as on CIFAR-10."""
    draw = np.random.default_rng(1)
    of_seed = draw.normal(0, 0.01, 3)
    records = [
        RunRecord(header_of(RunKey(f"s{i}", "supervised", j), 10), (round_of(0, 10, accuracy=0.8 + accuracy),), Path())
        for i in range(8)
        for j in range(3)
        for accuracy in [0.01 * i + of_seed[j] + draw.normal(0, 0.008)]
    ]
    flagged = 0
    for old in records:
        off = replace(old.rounds[0], accuracy=old.rounds[0].accuracy + images / 10_000)
        new = RunRecord(replace(old.header, engine_version=9), (off,), Path())
        flagged += not judge_round(old, new, 10, records).agrees
        near = RunRecord(new.header, (replace(off, accuracy=old.rounds[0].accuracy + 0.005),), Path())
        assert judge_round(old, near, 10, records).agrees
    assert flagged == len(records)


def record(*accuracies: float, queried_last: bool = False) -> RunRecord:
    """A run that stopped before its last budget where it ``queried_last``."""
    rounds = [round_of(i, 10 * (i + 1), 10, accuracy=accuracy) for i, accuracy in enumerate(accuracies)]
    if not queried_last:
        rounds[-1] = replace(rounds[-1], acquired_indices=(), acquired_labels=())
    return RunRecord(header_of(RunKey("margin", "supervised", 0), 10), tuple(rounds), Path())


@pytest.mark.parametrize(
    ("new", "agreement"),
    [
        (record(0.5, 0.6), "bits"),
        (record(0.5, 0.6, 0.7), "bits"),  # the budgets on disk ended earlier: no query is missing
        (record(0.5, 0.6009), "numbers"),
        (record(0.5, 0.603), "none"),
    ],
)
def test_how_far_rounds_agree(new: RunRecord, agreement: str) -> None:
    first = replace(new.rounds[0], seconds=Seconds(1.0, 0.0, 0.0), shared_training=False)  # of no account
    new = replace(new, rounds=(first, *new.rounds[1:]))
    assert compare_rounds(record(0.5, 0.6), new, last=30 if len(new.rounds) == 3 else 20).agreement == agreement


def test_measurements_that_a_later_release_added_are_no_difference_but_lost_and_changed_ones_are() -> None:
    def noting(**diagnostics: float) -> RunRecord:
        made = record(0.5, 0.6)
        return replace(made, rounds=(replace(made.rounds[0], diagnostics=diagnostics), made.rounds[1]))

    assert compare_rounds(noting(a=1.0), noting(a=1.0, b=2.0), last=20).agreement == "bits"
    assert compare_rounds(noting(a=1.0), noting(a=1.5, b=2.0), last=20).agreement != "bits"
    assert compare_rounds(noting(a=1.0, b=2.0), noting(a=1.0), last=20).agreement != "bits"


def test_a_query_after_the_last_budget_is_found() -> None:
    assert compare_rounds(record(0.5, 0.6, queried_last=True), record(0.5, 0.6), last=20).where.endswith(
        "from round 1 (20 labels) on: acquired_indices; acquired_labels"
    )


def test_what_a_header_contradicts() -> None:
    new = header_of(RunKey("mine:Mine", "supervised", 0), strategy_check="passed", diagnostic=False, feature_seed=0)
    assert contradictions(new, new) == ""
    assert contradictions(replace(new, strategy_check=None, feature_seed="unknown"), new) == ""
    assert contradictions(replace(new, strategy_check="failed"), new) == "strategy_check failed on disk, passed here"
    assert contradictions(replace(new, feature_seed=None), new) == "feature_seed None on disk, 0 here"
