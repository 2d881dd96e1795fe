"""Corrections for many tests at once: Holm's, and max-T by flipping the signs of seeds."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from benchmark.reports.statistics.resampling import parts

MOST_FLIPS = 4096  # of 2ⁿ⁻¹ sign patterns; above, as many are drawn


def holm(p: np.ndarray) -> np.ndarray:
    """p-values (…, M) adjusted by Holm's step-down procedure along the last axis; NaN stays NaN and does not count.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979.
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, axis=-1, kind="stable")  # NaN last
    known = (~np.isnan(p)).sum(axis=-1, keepdims=True)
    factor = np.maximum(known - np.arange(p.shape[-1]), 1)
    ordered = np.minimum(1, np.maximum.accumulate(factor * np.take_along_axis(p, order, axis=-1), axis=-1))
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, ordered, axis=-1)
    return adjusted


def sign_patterns(seeds: int) -> Iterator[np.ndarray]:
    """(B, n) patterns of ±1, the first all +1: every one up to a common sign, or 4,096 drawn ones (the same each time).

    A common sign changes no absolute value. They come in parts of some rows: those of 17,000 seeds take 70 MB.
    """
    if 2 ** (seeds - 1) <= MOST_FLIPS:
        yield np.array([(1, *rest) for rest in itertools.product((1, -1), repeat=seeds - 1)])
        return
    draw = np.random.default_rng(0)
    for number, rows in enumerate(parts(MOST_FLIPS, seeds)):
        drawn = draw.integers(0, 2, (rows, seeds)).astype(np.int8) * np.int8(2) - np.int8(1)
        if not number:
            drawn[0] = 1
        yield drawn


def flipped_statistics(differences: np.ndarray, least_variance: float, signs: Iterable[np.ndarray]) -> np.ndarray:
    """Student's |t| (B, M) of ``differences`` (n, M) with the ``signs`` (B, n), which come in parts, of seeds flipped.

    In parts, since a product has them as doubles.
    """
    n = len(differences)
    sums = np.concatenate([some @ differences for some in signs])
    means = sums / n
    variances = (np.square(differences).sum(axis=0) - n * np.square(means)) / (n - 1)
    np.maximum(variances, least_variance, out=variances)
    return np.asarray(np.abs(means) / np.sqrt(variances / n))


def max_t(statistics: np.ndarray) -> np.ndarray:
    """p-values (M,) adjusted by the step-down max-T procedure from |t| (B, M), whose first row is the observed one.

    Westfall and Young, "Resampling-based multiple testing", 1993, algorithm 4.1; p-values are exact shares of the
    patterns, so that none is below 1/B.
    """
    order = np.argsort(-statistics[0], kind="stable")
    ordered = statistics[:, order]
    largest = np.maximum.accumulate(ordered[:, ::-1], axis=1)[:, ::-1]  # over this test and all less significant ones
    slack = 1e-9 * np.maximum(ordered[0], 1)  # the same pattern by another way of rounding is a tie
    shares = (largest >= ordered[0] - slack).mean(axis=0)
    adjusted = np.empty(len(order))
    adjusted[order] = np.maximum.accumulate(shares)
    return adjusted


def critical_value(statistics: np.ndarray, level: float) -> float:
    """The |t| that a single-step max-T test at ``level`` must exceed."""
    largest = np.sort(statistics.max(axis=1))
    allowed = int(np.floor(level * len(largest) + 1e-9))
    return float(largest[len(largest) - allowed - 1])
