"""A long training's state, saved from time to time, so that one that is killed goes on with the same bits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

import torch

SECONDS = 120.0  # of work that may be lost


class Stateful(Protocol):
    """A module, an optimiser, a supply of batches: what a training changes as it goes."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


class Storage(Protocol):
    """Where states are kept, by name, until the round is done."""

    def load(self, name: str) -> dict[str, Any]: ...  # on the CPU; empty for none
    def save(self, name: str, state: dict[str, Any]) -> None: ...


class Checkpoint:
    """``parts``, by name, saved as a whole under ``name`` once SECONDS of work would be lost.

    When that happens changes no number: the parts are all of a training's state.
    """

    def __init__(self, storage: Storage, name: str, parts: Mapping[str, Stateful]) -> None:
        self._storage, self._name, self._parts = storage, name, parts
        self._began = self._saved = time.monotonic()
        self._earlier = 0.0
        self._exists = False

    def restore(self) -> tuple[int, float]:
        """Put the parts into the saved state; the steps done then, and their seconds. (0, 0.0) where none is saved."""
        state = self._storage.load(self._name)
        if not state:
            return 0, 0.0
        for key, part in self._parts.items():
            part.load_state_dict(state["parts"][key])
        self._earlier, self._exists = state["seconds"], True
        return state["done"], self._earlier

    def after_step(self, done: int, last: bool) -> None:
        """Save if it is time; the end of a training that was saved before is saved as well."""
        now = time.monotonic()
        if now - self._saved < SECONDS and not (last and self._exists):
            return
        parts = {key: part.state_dict() for key, part in self._parts.items()}
        self._storage.save(self._name, {"done": done, "seconds": self._earlier + now - self._began, "parts": parts})
        self._saved, self._exists = time.monotonic(), True


class GeneratorState:
    """A generator as a part of a training's state."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def state_dict(self) -> dict[str, Any]:
        return {"state": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._generator.set_state(state["state"])
