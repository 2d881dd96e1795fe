"""A round's training: the network and the attachment made anew, fitted by the learner; round 0 shared.

And the second training on a part of the labels that some strategies ask for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmark import ENGINE_VERSION
from benchmark.data.datasets import ImageData
from benchmark.experiment import seeds
from benchmark.learners import Learner, build
from benchmark.loop.carried import shared_round0
from benchmark.loop.clock import Clock
from benchmark.loop.judging import judged
from benchmark.loop.labelled import LabelledSet
from benchmark.loop.task import RunTask
from benchmark.models.blueprint import Blueprint, Fresh, blueprint
from benchmark.results import environment
from benchmark.training.batches import Images
from benchmark.training.engine import Task
from benchmark.training.predict import Predictor
from strategies.api import Strategy


class Fitted(NamedTuple):
    """A round's model, the seconds of its training, whether another run had trained it, and its traces, judged.

    ``late`` are states of the network after each of the last epochs, of learners that leave them.
    """

    predictor: Predictor
    seconds: float
    shared: bool
    traces: list[dict[str, float]]
    late: list[dict[str, Tensor]]


class Fitter:
    """Makes and fits the models of a run."""

    def __init__(self, run: RunTask, data: ImageData, images: Images, strategy: Strategy) -> None:
        self.run, self.protocol, self.data, self.images = run, run.protocol, data, images
        self.strategy = strategy
        self.learner = build(run.key.learner)
        self.device = images.device
        self.blueprint = blueprint(self.protocol.model.name, self.protocol.model.parameters, data)

    def task(self, number: int, known: LabelledSet, carried: dict[str, Any]) -> tuple[Task, Tensor, Tensor]:
        """The training of a round; and all labelled images with their answers, those that sit out included."""
        seed, device = self.run.key.seed, self.device
        labelled, answers = torch.tensor(known.indices, device=device), torch.tensor(known.labels, device=device)
        trains = ~torch.isin(labelled, torch.tensor(known.held_out, dtype=torch.int64, device=device))
        unlabelled = torch.ones(len(self.images.pixels), dtype=torch.bool, device=device)
        unlabelled[labelled] = False
        network = self.blueprint.network(seed, "weights", number, device)
        with seeds.scoped(seed, "attachment", number):
            attachment = self.strategy.attach(network.stage_channels, self.data.class_count)
        if "network" in carried:
            network.load_state_dict(carried["network"])
        if "attachment" in carried and attachment is not None:
            attachment.load_state_dict(carried["attachment"])
        task = Task(
            self.images,
            network,
            attachment.to(device, memory_format=torch.channels_last) if attachment is not None else None,  # type: ignore[call-overload]
            self.protocol.recipe,
            labelled[trains],
            answers[trains],
            unlabelled.nonzero().squeeze(1),
            seed,
            number,
            fresh=Fresh(self.blueprint, seed, number, device),
        )
        return task, labelled, answers

    def cross_fit(self, task: Task) -> CrossFit:
        """The second training of the round that ``task`` is the training of; nothing is computed yet."""
        alone = replace(task, attachment=None, traces=[], pseudo_labels=[], late=[], checkpoints=None)
        return CrossFit(alone, self.blueprint, self.learner)

    def fit(self, task: Task) -> Fitted:
        """Train, or take over the round 0 that another run of this seed has trained.

        Afterwards ``task.network`` is the network that the learner returned, which is evaluated and queried with. Its
        pseudo-labels are judged only now, by true labels that the task never leads to; where a person answers there
        are none.
        """
        truth = self.data.train_labels[task.unlabelled] if self.protocol.oracle == "simulated" else None

        def train() -> dict[str, Any]:
            clock = Clock(self.device)
            with clock("train"):
                task.network = self.learner.fit(task)
            seconds = round(clock["train"] + task.resumed_seconds, 3)
            traces = judged(task.traces, task.pseudo_labels, truth)
            return {"seconds": seconds, "network": task.network.state_dict(), "traces": traces, "late": task.late}

        shared = False
        if task.round == 0 and task.attachment is None and self.learner.shares_round0:
            state, shared = shared_round0(self.run.cache, self._round0_key(task), train)
        else:
            state = train()
        if shared:
            task.network.load_state_dict(state["network"])
        predictor = Predictor(task.network, task.attachment, task.recipe.precision)
        return Fitted(predictor, state["seconds"], shared, state.get("traces", []), state.get("late", []))

    def checkpoint_key(self, task: Task) -> dict[str, Any]:
        """All that the training depends on, in whatever state of it."""
        return {
            **self._round0_key(task),
            "round": task.round,
            "strategy": self.run.key.strategy,
            "plugin": self.run.source_sha256,
        }

    def _round0_key(self, task: Task) -> dict[str, Any]:
        return {
            "fingerprint": self.protocol.fingerprint,
            "learner": self.learner.canonical,
            "seed": self.run.key.seed,
            "labelled": task.labelled.tolist(),
            "targets": task.targets.tolist(),
            "dataset": self.data.sha256,
            "engine": ENGINE_VERSION,
            "torch": torch.__version__,
            "device": environment.device_name(self.device),
        }


@dataclass(frozen=True)
class CrossFit:
    """A model fitted on a part of the labels, and what it says of the others: ``Pool.cross_fit``.

    The labels are those that the round's model was fitted on. The same learner trains a network of its own, without
    an attachment, by the round's own ``weights``, ``batches`` and ``dropout`` streams, drawn anew: the two models
    differ in their labels only. The images left out are not among the unlabelled ones either. It never starts from
    carried weights, which know the labels that are left out.
    """

    task: Task
    blueprint: Blueprint
    learner: Learner

    def __call__(self, share: float) -> tuple[Tensor, Tensor] | None:
        """Logits (M, C) and labels (M,) of M = round(share · L) of the L labelled images, at least one.

        None for fewer than 2 C labels. Raises ValueError for a share that is not between 0 and 1.
        """
        if not 0 < share < 1:
            raise ValueError(f"share must be between 0 and 1, not {share}")
        task, count = self.task, len(self.task.labelled)
        if count < 2 * self.blueprint.class_count:
            return None
        held = min(max(round(share * count), 1), count - 1)
        order = torch.randperm(count, generator=task.generator("cross-fit")).to(task.device)
        out, rest = order[:held], order[held:]
        network = self.blueprint.network(task.seed, "weights", task.round, task.device)
        part = replace(task, network=network, labelled=task.labelled[rest], targets=task.targets[rest])
        with torch.enable_grad():  # a query runs without
            fitted = self.learner.fit(part)
        predictor = Predictor(fitted, None, task.recipe.precision)
        return predictor.predict(task.images, task.labelled[out]).logits, task.targets[out]
