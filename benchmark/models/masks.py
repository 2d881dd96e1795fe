"""Which units dropout keeps, by a counter-based hash: the same on every device, with no state to save."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor


class Masks:
    """The masks of a training: a unit is kept or not by a hash of stream, step, layer, pass and unit.

    ``number`` is the stream's (``seeds.number``). Call ``begin`` before each step. A pass is a forward pass through a
    layer within a step, counted from 0; a unit is a position in the layer's input of all images, in row-major order.

    The hash is integer arithmetic alone. SHA-256 of stream, step, layer and pass gives an odd factor and an offset;
    the unit's number times the one plus the other, modulo 2³², goes through Wellons' finaliser lowbias32
    (https://nullprogram.com/blog/2018/07/31/). The unit is kept where the result, read as a signed number, is below
    2³² (p − ½), with p the probability.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._step = 0
        self._passes: Counter[int] = Counter()

    def begin(self, step: int) -> None:
        """From now on the masks are those of ``step``."""
        self._step = step
        self._passes.clear()

    def kept(self, layer: int, shape: Sequence[int], probability: float, device: torch.device) -> Tensor:
        """Which units are kept, bool of ``shape``, each with ``probability``, in the next pass through ``layer``."""
        key = f"{self._number}/{self._step}/{layer}/{self._passes[layer]}"
        self._passes[layer] += 1
        digest = hashlib.sha256(key.encode()).digest()
        factor, offset = (int.from_bytes(digest[i : i + 4], "big") for i in (0, 4))
        x = torch.arange(torch.Size(shape).numel(), dtype=torch.int32, device=device)
        x.mul_(_signed(factor | 1)).add_(_signed(offset))  # of 32 bits, and wraps
        x.bitwise_xor_((x >> 16) & 0xFFFF).mul_(0x7FEB352D)  # the mask turns an arithmetic shift into a logical one
        x.bitwise_xor_((x >> 15) & 0x1FFFF).mul_(_signed(0x846CA68B))
        x.bitwise_xor_((x >> 16) & 0xFFFF)
        threshold = min(round(probability * 2**32), 2**32 - 1)
        return (x < threshold - 2**31).view(*shape)


def _signed(value: int) -> int:
    """The 32-bit integer of the same bits, which is what int32 holds."""
    return value - 2**32 if value >= 2**31 else value
