"""What the runs of a replay trained on: they are computed again from the same lists, and choose nothing.

A training of a replay draws from the random streams of the round that it replays, which only the run behind it tells:
the experiment that was replayed must be at hand, beside the replay or in one of the layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmark.campaign.replay import source_of_experiment
from benchmark.experiment.keys import RunKey
from benchmark.loop.replay import ACCURACY, Replay
from benchmark.results.layers import Layers, is_experiment
from benchmark.results.records import Experiment, RunRecord


def lists(
    experiment: Experiment, records: Sequence[RunRecord], layers: Layers
) -> tuple[dict[RunKey, Replay], dict[RunKey, str]]:
    """The list of each run of a replay; and of runs that cannot be computed again, why not."""
    name, _, digest = str(experiment.protocol["replay"]).rpartition("@")
    source = _source(experiment.root.parent, layers, name, digest)
    found, lacking = {}, {}
    for record in records:
        own = _list_of(experiment, record)
        if not any(ACCURACY in round_.diagnostics for round_ in record.rounds):  # of a file, which knows no rounds
            if record.rounds[-1].acquired_indices:
                lacking[record.key] = "it is unfinished, and only its file knows the rest of its list"
            else:
                found[record.key] = replace(own, accuracies=())
        elif source is None:
            lacking[record.key] = f"{name}, which it replays, is neither beside it nor among the results"
        elif (behind := _behind(source, record, own)) is None:
            lacking[record.key] = f"the run that it replays is not in {source.root} any more"
        else:
            found[record.key] = behind
    return found, lacking


def _source(beside: Path, layers: Layers, name: str, digest: str) -> Experiment | None:
    """The experiment of this name and fingerprint."""
    for folders in (layers.find(beside / name) if is_experiment(beside / name) else None, layers.folders(name)):
        if folders is not None and any(map(is_experiment, folders.read)):
            experiment = folders.experiment()
            if experiment.fingerprint.startswith(digest):
                return experiment
    return None


def _behind(source: Experiment, record: RunRecord, own: Replay) -> Replay | None:
    """The list of the run of ``source`` that acquired what ``record`` trained on."""
    for run in source.runs:
        if (run.key.strategy, run.key.seed) == (record.key.strategy, record.key.seed) and run.rounds:
            found = _list_of(source, run)
            begins = found.indices[: len(own.indices)] == own.indices
            if begins and set(record.label_counts) <= set(found.counts):
                return found
    return None


def _list_of(experiment: Experiment, run: RunRecord) -> Replay:
    """What a run trained on, with the rounds whose random streams its trainings draw from."""
    (found,) = source_of_experiment(experiment, [run]).lists.values()
    return found
