"""Oracles: where the labels of queried images come from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from benchmark.experiment import seeds
from benchmark.text.escapes import one_line


class Oracle(Protocol):
    """Anything that turns dataset indices (n,) into labels (n,), int64, on the CPU."""

    def answer(self, indices: Tensor) -> Tensor: ...


class SimulatedOracle:
    """The dataset's own labels (N,), each wrong with probability ``noise``.

    A wrong label is one of the other classes, uniformly. ``generator`` fixes beforehand which images get which wrong
    label, so the order of queries, or a repeated query, changes nothing.
    """

    def __init__(self, labels: Tensor, class_count: int, noise: float, generator: torch.Generator) -> None:
        self._labels = labels.cpu().clone()
        if noise > 0:
            wrong = torch.rand(len(labels), generator=generator) < noise
            shift = torch.randint(1, class_count, (len(labels),), generator=generator)
            self._labels[wrong] = (self._labels + shift)[wrong] % class_count

    def answer(self, indices: Tensor) -> Tensor:
        return self._labels[indices.cpu()]


def simulated(labels: Tensor, class_count: int, noise: float, seed: int) -> SimulatedOracle:
    """The oracle of a run's ``seed``; which labels are wrong depends on nothing else."""
    return SimulatedOracle(labels, class_count, noise, seeds.generator(seed, "oracle", 0))


class PersonOracle:
    """A person at the terminal, who is shown one image after the other and asked for its class.

    ``images`` (N, H, W, c) uint8; the current image is written, enlarged, to ``log`` with the suffix ``.png``. A reply
    is a class's name or, unless names are numbers themselves, its number; ``u`` undoes the last one, ``undo`` where a
    class is named so. Every label goes to ``log`` at once and no image is
    shown twice, in this run or another, so an interruption loses nothing. ``ask`` takes a prompt and returns the
    reply, by default at the terminal. ``given`` are labels by index that are known, and go before those of ``log``.
    """

    def __init__(
        self,
        images: Tensor,
        class_names: tuple[str, ...],
        log: Path,
        ask: Callable[[str], str] | None = None,
        given: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        self._images, self._names, self._log, self._ask = images, class_names, log, ask or input
        self._numbered = not any(name.isdecimal() for name in class_names)
        self._undo = "undo" if "u" in class_names else "u"
        log.parent.mkdir(parents=True, exist_ok=True)
        text = log.read_text(encoding="utf-8") if log.exists() else ""
        lines = text[: text.rfind("\n") + 1].splitlines()
        if not text.endswith("\n") and text:  # a line torn by a crash: drop it, or the next would be appended to it
            log.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        self._known: dict[int, int] = {**dict(json.loads(line) for line in lines), **given}

    def answer(self, indices: Tensor) -> Tensor:
        wanted = indices.tolist()
        asked = [index for index in wanted if index not in self._known]
        position = 0
        while position < len(asked):
            label = self._inquire(asked[position], f"{position + 1} of {len(asked)}")
            if label is None:
                position = max(0, position - 1)
                continue
            self._keep(asked[position], label)
            position += 1
        return torch.tensor([self._known[index] for index in wanted], dtype=torch.int64)

    def _inquire(self, index: int, which: str) -> int | None:
        """The class of an image; None to undo the last label."""
        pixels = self._images[index].cpu().numpy()
        picture = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
        scale = max(1, 256 // max(picture.size))
        shown = self._log.with_suffix(".png")
        picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST).save(shown)
        choices = ", ".join(f"{number} " * self._numbered + one_line(name) for number, name in enumerate(self._names))
        while True:
            reply = self._ask(f"image {index} ({which}), see {shown}\n{choices}, {self._undo} to undo: ").strip()
            if reply == self._undo:
                return None
            if reply in self._names:
                return self._names.index(reply)
            if self._numbered and reply.isdecimal() and int(reply) < len(self._names):
                return int(reply)

    def _keep(self, index: int, label: int) -> None:
        self._known[index] = label
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps([index, label]) + "\n")
            file.flush()
            os.fsync(file.fileno())
