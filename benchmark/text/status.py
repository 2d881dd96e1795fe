"""What is being done, said where a user would otherwise wait without a word."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from benchmark.text.escapes import one_line

PATIENCE = 1.0  # seconds of silence after which it is said


@contextlib.contextmanager
def doing(what: str, console: Console) -> Iterator[None]:
    """Say ``what`` is done in the block, such as ``reading mnist``, if it takes longer than ``PATIENCE``.

    On a terminal it shows until the block ends; elsewhere it is one line on standard error, so that standard output
    holds results alone. Blocks are not nested, and hold no other live display.
    """
    said = one_line(f"{what} …")
    shown = console.status(Text(said))
    lock, over = threading.Lock(), False

    def say() -> None:
        with lock, contextlib.suppress(OSError):  # the terminal, or who reads the pipe, may be gone
            if over:
                return
            if console.is_terminal:
                shown.start()
            else:
                print(said, file=sys.stderr, flush=True)

    timer = threading.Timer(PATIENCE, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with lock:
            over = True
        shown.stop()
