"""Corrections for many tests at once: Holm's, and max-T by flipping the signs of seeds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmark.reports.statistics.resampling import parts

MOST_STATISTICS = 2**27  # that are computed, of all flips and tests: those of all flips of 20 seeds up to 256 tests
FEWEST_FLIPS, MOST_DRAWN = 2**12, 2**16


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


def number_of_flips(seeds: int, tests: int) -> int:
    """How many patterns of signs are tried: all 2ⁿ⁻¹ that differ by more than a common sign, or as time allows."""
    every, most = 2 ** (seeds - 1), max(FEWEST_FLIPS, MOST_STATISTICS // max(seeds, tests))
    return every if every <= most else min(most, MOST_DRAWN)


def sign_patterns(seeds: int, tests: int) -> Iterator[np.ndarray]:
    """The patterns (B, n) of ±1, in parts of some rows; the first is all +1, and drawn ones are the same each time."""
    count, first = number_of_flips(seeds, tests), 0
    draw = np.random.default_rng(0)
    for rows in parts(count, max(seeds, tests)):
        if count == 2 ** (seeds - 1):
            negative = np.arange(first, first + rows)[:, None] >> np.arange(seeds)[::-1] & 1
        else:
            negative = draw.integers(0, 2, (rows, seeds))
            if not first:
                negative[0] = 0
        yield (1 - 2 * negative).astype(np.int8)
        first += rows


def flipped_statistics(differences: np.ndarray, least_variance: float, signs: np.ndarray) -> np.ndarray:
    """Student's |t| (B, M) of ``differences`` (n, M) with the ``signs`` (B, n) of seeds flipped."""
    n = len(differences)
    means = signs @ differences / n
    variances = (np.square(differences).sum(axis=0) - n * np.square(means)) / (n - 1)
    np.maximum(variances, least_variance, out=variances)
    return np.asarray(np.abs(means) / np.sqrt(variances / n))


def max_t(differences: np.ndarray, least_variance: float, level: float) -> tuple[np.ndarray, float]:
    """p-values (M,) adjusted by the step-down max-T procedure, and the |t| that a single-step test must exceed.

    ``differences`` (n, M) are of n seeds in M tests, no variance of which is taken to be below ``least_variance``. The
    single-step test is at ``level``. Westfall and Young, "Resampling-based multiple testing", 1993, algorithm 4.1;
    p-values are exact shares of the patterns, so that none is below one over their number.
    """
    n, tests = differences.shape
    observed = flipped_statistics(differences, least_variance, np.ones((1, n)))[0]
    order = np.argsort(-observed, kind="stable")
    ordered = differences[:, order[::-1]]  # the least significant first
    bounds = observed[order[::-1]]
    bounds = bounds - 1e-9 * np.maximum(bounds, 1)  # the same pattern by another way of rounding is a tie
    reached, largest = np.zeros(tests, dtype=np.int64), []
    for signs in sign_patterns(n, tests):
        statistics = flipped_statistics(ordered, least_variance, signs)
        np.maximum.accumulate(statistics, axis=1, out=statistics)  # over a test and all less significant ones
        reached += (statistics >= bounds).sum(axis=0)
        largest.append(statistics[:, -1].copy())
    maxima = np.sort(np.concatenate(largest))
    adjusted = np.empty(tests)
    adjusted[order] = np.maximum.accumulate(reached[::-1] / len(maxima))
    allowed = int(np.floor(level * len(maxima) + 1e-9))
    return adjusted, float(maxima[len(maxima) - allowed - 1])
