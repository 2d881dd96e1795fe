"""Averages over a training: of the weights, for the network that is evaluated, and of the values that are traced."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.training.log import TrainingLog

FEWEST, MOST = 20, 100  # traces that a training leaves
KEPT = 5  # states that an average keeps


class Average(nn.Module):
    """Exponential moving averages of ``modules``: w̄ ← d w̄ + (1 − d) w after every step.

    With ``warmup``, after t steps d = min(``decay``, (1 + t) / (10 + t)), as in tf.train.ExponentialMovingAverage with
    num_updates: without it d = ``decay`` throughout, and the initial weights are still 61 % of the average after 500
    steps at 0.999. With ``buffers``, BatchNorm's statistics are averaged as the weights are; without it they are
    copied, and integer buffers always. ``copies`` are the averaged modules, in the order of ``modules``; ``kept`` are
    the states that the first of them had at the last five calls of ``keep``.
    """

    def __init__(
        self, modules: Iterable[nn.Module], decay: float, *, warmup: bool = True, buffers: bool = True
    ) -> None:
        super().__init__()
        self.decay, self._warmup, self._averages_buffers = decay, warmup, buffers
        self._followed = tuple(modules)  # in a tuple: no part of this module, and so not of its state
        self.copies = nn.ModuleList(copy.deepcopy(module) for module in self._followed)
        self.kept: deque[dict[str, Tensor]] = deque(maxlen=KEPT)

    @torch.no_grad()
    def update(self, done: int) -> None:
        """Take in the weights after ``done`` steps."""
        decay = min(self.decay, (1 + done) / (10 + done)) if self._warmup else self.decay
        averages, current = _tensors(self.copies), _tensors(self._followed)
        averaged = [a.is_floating_point() and (self._averages_buffers or isinstance(a, nn.Parameter)) for a in averages]
        torch._foreach_lerp_(
            [a for a, included in zip(averages, averaged, strict=True) if included],
            [c for c, included in zip(current, averaged, strict=True) if included],
            1 - decay,
        )
        for average, value, is_averaged in zip(averages, current, averaged, strict=True):
            if not is_averaged:
                average.copy_(value)

    def keep(self) -> None:
        """Keep the present state of the first average."""
        self.kept.append({name: tensor.clone() for name, tensor in self.copies[0].state_dict().items()})

    def get_extra_state(self) -> list[dict[str, Tensor]]:
        return list(self.kept)

    def set_extra_state(self, state: list[dict[str, Tensor]]) -> None:
        self.kept.clear()
        self.kept.extend(state)


def _tensors(modules: Iterable[nn.Module]) -> list[Tensor]:
    return [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]


class EpochMeans:
    """Means of a training's scalars over each epoch, noted as a trace at its end.

    They are summed on ``device``, so that the training waits for it once an epoch. An epoch has ``epoch`` steps, or
    as many as it takes for a training of ``steps`` steps to leave 20 to 100 traces; the last one may be shorter.
    ``before`` steps were taken by earlier trainings of the same learner and count in the traces.
    """

    def __init__(self, device: torch.device, steps: int, epoch: int, before: int = 0) -> None:
        self._device, self._steps, self._before = device, steps, before
        self._epoch = max(min(epoch, math.ceil(steps / FEWEST)), math.ceil(steps / MOST))
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def add(self, **values: Tensor) -> None:
        """The scalars of a step, under the same names in every step."""
        for key, value in values.items():
            self._sums[key] = self._sums.get(key, 0) + value.detach().double()
        self._count += 1

    def after_step(self, done: int, log: TrainingLog) -> bool:
        """Note the means in ``log`` if an epoch ends after ``done`` steps; returns whether one does."""
        ends = done % self._epoch == 0 or done == self._steps
        if ends:
            means = {key: value.item() / self._count for key, value in self._sums.items()}
            log.trace(self._before + done, **means)
            self._sums, self._count = {}, 0
        return ends

    def state_dict(self) -> dict[str, Any]:
        return {"sums": dict(self._sums), "count": self._count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums = {key: value.to(self._device) for key, value in state["sums"].items()}
        self._count = state["count"]
