"""A fixed computation to time beside each round, so that seconds of different machines and loads can be compared.

It is shaped like a training: convolutions and a matrix product in float32. It draws no random numbers, and no result of
it goes anywhere.
"""

from __future__ import annotations

import statistics
import time

import torch
from torch.nn import functional as F

_REPETITIONS = 3
_BATCH, _CHANNELS, _SIZE, _WIDTH = 16, 32, 32, 256
_LASTS = 1.0  # seconds
_latest: dict[torch.device, tuple[float, float]] = {}  # when it was last timed, and what was found
OPERATIONS = 2 * _BATCH * _CHANNELS**2 * 9 * _SIZE**2 + 2 * _WIDTH**3  # of the fixed computation


def calibration_seconds(device: torch.device) -> float:
    """Median wall-clock seconds of the fixed computation in this process, on ``device``; takes some 0.05 s in all.

    A timing of the last second counts again: quick rounds would otherwise take less time than it does.
    """
    if device in _latest and time.monotonic() - _latest[device][0] < _LASTS:
        return _latest[device][1]
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

    compute()  # the first call chooses and prepares its kernels
    seconds = []
    for _ in range(_REPETITIONS):
        begin = time.perf_counter()
        compute()
        seconds.append(time.perf_counter() - begin)
    found = round(statistics.median(seconds), 6)
    _latest[device] = time.monotonic(), found
    return found
