"""What a learner is, the names of learners, and the way from ``name[key=value,…]`` to an object."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import ClassVar, TypeVar

from benchmark.experiment.papers import LEARNER_PAPERS
from benchmark.training.task import TrainingResult, TrainingTask
from strategies.registry import changed_parameters, format_spec, nearest, parse


class Learner:
    """From labelled (and unlabelled) images to a fitted network. Parameters are the constructor's keyword arguments.

    A learner keeps nothing from one training to the next, takes its labelled loss from ``task.labelled_loss``, and
    draws random numbers only from ``task.generator``. ``shares_round0`` is False for a learner whose fitted network
    has another architecture than the task's: strategies then do not share its round 0.
    """

    name: ClassVar[str]  # set by @register
    paper: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    shares_round0: ClassVar[bool] = True
    canonical: str  # set by build

    def fit(self, task: TrainingTask) -> TrainingResult:
        """Train the network and the attachment of ``task``, which change in place.

        The result's network and attachment may be others than the task's, for instance averages of them.
        """
        raise NotImplementedError


LEARNERS: dict[str, type[Learner]] = {}
L = TypeVar("L", bound=type[Learner])


def register(name: str) -> Callable[[L], L]:
    """Enter a learner class under ``name``; its paper is the one that ``LEARNER_PAPERS`` has for the name."""

    def enter(cls: L) -> L:
        cls.name = name
        cls.paper = LEARNER_PAPERS.get(name, "")
        cls.summary = (inspect.getdoc(cls) or "").split("\n")[0]
        LEARNERS[name] = cls
        return cls

    return enter


def build(text: str) -> Learner:
    """The learner that ``text`` names; its ``canonical`` form has sorted keys and leaves defaults out.

    Raises ValueError with one line that says what to change.
    """
    name, parameters = parse(text)
    if name not in LEARNERS:
        raise ValueError(f"unknown learner '{name}'{nearest(name, LEARNERS)} (known: {', '.join(LEARNERS)})")
    chosen = changed_parameters(LEARNERS[name], name, parameters)
    canonical = format_spec(name, chosen)
    try:
        learner = LEARNERS[name](**dict(chosen))
    except ValueError as error:
        raise ValueError(f"learner '{canonical}': {error}") from error
    learner.canonical = canonical
    return learner
