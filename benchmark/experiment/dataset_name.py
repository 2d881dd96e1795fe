"""The short name of a data set, and how far two copies of it may differ."""

from __future__ import annotations

import os

LARGEST_SHARE = 0.0025  # of a split's images that may differ


def canonical_name(name_or_path: str) -> str:
    """The name that identifies a data set in an experiment: the last part of a path, without ``.npz``.

    The names of known data sets are their own.
    """
    return os.path.basename(os.path.abspath(name_or_path)).removesuffix(".npz")


def few(differing: int, size: int) -> bool:
    """Whether so few of the ``size`` images of a split differ that numbers on the two copies may be compared."""
    return differing <= LARGEST_SHARE * size
