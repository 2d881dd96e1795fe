"""Wall-clock seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Clock(dict[str, float]):
    """Wall-clock seconds by name, the device's queue drained at both ends."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device

    def __missing__(self, name: str) -> float:
        return 0.0

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self._drain()
        begin = time.perf_counter()
        yield
        self._drain()
        self[name] = round(time.perf_counter() - begin, 3)

    def _drain(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
