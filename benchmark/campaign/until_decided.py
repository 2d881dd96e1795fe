"""More seeds until the differences to random are known well enough.

Results are looked at up to five times; after each look but the last, seeds are added, at most as many as there are.
Whoever looks several times and stops when he likes finds too much: so every look has a fifth of the level (Bonferroni's
spending, valid whatever decides on going on), in intervals and verdicts, and experiment.json keeps the number of looks.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from benchmark.experiment import Protocol

LOOKS = 5


def more_seeds(seeds: tuple[int, ...], widest: float, width: float) -> tuple[int, ...]:
    """The seeds with those added that the ``widest`` interval needs to shrink to ``width``: one to twice as many.

    Where there is no interval yet, as with two seeds, twice as many.
    """
    n = len(seeds)
    wanted = math.ceil(n * (widest / width) ** 2) if math.isfinite(widest) else 2 * n
    count = min(max(wanted, n + 1), 2 * n) - n
    return (*seeds, *range(max(seeds) + 1, max(seeds) + 1 + count))


def until_decided(
    protocol: Protocol, width: float, compute: Callable[[Protocol], int], widest: Callable[[Protocol], float]
) -> tuple[Protocol, int, float]:
    """Compute seeds until the widest interval is at most ``width``, both shares of 1, or five looks are spent.

    ``compute`` computes a protocol's runs and returns the exit status, ``widest`` looks at them. Returns the protocol
    with its seeds, the last status (a look follows 0 alone) and the widest interval, NaN without a look.
    """
    protocol = protocol.override(looks=max(protocol.looks, LOOKS))
    for look in range(1, LOOKS + 1):
        if status := compute(protocol):
            return protocol, status, math.nan
        found = widest(protocol)
        if found <= width or look == LOOKS:
            break
        protocol = protocol.override(seeds=list(more_seeds(protocol.seeds, found, width)))
    return protocol, 0, found
