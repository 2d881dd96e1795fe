"""What the measurements share: sizes, the clock, and timing something and its baseline in turn.

Environment of all measurements:

- ``PERF_SMOKE=1``: tiny sizes, which only show that everything runs.
- ``PERF_ROUNDS``: how often ours and the baseline take turns (5); medians are reported.
- ``PERF_CLOCK=cpu``: CPU seconds of the working process in place of wall-clock seconds. For a machine that other
  work shares: a ratio then stays what it is on a quiet one. Measures no waiting for disks and no other process.
- ``PERF_STRICT=1``: a goal that is missed is a failure. Without it the table says so.
- ``OMP_NUM_THREADS``: PyTorch's threads, and the cores that a measurement takes.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

SMOKE = os.environ.get("PERF_SMOKE") == "1"
ROUNDS = int(os.environ.get("PERF_ROUNDS", "1" if SMOKE else "5"))
CPU_TIME = os.environ.get("PERF_CLOCK") == "cpu"
STRICT = os.environ.get("PERF_STRICT") == "1"

clock = time.process_time if CPU_TIME else time.perf_counter

Timed = Callable[[], float]
"""Does a piece of work once and returns the seconds that it took."""


def size(full: int, smoke: int) -> int:
    """``full``, or ``smoke`` where only the code is to be seen running."""
    return smoke if SMOKE else full


def timed(work: Callable[[], Any]) -> Timed:
    def seconds() -> float:
        start = clock()
        work()
        return clock() - start

    return seconds


def compare(
    benchmark: Any,
    ours: Timed,
    baseline: Timed | None = None,
    *,
    items: tuple[float, float] = (1, 1),
    unit: str = "",
    goal: float | None = None,
    limit: float | None = None,
    rounds: int = ROUNDS,
    warm_up: bool = True,
    note: str = "",
) -> None:
    """Time ``ours`` and ``baseline`` in turn, baseline first, and leave both with pytest-benchmark's record.

    ``items`` is how many of ``unit`` a call of ours and of the baseline does: with a unit the table shows rates,
    without one seconds. ``goal`` is the least ratio of the baseline's seconds an item to ours, ``limit`` the most
    seconds that ours may take; ``note`` goes behind ours in the table. pytest-benchmark's own statistics are the
    wall-clock of ours alone.
    """
    seconds: dict[str, list[float]] = {"ours": [], "baseline": []}

    def before() -> None:
        if baseline is not None:
            seconds["baseline"].append(baseline())

    if warm_up:
        ours()
        before()
        seconds["baseline"].clear()
    benchmark.pedantic(lambda: seconds["ours"].append(ours()), setup=before, rounds=rounds)
    record = {"unit": unit, "items": items, "goal": goal, "limit": limit, "note": note, **seconds}
    benchmark.extra_info |= record
    print(f"\n{benchmark.name}: {' | '.join(cells(record))}")
    if STRICT and not SMOKE:
        assert met(record), f"{benchmark.name} misses its goal"


def ratio(record: dict[str, Any]) -> float | None:
    """How many times the speed of the baseline ours has; None without a baseline."""
    if not record["baseline"]:
        return None
    ours, baseline = (
        statistics.median(record[which]) / items
        for which, items in zip(("ours", "baseline"), record["items"], strict=True)
    )
    return baseline / ours


def met(record: dict[str, Any]) -> bool:
    """Whether the goal and the limit are kept, where there are any."""
    times_faster = ratio(record)
    fast_enough = record["goal"] is None or (times_faster is not None and times_faster >= record["goal"])
    return fast_enough and (record["limit"] is None or statistics.median(record["ours"]) <= record["limit"])


def cells(record: dict[str, Any]) -> tuple[str, str, str, str]:
    """A row of the table: ours, baseline, ratio and goal. Behind ± is half the range over the rounds."""
    times_faster = ratio(record)
    goal = "–"
    if record["goal"] is not None:
        goal = f"≥ {record['goal']:g}×"
    elif record["limit"] is not None:
        goal = f"≤ {record['limit']:g} s"
    if not met(record):
        goal += " (missed)"
    return (
        _amount(record["ours"], record["items"][0], record["unit"]) + (f", {record['note']}" if record["note"] else ""),
        _amount(record["baseline"], record["items"][1], record["unit"]) if record["baseline"] else "–",
        "–" if times_faster is None else f"{times_faster:.2f}×" if times_faster < 10 else f"{times_faster:.0f}×",
        goal,
    )


def _amount(seconds: list[float], items: float, unit: str) -> str:
    """The median with half its range in per cent: a rate, or the seconds of an item."""
    median = statistics.median(seconds)
    spread = f" ± {50 * (max(seconds) - min(seconds)) / median:.0f} %" if len(seconds) > 1 and median else ""
    if not unit:
        return _duration(median / items) + spread
    return f"{items / max(median, 1e-9):,.{0 if items > 10 * median else 1}f} {unit}/s{spread}"


def _duration(seconds: float) -> str:
    for factor, name in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {name}"
    return f"{seconds * 1e6:.3g} µs"
