"""Signals that ask the benchmark to stop: Ctrl-C, SIGTERM and SIGHUP, all alike.

The first one interrupts at once, wherever the program is: what is on disk is whole at any time, and only the round in
hand is lost. The second one ends the process without cleaning up.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(KeyboardInterrupt):
    """One of ``STOPPING`` has arrived; the message is its name."""


@contextmanager
def stopping() -> Iterator[None]:
    """Raise ``Stopped`` in here when a signal asks to stop; leave ignored ones ignored, as ``nohup`` wants it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread alone
        return
    before = {number: signal.getsignal(number) for number in STOPPING}
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]

    def first(number: int, frame: FrameType | None) -> None:
        for each in taken:
            signal.signal(each, second)
        raise Stopped(signal.Signals(number).name)

    def second(number: int, frame: FrameType | None) -> None:
        os._exit(128 + number)

    for number in taken:
        signal.signal(number, first)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


def ignored() -> None:
    """Ignore them in a worker: its parent answers, and ends its workers."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
