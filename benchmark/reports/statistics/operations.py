"""The multiply-adds of runs: what their trainings and queries made the network compute, whatever the machine.

They follow from the protocol, from how many labels each round of a run trained on and acquired, and from the passes
that the strategy declares (``Strategy.forward_passes``). A run has none where they cannot be derived.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from benchmark.experiment import ProtocolError
from benchmark.experiment.operations import IMAGES, Images, of_model, of_query, of_training
from benchmark.experiment.protocol import Protocol, from_dict
from benchmark.reports.statistics.seeds import Key
from benchmark.reports.statistics.tidy import RUN, key_of
from benchmark.results.editions import base_name
from benchmark.results.records import DatasetRecord, RoundRecord, RunRecord

if TYPE_CHECKING:  # it takes PyTorch
    from strategies.api import Strategy


class _Underivable(Exception):
    """Why the operations of a run cannot be derived, in words."""


class _Setting(NamedTuple):
    """What the runs of an experiment share."""

    protocol: Protocol
    images: Images


def multiply_adds(
    runs: Sequence[RunRecord], protocol: Mapping[str, Any], last: int
) -> tuple[pd.DataFrame, dict[Key, str]]:
    """The operations of each run up to ``last`` labels, NaN where they cannot be derived; and why not, in words.

    ``protocol`` is the experiment's, as plain data. Columns: strategy, learner, seed, operations: those of all
    trainings and of all queries before ``last`` labels.
    """
    rows: list[tuple[str, str, int, float]] = []
    reasons: dict[Key, str] = {}
    setting = cache(lambda dataset: _setting(dataset, protocol))  # that of many runs
    for run in runs:
        strategy, learner, seed = key_of(run)
        try:
            rows.append((strategy, learner, seed, _of_run(run, setting(run.header.dataset), last)))
        except _Underivable as why:
            rows.append((strategy, learner, seed, math.nan))
            reasons[strategy, learner] = str(why)
    return pd.DataFrame(rows, columns=[*RUN, "operations"]), reasons


def _of_run(run: RunRecord, setting: _Setting | _Underivable, last: int) -> int:
    if isinstance(setting, _Underivable):
        raise _Underivable(*setting.args)  # raised again, the same one would keep what every run had on its stack
    protocol, images = setting
    if run.key.learner != "supervised":
        raise _Underivable("only supervised trainings are counted")
    strategy = None if protocol.replay else _strategy(run)
    total, held_out = 0, len(run.header.initial.held_out_indices)
    for round_ in run.rounds:
        if round_.num_labelled > last:
            break
        trained = round_.num_labelled - held_out
        total += of_training(protocol.model, images, protocol.recipe, trained)
        if strategy is not None and round_.num_labelled < last:
            total += _of_query(strategy, setting, round_, trained)
        held_out = len(round_.held_out_indices)
    return total


def _of_query(strategy: Strategy, setting: _Setting, round_: RoundRecord, trained: int) -> int:
    """The operations of a query: of the passes that the strategy declares, and of what its hooks take.

    Losses of all labelled images for ``hold_out``, and the outputs on all images for the next round's
    ``previous_probs``.
    """
    from strategies.api import Query  # here: it takes PyTorch

    (protocol, images), labelled = setting, round_.num_labelled
    unlabelled, acquired = images.total - labelled, len(round_.acquired_indices)
    steps = protocol.recipe.steps(trained)
    length = steps, steps * protocol.recipe.batch_size
    passes = strategy.passes_in(Query(round_.round, acquired, labelled, unlabelled, images.classes, *length))
    if passes is None:
        raise _Underivable("the strategy does not declare its passes")
    beside = 0
    if "hold_out" in strategy.hooks and not (strategy.spares_last_round and labelled + acquired == protocol.ladder[-1]):
        beside += labelled + acquired
    if "previous_probs" in strategy.needs:
        beside += images.total
    return of_query(
        protocol.model,
        images,
        protocol.recipe,
        passes._replace(images=passes.images + beside),
        scored=min(protocol.candidates or unlabelled, unlabelled),
        labelled=labelled,
        trained=trained,
    )


def _setting(dataset: DatasetRecord, described: Mapping[str, Any]) -> _Setting | _Underivable:
    """What runs on these data trained; _Underivable where the records do not tell, or there are no steps to count."""
    try:
        protocol = from_dict(described)
    except ProtocolError:
        return _Underivable("the protocol is not complete")
    if protocol.embedding:
        return _Underivable("a head on embeddings is solved, in steps that are not recorded")
    images = IMAGES.get(protocol.dataset)
    sizes = {dataset.differing.train_size} if dataset.differing else set()
    if images is None or dataset.name != protocol.dataset or sizes - {images.total} or protocol.imbalance != 1:
        return _Underivable("the records do not tell how many images there are, and of which size")
    try:
        of_model(protocol.model, images)
    except (ValueError, TypeError):  # a user's own network, or a parameter of another version's
        return _Underivable("the network's operations are not counted")
    return _Setting(protocol, images)


def _strategy(run: RunRecord) -> Strategy:
    """The strategy of a run. Raises _Underivable unless it is the suite's own, in the version that is there."""
    from strategies import registry  # here: it takes PyTorch

    try:
        spec = registry.resolve_own(base_name(run.key.strategy))
        strategy = spec.build()
    except registry.SpecError as error:
        raise _Underivable("the strategy is not of the present suite") from error
    if run.header.strategy_source_sha256 is not None:
        raise _Underivable("the strategy is not of the present suite")
    if run.header.strategy_version != spec.version:
        raise _Underivable("the strategy has changed since")
    return strategy
