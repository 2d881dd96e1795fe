"""The figure of calibration."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from support.made_reports import report_of, rising_curves

from benchmark.reports.sections import calibration


def figure_of(curves: pd.DataFrame) -> Figure | None:
    report = report_of(curves)
    return calibration.figure(report, report.views[0])


def test_there_is_a_panel_for_each_measure_that_is_recorded() -> None:
    frame = rising_curves(4, 3, 5).assign(nll=0.5, ece=np.nan)
    figure = figure_of(frame)
    assert figure is not None
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["NLL (nats)"]
    both = figure_of(frame.assign(ece=0.031))
    assert both is not None
    assert both.axes[0].lines[0].get_ydata()[0] == 3.1  # in %
    assert figure_of(frame.assign(nll=np.nan)) is None
    assert figure_of(frame[frame["labels"] == 20]) is None
