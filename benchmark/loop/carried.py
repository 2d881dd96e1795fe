"""State in ``cache/``: what a run carries from round to round, and the model of round 0, which runs share.

Also the checkpoints of a long training, until its round is recorded.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.results import sealed
from benchmark.results.locks import alone


class Carried:
    """What one run carries into its rounds, a file each, kept until the run ends."""

    def __init__(self, cache: Path, run: Path, data_sha256: str) -> None:
        """``data_sha256`` is that of the data: what was carried on other pixels is never taken up."""
        digest = hashlib.sha256(f"{run.resolve()}\n{data_sha256}".encode()).hexdigest()[:16]
        self._folder = cache / "carried" / f"{run.stem}-{digest}"

    def latest(self, last: int) -> int:
        """The latest round up to ``last`` that can begin; 0 needs nothing."""
        return next((number for number in range(last, 0, -1) if sealed.is_there(self._path(number))), 0)

    def load(self, number: int) -> dict[str, Any]:
        """What round ``number`` takes over, on the CPU; empty for none."""
        return sealed.load(self._path(number)) or {}

    def save(self, number: int, state: dict[str, Any]) -> None:
        sealed.save(self._path(number), state)

    def checkpoints(self, number: int, key: dict[str, Any]) -> TrainingStates:
        """Where the training of round ``number`` saves its states; ``key`` names all that it depends on."""
        return TrainingStates(self._folder, f"round{number}-{_digest(key)}")

    def forget_before(self, number: int) -> None:
        """Delete what only earlier rounds need."""
        for path in self._folder.glob("round*.pt"):
            found = re.match(r"round(\d+)", path.name)
            if found is not None and int(found.group(1)) < number:
                path.unlink()

    def forget(self) -> None:
        """Delete everything: the run has ended."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"round{number}.pt"


class TrainingStates:
    """The saved states of one training: ``benchmark.training.checkpoints.Storage``."""

    def __init__(self, folder: Path, stem: str) -> None:
        self._folder, self._stem = folder, stem

    def load(self, name: str) -> dict[str, Any]:
        return sealed.load(self._path(name)) or {}

    def save(self, name: str, state: dict[str, Any]) -> None:
        sealed.save(self._path(name), state)

    def _path(self, name: str) -> Path:
        return self._folder / f"{self._stem}-{name}.pt"


def shared_round0(cache: Path, key: dict[str, Any], train: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], bool]:
    """The result of ``train()``, computed once for ``key`` by whichever process comes first; the others wait.

    Returns it with whether it was taken over. ``key`` must name all that the training depends on.
    """
    path = cache / "round0" / f"{_digest(key)}.pt"
    with alone(path.with_suffix(".lock")):
        if state := sealed.load(path):
            return state, True
        state = train()
        sealed.save(path, state)
        return state, False


def _digest(key: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]
