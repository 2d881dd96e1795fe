"""What a learner is."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from benchmark.models.network import Network
from benchmark.training.task import TrainingResult, TrainingTask


class Learner:
    """From labelled (and unlabelled) images to a fitted network. Parameters are the constructor's keyword arguments.

    A learner keeps nothing from one training to the next, takes its labelled loss from ``task.labelled_loss``, the
    images that it uses without labels from ``task.without_labels``, and draws random numbers only from
    ``task.generator``. A subclass in the suite sets ``name``, by which it is asked for, and ``paper``, a key of
    learners.bib; one of a user's own is asked for as ``file.py:Class``. ``version`` counts from 1 and is raised
    with every change after which the same training gives another network, a changed default included.
    ``shares_round0`` is False for a learner whose fitted network has another architecture than the task's:
    strategies then do not share its round 0. ``augments`` is True for one that learns from augmented views of
    images, which embeddings do not have, and ``solves`` for one that can fit a network that is solved instead of
    trained in steps; its parameters ``of_steps`` then have no meaning. ``canonical`` is its name with the
    parameters that are not at their defaults, set by ``registry.build``.
    """

    name: ClassVar[str]
    paper: ClassVar[str] = ""
    version: ClassVar[int] = 1
    shares_round0: ClassVar[bool] = True
    augments: bool = False
    solves: ClassVar[bool] = False
    of_steps: ClassVar[frozenset[str]] = frozenset()
    canonical: str

    def fit(self, task: TrainingTask) -> TrainingResult:
        """Train the network and the attachment of ``task``, which change in place.

        The result's network and attachment may be others than the task's, for instance averages of them.
        """
        raise NotImplementedError

    def obstacle(self, network: Network, images: Tensor) -> str:
        """Why it cannot train the ``network``, which takes ``images`` (B, c, H, W), on one line; empty if it can.

        Asked before anything is computed. The network may be changed: no training will have it.
        """
        return ""
