"""Named random streams."""

from __future__ import annotations

import hashlib
from itertools import product

import pytest
import torch

from benchmark.experiment import seeds


def test_a_number_is_the_hash_of_all_three_parts() -> None:
    digest = hashlib.sha256(b"7/batches/12").hexdigest()
    assert seeds.number(7, "batches", 12) == int(digest[:16], 16) // 2


def test_no_two_streams_share_a_number() -> None:
    keys = list(product(range(12), [*seeds.STREAMS, "tuning/unlabelled", "mc-dropout/0/1"], range(12)))
    numbers = {seeds.number(*key) for key in keys}
    assert len(numbers) == len(keys)
    assert max(numbers) < 2**63  # what a generator takes as its seed


def test_an_unknown_stream_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="wieghts"):
        seeds.number(0, "wieghts", 0)


def test_a_generator_starts_at_the_beginning_each_time() -> None:
    first = torch.rand(5, generator=seeds.generator(1, "query", 2))
    again = torch.rand(5, generator=seeds.generator(1, "query", 2))
    other = torch.rand(5, generator=seeds.generator(1, "query", 3))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_streams_are_uncorrelated() -> None:
    """Neighbouring seeds, rounds and streams: a linear dependence would show in 20,000 draws."""
    keys = list(product((0, 1), ("initial", "query", "candidates"), (0, 1)))
    draws = torch.stack([torch.randn(20_000, generator=seeds.generator(*key)) for key in keys])
    correlations = torch.corrcoef(draws) - torch.eye(len(keys))
    assert correlations.abs().max() < 5 / 20_000**0.5


def test_scoped_stands_for_the_stream_and_puts_the_global_state_back() -> None:
    torch.manual_seed(5)
    expected_after = torch.rand(3)
    torch.manual_seed(5)
    with seeds.scoped(3, "weights", 1):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), expected_after)
    assert torch.equal(inside, torch.rand(3, generator=seeds.generator(3, "weights", 1)))


def test_scoped_puts_the_global_state_back_after_an_error() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with pytest.raises(KeyError), seeds.scoped(0, "weights", 0):
        {0: 0}.pop(5 + int(torch.rand(1)))  # draws, then fails
    assert torch.equal(torch.get_rng_state(), before)
