"""What a misspelt name may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """``: did you mean …?`` with the nearest of the ``known`` names, or nothing.

    ``strategies`` has the same for its specs; it would bring PyTorch along, which a report need not wait for.
    """
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f": did you mean {' or '.join(close)}?" if close else ""
