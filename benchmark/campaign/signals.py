"""Signals that ask the benchmark to stop: Ctrl-C, SIGTERM and SIGHUP, all alike.

The first one interrupts at once, wherever the program is: what is on disk is whole at any time, and only the round in
hand is lost. The second one ends the process without cleaning up. Code that takes the interruption for an error of its
own, as a plugin may, delays it to the end of the round (``requested``).

A worker process leaves Ctrl-C and SIGHUP, which a terminal sends to all processes, to its parent. SIGTERM, by which
its parent ends it, lets it remove its temporary files and give back its locks first.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
GRACE = 2.0  # seconds that a worker has to clean up
_OF_THE_PARENT = tuple(number for number in STOPPING if number != signal.SIGTERM)
_TERMINATED = 128 + signal.SIGTERM
_requested = ""
_at_work = False


class Stopped(KeyboardInterrupt):
    """One of ``STOPPING`` has arrived; the message is its name."""


def requested() -> bool:
    """Whether a signal has asked this process to stop, be it that its ``Stopped`` was caught on the way."""
    return bool(_requested)


@contextmanager
def stopping() -> Iterator[None]:
    """Raise ``Stopped`` in here when a signal asks to stop; leave ignored ones ignored, as ``nohup`` wants it."""
    global _requested
    _requested = ""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread alone
        return
    before = {number: signal.getsignal(number) for number in STOPPING}
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


def _stop(number: int, frame: FrameType | None) -> None:
    global _requested
    if _requested:
        os._exit(128 + number)
    _requested = signal.Signals(number).name
    raise Stopped(_requested)


# --- workers


@contextmanager
def held_for_workers() -> Iterator[None]:
    """Processes that are started in here never get the signals that are their parent's, not even while they start."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_THE_PARENT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def enter_worker() -> None:
    """Take the signals of a worker process as described above."""
    for number in _OF_THE_PARENT:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)


@contextmanager
def at_work() -> Iterator[None]:
    """A worker's task: SIGTERM interrupts it, then the process ends."""
    global _at_work
    _at_work = True
    try:
        yield
    except Stopped:
        os._exit(_TERMINATED)
    finally:
        _at_work = False


def _leave(number: int, frame: FrameType | None) -> None:
    if not _at_work:
        os._exit(_TERMINATED)
    late = threading.Timer(GRACE, os._exit, [_TERMINATED])  # where the task takes Stopped for an error, or is waiting
    late.daemon = True
    late.start()
    raise Stopped(signal.Signals(number).name)
