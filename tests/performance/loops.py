"""Training and prediction as the engine does them and as the field's reference loops do, for timing.

Both run in processes of their own (``Worker``): the engine's keeps freed memory, as an executor's process does,
and that setting cannot be taken back; the reference loop's does not, for it is nobody's default.

The reference loop is the usual one: Pillow images through torchvision's transforms, one by one, a DataLoader,
float32 in NCHW, SGD that is not fused, and the loss read off at every step. Its network is the same.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from comparison import SMOKE, clock
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmark.campaign.process import keep_freed_memory
from benchmark.data import datasets
from benchmark.experiment import Protocol, library
from benchmark.learners import supervised
from benchmark.models import factory
from benchmark.models.masks import Masks
from benchmark.models.network import Network
from benchmark.training.batches import Images
from benchmark.training.operations import flops
from benchmark.training.predict import Predictor
from benchmark.training.task import TrainingTask

DATA = Path(__file__).resolve().parents[2] / "data"


class Case(NamedTuple):
    """A published protocol, with batches of its own size (0) or another."""

    protocol: str
    batch_size: int = 0

    def resolved(self, steps: int) -> Protocol:
        """The protocol with a training of ``steps`` steps."""
        given = library.load(self.protocol)
        size = self.batch_size or given.recipe.batch_size
        return replace(given, recipe=replace(given.recipe, epochs=0, min_steps=steps, steps_at=(), batch_size=size))


class Worker:
    """A fresh process with ``threads`` threads of PyTorch that does one piece of work after the other.

    In smoke mode a thread, for a process takes seconds to import PyTorch.
    """

    def __init__(self, threads: int, *, keeps_memory: bool) -> None:
        self._pool: Executor
        if SMOKE:
            self._pool = ThreadPoolExecutor(1)
        else:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, context, initializer=_begin, initargs=(threads, keeps_memory))

    def start(self, work: Callable[..., float], *arguments: Any) -> Future[float]:
        return self._pool.submit(work, *arguments)

    def close(self) -> None:
        self._pool.shutdown()


def _begin(threads: int, keeps_memory: bool) -> None:
    torch.set_num_threads(threads)
    if keeps_memory:
        keep_freed_memory()


# --- the work; each returns the seconds that it took in its process


def train_ours(case: Case, count: int, steps: int) -> float:
    images, labels = data(case.protocol, count)
    plan = case.resolved(steps)
    indices = torch.arange(count)
    network = network_of(case, images).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    task = TrainingTask(
        images=images,
        network=network,
        attachment=None,
        recipe=plan.recipe,
        labelled=indices,
        targets=labels,
        unlabelled=indices[:0],
        seed=0,
        round=0,
    )
    return seconds(lambda: supervised.fit(task))


def train_reference(case: Case, count: int, steps: int, workers: int) -> float:
    images, labels = data(case.protocol, count)
    recipe = case.resolved(steps).recipe
    network = network_of(case, images).train()
    network.draw_dropout_from(Masks(0))
    optimiser = torch.optim.SGD(
        network.parameters(),
        recipe.learning_rate,
        recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.nesterov,
    )
    side = images.size[0]
    crop = transforms.RandomCrop(
        side, side // 8, padding_mode="reflect" if "reflect" in recipe.augmentation else "constant"
    )
    flip = [transforms.RandomHorizontalFlip()] if "flip" in recipe.augmentation else []
    loader = pillow_loader(images, labels, [crop, *flip], recipe.batch_size, workers=workers, shuffle=True)

    def train() -> float:
        total, step = 0.0, 0
        while True:
            for batch, targets in loader:
                loss = F.cross_entropy(network(batch).logits, targets)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                total += loss.item()
                step += 1
                if step == steps:
                    return total

    return seconds(train)


def multiply(size: int, times: int) -> float:
    """bfloat16 products of two square matrices, 2 ``size``³ operations each: the most that the machine computes."""
    left, right = torch.randn(2, size, size).bfloat16()
    return seconds(lambda: [left @ right for _ in range(times)])


def predict_ours(case: Case, count: int) -> float:
    images, _ = data(case.protocol, count)
    return seconds(lambda: _predictor(case, images).predict(images, torch.arange(count)))


@torch.no_grad()
def predict_reference(case: Case, count: int) -> float:
    images, labels = data(case.protocol, count)
    network = network_of(case, images).eval()
    batch_size = case.resolved(1).recipe.batch_size
    loader = pillow_loader(images, labels, [], batch_size, workers=0, shuffle=False)
    return seconds(lambda: torch.cat([network(batch).logits for batch, _ in loader]))


def mc_dropout_ours(case: Case, count: int, samples: int) -> float:
    images, _ = data(case.protocol, count)
    return seconds(lambda: _predictor(case, images).mc_probs(images, torch.arange(count), samples, 0, 0))


def mc_dropout_full_passes(case: Case, count: int, samples: int) -> float:
    """The engine's own pass, as often as there are samples."""
    images, _ = data(case.protocol, count)
    predictor = _predictor(case, images)
    return seconds(lambda: [predictor.predict(images, torch.arange(count)) for _ in range(samples)])


def seconds(work: Callable[[], Any]) -> float:
    start = clock()
    work()
    return clock() - start


# --- what they work on


@lru_cache(maxsize=2)
def data(protocol_name: str, count: int) -> tuple[Images, Tensor]:
    """The first ``count`` training images of the protocol's dataset; made-up ones of its shape where there is none."""
    name = library.load(protocol_name).dataset
    try:
        if SMOKE:
            raise datasets.DatasetError("made-up images do")
        given = datasets.load(name, DATA, download=False)
    except datasets.DatasetError:
        shape = (28, 28, 1) if name == "mnist" else (32, 32, 3)
        generator = torch.Generator().manual_seed(0)
        pixels = torch.randint(256, (count, *shape), generator=generator, dtype=torch.uint8)
        flat = torch.full(shape[2:], 0.5)
        return Images(pixels, flat, flat / 2), torch.randint(10, (count,), generator=generator)
    pixels, labels = given.train_images[:count].clone(), given.train_labels[:count].clone()
    assert len(pixels) == count, f"{name} has fewer than {count} training images"
    return Images(pixels, given.mean, given.std), labels


def operations(case: Case) -> float:
    """Floating-point operations of training on one image."""
    images, _ = data(case.protocol, 2)
    return flops(network_of(case, images), images.normalised(torch.arange(2)))


def network_of(case: Case, images: Images) -> Network:
    torch.manual_seed(0)
    model = case.resolved(1).model
    return factory.build(model.name, model.parameters, images.pixels.shape[3], images.size, 10)


def _predictor(case: Case, images: Images) -> Predictor:
    network = network_of(case, images).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Predictor(network, None, case.resolved(1).recipe.precision)


def pillow_loader(
    images: Images, labels: Tensor, steps: list[Any], batch_size: int, *, workers: int, shuffle: bool
) -> DataLoader:
    normalise = transforms.Normalize(images.mean.tolist(), images.std.tolist())
    transform = transforms.Compose([*steps, transforms.ToTensor(), normalise])
    dataset = PillowImages(images, labels, transform)
    return DataLoader(dataset, batch_size, shuffle=shuffle, num_workers=workers)


class PillowImages(Dataset):
    """Images in memory as torchvision's CIFAR10 and MNIST hold and give them."""

    def __init__(self, images: Images, labels: Tensor, transform: Callable[[Image.Image], Tensor]) -> None:
        self.pixels = images.pixels.squeeze(3).numpy() if images.pixels.shape[3] == 1 else images.pixels.numpy()
        self.labels = labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]
