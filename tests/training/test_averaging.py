"""Averages of the weights against plain arithmetic, with and without BatchNorm's statistics."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from benchmark.training.averaging import Average

STEPS = 40


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 2))


def history(followed: nn.Sequential, average: Average) -> list[dict[str, Tensor]]:
    """Random steps and random batches; the states of ``followed``, the first one included."""
    states = [copy.deepcopy(followed.state_dict())]
    for done in range(1, STEPS + 1):
        with torch.no_grad():
            for parameter in followed.parameters():
                parameter.add_(torch.randn(parameter.shape))
            followed(torch.randn(5, 1, 8, 8) * done + done)
        average.update(done)
        states.append(copy.deepcopy(followed.state_dict()))
    return states


@pytest.mark.parametrize("warmup", [True, False])
@pytest.mark.parametrize("buffers", [True, False])
def test_by_hand(warmup: bool, buffers: bool) -> None:
    followed = network().train()
    average = Average([followed], 0.9, warmup=warmup, buffers=buffers)
    states = history(followed, average)
    statistics = {name for name, _ in followed.named_buffers()}
    assert statistics == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
    for name, value in average.copies[0].state_dict().items():
        if name in statistics and (not buffers or name.endswith("tracked")):
            assert torch.equal(value, states[-1][name]), name
            continue
        expected = states[0][name].double()
        for done, state in enumerate(states[1:], 1):
            decay = min(0.9, (1 + done) / (10 + done)) if warmup else 0.9
            expected = decay * expected + (1 - decay) * state[name].double()
        torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-5)
        assert not torch.allclose(value, states[-1][name]), name


def test_by_default_it_warms_up_and_averages_statistics() -> None:
    first, second = network().train(), network().train()
    plain = Average([first], 0.9)
    spelled = Average([second], 0.9, warmup=True, buffers=True)
    torch.manual_seed(1)
    history(first, plain)
    torch.manual_seed(1)
    history(second, spelled)
    for a, b in zip(plain.copies[0].state_dict().values(), spelled.copies[0].state_dict().values(), strict=True):
        assert torch.equal(a, b)
