"""What a campaign will cost, said before anything is computed.

A round costs what the experiment's runs on disk took for the like of it, in units of the fixed computation that each
round was timed with (``benchmark.loop.calibration``), times what that computation takes here and now. Where no run
tells, supervised training is counted in operations.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from benchmark.campaign.pace import Cost, seconds_of
from benchmark.campaign.progress import duration
from benchmark.experiment import Protocol
from benchmark.experiment.keys import RunKey
from benchmark.loop import calibration
from benchmark.models import factory
from benchmark.results.records import RunRecord
from benchmark.text import escapes
from benchmark.training import operations

# Seconds of a training per operation, over those of the calibration, on one core of an AMD EPYC. 0.5 to 0.8 with
# networks of convolutions in bfloat16; 2.4 to 6.7 with cnn, whose layers are too small for the core.
ROUGH, ROUGH_SMALL = 0.7, 3.0
SMALL = ("cnn",)
# On embeddings operations tell nothing. In units of the calibration, on the same core: the least that a step takes, and
# a round with a head that is solved (8 to 21 with 50,000 embeddings of 256 entries and 10 to 2,000 labels).
STEP, SOLUTION = 0.2, 12.0


@dataclass(frozen=True)
class Forecast:
    """``seconds`` of one worker for ``rounds`` rounds of ``runs`` runs; ``uncounted`` names what no run tells."""

    runs: int
    rounds: int
    seconds: float
    uncounted: tuple[str, ...]


class Costs:
    """What rounds cost, in seconds here: ``here`` is the time of the fixed computation now."""

    def __init__(self, protocol: Protocol, shape: tuple[int, int, int], known: Iterable[RunRecord], here: float):
        self._protocol, self._shape, self._here = protocol, shape, here
        self._rounds: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._trainings: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        for record in known:
            for round_ in record.rounds:
                scale = here / round_.calibration_seconds if round_.calibration_seconds else 1.0
                own = self._rounds[record.key.strategy, record.key.learner]
                own[round_.num_labelled].append(scale * seconds_of(round_.seconds, round_.shared_training))
                if not round_.shared_training:
                    trainings = self._trainings[record.key.learner]
                    trainings[round_.num_labelled].append(scale * round_.seconds.train)
        self._estimate = cache(self._operations)

    def of_round(self, strategy: str, learner: str, labels: int) -> Cost:
        """What a round costs; whole with the learner's training and the strategy's query."""
        own = self._rounds[strategy, learner]
        if labels in own:
            return Cost(statistics.median(own[labels]), True)
        training = self._training(learner, labels)
        beside = [statistics.median(seconds) - self._training(learner, count) for count, seconds in own.items()]
        if beside:
            return Cost(training + max(statistics.median(beside), 0.0), True)
        return Cost(training, strategy == "random" and (learner == "supervised" or bool(self._trainings[learner])))

    def _training(self, learner: str, labels: int) -> float:
        """Seconds of a training: recorded, or by its operations, at the recorded rate where there is one."""
        known = self._trainings[learner]
        if labels in known:
            return statistics.median(known[labels])
        rates = [statistics.median(seconds) / self._estimate(count) for count, seconds in known.items()]
        return (statistics.median(rates) if rates else 1.0) * self._estimate(labels)

    def _operations(self, labels: int) -> float:
        """Seconds of a supervised training as its operations and the fixed computation suggest."""
        model, recipe = self._protocol.model, self._protocol.recipe
        if factory.class_of(model.name).solved:
            return SOLUTION * self._here
        computed = operations.of_training(model.name, model.parameters, self._shape, recipe, labels)
        rough = ROUGH_SMALL if model.name in SMALL else ROUGH
        return self._here * max(rough * computed / calibration.OPERATIONS, STEP * recipe.steps(labels))


Missing = list[tuple[RunKey, tuple[int, ...]]]  # the label counts that a run lacks


def forecast(costs: Costs, missing: Missing) -> Forecast:
    """What the rounds cost that the runs lack."""
    seconds, uncounted = 0.0, []
    for key, counts in missing:
        for labels in counts:
            spent, whole = costs.of_round(key.strategy, key.learner, labels)
            seconds += spent
            if not whole:
                uncounted.append(key.strategy if key.learner == "supervised" else key.learner)
    rounds = sum(len(counts) for _, counts in missing)
    return Forecast(len(missing), rounds, seconds, tuple(dict.fromkeys(uncounted)))


def lines(asked: int, costs: Costs, missing: Missing, core: frozenset[str], command: Sequence[str]) -> list[str]:
    """How many runs are left of those ``asked`` for, and what they cost; then what the strategies ``core`` cost alone.

    The latter where they are fewer, with the command that computes them, after the words of the present ``command``.
    """
    whole = forecast(costs, missing)
    found = [f"{whole.runs} of {asked} runs are left, {whole.rounds:,} rounds: {_cost(whole)}"]
    if len(whole.uncounted):
        names = ", ".join(whole.uncounted[:3]) + (f" and {n} others" if (n := len(whole.uncounted) - 3) > 0 else "")
        add = "add" if len(whole.uncounted) > 1 else "adds"
        found.append(f"not counted: what {names} {add} to a supervised training, which no run on disk tells")
    part = forecast(costs, [(key, counts) for key, counts in missing if key.strategy in core])
    if command and 0 < part.runs < whole.runs:
        words = " ".join(map(escapes.shell, ["python", "run_benchmark.py", *core_alone(command)]))
        found.append(f"the core strategies alone, {part.runs} run{'s' * (part.runs > 1)}, {_cost(part)}: {words}")
    return found


def _cost(found: Forecast) -> str:
    return f"about {duration(found.seconds)} of one worker"


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
