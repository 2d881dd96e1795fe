"""Learners: from labelled (and unlabelled) images to a fitted network, a file each."""

from __future__ import annotations

from collections.abc import Callable

from benchmark.learners import supervised
from benchmark.models import Network
from benchmark.training.engine import Task

Learner = Callable[[Task], Network]
"""Trains the task's network and returns the one to evaluate and to query with."""

LEARNERS: dict[str, Learner] = {"supervised": supervised.fit}
