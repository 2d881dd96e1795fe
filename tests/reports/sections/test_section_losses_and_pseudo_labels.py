"""The figures of trainings, from traces."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.report_lines import write_experiment, write_run

from benchmark.reports import read_report
from benchmark.reports.rendering.figures.traces import trace_figure
from benchmark.reports.sections import losses, pseudo_labels
from benchmark.reports.statistics.traces import traced
from benchmark.results.lines import record_bytes
from benchmark.results.paths import traces_path
from benchmark.results.records import TraceRecord
from benchmark.results.store import read_traces

LEARNERS = ("supervised", "fixmatch", "noisy-student")
STEPS = {"fixmatch": range(10, 501, 10), "noisy-student": (0, 200, 400)}


def traced_grid(root: Path, seeds: int = 2) -> Path:
    """Two label counts; the supervised learner leaves no traces, one learner few, and one many."""
    write_experiment(root, [20, 40], learners=LEARNERS)
    for learner in LEARNERS:
        for seed in range(seeds):
            path = write_run(root, "random", seed, [20, 40], learner=learner, shift=0.01 * len(learner))
            traces = [
                TraceRecord(number, step, values(learner, number, seed, step))
                for number in (0, 1)
                for step in STEPS.get(learner, ())
            ]
            if traces:
                traces_path(path).write_bytes(record_bytes(traces) + b'{"round":1,"st')
    return root


def values(learner: str, number: int, seed: int, step: int) -> dict[str, float]:
    accepted = {"accepted": 0.1 * (1 + number) + step / 1000, "right": 0.9, "precision": 0.95}
    if learner != "fixmatch":
        return accepted
    return {"labelled_loss": 2 / (1 + step) + seed, "unlabelled_loss": 0.5, **({} if step < 30 else accepted)}


def test_the_traces_of_the_last_rounds(tmp_path: Path) -> None:
    report = read_report(traced_grid(tmp_path / "mnist"))
    frame = traced(report.runs, [20, 40])
    assert set(frame["labels"]) == {40}
    assert set(frame["learner"]) == {"fixmatch", "noisy-student"}
    assert len(frame) == 2 * (50 + 3)
    row = frame[(frame["learner"] == "fixmatch") & (frame["seed"] == 1) & (frame["step"] == 40)].iloc[0]
    assert (row["labelled_loss"], row["accepted"]) == pytest.approx((2 / 41 + 1, 0.24))
    assert read_traces(tmp_path / "none.jsonl") == []


def test_the_lines_are_means_over_seeds(tmp_path: Path) -> None:
    report = read_report(traced_grid(tmp_path / "mnist"))
    figure = losses.figure(report, report.views[0])
    assert figure is not None
    first, second = figure.axes
    (line,) = first.lines
    assert line.get_xdata().tolist() == list(STEPS["fixmatch"])
    assert line.get_ydata() == pytest.approx([2 / (1 + step) + 0.5 for step in STEPS["fixmatch"]])
    assert line.get_marker() in (None, "None")
    assert second.get_title(loc="left") == "Unlabelled loss (nats)"
    assert figure.texts[-1].get_text().startswith("at 40 labels; mean over 2 seeds")
    figure = pseudo_labels.figure(report, report.views[0])
    assert figure is not None
    assert [len(axes.lines) for axes in figure.axes] == [2, 2, 2]
    assert sorted(len(line.get_xdata()) for line in figure.axes[0].lines) == [3, 48]
    assert trace_figure(report.traces[:0], losses.TITLES, report.ranking, report.source, report.reference) is None
    assert set(traced(report.runs, [20])["labels"]) == {20}
    assert traced([], [20]).empty
