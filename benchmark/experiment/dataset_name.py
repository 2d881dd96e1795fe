"""The short name of a data set."""

from __future__ import annotations

import os


def canonical_name(name_or_path: str) -> str:
    """The name that identifies a data set in an experiment: the last part of a path, without ``.npz``.

    The names of known data sets are their own.
    """
    return os.path.basename(os.path.abspath(name_or_path)).removesuffix(".npz")
