"""How much of what one seed acquired the others acquired, against sets counted pair by pair."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from support.report_lines import change_rounds, write_experiment, write_run

from benchmark.reports.statistics.replicates import shared_by_seeds
from benchmark.results.records import RoundRecord
from benchmark.results.store import read_experiment

MARGIN = ("margin", "supervised")


def shifted(record: RoundRecord, by: int) -> RoundRecord:
    return replace(record, acquired_indices=tuple(index + by for index in record.acquired_indices))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three seeds of margin, whose images are moved by some, and one of random."""
    write_experiment(tmp_path)
    for seed, by in enumerate((0, 7, 30)):
        change_rounds(write_run(tmp_path, "margin", seed), lambda record, by=by: shifted(record, by))
    write_run(tmp_path, "random", 0)
    return tmp_path


@pytest.mark.parametrize("before", [math.inf, 60])
def test_it_is_the_mean_over_pairs_of_seeds(root: Path, before: float) -> None:
    runs = read_experiment(root).runs
    sets = [
        {index for record in run.rounds if record.num_labelled < before for index in record.acquired_indices}
        for run in runs
        if run.key.strategy == "margin"
    ]
    pairs = [len(one & other) / len(one) for one, other in permutations(sets, 2)]
    assert 0 < sum(pairs) / len(pairs) < 1
    assert shared_by_seeds(runs, before) == {MARGIN: pytest.approx(sum(pairs) / len(pairs))}


def test_the_seeds_are_compared_as_far_as_all_got(root: Path) -> None:
    so_far = shared_by_seeds(read_experiment(root).runs, 60)
    path = root / "runs" / "margin" / "supervised-seed1.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))  # the last round acquires nothing
    assert shared_by_seeds(read_experiment(root).runs) == so_far


def test_without_a_second_seed_or_a_query_there_is_none(tmp_path: Path) -> None:
    write_experiment(tmp_path)
    write_run(tmp_path, "random", 0)
    runs = read_experiment(tmp_path).runs
    assert shared_by_seeds(runs) == {}
    assert shared_by_seeds([*runs, *runs], 20) == {}
