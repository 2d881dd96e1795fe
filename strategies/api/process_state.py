"""The state of the process that every run in it shares: what a call into a strategy must leave as it was."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

DECIDE_BITS = ("ATEN_", "CUBLAS_", "CUDA_", "CUDNN_", "DNNL_", "MKL_", "NVIDIA_", "OMP_", "ONEDNN_", "OPENBLAS_")
REMEDIES = {
    "drew": "use the generator that it is given",
    "changed": "leave the settings of the process as they are",
}
_SIGNALS = [number for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM") if (number := getattr(signal, name, None))]


class ProcessChanged(ValueError):
    """A call changed what all runs of the process share; the message is one line that names it."""


class _Part(NamedTuple):
    """A part of the state: its name, how it is read and how it is put back."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], Any]


def _flag(owner: Any, name: str, words: str) -> _Part:
    return _Part(words, lambda: getattr(owner, name), lambda value: setattr(owner, name, value))


def _set_default_device(device: torch.device) -> None:
    torch.set_default_device(None if device.type == "cpu" else device)


_held: list[Any] = []  # an inference mode that was put back would end with its guard


def _set_inference_mode(on: bool) -> None:
    _held.append(torch.inference_mode(on))
    _held[-1].__enter__()


def flushes_denormals() -> bool:
    """Whether a number too small for its format is 0 in this process."""
    return (torch.tensor([1e-310], dtype=torch.float64, device="cpu") * 1.0).item() == 0


def _autocast() -> tuple[Any, ...]:
    kinds = ("cpu", "cuda")
    return tuple((kind, torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in kinds)


def _set_autocast(values: tuple[Any, ...]) -> None:
    for kind, on, dtype in values:
        torch.set_autocast_enabled(kind, on)
        torch.set_autocast_dtype(kind, dtype)


def _handlers() -> list[Any]:
    return [signal.getsignal(number) for number in _SIGNALS]


def _set_handlers(handlers: list[Any]) -> None:
    if threading.current_thread() is threading.main_thread():  # the only one that may
        for number, handler in zip(_SIGNALS, handlers, strict=True):
            if handler is not None:  # one that was not installed from Python
                signal.signal(number, handler)


def _cuda_generators() -> list[torch.Tensor]:
    return torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []


def _set_cuda_generators(states: list[torch.Tensor]) -> None:
    if states:
        torch.cuda.set_rng_state_all(states)


_PYTHONS = _Part("the generator of Python's random module", random.getstate, random.setstate)
_GENERATORS = (
    _Part("torch's global generator", torch.get_rng_state, torch.set_rng_state),
    _Part("torch's global generators on the GPUs", _cuda_generators, _set_cuda_generators),
    _Part("numpy's global generator", lambda: np.random.get_state(legacy=False), np.random.set_state),  # noqa: NPY002
    _PYTHONS,
)
_SETTINGS = (
    _Part("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    _Part("torch's default device", torch.get_default_device, _set_default_device),
    _Part("torch's inference mode", torch.is_inference_mode_enabled, _set_inference_mode),
    _Part("torch's grad mode", torch.is_grad_enabled, torch.set_grad_enabled),
    _Part("torch's anomaly detection", torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    _Part("torch's autocast", _autocast, _set_autocast),
    _Part("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
    _Part(
        "torch's deterministic algorithms",
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        lambda value: torch.use_deterministic_algorithms(value[0], warn_only=value[1]),
    ),
    _Part("torch's matmul precision", torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    _Part("the flushing of denormal numbers", flushes_denormals, torch.set_flush_denormal),
    _flag(torch.backends.mkldnn, "enabled", "torch.backends.mkldnn.enabled"),
    _flag(torch.backends.cudnn, "enabled", "torch.backends.cudnn.enabled"),
    _flag(torch.backends.cudnn, "benchmark", "torch.backends.cudnn.benchmark"),
    _flag(torch.backends.cudnn, "deterministic", "torch.backends.cudnn.deterministic"),
    _flag(torch.backends.cudnn, "allow_tf32", "torch.backends.cudnn.allow_tf32"),
    _flag(torch.backends.cuda.matmul, "allow_tf32", "torch.backends.cuda.matmul.allow_tf32"),
    _Part("numpy's handling of errors", np.geterr, lambda value: np.seterr(**value)),
    _Part("the working directory", os.getcwd, os.chdir),
    _Part("a signal's handler", _handlers, _set_handlers),
)


def _read(part: _Part) -> Any:
    try:
        return part.read()
    except (OSError, RuntimeError) as error:  # a folder that is gone; a switch that was set by its old and new name
        return f"{type(error).__name__}: {error}"


def _same(before: Any, now: Any) -> bool:
    """Whether two states are equal; only lists and dictionaries hold arrays."""
    if type(before) is not type(now):
        return False
    if isinstance(before, torch.Tensor):
        return before.equal(now)
    if isinstance(before, np.ndarray):
        return np.array_equal(before, now)
    if isinstance(before, list):
        return len(before) == len(now) and all(map(_same, before, now))
    if isinstance(before, dict):
        return before.keys() == now.keys() and all(_same(before[key], now[key]) for key in before)
    return bool(before == now)


@contextmanager
def restored() -> Iterator[list[str]]:
    """Put the state of the process back afterwards; the list then says what had changed, as ``drew from …``.

    The state is: torch's defaults, modes, switches and threads, the global generators of torch, numpy and random, the
    environment, the working directory, signal handlers and numpy's errstate. Filters of warnings are put back too, and
    not reported. Importing a library may set environment variables and draw from Python's generator (rich does):
    where modules were imported, new variables are left and neither is reported, but for variables that decide bits.
    """
    parts = (*_GENERATORS, *_SETTINGS)
    before, variables, modules = [_read(part) for part in parts], dict(os.environ), len(sys.modules)
    changes: list[str] = []
    try:
        with warnings.catch_warnings():
            yield changes
    finally:
        imported = len(sys.modules) > modules
        for part, value in zip(parts, before, strict=True):
            if not _same(value, _read(part)):
                part.write(value)
                if not (part is _PYTHONS and imported):
                    changes.append(f"{'drew from' if part in _GENERATORS else 'changed'} {part.name}")
        changes += [f"changed the environment variable {name}" for name in _restore_environment(variables, imported)]


def _restore_environment(before: dict[str, str], imported: bool) -> list[str]:
    """Put the environment back, but for new variables where modules were ``imported``; what had changed."""
    now = dict(os.environ)
    if now == before:
        return []
    changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    changed = [name for name in changed if name in before or name.startswith(DECIDE_BITS) or not imported]
    for name in changed:
        if name in before:
            os.environ[name] = before[name]
        else:
            del os.environ[name]
    return changed


@contextmanager
def unchanged(who: str, where: str = "") -> Iterator[None]:
    """Put the state of the process back afterwards; raise ProcessChanged where it had changed, one line for ``who``.

    ``where`` says in which call, such as ``in select``.
    """
    with restored() as changes:
        yield
    if changes:
        what = " ".join(filter(None, (who, changes[0], where)))
        raise ProcessChanged(f"{what}: {REMEDIES[changes[0].split()[0]]}")
