"""``--budgets`` of a report: it shows and judges what a run to the last of them would have shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from support.report_lines import change_rounds, write_experiment, write_run

from benchmark.reports import read_report
from benchmark.reports.sections import examples, premises
from benchmark.reports.sections.balance import balance
from benchmark.results.lines import record_bytes
from benchmark.results.paths import traces_path
from benchmark.results.records import RoundRecord, TraceRecord

LONG = [20, 40, 60, 80, 100, 120, 140]
SHORT = LONG[:3]
BLIND = {"early": range(SHORT[-1]), "late": range(SHORT[-1], LONG[-1])}


def grid(root: Path, budgets: list[int]) -> Path:
    """Two strategies that rank at chance, one up to the end of ``SHORT`` and one from there on; with all extras."""
    write_experiment(root, budgets, learners=("fixmatch",))
    for strategy in ("random", *BLIND):
        for seed in range(3):
            path = write_run(root, strategy, seed, budgets, learner="fixmatch")

            def measured(record: RoundRecord, strategy: str = strategy) -> RoundRecord:
                blind = record.num_labelled in BLIND.get(strategy, ())
                classes = tuple(i % (10 if record.num_labelled < SHORT[-1] else 2) for i in range(20))
                return replace(
                    record,
                    acquired_labels=classes[: len(record.acquired_labels)],
                    diagnostics={"loss_rank.pool.auroc": 0.5 if blind else 0.9} if strategy in BLIND else {},
                )

            change_rounds(path, measured)
            traces = [TraceRecord(i, 10, {"labelled_loss": 1 / labels}) for i, labels in enumerate(budgets)]
            traces_path(path).write_bytes(record_bytes(traces))
            np.savez(
                path.with_suffix(".examples.npz"),
                images=np.zeros((2, 8, 8, 1), dtype=np.uint8),
                labels=np.ones(2, dtype=np.int64),
                predicted=np.ones(2, dtype=np.int64),
                confidence=np.ones(2),
                mistakes=np.zeros(2, dtype=bool),
                names=np.array(["a", "b"]),
            )
    return root


def test_a_selection_of_budgets_is_judged_by_the_queries_before_its_end(tmp_path: Path) -> None:
    long, short = grid(tmp_path / "long", LONG), grid(tmp_path / "short", SHORT)
    whole, selected, ran = read_report(long), read_report(long, budgets=SHORT), read_report(short)
    blind = {key[0] for key in whole.source.unranked.degenerate}
    assert blind == {"late"}
    for report in (selected, ran):
        assert {key[0] for key in report.source.unranked.degenerate} == {"early"}
        assert premises.rounds(report)["labels"].max() == SHORT[-2]
    pd.testing.assert_frame_equal(premises.rounds(selected), premises.rounds(ran))
    assert premises.rounds(whole)["labels"].max() == LONG[-2]
    assert read_report(long, budgets=[SHORT[-1]]).source.unranked.degenerate == selected.source.unranked.degenerate
    first = read_report(long, budgets=LONG[:1])  # no query leads to it
    assert not first.source.unranked.degenerate
    assert premises.table(first, first.views[0]) is None


def test_what_is_drawn_ends_there_too(tmp_path: Path) -> None:
    root = grid(tmp_path / "long", LONG)
    whole, selected = read_report(root), read_report(root, budgets=SHORT)
    for report, end in ((whole, LONG), (selected, SHORT)):
        ((panel, _),) = balance(report)
        assert sorted(set(panel.table["labels"])) == end[:-1]
        assert set(report.traces["labels"]) == {end[-1]}
        assert set(report.traces["labelled_loss"]) == {1 / end[-1]}
    assert examples.figure(whole, whole.views[0]) is not None
    assert examples.figure(selected, selected.views[0]) is None  # they are of the run's end
