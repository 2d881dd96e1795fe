"""Learners: names, and the contract that each keeps."""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import Any

import pytest
import torch
from support.small_trainings import CLASSES, ONLINE, RECIPE, SEMI_SUPERVISED, Norm, task, weights

from benchmark import learners
from benchmark.experiment import seeds
from benchmark.experiment.papers import LEARNER_PAPERS
from benchmark.learners import LEARNERS, fixmatch, supervised
from benchmark.training import checkpoints
from benchmark.training.pseudo_labels import NONE
from benchmark.training.task import TrainingResult, TrainingTask

# Every learner, and the forms of one that take another way.
TEACHER, STUDENT = "pseudo-label[teacher=true]", "noisy-student[threshold=0,iterations=2,teacher_width=0.5]"
FORMS = [*LEARNERS, TEACHER, STUDENT, "self-training[threshold=0.2,revisions=2]"]
TRAININGS = {TEACHER: 2, "noisy-student": 4, STUDENT: 3}
UNWEIGHTED = "self-training[weight=0,ema=0,uncertainty=0]"


def test_canonical_names_sort_keys_and_leave_defaults_out() -> None:
    assert learners.build("fixmatch[threshold=0.9,mu=3]").canonical == "fixmatch[mu=3,threshold=0.9]"
    assert learners.build("fixmatch[mu=7.0,weight=1,threshold=0.95]").canonical == "fixmatch"
    built = learners.build("fixmatch[mu=3]")
    assert isinstance(built, fixmatch.FixMatch)
    assert (built.mu, built.threshold) == (3, 0.95)
    assert next(iter(LEARNERS)) == "supervised"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fixmach", "unknown learner 'fixmach': did you mean fixmatch"),
        ("fixmatch[treshold=0.9]", "'fixmatch' has no parameter 'treshold': did you mean threshold"),
        ("supervised[mu=3]", "'supervised' has no parameter 'mu'"),
        ("fixmatch[mu=0]", r"learner 'fixmatch\[mu=0\]': mu must be a whole number of at least 1, not 0"),
        ("fixmatch[mu=2.5]", "mu must be a whole number"),
        ("fixmatch[mu=1e999]", "mu must be a whole number like 7, not inf"),
        ("fixmatch[mu=x]", "'fixmatch': mu must be a value like 7, not 'x'"),
        ("fixmatch[threshold=1.5]", "threshold must be a probability, not 1.5"),
        ("flexmatch[ema=1]", "ema must be at least 0 and below 1"),
        ("freematch[fairness=-1]", "fairness must not be negative"),
        ("freematch[momentum=1]", "momentum must be at least 0"),
        ("softmatch[width=0]", "width must be positive"),
        ("softmatch[steps=-1]", "steps must be a whole number"),
        ("softmatch[weight=-1]", "weight must not be negative"),
        ("pseudo-label[begin=0.6]", "begin and end must be shares"),
        ("self-training[revisions=0]", "revisions must be a whole number of at least 1, not 0"),
        ("self-training[balance=0.5]", "balance must be at least 1, not 0.5"),
        ("self-training[uncertainty=-1]", "uncertainty must not be negative"),
        ("noisy-student[iterations=0]", "iterations must be a whole number of at least 1, not 0"),
        ("noisy-student[per_class=-1]", "per_class must be a whole number of at least 0, not -1"),
        ("noisy-student[teacher_width=2]", "teacher_width must be above 0 and at most 1, not 2.0"),
        ("noisy-student[weight=2]", "'noisy-student' has no parameter 'weight'"),
        ("fixmatch[mu=3", "the bracket is not closed"),
    ],
)
def test_bad_names_and_parameters_are_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        learners.build(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", FORMS)
def test_a_training_is_its_streams_alone(name: str) -> None:
    """The same bits whatever the global generator's state, which stays; and the attachment learns."""
    learner, outcomes = learners.build(name), []
    for state in (1, 2):
        torch.manual_seed(state)
        before = torch.get_rng_state()
        job = task(attachment=Norm())
        result = learner.fit(job)
        assert torch.equal(torch.get_rng_state(), before)
        assert isinstance(result.attachment, Norm)
        assert isinstance(job.attachment, Norm)
        assert result.attachment.scale != 1
        assert job.attachment.batches == [8] * 12  # labelled images only
        outcomes.append((weights(result.network), weights(result.attachment), result.traces, told(result)))
    assert torch.equal(outcomes[0][0], outcomes[1][0])
    assert torch.equal(outcomes[0][1], outcomes[1][1])
    assert outcomes[0][2:] == outcomes[1][2:]
    assert outcomes[0][0].isfinite().all()
    with seeds.scoped(0, "weights", 0):
        assert not torch.equal(weights(result.network), weights(task().network))


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(
    ("recipe", "others"),
    [
        ({}, {"targets": torch.arange(20) % 2}),  # three classes without a label
        ({}, {"labelled": 1}),
        ({}, {"unlabelled": 1}),
        ({}, {"unlabelled": 11}),  # fewer than a batch
        ({"learning_rate": 1e-30}, {}),  # nothing is ever confident
        ({"precision": "bfloat16"}, {}),
    ],
    ids=["missing classes", "one label", "one unlabelled", "tiny pool", "nothing confident", "bfloat16"],
)
def test_corners(name: str, recipe: dict[str, Any], others: dict[str, Any]) -> None:
    job = task(recipe=dataclasses.replace(RECIPE, min_steps=4, **recipe), **others)
    result = learners.build(name).fit(job)
    assert weights(result.network).isfinite().all()
    assert all(math.isfinite(value) for trace in result.traces for value in trace.values.values())
    for _, labels, counted in result.pseudo_labels:
        assert labels.shape == counted.shape == job.unlabelled.shape
        assert set(labels.tolist()) <= {NONE, *range(CLASSES)}
        assert (counted[labels == NONE] == 0).all()
        assert counted.isfinite().all()


@pytest.mark.parametrize("name", ["fixmatch", "self-training", "noisy-student"])
def test_a_threshold_that_nothing_passes(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """The unlabelled loss is 0, or there is none, and the judge is told so."""
    result = learners.build(f"{name}[threshold=1]").fit(task())
    assert weights(result.network).isfinite().all()
    assert result.pseudo_labels
    assert all((counted == 0).all() for _, _, counted in result.pseudo_labels)
    assert all(trace.values.get("unlabelled_loss", 0) == 0 for trace in result.traces)
    assert len(caplog.records) == (3 if name == "noisy-student" else 0)


def told(result: TrainingResult) -> list[tuple[int, list[int], list[float]]]:
    """The pseudo-labels as plain numbers."""
    return [(step, labels.tolist(), counted.tolist()) for step, labels, counted in result.pseudo_labels]


class Memory:
    """Where a training's states are kept in this process; every one that is saved, by the way."""

    def __init__(self) -> None:
        self.states: list[tuple[str, dict[str, Any]]] = []

    def load(self, name: str) -> dict[str, Any]:
        return next((copy.deepcopy(state) for key, state in reversed(self.states) if key == name), {})

    def save(self, name: str, state: dict[str, Any]) -> None:
        self.states.append((name, copy.deepcopy(state)))


@pytest.mark.parametrize(("name", "optimizer"), [*((name, "sgd") for name in FORMS), ("fixmatch", "adam")])
def test_a_training_goes_on_from_any_saved_state_with_the_same_bits(
    name: str, optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    monkeypatch.setattr("benchmark.training.batches.MAX_STEPS", 5)  # states within and at the ends of blocks of draws
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer, learning_rate=0.01)
    learner, memory = learners.build(name), Memory()
    through = learner.fit(task(recipe=recipe, attachment=Norm(), checkpoints=memory))
    trainings = TRAININGS.get(name, 1)
    assert [state["done"] for _, state in memory.states] == list(range(1, 13)) * trainings
    assert len({key for key, _ in memory.states}) == trainings
    for done in [12 * earlier + own for earlier in range(trainings) for own in (3, 5, 12)]:
        attachment, earlier = Norm(), Memory()
        earlier.states = memory.states[:done]
        resumed = learner.fit(task(recipe=recipe, attachment=attachment, checkpoints=earlier))
        state, expected = resumed.network.state_dict(), through.network.state_dict()
        assert all(torch.equal(state[key], expected[key]) for key in expected)
        assert torch.equal(weights(resumed.attachment), weights(through.attachment))  # type: ignore[arg-type]
        assert resumed.traces == through.traces
        assert told(resumed) == told(through)
        assert len(resumed.checkpoint_states) == len(through.checkpoint_states)
        for kept, other in zip(resumed.checkpoint_states, through.checkpoint_states, strict=True):
            assert all(torch.equal(kept[key], other[key]) for key in other)
        assert attachment.batches == [8] * min(12, 12 * trainings - done)
        last = dict(memory.states[:done])  # of every training its last state
        assert resumed.resumed_seconds == pytest.approx(sum(state["seconds"] for state in last.values()))


def test_short_trainings_save_nothing() -> None:
    memory = Memory()
    supervised.fit(task(checkpoints=memory))
    assert memory.states == []


@pytest.mark.parametrize("name", SEMI_SUPERVISED)
def test_without_unlabelled_images_it_is_supervised(name: str, caplog: pytest.LogCaptureFixture) -> None:
    fitted = learners.build(name).fit(task(unlabelled=0))
    assert torch.equal(weights(fitted.network), weights(supervised.fit(task(unlabelled=0)).network))
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{name}: there is no unlabelled image")


@pytest.mark.parametrize("name", [*(f"{name}[weight=0,ema=0]" for name in ONLINE), UNWEIGHTED])
def test_without_weight_and_average_it_is_supervised(name: str) -> None:
    """The last step's weights, on the same labelled batches and masks where dropout is off."""

    def job() -> TrainingTask:
        made = task()
        for module in made.network.dropouts:
            module.probability = 0.0
        return made

    fitted = learners.build(name).fit(job())
    expected = weights(supervised.fit(job()).network)
    torch.testing.assert_close(weights(fitted.network), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SEMI_SUPERVISED)
def test_unlabelled_images_take_part(name: str) -> None:
    low = {"fixmatch": 0, "flexmatch": 0.2, "self-training": 0, "noisy-student": 0}
    parameters = f"[threshold={low[name]}]" if name in low else ""
    learner = learners.build(name + parameters)
    other = dataclasses.replace(task(), unlabelled=task().unlabelled[:30])
    assert not torch.equal(weights(learner.fit(task()).network), weights(learner.fit(other).network))


def test_steps_and_traces() -> None:
    traces = learners.build("fixmatch[steps=90,mu=2]").fit(task()).traces  # 60 images, 16 a step: 4 steps an epoch
    assert [trace.step for trace in traces] == [*range(4, 90, 4), 90]
    assert traces[0].values.keys() == {"labelled_loss", "unlabelled_loss", "weight", "confidence"}
    assert 1 / CLASSES < traces[0].values["confidence"] < 1


def test_a_large_pool_is_traced_a_hundred_times_at_most() -> None:
    job = task(recipe=dataclasses.replace(RECIPE, min_steps=250), unlabelled=8)
    traces = learners.build("fixmatch[mu=1]").fit(job).traces
    assert [trace.step for trace in traces] == [*range(3, 250, 3), 250]


def test_a_short_training_is_traced_twenty_times() -> None:
    job = task(recipe=dataclasses.replace(RECIPE, min_steps=50), unlabelled=60)
    traces = learners.build("fixmatch[mu=1]").fit(job).traces  # eight steps would be an epoch
    assert [trace.step for trace in traces] == [*range(3, 50, 3), 50]


def test_reports_know_the_learners_papers() -> None:
    """Reports name them without importing the learners."""
    assert {name: learner.paper for name, learner in LEARNERS.items() if learner.paper} == LEARNER_PAPERS
