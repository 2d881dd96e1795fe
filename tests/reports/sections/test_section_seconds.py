"""Accuracy over seconds: what a run took until an accuracy was there."""

from __future__ import annotations

import numpy as np
import pytest
from support.made_reports import curves_of, report_of, rising_curves

from benchmark.reports.sections.seconds import elapsed, figure


def test_seconds_are_all_training_so_far_and_all_queries_before() -> None:
    rows = curves_of({"random": np.zeros((2, 3)), "margin": np.zeros((2, 3))}, [20, 40, 80])
    slow = (rows["strategy"] == "margin") & (rows["seed"] == 1)
    rows.loc[slow, "query_seconds"] *= 3
    shuffled = elapsed(rows.sample(frac=1, random_state=0)).sort_index()
    assert shuffled.loc[slow, "seconds"].tolist() == [10, 10 + 9 + 20, 10 + 9 + 20 + 9 + 30]


def test_the_figure_ends_with_the_last_training() -> None:
    frame = rising_curves(4, 3, 5)
    report = report_of(frame)
    drawn = figure(report, report.views[0])
    assert drawn is not None
    assert max(line.get_xdata()[-1] for line in drawn.axes[0].lines) == pytest.approx(5 + 4 * 0.1)
    untimed = report_of(frame.assign(train_seconds=np.nan))
    assert figure(untimed, untimed.views[0]) is None
