"""Tasks and results: nothing is both input and output, and trainings that follow one another are merged in order."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import torch
from support.small_trainings import Norm, task, weights

from benchmark import learners
from benchmark.learners import LEARNERS
from benchmark.training.checkpoints import Checkpoint
from benchmark.training.log import Trace, TrainingLog
from benchmark.training.pseudo_labels import EpochPseudoLabels
from benchmark.training.task import TrainingResult


def test_a_task_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        task().network = task().network  # type: ignore[misc]


@pytest.mark.parametrize("name", [*LEARNERS, "pseudo-label[teacher=true]"])
def test_a_training_changes_nothing_of_its_task_but_its_modules(name: str) -> None:
    """So the same task with new modules gives the same result again."""
    job = task()
    again = dataclasses.replace(job, network=copy.deepcopy(job.network))
    before = {field.name: getattr(job, field.name) for field in dataclasses.fields(job)}
    tensors = {key: value.clone() for key, value in before.items() if isinstance(value, torch.Tensor)}
    first = learners.build(name).fit(job)
    assert all(getattr(job, key) is value for key, value in before.items())
    assert all(getattr(job, key).equal(value) for key, value in tensors.items())
    second = learners.build(name).fit(again)
    assert torch.equal(weights(first.network), weights(second.network))
    assert first.traces == second.traces


def result(number: int) -> TrainingResult:
    """One whose parts can be told from another's by their ``number``."""
    return TrainingResult(
        network=task().network,
        attachment=Norm(),
        traces=(Trace(number, {"loss": 0.5}),),
        pseudo_labels=(EpochPseudoLabels(number, torch.zeros(2), torch.ones(2)),),
        checkpoint_states=({"weight": torch.full((1,), number)},),
        resumed_seconds=float(number),
    )


def test_the_later_training_gives_the_model_and_both_give_what_they_noted() -> None:
    earlier, later = result(1), result(2)
    merged = later.after(earlier)
    assert merged.network is later.network
    assert merged.attachment is later.attachment
    assert merged.checkpoint_states is later.checkpoint_states
    assert [trace.step for trace in merged.traces] == [1, 2]
    assert [epoch.step for epoch in merged.pseudo_labels] == [1, 2]
    assert merged.resumed_seconds == 3
    assert len(earlier.traces) == len(later.traces) == 1


def test_a_log_goes_on_from_its_state() -> None:
    log, again = TrainingLog(), TrainingLog()
    log.trace(3, loss=0.5)
    again.load_state_dict(log.state_dict())
    log.trace(6, loss=0.25)
    assert again.traces == [Trace(3, {"loss": 0.5})]


class OneState:
    """A storage that always has the same state."""

    def __init__(self, parts: dict[str, Any]) -> None:
        self.state = {"done": 4, "seconds": 2.0, "parts": parts}

    def load(self, name: str) -> dict[str, Any]:
        return self.state

    def save(self, name: str, state: dict[str, Any]) -> None:
        raise AssertionError("nothing is to be saved")


def test_a_state_with_other_parts_is_not_resumed() -> None:
    own = TrainingLog().state_dict()
    assert Checkpoint(OneState({"log": own}), "x", {"log": TrainingLog()}).restore() == (4, 2.0)
    assert Checkpoint(OneState({"task": own}), "x", {"log": TrainingLog()}).restore() == (0, 0.0)
