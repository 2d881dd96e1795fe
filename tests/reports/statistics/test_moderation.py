"""Shrunk variances, against Smyth's formulae written out one at a time and against draws from a known prior."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, special

from benchmark.reports.statistics.moderation import MOST, moderated, prior, smyth_prior, trigamma_inverse


def by_formulae(variances: list[float], degrees: list[int]) -> tuple[float, float]:
    """d₀ and s₀² by section 6.2 of Smyth (2004), with a bracketing root finder in place of Newton's method."""
    e = [
        math.log(s2) - float(special.digamma(d / 2)) + math.log(d / 2) for s2, d in zip(variances, degrees, strict=True)
    ]
    mean, count = sum(e) / len(e), len(e)
    target = sum((x - mean) ** 2 for x in e) / (count - 1)
    target -= sum(float(special.polygamma(1, d / 2)) for d in degrees) / count
    if target <= 0:
        return math.inf, math.exp(mean)
    half = optimize.brentq(lambda y: float(special.polygamma(1, y)) - target, 1e-6, 1e8)
    return 2 * half, math.exp(mean + float(special.digamma(half)) - math.log(half))


@pytest.mark.parametrize("rng", range(8))
def test_the_prior_is_that_of_the_formulae(rng: int) -> None:
    draw = np.random.default_rng(rng)
    degrees = draw.integers(2, 10, 12)
    variances = draw.chisquare(degrees) / degrees * np.exp(draw.normal(0, 0.3 * rng, 12))
    found = smyth_prior(variances, degrees)
    assert tuple(map(float, found)) == pytest.approx(by_formulae(variances.tolist(), degrees.tolist()), rel=1e-6)


def test_a_known_prior_is_found_again() -> None:
    """Variances s₀² d₀ / χ²(d₀) times χ²(d) / d, of which Smyth's model is true."""
    draw = np.random.default_rng(0)
    truth = 3.0 * 5 / draw.chisquare(5, 200_000)
    d0, s0 = smyth_prior(truth * draw.chisquare(4, len(truth)) / 4, np.full(len(truth), 4))
    assert (float(d0), float(s0)) == pytest.approx((5, 3), rel=0.03)


def test_trigamma_is_inverted_over_its_range() -> None:
    y = np.geomspace(1e-3, 1e6, 50)
    np.testing.assert_allclose(trigamma_inverse(special.polygamma(1, y)), y, rtol=1e-6)


def test_what_is_used_is_at_most_two_and_nothing_for_few_variances() -> None:
    d0, _ = prior(np.array([[1.0, 1.1, 0.9, 1.0, 1.0], [1, 100, 1e4, 1e-4, 1]]), np.full(5, 9))
    assert d0[0] == MOST
    assert 0 < d0[1] < MOST
    alike = np.linspace(1, 1.1, 7)
    for count, degrees, shrunk in ((4, 9, False), (5, 2, False), (6, 2, False), (7, 2, True), (5, 3, True)):
        some = alike[:count], np.full(count, degrees)
        assert (prior(*some)[0] > 0) == shrunk
        assert (moderated(*some, *prior(*some)).tolist() != some[0].tolist()) == shrunk


def test_a_moderated_variance_weighs_by_degrees_of_freedom() -> None:
    found = moderated(np.array([8.0, 1.0]), np.array([2, 9]), np.array(2.0), np.array(4.0))
    assert found.tolist() == pytest.approx([(2 * 4 + 2 * 8) / 4, (2 * 4 + 9 * 1) / 11])
