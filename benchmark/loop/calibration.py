"""A fixed computation to time beside each round, so that seconds of different machines and loads can be compared.

It is shaped like a training: convolutions and a matrix product in float32. It draws no random numbers, and no result of
it goes anywhere.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

_REPETITIONS = 3
_BATCH, _CHANNELS, _SIZE, _WIDTH = 16, 32, 32, 256
_LASTS = 5.0  # seconds
_WATCHED = 0.3  # seconds in which the quickest is looked for
_latest: dict[torch.device, tuple[float, float]] = {}  # when it was last timed, and what was found
OPERATIONS = 2 * _BATCH * _CHANNELS**2 * 9 * _SIZE**2 + 2 * _WIDTH**3  # of the fixed computation


def calibration_seconds(device: torch.device) -> float:
    """Median wall-clock seconds of the fixed computation in this process, on ``device``; takes some 0.05 s in all.

    A timing of the last five seconds counts again: quick rounds would otherwise take less time than it does.
    """
    if device in _latest and time.monotonic() - _latest[device][0] < _LASTS:
        return _latest[device][1]
    compute = _fixed_computation(device)
    found = round(statistics.median(_seconds(compute) for _ in range(_REPETITIONS)), 6)
    _latest[device] = time.monotonic(), found
    return found


def quickest_seconds(device: torch.device) -> float:
    """Least wall-clock seconds of the fixed computation in this process within some 0.3 s, on ``device``.

    What else the machine does for a moment does not count, such as the start of workers.
    """
    compute = _fixed_computation(device)
    until, least = time.monotonic() + _WATCHED, _seconds(compute)
    while time.monotonic() < until:
        least = min(least, _seconds(compute))
    return least


def _seconds(compute: Callable[[], None]) -> float:
    begin = time.perf_counter()
    compute()
    return time.perf_counter() - begin


def _fixed_computation(device: torch.device) -> Callable[[], None]:
    """The computation, done once: its first call chooses and prepares its kernels."""
    # Values need not be random to cost as much; sines are never denormal numbers, which would take longer.
    images = torch.arange(_BATCH * _CHANNELS * _SIZE**2, device=device).sin().view(_BATCH, _CHANNELS, _SIZE, _SIZE)
    images = images.to(memory_format=torch.channels_last)
    filters = torch.arange(_CHANNELS**2 * 9, device=device).sin().view(_CHANNELS, _CHANNELS, 3, 3)
    matrix = torch.arange(_WIDTH**2, device=device).sin().view(_WIDTH, _WIDTH)

    def compute() -> None:
        with torch.no_grad():
            F.conv2d(images, filters, padding=1)
            torch.mm(matrix, matrix)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    compute()
    return compute
