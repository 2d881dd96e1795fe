"""How evenly the classes were queried."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from support.made_reports import report_of, rising_curves
from support.report_lines import header_of, round_of

from benchmark.experiment.keys import RunKey
from benchmark.reports.sections.balance import balance_figure, balance_panels, class_balance, evenness
from benchmark.results.records import LabelsRecord, RunRecord


def test_class_balance_counts_the_answers() -> None:
    assert evenness([5, 5, 5, 5], 4) == pytest.approx(1)
    assert evenness([7, 0], 2) == 0
    assert evenness([3, 1], 4) == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(4))
    assert math.isnan(evenness([], 4))
    header = replace(header_of(RunKey("margin", "supervised", 0)), initial=LabelsRecord((0, 1), (0, 1), ()))
    rounds = (
        round_of(0, 2, 2, acquired_labels=(0, 0), class_accuracy=(1.0, 1.0)),
        round_of(1, 4, 2, acquired_labels=(1, 1), class_accuracy=(1.0, 1.0)),
        round_of(2, 6, class_accuracy=(1.0, 1.0)),
    )
    table = class_balance([RunRecord(header, rounds, Path("x"))])
    assert table["labels"].tolist() == [2, 4]
    assert table["batch"].tolist() == [0, 0]
    shares = (0.75, 0.25)
    expected = -sum(share * math.log2(share) for share in shares)
    assert table["labelled"].tolist() == pytest.approx([expected, 1])


def test_a_single_batch_is_no_figure() -> None:
    columns = ["strategy", "learner", "seed", "labels", "batch", "labelled"]
    frame = rising_curves(4, 3, 5)
    report = report_of(frame)
    view, source = report.views[0], report.source
    assert balance_figure(balance_panels(pd.DataFrame(columns=columns), view), view, source) is None
    balance = frame.assign(batch=0.9, labelled=0.95)[columns]
    assert balance_figure(balance_panels(balance, view), view, source) is not None
    assert balance_figure(balance_panels(balance[balance["labels"] == 20], view), view, source) is None
