"""The time that is left of a campaign, from what its rounds were to cost and what they have taken so far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from benchmark.experiment.keys import RunKey
from benchmark.results.records import RoundRecord, Seconds

Kind = tuple[str, str]  # a strategy and a learner


class Cost(NamedTuple):
    """Forecast ``seconds`` of a round; not ``whole`` where no run tells what its strategy or learner costs."""

    seconds: float
    whole: bool


class Pace:
    """Takes in rounds as they end and says how long the others will take.

    What is left of a strategy and learner costs its forecast times the ratio of what its rounds have taken to theirs;
    of one that has no round yet, the ratio of all whose forecasts were whole. So one that was never computed before
    slows nothing down but itself. A round whose training another run has computed enters no ratio. How many rounds are
    computed at once shows in the seconds that they have taken per second that has passed, from where the first of them
    began: what the start took comes once.
    """

    def __init__(self, costs: Mapping[tuple[RunKey, int], Cost]) -> None:
        """``costs`` are those of the rounds to compute, by run and label count."""
        self._costs = dict(costs)
        self._left: dict[Kind, float] = defaultdict(float)
        self._whole: dict[Kind, bool] = {}
        self._forecast: dict[Kind, float] = defaultdict(float)
        self._taken: dict[Kind, float] = defaultdict(float)
        self._busy = 0.0  # seconds that workers have spent on rounds
        self._start: float | None = None
        for (key, _), cost in self._costs.items():
            self._left[key.strategy, key.learner] += cost.seconds
            self._whole[key.strategy, key.learner] = cost.whole

    def take(self, key: RunKey, record: RoundRecord, elapsed: float) -> None:
        """A round has ended, ``elapsed`` seconds after the campaign began. One outside ``costs`` is not counted."""
        cost = self._costs.pop((key, record.num_labelled), None)
        took = seconds_of(record.seconds, record.shared_training)
        if self._start is None:
            self._start = max(elapsed - took, 0.0)
        self._busy += took
        if cost is None:
            return
        kind = key.strategy, key.learner
        self._left[kind] -= cost.seconds
        if not record.shared_training:
            self._forecast[kind] += cost.seconds
            self._taken[kind] += took

    def left(self, elapsed: float) -> float | None:
        """Seconds from ``elapsed`` on; None where nothing tells."""
        if self._start is None or not self._busy > 0:
            return None
        known = [kind for kind, forecast in self._forecast.items() if self._whole[kind] and forecast > 0]
        usual = _ratio(sum(self._taken[kind] for kind in known), sum(self._forecast[kind] for kind in known))
        work = sum(
            seconds * (_ratio(self._taken[kind], self._forecast[kind]) if self._forecast[kind] > 0 else usual)
            for kind, seconds in self._left.items()
        )
        return max(work, 0.0) * (elapsed - self._start) / self._busy


def seconds_of(seconds: Seconds, shared_training: bool) -> float:
    """What a round took of its worker, without a training that another run has computed."""
    return (0.0 if shared_training else seconds.train) + seconds.query + seconds.evaluate


def _ratio(taken: float, forecast: float) -> float:
    return taken / forecast if forecast > 0 else 1.0
