"""Costs, against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
from support.made_reports import curves_of

from benchmark.reports.sections.cost import costs

LABELS = [20, 40, 80]


def test_costs_add_up() -> None:
    rows = curves_of({"random": np.zeros((2, 3)), "margin": np.zeros((2, 3))}, LABELS)
    slow = (rows["strategy"] == "margin") & (rows["seed"] == 1)
    rows.loc[slow, "query_seconds"] *= 3
    cost = costs(rows).set_index("strategy")
    assert cost.loc["random", ["query_mean", "query", "train", "total"]].tolist() == [3, 6, 60, 66]
    assert cost.loc["margin", ["query_mean", "query", "total"]].tolist() == [6, 12, 72]
    assert cost.loc["margin", "query_sd"] == pytest.approx(np.std([3, 9], ddof=1))
    assert cost.loc["margin", "factor"] == pytest.approx(72 / 66)
