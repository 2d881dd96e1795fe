"""Which executor computes a request's runs."""

from __future__ import annotations

import importlib.util
import os

import torch

from benchmark.campaign.in_process import InProcess
from benchmark.campaign.ray import Ray
from benchmark.campaign.supervisor import Supervisor
from benchmark.campaign.tasks import Executor
from benchmark.experiment import Protocol, ProtocolError


def executor_for(protocol: Protocol, executor: str, device: str, workers: int | None, tasks: int) -> Executor:
    """The executor named ``local`` or ``ray`` for so many ``tasks``, with ``workers`` processes or as many as fit.

    Raises ProtocolError for Ray where it is not installed.
    """
    if protocol.oracle == "person":
        return InProcess()  # one run after the other, where the terminal is
    if executor == "ray":
        if importlib.util.find_spec("ray") is None:
            raise ProtocolError("--executor ray needs Ray: pip install 'acqbench[ray]'")
        return Ray({"num_gpus": 1} if device.startswith("cuda") else {"num_cpus": 1})
    devices = _devices(device, workers, tasks)
    return Supervisor(devices) if len(devices) > 1 else InProcess()


def _devices(device: str, workers: int | None, tasks: int) -> list[str]:
    """A device for each worker: on the CPU one per core, on GPUs one per GPU, never more than there are tasks."""
    if device == "cuda":
        available = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    elif device == "cpu":
        available = ["cpu"] * len(
            os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
        )
    else:
        available = [device]
    count = workers or len(available)
    return [available[i % len(available)] for i in range(min(count, tasks))]
