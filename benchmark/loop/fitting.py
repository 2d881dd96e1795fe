"""The training of a round: a new network and attachment, fitted by the learner; round 0 is shared between runs.

And the second training, on a part of the labels, that some strategies ask for.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from benchmark import ENGINE_VERSION
from benchmark.data.datasets import ImageData
from benchmark.experiment import seeds
from benchmark.learners import Learner, build
from benchmark.loop.boundary import Boundary
from benchmark.loop.carried import Carried, shared_round0
from benchmark.loop.clock import Clock
from benchmark.loop.judging import judged
from benchmark.loop.labelled import LabelledSet
from benchmark.loop.task import RunTask
from benchmark.models.blueprint import Blueprint, Fresh, blueprint
from benchmark.models.network import Network
from benchmark.results import environment
from benchmark.training.batches import Images
from benchmark.training.predict import Predictor
from benchmark.training.task import TrainingTask
from strategies.api import Attachment, Strategy


@dataclass(frozen=True)
class FittedRound:
    """The model of a round.

    ``seconds`` is the wall-clock time of its training, ``shared`` whether another run had trained it. ``traces`` are
    the lines to keep beside the run's, the quality of its pseudo-labels among them. ``checkpoint_states`` are states
    of the network after each of the last epochs, from learners that keep them.
    """

    predictor: Predictor
    seconds: float
    shared: bool
    traces: list[dict[str, float]]
    checkpoint_states: list[dict[str, Tensor]]


class Fitter:
    """Builds and fits the models of a run."""

    def __init__(self, run: RunTask, data: ImageData, images: Images, strategy: Strategy) -> None:
        self.run, self.protocol, self.data, self.images = run, run.protocol, data, images
        self.strategy = strategy
        self.learner = build(run.key.learner)
        self.device = images.device
        self.blueprint = blueprint(self.protocol.model.name, self.protocol.model.parameters, data)

    def task(self, number: int, known: LabelledSet, carried: dict[str, Any]) -> tuple[TrainingTask, Tensor, Tensor]:
        """The training of round ``number``; and all labelled images (L,) with their labels (L,), held-out ones too.

        ``carried`` is what the round takes over from the one before: weights, for a protocol that starts warm.
        """
        seed, device = self.run.key.seed, self.device
        labelled, targets = torch.tensor(known.indices, device=device), torch.tensor(known.labels, device=device)
        trains = ~torch.isin(labelled, torch.tensor(known.held_out, dtype=torch.int64, device=device))
        unlabelled = torch.ones(len(self.images.pixels), dtype=torch.bool, device=device)
        unlabelled[labelled] = False
        network = self.blueprint.network(seed, "weights", number, device)
        attachment = self._attachment(number, network) if "attach" in self.strategy.hooks else None
        if "network" in carried:
            network.load_state_dict(carried["network"])
        if "attachment" in carried and attachment is not None:
            attachment.load_state_dict(carried["attachment"])
        if attachment is not None:
            attachment = attachment.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        task = TrainingTask(
            images=self.images,
            network=network,
            attachment=attachment,
            recipe=self.protocol.recipe,
            labelled=labelled[trains],
            targets=targets[trains],
            unlabelled=unlabelled.nonzero().squeeze(1),
            seed=seed,
            round=number,
            fresh=Fresh(self.blueprint, seed, number, device),
        )
        return task, labelled, targets

    def _attachment(self, number: int, network: Network) -> Attachment | None:
        calls = Boundary(f"strategy '{self.run.key.strategy}'", self.strategy)
        with calls("in attach"), seeds.scoped(self.run.key.seed, "attachment", number):
            return self.strategy.attach(network.attachment_channels, self.data.class_count)

    def cross_fit(self, task: TrainingTask) -> CrossFit:
        """The second training of the round whose training is ``task``; nothing is computed yet."""
        return CrossFit(replace(task, attachment=None, checkpoints=None), self.blueprint, self.learner)

    def fit(self, task: TrainingTask, carried: Carried | None = None) -> FittedRound:
        """Train, or take over the round 0 that another run of this seed has trained.

        The training saves its state in ``carried`` and resumes from there. Its pseudo-labels are compared with the
        true labels only when it is over, and the task never leads to those; there are none where a person labels.
        """
        solves = task.network.solved and _suites_own(self.learner)  # which has no state to save
        if carried is not None and not solves:
            task = replace(task, checkpoints=carried.checkpoints(task.round, self._checkpoint_key(task)))
        shares = self.learner.shares_round0 and not task.network.solved  # solving takes less time than a file
        if task.round == 0 and task.attachment is None and shares:
            state, shared = shared_round0(self.run.cache, self._round0_key(task), lambda: self._train(task)[1])
            task.network.load_state_dict(state["network"])
            predictor = Predictor(task.network, None, task.recipe.precision)
        else:
            shared = False
            predictor, state = self._train(task)
        return FittedRound(predictor, state["seconds"], shared, state["traces"], state["late"])

    def _train(self, task: TrainingTask) -> tuple[Predictor, dict[str, Any]]:
        """Train; returns the fitted model, and what other runs need to take it over."""
        clock = Clock(self.device)
        with clock("train"), self._calls(task):
            result = self.learner.fit(task)
        truth = None
        if result.pseudo_labels and self.protocol.oracle == "simulated":
            truth = self.data.train_labels[task.without_labels]
        traces = judged(result.traces, result.pseudo_labels, truth)
        state = {
            "seconds": round(clock["train"] + result.resumed_seconds, 3),
            "network": result.network.state_dict(),
            "traces": [{"step": trace.step, **trace.values} for trace in traces],
            "late": list(result.checkpoint_states),
        }
        return Predictor(result.network, result.attachment, task.recipe.precision), state

    def _calls(self, task: TrainingTask) -> AbstractContextManager[None]:
        """The boundary around a training, in which the learner and the strategy's attachment take part.

        None where all of it is the suite's own: a head is solved in less time than some boundaries take.
        """
        where, learner = "in the training", f"learner '{self.learner.canonical}'"
        if task.attachment is None:
            suites_own = _suites_own(self.learner) and _suites_own(task.network)
            return nullcontext() if suites_own else Boundary(learner, self.learner)(where)
        attachment = f"the attachment of strategy '{self.run.key.strategy}'"
        who = attachment if _suites_own(self.learner) else f"{learner} or {attachment}"
        return Boundary(who, self.learner, self.strategy)(where)

    def _checkpoint_key(self, task: TrainingTask) -> dict[str, Any]:
        """Everything that the state of a training depends on, except how far it has got."""
        return {
            **self._round0_key(task),
            "round": task.round,
            "strategy": [self.run.key.strategy, self.strategy.version],
            "plugin": self.run.source_sha256,
        }

    def _round0_key(self, task: TrainingTask) -> dict[str, Any]:
        """Everything that the training of round 0 without an attachment depends on."""
        return {
            "fingerprint": self.protocol.fingerprint,
            "learner": [self.run.key.learner, self.learner.version],
            "sources": [source.sha256 for source in self.run.user_sources],
            "seed": self.run.key.seed,
            "labelled": task.labelled.tolist(),
            "targets": task.targets.tolist(),
            "dataset": self.data.sha256,
            "engine": ENGINE_VERSION,
            "environment": environment.deciding(self.device),
        }


def _suites_own(part: object) -> bool:
    return type(part).__module__.partition(".")[0] == "benchmark"


@dataclass(frozen=True)
class CrossFit:
    """A model fitted on a part of the labels, and its logits for the others: ``Pool.cross_fit``.

    The labels are those that the round's model was fitted on. The same learner trains another network, without an
    attachment, from the round's own ``weights``, ``batches`` and ``dropout`` streams: the two models differ in their
    labels only. The images left out are not among the unlabelled ones either. It never starts from carried weights,
    which have seen the labels that are left out.
    """

    task: TrainingTask
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
        predictor = Predictor(fitted.network, None, task.recipe.precision)
        return predictor.predict(task.images, task.labelled[out]).logits, task.targets[out]
