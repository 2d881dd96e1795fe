"""What a round costs, in seconds here.

A round costs what the experiment's runs on disk took for the like of it, in units of the fixed computation that each
round was timed with (``benchmark.loop.calibration``), times what that computation takes here and now. Where no run
tells, supervised training, evaluation and the passes that a strategy declares are counted in operations.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

import torch

from benchmark import learners
from benchmark.campaign.pace import Cost, seconds_of
from benchmark.data.datasets import ImageData
from benchmark.experiment import Protocol
from benchmark.experiment.operations import Images, of_model, of_query
from benchmark.loop import calibration
from benchmark.models import factory
from benchmark.results import store
from benchmark.results.layers import Folders
from benchmark.results.records import RunRecord
from benchmark.training import operations
from strategies import registry
from strategies.api import Query, Strategy

# Seconds of a training per operation, over those of the calibration, on one core of an AMD EPYC. 0.5 to 0.8 with
# networks of convolutions in bfloat16; 2.4 to 6.7 with cnn, whose layers are too small for the core.
ROUGH, ROUGH_SMALL = 0.7, 3.0
SMALL = ("cnn",)
# Likewise of passes without gradients over many images: 0.57 to 0.68, and 1.4 to 1.9 with cnn.
FORWARD, FORWARD_SMALL = 0.65, 1.6
# The least that a step takes, in units of the calibration, on the same core: 1.0 to 1.2 with a network (cnn on digits).
# On embeddings operations tell nothing: a step of a head, and a round with one that is solved (8 to 21 with 50,000
# embeddings of 256 entries and 10 to 2,000 labels).
STEP, STEP_OF_HEAD, SOLUTION = 1.1, 0.2, 12.0
# Likewise, of an attachment: a step of it (0.3 to 0.9), and an image that it is tuned on, beside the pass (0.005 to
# 0.007).
STEP_ATTACHED, IMAGE_TUNED_ON = 0.7, 0.006


class Sizes(NamedTuple):
    """Of data: the shape of an image (c, H, W), the classes, and how many images the pool and the test set have."""

    shape: tuple[int, int, int]
    classes: int
    pool: int
    test: int


class Timed(NamedTuple):
    """Seconds that something took, at the present speed if they are calibrated, else as they were."""

    seconds: float
    is_calibrated: bool


class Costs:
    """What rounds cost, in seconds here: ``here`` is the time of the fixed computation now."""

    def __init__(self, protocol: Protocol, sizes: Sizes, known: Iterable[RunRecord], here: float):
        self._protocol, self._sizes, self._here = protocol, sizes, here
        self._rounds: dict[tuple[str, str], dict[int, list[Timed]]] = defaultdict(lambda: defaultdict(list))
        self._trainings: dict[str, dict[int, list[Timed]]] = defaultdict(lambda: defaultdict(list))
        for record in known:
            for round_ in record.rounds:
                is_calibrated = bool(round_.calibration_seconds)
                scale = here / round_.calibration_seconds if round_.calibration_seconds else 1.0
                own = self._rounds[record.key.strategy, record.key.learner]
                took = scale * seconds_of(round_.seconds, round_.shared_training)
                own[round_.num_labelled].append(Timed(took, is_calibrated))
                if not round_.shared_training:
                    trainings = self._trainings[record.key.learner]
                    trainings[round_.num_labelled].append(Timed(scale * round_.seconds.train, is_calibrated))
        self._estimate = cache(self._operations)
        self._rate = cache(self._recorded_rate)
        self._built = cache(_built)

    def of_round(self, strategy: str, learner: str, labels: int, trained: bool = False) -> Cost:
        """What a round costs; whole with the learner's training and the strategy's query.

        Without the training where another run has ``trained`` it, if no run on disk tells what the round took.
        """
        own = self._rounds[strategy, learner]
        if labels in own:
            return Cost(_typical(own[labels]), True)
        training = 0.0 if trained else self._training(learner, labels)
        beside = [_typical(seconds) - self._training(learner, count) for count, seconds in own.items()]
        if beside:
            return Cost(training + max(statistics.median(beside), 0.0), True)
        query, is_all = self._query(strategy, labels)
        told = learner == "supervised" or bool(self._trainings[learner])
        seconds = training + self._attachment(strategy, labels) + self._evaluation() + query
        return Cost(seconds, told and (strategy == "random" or is_all))

    @property
    def first(self) -> int:
        """The label count of the first round."""
        return self._protocol.budgets[0]

    def shares_first(self, strategy: str, learner: str) -> bool:
        """Whether a run's first training is one that the runs of a seed share."""
        chooser = self._built(strategy)
        shares = chooser is not None and "attach" not in chooser.hooks
        return shares and not self._is_solved and learners.build(learner).shares_round0

    def _training(self, learner: str, labels: int) -> float:
        """Seconds of a training: recorded, or by its operations, at the recorded rate where there is one."""
        known = self._trainings[learner]
        if labels in known:
            return _typical(known[labels])
        return self._rate(learner) * self._estimate(labels)

    def _recorded_rate(self, learner: str) -> float:
        """Seconds of recorded trainings over those that operations suggest; 1 where none is recorded."""
        known = self._trainings[learner]
        rates = [_typical(seconds) / self._estimate(count) for count, seconds in known.items()]
        return statistics.median(rates) if rates else 1.0

    def _attachment(self, strategy: str, labels: int) -> float:
        """Seconds that the module which a strategy attaches adds to a training; 0 where it attaches none."""
        chooser = self._built(strategy)
        if chooser is None or "attach" not in chooser.hooks:
            return 0.0
        return self._rate("supervised") * self._here * STEP_ATTACHED * self._protocol.recipe.steps(labels)

    def _evaluation(self) -> float:
        """Seconds of the passes over the test set; 0 where the network's operations are not counted."""
        try:
            return self._forward(of_model(self._protocol.model, self._images).forward * self._sizes.test)
        except ValueError:
            return 0.0

    def _query(self, strategy: str, labels: int) -> tuple[float, bool]:
        """Seconds of the passes that a query declares, and whether it takes little else: scores of outputs do not."""
        chooser, protocol, budgets = self._built(strategy), self._protocol, self._protocol.budgets
        if chooser is None:
            return 0.0, False
        if labels == budgets[-1]:  # nothing is queried
            return 0.0, _scores_alone(chooser)
        place, unlabelled, steps = budgets.index(labels), self._sizes.pool - labels, protocol.recipe.steps(labels)
        length = steps, steps * protocol.recipe.batch_size
        acquired = budgets[place + 1] - labels
        passes = chooser.passes_in(Query(place, acquired, labels, unlabelled, self._sizes.classes, *length))
        if passes is None:
            return 0.0, False
        scored = min(protocol.candidates or unlabelled, unlabelled)
        counts = {"scored": scored, "labelled": labels, "trained": labels}
        try:
            found = of_query(protocol.model, self._images, protocol.recipe, passes, **counts)
        except ValueError:
            return 0.0, False
        views = self._rate("supervised") * self._here * IMAGE_TUNED_ON * passes.images
        return self._forward(found) + views, _scores_alone(chooser)

    def _forward(self, multiply_adds: int) -> float:
        """Seconds of passes without gradients, at the rate of the recorded trainings."""
        rough = FORWARD_SMALL if self._protocol.model.name in SMALL else FORWARD
        return self._rate("supervised") * self._here * rough * 2 * multiply_adds / calibration.OPERATIONS

    @property
    def _images(self) -> Images:
        """What operations are counted on. Raises ValueError for images that are not square, which are not counted."""
        (channels, height, width), classes, pool, _ = self._sizes
        if height != width:
            raise ValueError("only square images are counted")
        return Images(channels, height, classes, pool)

    @property
    def _is_solved(self) -> bool:
        return factory.class_of(self._protocol.model.name).solved

    def _operations(self, labels: int) -> float:
        """Seconds of a supervised training as its operations and the fixed computation suggest."""
        model, recipe = self._protocol.model, self._protocol.recipe
        if self._is_solved:
            return SOLUTION * self._here
        computed = operations.of_training(model.name, model.parameters, self._sizes.shape, recipe, labels)
        rough = ROUGH_SMALL if model.name in SMALL else ROUGH
        step = STEP_OF_HEAD if factory.class_of(model.name).of_embeddings else STEP
        return self._here * max(rough * computed / calibration.OPERATIONS, step * recipe.steps(labels))


def _typical(timed: Sequence[Timed]) -> float:
    """The median of seconds, of those that are calibrated where some are."""
    calibrated = [one.seconds for one in timed if one.is_calibrated]
    return statistics.median(calibrated or [one.seconds for one in timed])


def _built(strategy: str) -> Strategy | None:
    """A strategy of the suite; None for a user's own, which may not be imported here."""
    try:
        return registry.resolve_own(strategy).build()
    except registry.SpecError:
        return None


def _scores_alone(strategy: Strategy) -> bool:
    """Whether a strategy does nothing but score the network's outputs, and trains nothing along."""
    return strategy.takes_top_scores and "attach" not in strategy.hooks


def costs_here(protocol: Protocol, data: ImageData, folders: Folders, device: str) -> Costs:
    """What rounds on ``data`` cost, by the runs in ``folders`` and the speed of the ``device`` now."""
    known = [record for root in folders.read for record in store.some_runs(root, protocol.fingerprint)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a worker computes
    try:
        here = calibration.quickest_seconds(torch.device(device))
    finally:
        torch.set_num_threads(threads)
    shape = data.channels, *data.image_size
    return Costs(protocol, Sizes(shape, data.class_count, len(data.train_labels), len(data.test_labels)), known, here)
