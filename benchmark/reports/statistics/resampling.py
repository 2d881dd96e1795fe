"""Bootstrap over seeds: means of seeds drawn with replacement, the same draws wherever there are as many seeds.

Of n seeds n − 1 are drawn (McCarthy & Snowden 1985), as in ``across``: drawing n makes the variance of a mean too small
by (n − 1)/n, a fifth with five seeds.

Draws are made and used in parts: those of 10,000 seeds at once, with the curves at the drawn seeds, would take
gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

RESAMPLES = 2000
FEWEST_SEEDS_BOOTSTRAP = 5  # fewer have too few different resamples for percentiles
AT_ONCE = 2**20  # seeds that are drawn, or values of theirs


def parts(rows: int, width: int) -> Iterator[int]:
    """The numbers of rows that are taken at once of ``rows`` with ``width`` values each."""
    most = max(1, AT_ONCE // max(1, width))
    for start in range(0, rows, most):
        yield min(most, rows - start)


def resampled_means(values: np.ndarray) -> np.ndarray:
    """(1 + RESAMPLES, …) means of ``values`` (n, …) over the seeds: of all as they are, then of n − 1 drawn ones.

    A single seed is drawn again and again.
    """
    n = len(values)
    draw = np.random.default_rng(0)
    found = [values[np.arange(n)[None]].mean(axis=1)]
    for rows in parts(RESAMPLES, values.size):
        found.append(values[draw.integers(0, n, (rows, max(n - 1, 1)))].mean(axis=1))
    return np.concatenate(found)
