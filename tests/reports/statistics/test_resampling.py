"""The bootstrap over seeds: the same draws and means, in however many parts they are made."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.reports.statistics import resampling
from benchmark.reports.statistics.resampling import RESAMPLES, parts, resampled_means


def test_parts_are_all_rows() -> None:
    assert [sum(parts(rows, width)) for rows, width in ((2000, 1), (2000, 10**5), (3, 10**9), (5, 0))] == [
        2000,
        2000,
        3,
        5,
    ]
    assert max(parts(2000, 10**5)) * 10**5 <= resampling.AT_ONCE


@pytest.mark.parametrize("shape", [(7, 3), (12,), (5, 1)])
@pytest.mark.parametrize("at_once", [1, 50, 2**20])
def test_means_are_of_seeds_drawn_with_replacement(
    shape: tuple[int, ...], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resampling, "AT_ONCE", at_once)
    values = np.random.default_rng(1).random(shape)
    drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values) - 1))
    expected = [sum(values[i] for i in each) / len(each) for each in [range(len(values)), *drawn]]
    np.testing.assert_allclose(resampled_means(values), expected, rtol=1e-12)


@pytest.mark.parametrize("n", [5, 10])
def test_the_variance_of_the_draws_is_that_of_a_mean(n: int) -> None:
    values = np.random.default_rng(2).normal(0, 1, (n, 400))
    found = resampled_means(values)[1:].var(axis=0) / (values.var(axis=0, ddof=1) / n)
    assert found.mean() == pytest.approx(1, abs=0.02)  # n draws of n: 1 − 1/n


def test_a_single_seed_stays_as_it_is() -> None:
    assert (resampled_means(np.array([[1.0, 2.0]])) == [1.0, 2.0]).all()
