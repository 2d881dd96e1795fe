"""Which executor computes a request's runs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping

import torch

from benchmark.campaign.in_process import InProcess
from benchmark.campaign.ray import Ray, options
from benchmark.campaign.sharing import cores
from benchmark.campaign.supervisor import Supervisor
from benchmark.campaign.tasks import Executor
from benchmark.experiment import Protocol, ProtocolError

PerGpu = Callable[[str, int], int]  # how many processes share a GPU, from a device and the number of GPUs


def executor_for(
    protocol: Protocol,
    executor: str,
    device: str,
    workers: int | None,
    resources: Mapping[str, float],
    tasks: int,
    per_gpu: PerGpu,
) -> Executor:
    """The executor named ``local`` or ``ray`` for so many ``tasks``.

    Of a local one, ``workers`` is the number of processes, None for as many as pay; ``per_gpu`` is asked only where
    there are more tasks than GPUs. Of Ray, ``resources`` are the amounts that a run takes. Raises ProtocolError for
    Ray where it is not installed, or does not know the amounts.
    """
    if protocol.oracle == "person":
        return InProcess()  # one run after the other, where the terminal is
    if executor == "ray":
        if importlib.util.find_spec("ray") is None:
            raise ProtocolError("--executor ray needs Ray: pip install 'acqbench[ray]'")
        return Ray(options(resources, device))
    devices = _devices(device, workers, tasks, per_gpu)
    return Supervisor(devices) if len(devices) > 1 else InProcess()


def _devices(device: str, workers: int | None, tasks: int, per_gpu: PerGpu) -> list[str]:
    """A device for each worker, never more than there are tasks.

    On the CPU there is a worker for each core. GPUs take turns, so that few workers are on as many as there are.
    """
    if device == "cpu":
        return ["cpu"] * min(workers or cores(), tasks)
    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if device == "cuda" else [device]
    if workers is None:
        workers = len(gpus) * (per_gpu(gpus[0], len(gpus)) if tasks > len(gpus) else 1)
    return [gpus[i % len(gpus)] for i in range(min(workers, tasks))]
