"""What a training notes while it runs: a line of values per epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Trace:
    """Named ``values`` after ``step`` steps of a training, for instance the mean losses of an epoch."""

    step: int
    values: Mapping[str, float]


class TrainingLog:
    """The traces of one training in the order in which they were noted; a part of its saved state.

    ``resumed_seconds`` is the time that went into the saved state from which the training resumed, 0 if there was
    none.
    """

    def __init__(self) -> None:
        self.traces: list[Trace] = []
        self.resumed_seconds = 0.0

    def trace(self, step: int, **values: float) -> None:
        """Note ``values`` after ``step`` steps."""
        self.traces.append(Trace(step, values))

    def state_dict(self) -> dict[str, Any]:
        return {"traces": [(trace.step, dict(trace.values)) for trace in self.traces]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.traces = [Trace(step, values) for step, values in state["traces"]]
