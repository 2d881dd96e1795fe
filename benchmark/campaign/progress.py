"""What a user sees while it works: a live display on a terminal, one plain line per round elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from benchmark.campaign.failures import recorded
from benchmark.campaign.pace import Cost, Pace
from benchmark.campaign.tasks import Finished, Notice, RoundDone
from benchmark.experiment.keys import RunKey
from benchmark.text.terminal import WIDE, Fitted, words


class Display:
    """Counts rounds and shows the latest accuracies. A context manager; its methods are called from any thread."""

    def __init__(
        self,
        console: Console,
        costs: Mapping[tuple[RunKey, int], Cost],
        images_of: dict[int, int],
        live: bool = True,
        at_once: int = 1,
    ) -> None:
        """``costs`` are those of the rounds to compute, of which ``at_once`` begin together.

        ``images_of`` maps a label count to the images trained on, which are none where a head is solved. ``live`` is
        False where something else needs the terminal.
        """
        self._console = console
        self._is_live = live and console.is_terminal
        self._images_of = images_of
        self._began = time.monotonic()
        self._rounds, self._done, self._images = len(costs), 0, 0
        self._pace = Pace(costs, at_once)
        self._latest: dict[str, tuple[int, float]] = {}
        bar = (TextColumn("{task.description}"), BarColumn())
        count = MofNCompleteColumn(), TextColumn("rounds")
        left = TextColumn("{task.fields[left]}")
        rate = TextColumn("{task.fields[rate]}")
        wide = console.width >= WIDE
        self._bar = Progress(
            *((*bar, *count, TimeElapsedColumn(), left, rate) if wide else (*count, left)), console=console
        )
        self._task = self._bar.add_task("computing", total=self._rounds, rate="", left="")
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._render, transient=True)

    def __enter__(self) -> Display:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_live:
            self._live.stop()

    def take(self, event: RoundDone | Notice) -> None:
        """Show what a process has told."""
        if isinstance(event, Notice):
            self._console.print(event.line, markup=False, highlight=False, soft_wrap=True)
        else:
            self._round_done(event)

    def _round_done(self, event: RoundDone) -> None:
        label, record = str(event.key), event.record
        self._done += 1
        self._rounds = max(self._rounds, self._done)  # a strategy that carries state may go back to an earlier round
        self._images += 0 if record.shared_training else self._images_of[record.num_labelled]
        elapsed = time.monotonic() - self._began
        rate = f"{self._images / elapsed:,.0f} images/s" if elapsed > 0 and self._images else ""
        self._latest[label] = record.num_labelled, record.accuracy
        self._pace.take(event.key, record, elapsed)
        left = f"about {duration(self._left(elapsed))} left"
        self._bar.update(self._task, total=self._rounds, completed=self._done, rate=rate, left=left)
        if not self._is_live:
            self._console.print(
                f"[{self._done}/{self._rounds}] {label}: {record.num_labelled} labels, accuracy "
                f"{100 * record.accuracy:.2f} % (train {record.seconds.train:.1f} s"
                f"{', shared' if record.shared_training else ''}, query {record.seconds.query:.1f} s; "
                f"{f'{rate}; ' if rate else ''}{left})",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def _left(self, elapsed: float) -> float:
        """Seconds that are left; without a pace all rounds count alike."""
        if self._done == self._rounds:
            return 0.0
        left = self._pace.left(elapsed)
        return elapsed / self._done * (self._rounds - self._done) if left is None else left

    def run_finished(self, event: Finished) -> None:
        """Show that a run is over; of one that failed, write the line of ``failures.jsonl``."""
        if not event.retried:
            self._pace.over(event.task.key)
        if event.outcome == "failed":
            style = "yellow" if event.retried else "red"
            self._console.print(recorded(event), markup=False, style=style, soft_wrap=True)
        if event.outcome == "done":
            self._latest.pop(str(event.task.key), None)

    def _render(self) -> Group:
        table = Table(box=None, padding=(0, 2), show_header=bool(self._latest))
        for heading, justify in (("run", "left"), ("labels", "right"), ("accuracy", "right")):
            table.add_column(heading, justify=justify)  # type: ignore[arg-type]
        for label, (labels, accuracy) in list(self._latest.items())[-16:]:
            table.add_row(words(label), str(labels), f"{100 * accuracy:.2f} %")
        return Group(Fitted(table), self._bar)


def duration(seconds: float) -> str:
    """Such as ``50 s``, ``12 min`` or ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
