"""What a misspelt name may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """``: did you mean …?`` with the nearest of the ``known`` names and those about as near, or nothing.

    ``strategies`` has the same for its specs; it would bring PyTorch along, which a report need not wait for.
    """
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    nearness = [difflib.SequenceMatcher(None, other, name).ratio() for other in close]
    close = [other for other, near in zip(close, nearness, strict=True) if near > nearness[0] - 0.05]
    return f": did you mean {' or '.join(close)}?" if close else ""
