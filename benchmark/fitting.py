"""A round's training: the network and the attachment made anew, fitted by the learner; round 0 shared."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmark import ENGINE_VERSION, environment, models, seeds
from benchmark.carried import shared_round0
from benchmark.clock import Clock
from benchmark.datasets import ImageData
from benchmark.learners import LEARNERS
from benchmark.models import Network
from benchmark.setting import Knowledge, Setting
from benchmark.training.batches import Images
from benchmark.training.engine import Task
from benchmark.training.predict import Predictor
from strategies.base import Strategy


class Fitter:
    """Makes and fits the models of a run."""

    def __init__(self, setting: Setting, data: ImageData, images: Images, strategy: Strategy) -> None:
        self.setting, self.protocol, self.data, self.images = setting, setting.protocol, data, images
        self.strategy = strategy
        self.device = images.device

    def task(self, number: int, known: Knowledge, carried: dict[str, Any]) -> tuple[Task, Tensor, Tensor]:
        """The training of a round; and all labelled images with their answers, those that sit out included."""
        seed, device = self.setting.seed, self.device
        labelled, answers = torch.tensor(known.indices, device=device), torch.tensor(known.answers, device=device)
        trains = ~torch.isin(labelled, torch.tensor(known.held_out, dtype=torch.int64, device=device))
        unlabelled = torch.ones(len(self.images.pixels), dtype=torch.bool, device=device)
        unlabelled[labelled] = False
        with seeds.scoped(seed, "weights", number):
            network = self._network()
        with seeds.scoped(seed, "attachment", number):
            attachment = self.strategy.attach(network.stage_channels, self.data.class_count)
        if "network" in carried:
            network.load_state_dict(carried["network"])
        if "attachment" in carried and attachment is not None:
            attachment.load_state_dict(carried["attachment"])
        task = Task(
            self.images,
            network.to(device, memory_format=torch.channels_last),  # type: ignore[call-overload]
            attachment.to(device, memory_format=torch.channels_last) if attachment is not None else None,  # type: ignore[call-overload]
            self.protocol.recipe,
            labelled[trains],
            answers[trains],
            unlabelled.nonzero().squeeze(1),
            seed,
            number,
        )
        return task, labelled, answers

    def _network(self) -> Network:
        model, data = self.protocol.model, self.data
        return models.build(model.name, model.parameters, data.channels, data.image_size, data.class_count)

    def fit(self, task: Task) -> tuple[Predictor, float, bool]:
        """Train, or take over the round 0 that another run of this seed has trained."""

        def train() -> dict[str, Any]:
            clock = Clock(self.device)
            with clock("train"):
                network = LEARNERS[self.setting.learner](task)
            fitted.append(network)
            return {"seconds": clock["train"], "network": network.state_dict()}

        fitted: list[Network] = []
        shared = False
        if task.round == 0 and task.attachment is None:
            state, shared = shared_round0(self.setting.cache, self._round0_key(task), train)
        else:
            state = train()
        if shared:
            task.network.load_state_dict(state["network"])
            fitted.append(task.network)
        return Predictor(fitted[0], task.attachment, task.recipe.precision), state["seconds"], shared

    def _round0_key(self, task: Task) -> dict[str, Any]:
        return {
            "fingerprint": self.protocol.fingerprint,
            "learner": self.setting.learner,
            "seed": self.setting.seed,
            "labelled": task.labelled.tolist(),
            "targets": task.targets.tolist(),
            "dataset": self.data.sha256,
            "engine": ENGINE_VERSION,
            "torch": torch.__version__,
            "device": environment.device_name(self.device),
        }
