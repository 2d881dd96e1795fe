"""Named random streams: every draw of a run belongs to (seed, stream, round) and to nothing else.

Streams are never advanced from one round to the next, so a resumed run draws what an uninterrupted one draws,
and all strategies of a seed share every stream but ``attachment`` and ``query``: comparisons are paired. The second
training of ``Pool.cross_fit`` starts the round's own ``weights``, ``batches`` and ``dropout`` again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

STREAMS = {
    "initial": "the first labels",
    "weights": "the network's initial weights",
    "batches": "permutations and augmentation of labelled images",
    "unlabelled": "the same of unlabelled images",
    "dropout": "dropout masks in training",
    "mc-dropout": "the consistent masks of Monte-Carlo dropout, one stream per sample and layer",
    "weight-noise": "the noise in the weights of a fitted network, one stream per sample and weight tensor",
    "candidates": "the random subset of the pool that is scored",
    "attachment": "the initial weights of a strategy's module",
    "tuning": "batches and augmentation of a strategy's tuning",
    "query": "the strategy's choice",
    "oracle": "the answers of a noisy annotator",
    "cross-fit": "the labelled images that a second training leaves out",
    "features": "self-supervised training, a stream for each block of steps",
}


def number(seed: int, stream: str, round_: int) -> int:
    """A 63-bit number for (seed, stream, round), by SHA-256: no two streams are correlated.

    ``stream`` is a name in STREAMS, with ``/…`` behind it for a part of one.
    """
    assert stream.split("/")[0] in STREAMS, stream
    digest = hashlib.sha256(f"{seed}/{stream}/{round_}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, stream: str, round_: int) -> torch.Generator:
    """A fresh generator at the beginning of the stream, on the CPU whatever the run's device."""
    return torch.Generator().manual_seed(number(seed, stream, round_))


@contextmanager
def scoped(seed: int, stream: str, round_: int) -> Iterator[None]:
    """Let PyTorch's global CPU generator stand for the stream, for code that can take no generator.

    Used for initial weights (``reset_parameters``); the global state is put back afterwards.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(number(seed, stream, round_))  # torch.manual_seed also prepares all GPUs
        yield
