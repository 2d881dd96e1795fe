"""What happened on the pretended GPU, counted by operation and by the line of the project that asked for it."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[3])
_HERE = str(Path(__file__).parent)


class Log:
    """Counters of (operation, "file:line").

    ``waits`` make the host wait for a value of the device; ``copies`` go from the host to the device; ``unordered``
    are floating-point sums that CUDA takes in an order of its own. ``operations`` counts all, by name.
    """

    def __init__(self) -> None:
        self.waits: Counter[tuple[str, str]] = Counter()
        self.copies: Counter[tuple[str, str]] = Counter()
        self.unordered: Counter[tuple[str, str]] = Counter()
        self.operations: Counter[str] = Counter()

    def clear(self) -> None:
        for counter in (self.waits, self.copies, self.unordered):
            counter.clear()
        self.operations.clear()


LOG = Log()  # of the pretended GPU, of which there is one


def place() -> str:
    """The innermost line of the project that is being executed, outside of this package."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(ROOT) and "site-packages" not in name and not name.startswith(_HERE):
            return f"{name.removeprefix(ROOT)[1:]}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "backward, or a library"
