"""Trainings on random images, and a step of one that a CUDA graph can capture; for ``first``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmark.experiment.recipe import Recipe
from benchmark.models.blueprint import Blueprint
from benchmark.training.augmentation import augmentation, normalise
from benchmark.training.batches import Images
from benchmark.training.predict import autocast
from benchmark.training.task import TrainingTask

LABELS, IMAGES, BLOCK = 1000, 6000, 256


@dataclass(frozen=True)
class Case:
    """A network on images of a size, with the recipe's batch size and augmentations."""

    model: str
    parameters: dict[str, Any]
    size: tuple[int, int]
    channels: int
    batch_size: int
    weak: str
    strong: str


CASES = {
    "cnn": Case("cnn", {"width": 16, "dropout": 0.5}, (28, 28), 1, 32, "crop", "strong-no-flip"),
    "compact": Case("compact", {"width": 64, "dropout": 0.1}, (32, 32), 3, 64, "flip-crop-cutout", "strong"),
    "resnet18": Case("resnet18", {}, (32, 32), 3, 128, "flip-crop", "strong"),
}


@dataclass(frozen=True)
class Bench:
    """The device, and where what is measured goes."""

    device: torch.device
    output: Path | None

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    def count(self, many: int, few: int) -> int:
        """``many`` on a GPU, ``few`` in a rehearsal."""
        return many if self.on_gpu else few

    def report(self, what: str, **values: object) -> None:
        line = json.dumps({"what": what, **values})
        print(line, flush=True)
        if self.output is not None:
            with self.output.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def wait(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Callable[[], object], times: int) -> float:
        """The mean seconds of ``work`` after one call that does not count."""
        work()
        self.wait()
        began = time.perf_counter()
        for _ in range(times):
            work()
        self.wait()
        return (time.perf_counter() - began) / times


def training(bench: Bench, name: str, steps: int, seed: int = 0) -> TrainingTask:
    """A training on random images of a case; of a narrow network and small batches in a rehearsal."""
    case, device = CASES[name], bench.device
    parameters = case.parameters if bench.on_gpu else {**case.parameters, "width": 4}
    shape = (IMAGES, *case.size, case.channels)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    mean, std = torch.full((case.channels,), 0.45), torch.full((case.channels,), 0.25)
    covariance = torch.eye(4 * case.channels, dtype=torch.float64) if case.model == "compact" else None
    blueprint = Blueprint(case.model, parameters, case.channels, case.size, 10, covariance)
    labelled = torch.arange(LABELS, device=device)
    return TrainingTask(
        images=Images(pixels.to(device), mean.to(device), std.to(device)),
        network=blueprint.network(seed, "weights", 0, device),
        attachment=None,
        recipe=Recipe(
            min_steps=steps,
            batch_size=bench.count(case.batch_size, 8),
            learning_rate=0.01,
            nesterov=True,
            weight_decay=1e-3,
            augmentation=case.weak,
            strong_augmentation=case.strong,
        ),
        labelled=labelled,
        targets=labelled % 10,
        unlabelled=torch.arange(LABELS, IMAGES, device=device),
        seed=seed,
        round=0,
    )


class Lane:
    """One network and a training step of it that a CUDA graph can capture: it reads its number on the device.

    Dropout is off: the generators of its masks would have to be registered with the graph.
    """

    def __init__(self, bench: Bench, case: str, seed: int) -> None:
        self.task = task = training(bench, case, 5, seed)
        self.network = task.network.train()
        for dropout in self.network.dropouts:
            dropout.probability = 0.0
        rate = torch.tensor(0.01, device=bench.device) if bench.on_gpu else 0.01
        self.optimiser = torch.optim.SGD(
            self.network.parameters(), rate, 0.9, weight_decay=1e-3, nesterov=True, fused=True
        )
        self.view, generator = augmentation(task.recipe.augmentation), task.generator("batches")
        size = task.recipe.batch_size
        self.draws = self.view.draw(BLOCK, size, task.images.size, generator).to(bench.device)
        self.order = torch.randint(LABELS, (BLOCK, size), generator=generator).to(bench.device)
        self.number = torch.zeros(1, dtype=torch.int64, device=bench.device)

    def step(self) -> None:
        task, images = self.task, self.task.images
        positions = self.order.index_select(0, self.number).squeeze(0)
        pixels = self.view.apply(images.pixels[task.labelled[positions]], self.draws.step(self.number))
        with autocast(images.device, task.recipe.precision):
            output = self.network(normalise(pixels, images.mean, images.std))
            loss = task.labelled_loss(output, task.targets[positions], 0.0)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.number.add_(1).remainder_(BLOCK)

    def capture(self) -> None:
        """Capture the step in a graph, on a stream of the lane's own."""
        self.stream = torch.cuda.Stream()
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            for _ in range(3):
                self.step()
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, stream=self.stream):
            self.step()

    def replay(self) -> None:
        """Take the captured step."""
        with torch.cuda.stream(self.stream):
            self.graph.replay()
