"""Runs on data that do not pair are never averaged; which are left out is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.report_lines import DATASET, write_grid, write_run

from benchmark.reports.provenance import provenance
from benchmark.reports.statistics.curves import select
from benchmark.results.records import DatasetRecord, DifferingRecord
from benchmark.results.store import read_experiment

OTHER = replace(DATASET, sha256="e" * 64, manifest_sha256="8" * 64)


def data(letter: str, train: int, test: int) -> DatasetRecord:
    differing = DifferingRecord(train_images=train, train_size=60_000, test_images=test, test_size=10_000)
    return replace(DATASET, sha256=letter * 64, manifest_sha256=letter * 64, differing=differing)


@pytest.mark.parametrize(
    ("one", "other", "pairs"),
    [
        (data("a", 0, 0), data("b", 150, 25), True),
        (data("a", 0, 0), data("b", 151, 0), False),
        (data("a", 0, 0), data("b", 0, 26), False),
        (data("a", 150, 25), data("b", 150, 25), True),
        (data("a", 151, 0), data("a", 151, 0), True),
        (DATASET, OTHER, False),
        (DATASET, data("b", 0, 0), False),
        (data("a", 0, 0), replace(data("b", 0, 0), name="cifar10"), False),
        (
            replace(DATASET, manifest_sha256="5" * 64),
            replace(OTHER, manifest_sha256="5" * 64),
            True,
        ),  # other embeddings
        (replace(DATASET, manifest_sha256="5" * 64), replace(OTHER, manifest_sha256="6" * 64), False),
        (replace(DATASET, manifest_sha256="5" * 64), replace(OTHER, manifest_sha256="5" * 64, name="b"), False),
        (replace(DATASET, manifest_sha256="unknown"), replace(OTHER, manifest_sha256="unknown"), False),
    ],
)
def test_which_copies_pair(one: DatasetRecord, other: DatasetRecord, pairs: bool) -> None:
    assert one.pairs_with(other) is other.pairs_with(one) is pairs


def test_runs_on_other_data_are_left_out_by_name(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "x", ["random", "margin"])
    write_run(root, "entropy", 0, dataset=OTHER)
    write_run(root, "margin", 1, dataset=OTHER)  # in place of the one on the others' data
    selection = select(read_experiment(root))
    assert {run.header.dataset.sha256 for run in selection.runs} == {DATASET.sha256}
    assert len(selection.runs) == 5
    assert selection.notes == ["Left out, on other data (SHA-256 eeeeeeeeeeee): entropy, seed 0; margin, seed 1."]


def test_the_published_data_go_before_the_many(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "x", ["random", "margin"])
    write_run(root, "entropy", 0, dataset=data("a", 0, 0))
    write_run(root, "entropy", 1, dataset=data("b", 72, 20))
    selection = select(read_experiment(root))
    assert [(run.key.strategy, run.key.seed) for run in selection.runs] == [("entropy", 0), ("entropy", 1)]


def test_a_footnote_for_each_copy(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "x", [])
    for strategy, seed, copy in (
        ("random", 0, data("a", 0, 0)),
        ("random", 1, data("b", 72, 20)),
        ("margin", 0, data("b", 72, 20)),
        ("margin", 1, data("c", 0, 3)),
        ("entropy", 0, data("a", 0, 0)),
    ):
        write_run(root, strategy, seed, dataset=copy)
    experiment = read_experiment(root)
    source = provenance(experiment, select(experiment).runs)
    assert source.footnotes == (
        "On data that differ from the published mnist in 72 of 60,000 training images and 20 of 10,000 test images: "
        "margin (seed 0), random (seed 1).",
        "On data that differ from the published mnist in 3 of 10,000 test images: margin (seed 1).",
    )
    assert source.marked == {("margin", "supervised"), ("random", "supervised")}


def test_published_data_have_no_footnote(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "x", [])
    for seed in range(3):
        write_run(root, "random", seed, dataset=data("a", 0, 0))
    experiment = read_experiment(root)
    source = provenance(experiment, select(experiment).runs)
    assert (source.footnotes, source.marked) == ((), frozenset())
