"""What a campaign will cost, said before anything is computed: the sum of what its rounds cost (see ``costs``)."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmark.campaign.costs import Costs
from benchmark.campaign.progress import duration
from benchmark.experiment.keys import RunKey
from benchmark.text import escapes

BRIEF = 600.0  # seconds of a campaign in which those of its start and report matter


@dataclass(frozen=True)
class Forecast:
    """``each`` are the seconds of one worker for every run, of ``rounds`` rounds in all.

    ``uncounted`` names what no run tells.
    """

    each: tuple[float, ...]
    rounds: int
    uncounted: tuple[str, ...]

    @property
    def runs(self) -> int:
        return len(self.each)

    @property
    def seconds(self) -> float:
        """Of one worker for all runs."""
        return sum(self.each)


Missing = list[tuple[RunKey, tuple[int, ...]]]  # the label counts that a run lacks


def forecast(costs: Costs, missing: Missing) -> Forecast:
    """What the rounds cost that the runs lack."""
    each, uncounted = [], []
    trained: set[tuple[str, int]] = set()  # learners and seeds
    for key, counts in missing:
        seconds = 0.0
        for labels in counts:
            shares = labels == costs.first and costs.shares_first(key.strategy, key.learner)
            is_trained = shares and (key.learner, key.seed) in trained
            spent, whole = costs.of_round(key.strategy, key.learner, labels, is_trained)
            if shares:
                trained.add((key.learner, key.seed))
            seconds += spent
            if not whole:
                uncounted.append(key.strategy if key.learner == "supervised" else key.learner)
        each.append(seconds)
    rounds = sum(len(counts) for _, counts in missing)
    return Forecast(tuple(each), rounds, tuple(dict.fromkeys(uncounted)))


def until_last(runs: Iterable[float], workers: int) -> float:
    """Seconds until the last of ``runs`` ends; each goes, in turn, to the first of the ``workers`` that is free.

    More than a worker's share of the sum where runs are few: five runs of an hour take two workers three hours.
    """
    free = [0.0] * max(workers, 1)
    for seconds in runs:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


def lines(
    asked: int, costs: Costs, missing: Missing, core: frozenset[str], command: Sequence[str], workers: int = 1
) -> list[str]:
    """How many runs are left of those ``asked`` for, and what they cost; then what the strategies ``core`` cost alone.

    The latter where they are fewer, with the command that computes them, after the words of the present ``command``.
    So many ``workers`` are at work at once.
    """
    whole = forecast(costs, missing)
    beside = ", and some seconds to start and to write the report" if whole.seconds < BRIEF * workers else ""
    left = f"{whole.runs} of {asked} runs {'is' if whole.runs == 1 else 'are'} left"
    rounds = f"{whole.rounds:,} round{'s' * (whole.rounds != 1)}"
    found = [f"{left}, {rounds}: {_cost(whole, workers)}{beside}"]
    if whole.uncounted:
        takes = "takes" if len(whole.uncounted) == 1 else "take"
        found.append(
            f"it may take much longer, because no earlier run shows how long {_listed(whole.uncounted)} {takes}: go by "
            "the time left, shown after each round"
        )
    part = forecast(costs, [(key, counts) for key, counts in missing if key.strategy in core])
    if command and 0 < part.runs < whole.runs:
        words = " ".join(map(escapes.shell, ["python", "run_benchmark.py", *core_alone(command)]))
        found.append(
            f"the core strategies alone, {part.runs} run{'s' * (part.runs > 1)}, {_cost(part, workers)}: {words}"
        )
    return found


def _cost(found: Forecast, workers: int) -> str:
    """Such as ``about 50 s of one worker``, or of as many as there are runs for."""
    about, workers = "at least" if found.uncounted else "about", min(workers, found.runs)
    one, all_ = (duration(max(seconds, 1.0)) for seconds in (found.seconds, until_last(found.each, workers)))
    return f"{about} {one} of one worker" if workers <= 1 else f"{about} {all_} with {workers} workers ({one} of one)"


def _listed(names: Sequence[str]) -> str:
    """Such as ``a``, ``a and b``, or ``a, b, c and 4 others``: four names, or three and how many others there are."""
    shown = list(names) if len(names) <= 4 else [*names[:3], f"{len(names) - 3} others"]
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def core_alone(command: Sequence[str]) -> list[str]:
    """The words of a command with ``--strategies core``, at the place where it first names strategies, if it does."""
    found: list[str] = []
    named = skipping = False
    for word in command:
        if word.split("=")[0] == "--strategies":
            found += [] if named else ["--strategies", "core"]
            named = skipping = True
        elif not skipping or word.startswith("--"):
            found.append(word)
            skipping = False
    return found if named else [*found, "--strategies", "core"]
