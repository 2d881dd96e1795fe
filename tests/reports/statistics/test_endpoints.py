"""The declared endpoints, against areas of a finely drawn curve."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from benchmark.reports.statistics.endpoints import ENDPOINTS, endpoint, halves, run_endpoints

LABELS = [20, 40, 60, 100, 250, 300]
CURVE = [0.3, 0.6, 0.55, 0.8, 0.9, 0.92]


def test_halves_are_means_over_the_logarithm() -> None:
    fine = np.linspace(math.log(20), math.log(300), 200_001)
    values = np.interp(fine, np.log(LABELS), CURVE)
    for name, part in (("early", values[:100_001]), ("late", values[100_000:])):
        assert endpoint(name, LABELS, CURVE) == pytest.approx(np.trapezoid(part) / (len(part) - 1), abs=1e-7)
    assert endpoint("last", LABELS, CURVE) == 0.92
    area = np.trapezoid(CURVE, LABELS) / 280
    assert endpoint("area", LABELS, CURVE) == pytest.approx(area)
    assert halves(LABELS) == pytest.approx(math.sqrt(6000))


def test_the_halves_together_are_the_area_over_the_logarithm() -> None:
    both = (endpoint("early", LABELS, CURVE) + endpoint("late", LABELS, CURVE)) / 2
    x = np.log(LABELS)
    assert both == pytest.approx(np.trapezoid(CURVE, x) / (x[-1] - x[0]))


@pytest.mark.parametrize(("counts", "names"), [(1, ("area",)), (2, ("area", "last")), (3, ENDPOINTS)])
def test_few_label_counts_have_few_endpoints(counts: int, names: tuple[str, ...]) -> None:
    rows = pd.DataFrame(
        [("margin", "supervised", 3, n, a) for n, a in zip(LABELS[:counts], CURVE, strict=False)],
        columns=["strategy", "learner", "seed", "labels", "accuracy"],
    )
    found = run_endpoints(rows)
    assert tuple(found.columns[3:]) == names
    assert found["area"].iloc[0] == pytest.approx(endpoint("area", LABELS[:counts], CURVE[:counts]))
