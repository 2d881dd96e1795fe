"""The state of a long training, saved from time to time, so that a killed training resumes with the same bits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

SECONDS = 120.0  # of work that may be lost


class Stateful(Protocol):
    """What changes during a training and can be saved: a module, an optimiser, a supply of batches."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


class Storage(Protocol):
    """Where saved states are kept, by name, until the round is done."""

    def load(self, name: str) -> dict[str, Any]: ...  # on the CPU; empty if there is none
    def save(self, name: str, state: dict[str, Any]) -> None: ...


class Checkpoint:
    """Saves all ``parts`` of a training's state under ``name`` whenever more than SECONDS of work would be lost.

    When it saves changes no number, because the parts are all of the state.
    """

    def __init__(self, storage: Storage, name: str, parts: Mapping[str, Stateful]) -> None:
        self._storage, self._name, self._parts = storage, name, parts
        self._began = self._saved = time.monotonic()
        self._earlier = 0.0
        self._exists = False

    def restore(self) -> tuple[int, float]:
        """Load the saved state into the parts; returns its number of steps and the seconds that they took.

        (0, 0.0) if nothing is saved, or only a state with other parts, which another version of the code left.
        """
        state = self._storage.load(self._name)
        if not state or state["parts"].keys() != self._parts.keys():
            return 0, 0.0
        for key, part in self._parts.items():
            part.load_state_dict(state["parts"][key])
        self._earlier, self._exists = state["seconds"], True
        return state["done"], self._earlier

    def after_step(self, done: int, last: bool) -> None:
        """Save if it is time to, or if this was the ``last`` step of a training that was saved before."""
        now = time.monotonic()
        if now - self._saved < SECONDS and not (last and self._exists):
            return
        parts = {key: part.state_dict() for key, part in self._parts.items()}
        self._storage.save(self._name, {"done": done, "seconds": self._earlier + now - self._began, "parts": parts})
        self._saved, self._exists = time.monotonic(), True
