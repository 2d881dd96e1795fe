"""Which executor computes a request's runs."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping

import torch

from benchmark.campaign import sharing
from benchmark.campaign.in_process import InProcess
from benchmark.campaign.ray import Ray, options
from benchmark.campaign.sharing import cores
from benchmark.campaign.supervisor import Supervisor
from benchmark.campaign.tasks import Executor
from benchmark.data.datasets import ImageData
from benchmark.data.image_folder import Say
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
    deadline: float | None = None,
) -> Executor:
    """The executor named ``local`` or ``ray`` for so many ``tasks``; one that starts nothing after the ``deadline``.

    Of a local one, ``workers`` is the number of processes, None for as many as pay; ``per_gpu`` is asked only where
    there are more tasks than GPUs. Of Ray, ``resources`` are the amounts that a run takes. ``deadline`` is in seconds
    since the epoch, None for none. Raises ProtocolError for Ray where it is not installed, or does not know the
    amounts.
    """
    if protocol.oracle == "person":
        return InProcess()  # one run after the other, where the terminal is
    if executor == "ray":
        if importlib.util.find_spec("ray") is None:
            raise ProtocolError("--executor ray needs Ray: pip install 'acqbench[ray]'")
        reserved = options(resources, device)
        return InProcess() if _is_over(deadline) else Ray(reserved)
    devices = [device] if _is_over(deadline) else _devices(device, workers, tasks, per_gpu)
    return InProcess() if len(devices) < 2 or _is_over(deadline) else Supervisor(devices)


def by_trial(protocol: Protocol, load: Callable[[], ImageData], deadline: float | None, say: Say) -> PerGpu:
    """What finds out by a trial on the data how many processes share a GPU; one does after the ``deadline``."""

    def per_gpu(device: str, gpus: int) -> int:
        data = load()
        if _is_over(deadline):
            return 1
        return sharing.processes_per_gpu(sharing.trial_of(protocol, data), device, gpus, say, deadline)

    return per_gpu


def _is_over(deadline: float | None) -> bool:
    return deadline is not None and time.time() >= deadline


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
