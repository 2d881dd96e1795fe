"""Areas under the budget curve."""

from __future__ import annotations

from support.made_reports import report_of, rising_curves

from benchmark.reports.sections import accuracy, areas


def test_a_single_label_count_has_no_area_and_its_accuracies_are_drawn_as_rows() -> None:
    report = report_of(rising_curves(4, 3, 5))
    figure = areas.figure(report, report.views[0])
    assert figure is not None
    assert figure.axes[0].get_title(loc="left") == "Mean accuracy, 20–100 labels (%)"
    single = report_of(rising_curves(4, 3, 1))
    assert areas.figure(single, single.views[0]) is None
    rows = accuracy.figure(single, single.views[0])
    assert rows is not None
    assert rows.axes[0].get_title(loc="left") == "Accuracy, 20 labels (%)"
