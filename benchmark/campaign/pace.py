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
    began: what the start took comes once. Until as many have ended as begin together, the others are taken to be at
    work. A run's rounds follow one another, so what is left of the longest run is the least that is left.
    """

    def __init__(self, costs: Mapping[tuple[RunKey, int], Cost], at_once: int = 1) -> None:
        """``costs`` are those of the rounds to compute, by run and label count; ``at_once`` as many begin together."""
        self._costs = dict(costs)
        self._left: dict[RunKey, float] = defaultdict(float)
        self._beginning = min(at_once, len({key for key, _ in costs}))  # rounds that are still to end, of the first
        self._whole: dict[Kind, bool] = {}
        self._forecast: dict[Kind, float] = defaultdict(float)
        self._taken: dict[Kind, float] = defaultdict(float)
        self._busy = 0.0  # seconds that workers have spent on rounds
        self._start: float | None = None
        for (key, _), cost in self._costs.items():
            self._left[key] += cost.seconds
            self._whole[key.strategy, key.learner] = cost.whole

    def take(self, key: RunKey, record: RoundRecord, elapsed: float) -> None:
        """A round has ended, ``elapsed`` seconds after the campaign began. One outside ``costs`` is not counted."""
        cost = self._costs.pop((key, record.num_labelled), None)
        took = seconds_of(record.seconds, record.shared_training)
        if self._start is None:
            self._start = max(elapsed - took, 0.0)
        self._busy += took
        self._beginning = max(self._beginning - 1, 0)
        if cost is None:
            return
        kind = key.strategy, key.learner
        self._left[key] -= cost.seconds
        if not record.shared_training:
            self._forecast[kind] += cost.seconds
            self._taken[kind] += took

    def over(self, key: RunKey) -> None:
        """No more of a run will be computed: it is done, has failed, or is left to another command."""
        self._left.pop(key, None)

    def left(self, elapsed: float) -> float | None:
        """Seconds from ``elapsed`` on; None where nothing tells."""
        if self._start is None or not self._busy > 0:
            return None
        known = [kind for kind, forecast in self._forecast.items() if self._whole[kind] and forecast > 0]
        usual = _ratio(sum(self._taken[kind] for kind in known), sum(self._forecast[kind] for kind in known))
        ratios = {
            kind: _ratio(self._taken[kind], self._forecast[kind]) if self._forecast[kind] > 0 else usual
            for kind in self._whole
        }
        runs = [max(seconds, 0.0) * ratios[key.strategy, key.learner] for key, seconds in self._left.items()]
        passed = elapsed - self._start
        return max(sum(runs) * passed / (self._busy + self._beginning * passed), max(runs, default=0.0))


def seconds_of(seconds: Seconds, shared_training: bool) -> float:
    """What a round took of its worker, without a training that another run has computed."""
    return (0.0 if shared_training else seconds.train) + seconds.query + seconds.evaluate


def _ratio(taken: float, forecast: float) -> float:
    return taken / forecast if forecast > 0 else 1.0
