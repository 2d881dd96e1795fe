"""``with pretended_gpu() as log``: a process in which PyTorch finds one GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from support.pretended_gpu.casting import autocast
from support.pretended_gpu.log import LOG, Log
from support.pretended_gpu.rules import aten
from support.pretended_gpu.tensors import CUDA, REAL_TO, Generator, Mode, parsed

NAME = "pretended"
_REAL_LOAD = torch.load


@contextmanager
def pretended_gpu() -> Iterator[Log]:
    """Pretend that there is one GPU; yields the log of what happens on it, empty at the beginning.

    Tensors are moved to it, and created on it, by the usual calls with ``cuda``. Code that holds on to functions of
    PyTorch that it imported by name before (``from torch import tensor``) is not reached.
    """
    replaced: dict[str, Any] = {
        "torch.cuda._lazy_init": lambda: None,
        "torch.cuda.is_available": lambda: True,
        "torch.cuda.device_count": lambda: 1,
        "torch.cuda.synchronize": lambda *_: None,
        "torch.cuda.get_device_name": lambda *_: NAME,
        "torch.cuda.get_device_capability": lambda *_: (9, 0),
        "torch.cuda.get_device_properties": lambda *_: SimpleNamespace(total_memory=2**36),
        "torch.cuda.is_bf16_supported": lambda *_, **__: True,
        "torch.autocast": autocast,
        "torch.Generator": Generator,
        "torch.load": _load,
        "torch.Tensor.to": _to,
        "torch.Tensor.cuda": lambda self, *_, **__: _to(self, CUDA),
        # these two look for the device before they dispatch
        "torch.tensor": _then_moved(torch.tensor),
        "torch.as_tensor": _then_moved(torch.as_tensor),
    }
    for check in ("_accelerator_graph_capture_health_check", "_cuda_graph_capture_health_check"):
        if hasattr(torch.optim.Optimizer, check):  # it asks the driver
            replaced[f"torch.optim.Optimizer.{check}"] = lambda self: None
    conversion = torch.__future__.get_overwrite_module_params_on_conversion()
    LOG.clear()
    with ExitStack() as stack:
        for name, replacement in replaced.items():
            stack.enter_context(patch(name, replacement))
        torch.__future__.set_overwrite_module_params_on_conversion(True)  # for Module.to
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, conversion)
        stack.callback(Generator.drawing_on_gpu.clear)
        stack.enter_context(Mode())
        yield LOG


def _to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """``Tensor.to`` of a tensor on the CPU."""
    device, dtype, form = parsed(args, kwargs)
    if device != CUDA:
        return REAL_TO(self, *args, **kwargs)
    options = {key: value for key, value in (("dtype", dtype), ("memory_format", form)) if value is not None}
    copied: Tensor = aten._to_copy.default(self, device=CUDA, **options)
    return copied


def _then_moved(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function that makes a tensor on the CPU and moves it to the ``device`` it is asked for."""

    def made(*args: Any, device: Any = None, **kwargs: Any) -> Tensor:
        tensor = function(*args, **kwargs)
        return tensor if device is None else tensor.to(device)

    return made


def _load(*args: Any, map_location: Any = None, **kwargs: Any) -> Any:
    if map_location is None or torch.device(map_location).type != "cuda":
        return _REAL_LOAD(*args, map_location=map_location, **kwargs)
    loaded = _REAL_LOAD(*args, map_location="cpu", **kwargs)
    return tree_map_only(Tensor, lambda tensor: tensor.to(CUDA), loaded)
