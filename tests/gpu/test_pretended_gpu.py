"""The pretended GPU refuses what CUDA refuses, computes what the CPU computes, and logs what a GPU would wait for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from support.pretended_gpu import missing
from torch import Tensor
from torch.nn import functional as F

if lacking := missing():
    pytest.skip(f"this PyTorch lacks {', '.join(lacking)}", allow_module_level=True)

from support.pretended_gpu.log import Log
from support.pretended_gpu.pretending import pretended_gpu


@pytest.fixture
def log() -> Iterator[Log]:
    with pretended_gpu() as log:
        yield log


# Operations on two tensors (4, 3), of which the first is on the device and the second on the host.
TWO_DEVICES: dict[str, tuple[Callable[[Tensor, Tensor], object], str]] = {
    "sum": (lambda gpu, cpu: gpu + cpu, "same device"),
    "in-place sum": (lambda gpu, cpu: cpu.add_(gpu), "same device"),
    "in-place sum of scalars": (lambda gpu, cpu: cpu[0, 0].add_(gpu.sum()), "into a tensor on the CPU"),
    "cat": (lambda gpu, cpu: torch.cat([gpu, cpu]), "same device"),
    "where": (lambda gpu, cpu: torch.where(gpu > 0, gpu, cpu), "same device"),
    "loss": (lambda gpu, cpu: F.cross_entropy(gpu, cpu.argmax(1)), "same device"),
    "layer": (lambda gpu, cpu: torch.nn.Linear(3, 2)(gpu), "same device"),
    "index": (lambda gpu, cpu: cpu[gpu.argmax(1)], "the indexed tensor is on the CPU"),
    "values put in": (lambda gpu, cpu: gpu.index_put_((gpu.argmax(1),), cpu), "the values are on the CPU"),
}
OTHERS: dict[str, tuple[Callable[[Tensor], object], type[Exception], str]] = {
    "CPU generator on the device": (
        lambda gpu: torch.rand(3, generator=torch.Generator().manual_seed(0), device="cuda"),
        RuntimeError,
        "Expected a 'cuda' device type for generator but found 'cpu'",
    ),
    "CPU generator in place": (
        lambda gpu: gpu.uniform_(generator=torch.Generator()),
        RuntimeError,
        "Expected a 'cuda' device type for generator but found 'cpu'",
    ),
    "GPU generator on the host": (
        lambda gpu: torch.randperm(3, generator=torch.Generator("cuda")),
        RuntimeError,
        "Expected a 'cpu' device type for generator but found 'cuda'",
    ),
    "NumPy": (lambda gpu: gpu.numpy(), TypeError, "can't convert cuda:0"),
    "NumPy's protocol": (lambda gpu: np.asarray(gpu), TypeError, "can't convert cuda:0"),
    "matrix product of integers": (lambda gpu: gpu.long() @ gpu.long().T, RuntimeError, "not implemented for"),
    "histogram": (lambda gpu: torch.histogram(gpu, 3), RuntimeError, "no CUDA kernel"),
}


@pytest.mark.parametrize("name", TWO_DEVICES)
def test_tensors_of_two_devices_do_not_meet(name: str, log: Log) -> None:
    mistake, message = TWO_DEVICES[name]
    with pytest.raises(RuntimeError, match=message):
        mistake(torch.ones(4, 3).to("cuda"), torch.ones(4, 3))
    mistake(torch.ones(4, 3), torch.ones(4, 3))  # on one device it is no mistake


@pytest.mark.parametrize("name", OTHERS)
def test_other_mistakes_raise_as_well(name: str, log: Log) -> None:
    mistake, error, message = OTHERS[name]
    with pytest.raises(error, match=message):
        mistake(torch.ones(4, 3).to("cuda"))


def test_what_cuda_allows(log: Log) -> None:
    gpu = torch.arange(12.0, device="cuda").view(4, 3)
    assert (gpu * torch.tensor(2.0)).device == torch.device("cuda:0")  # a scalar of the host
    assert gpu[torch.tensor([0, 2])].tolist() == [[0, 1, 2], [6, 7, 8]]  # indices of the host
    assert gpu.cpu().device.type == "cpu"
    assert gpu.to("cuda") is gpu
    drawn = torch.rand(3, generator=torch.Generator("cuda").manual_seed(5), device="cuda")
    assert drawn.tolist() == torch.rand(3, generator=torch.Generator().manual_seed(5)).tolist()


def train(device: str) -> list[Tensor]:
    """A few steps of a small network with BatchNorm in bfloat16; its weights."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 3)
    ).to(device)
    optimiser = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, fused=True)
    images, labels = torch.randn(8, 1, 8, 8).to(device), torch.arange(8).to(device) % 3
    for _ in range(3):
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            loss = F.cross_entropy(network(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return [p.detach().cpu() for p in network.parameters()]


def test_a_training_on_it_is_one_on_the_cpu(log: Log) -> None:
    expected = train("cpu")
    assert not log.operations
    for ours, theirs in zip(train("cuda"), expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert log.operations["convolution"] == log.operations["convolution_backward"] == 3


def test_waits_copies_and_unordered_sums_are_logged_by_line(log: Log) -> None:
    gpu = torch.arange(6.0).to("cuda")
    assert {place.split(":")[0] for _, place in log.copies} == {"tests/gpu/test_pretended_gpu.py"}
    log.clear()
    assert not log.copies
    gpu.sum().item()
    gpu[gpu > 2]
    gpu.tolist()
    gpu.cpu()
    gpu.nonzero()
    assert [name for name, _ in log.waits] == [
        "_local_scalar_dense",
        "index by a mask",
        "tolist",
        "_to_copy to the host",
        "nonzero",
    ]
    assert len({place for _, place in log.waits}) == 5
    assert not log.unordered
    gpu.cumsum(0)
    torch.zeros(3, device="cuda").index_add_(0, torch.zeros(6, dtype=torch.int64, device="cuda"), gpu)
    assert [name for name, _ in log.unordered] == ["cumsum", "index_add_"]


def test_afterwards_there_is_no_gpu() -> None:
    available, autocast, generator = torch.cuda.is_available(), torch.autocast, torch.Generator
    with pretended_gpu():
        assert torch.cuda.is_available()
        assert torch.cuda.device_count() == 1
    assert torch.cuda.is_available() == available
    assert (torch.autocast, torch.Generator) == (autocast, generator)
    if not available:
        with pytest.raises((RuntimeError, AssertionError)):
            torch.zeros(1).to("cuda")
