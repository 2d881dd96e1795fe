"""Which task comes next, and what becomes of those that another process holds or whose process died."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from benchmark.campaign.tasks import Emit, Ended, Failure, Finished, Notice, RoundDone
from benchmark.experiment.keys import RunKey
from benchmark.loop.task import RunTask
from benchmark.results.locks import Holder

TRIES = 2  # of a run whose process dies
_FIRST, _LONGEST = 0.2, 10.0  # seconds until a held run is tried again: at first, and after many tries
_LOOK_AHEAD = 1_000  # tasks among which one that need not wait is looked for
PATIENCE = 600.0  # seconds without a new line after which a holder that cannot be seen is waited for no more


@dataclass
class _Held:
    """A task that another process holds: when to try it again, and when its file last grew."""

    task: RunTask
    holder: Holder | None
    size: int
    grown: float
    pause: float = _FIRST
    due: float = 0.0


class Agenda:
    """The tasks of an executor that are not over.

    A run that another process holds is said on one line and tried again between the others. When only such are left,
    they are waited for as long as their holders can be at work, and then left to the next command.

    What runs share, such as the first training of a seed, one computes while others would wait (``RunTask.shared``).
    Until it has recorded a round, tasks that do not need the same come first.
    """

    def __init__(self, tasks: Iterable[RunTask], emit: Emit) -> None:
        self._waiting = deque(tasks)
        self._held: dict[Path, _Held] = {}
        self._deaths: Counter[Path] = Counter()
        self._preparing: dict[str, RunKey] = {}  # what is shared, and the run in hand that computes it
        self._prepared: set[str] = set()
        self._in_hand = 0
        self._emit = emit
        self._waits = False

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return bool(self._waiting or self._held or self._in_hand)

    @property
    def waiting(self) -> int:
        """How many tasks can begin now."""
        now = time.monotonic()
        return len(self._waiting) + sum(held.due <= now for held in self._held.values() if held.due)

    @property
    def pause(self) -> float | None:
        """Seconds until a held run is to be tried again; None for never."""
        dues = [held.due for held in self._held.values() if held.due]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def next(self) -> RunTask | None:
        """The next task, which is then in hand; None where there is none to begin now."""
        task: RunTask | None = None
        if self._waiting:
            near = enumerate(islice(self._waiting, _LOOK_AHEAD))
            place = next((i for i, task in near if not self._preparing.keys() & task.shared), 0)
            task = self._waiting[place]
            del self._waiting[place]
            for part in task.shared - self._prepared:
                self._preparing.setdefault(part, task.key)
        else:
            now = time.monotonic()
            due = next((held for held in self._held.values() if 0 < held.due <= now), None)
            if due is not None:
                due.due, task = 0.0, due.task
        self._in_hand += task is not None
        return task

    def heed(self, message: Any) -> None:
        """Take in what a process has sent: a run with a round has computed what it shares with others."""
        if isinstance(message, RoundDone):
            self._prepared |= self._released(message.key)

    def put_back(self, task: RunTask, *, last: bool = False) -> None:
        """A task in hand is to begin again, before or after all others."""
        self._leave(task)
        if last:
            self._waiting.append(task)
        else:
            self._waiting.appendleft(task)

    def over(self, task: RunTask, ended: Ended) -> Finished | None:
        """What to report of a task in hand that a process has ended with; None where it is tried again."""
        self._leave(task)
        if ended.outcome == "busy":
            return self._hold(task, ended.holder)
        self._held.pop(task.path, None)
        return Finished(task, ended.outcome, ended.failure)

    def lost(self, task: RunTask, failure: Failure) -> Finished:
        """What to report of a task in hand whose process died; it stays in hand where it is ``retried``."""
        self._deaths[task.path] += 1
        if self._deaths[task.path] < TRIES:
            return Finished(task, "failed", failure, retried=True)
        self._leave(task)
        self._held.pop(task.path, None)
        return Finished(task, "failed", failure)

    def give_up(self) -> list[RunTask]:
        """Drop all tasks that are not in hand; returns them."""
        rest = [*self._waiting, *(held.task for held in self._held.values())]
        self._waiting.clear()
        self._held.clear()
        return rest

    def _leave(self, task: RunTask) -> None:
        self._in_hand -= 1
        self._released(task.key)

    def _released(self, key: RunKey) -> set[str]:
        """What the run was computing for others, and is no more."""
        parts = {part for part, by in self._preparing.items() if by == key}
        for part in parts:
            del self._preparing[part]
        return parts

    def _hold(self, task: RunTask, holder: Holder | None) -> Finished | None:
        now, size = time.monotonic(), task.path.stat().st_size if task.path.exists() else 0
        held = self._held.get(task.path)
        who = str(holder or "another process")
        if held is None or held.holder != holder:
            held = self._held[task.path] = _Held(task, holder, size, now)
            self._emit(Notice(f"{task.key}: {who} is computing it; going on with other runs"))
        if size != held.size:
            held.size, held.grown, held.pause = size, now, _FIRST
        held.due, held.pause = now + held.pause, min(2 * held.pause, _LONGEST)
        if self._waiting or self._in_hand:
            return None
        hopeless = holder.idle if holder is not None and holder.is_here else now - held.grown > PATIENCE
        if hopeless:
            del self._held[task.path]
            self._emit(Notice(f"{task.key}: left as it is: {who} holds it; end that process and repeat the command"))
            return Finished(task, "held")
        if not self._waits:
            self._waits = True
            more = len(self._held) - 1
            others = f" and {more} other{'s' * (more > 1)}" if more else ""
            self._emit(Notice(f"only runs of other processes are left: waiting for {task.key}{others}, by {who}"))
        return None
