"""Where a run happens: versions, device and commit, for its header."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import torch

from benchmark import __version__

CHECKOUT = Path(__file__).resolve().parents[2]


def keep_freed_memory() -> None:
    """Let glibc keep freed memory instead of returning it to the kernel after every tensor.

    Activations of a few megabytes otherwise cost a page fault for each 4 KB at each step: without it a small CNN
    trains at 0.6 and predicts at 0.35 of the speed. Does nothing on systems without glibc.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in ((-3, 1 << 30), (-1, 1 << 30), (-2, 64 << 20)):  # mmap and trim threshold, top pad
            mallopt(parameter, value)


def warm_up() -> None:
    """Have PyTorch import now what its first optimiser would, which takes a second (torch._dynamo, SymPy)."""
    torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1)


def versions() -> dict[str, str]:
    """Versions of what a number may depend on."""
    libraries = {name: metadata.version(name) for name in ("torch", "torchvision", "numpy", "scikit-learn")}
    return {"acqbench": __version__, "python": platform.python_version(), **libraries}


def device_name(device: torch.device) -> str:
    """Such as ``cpu (AMD EPYC)`` or ``cuda (NVIDIA H200)``."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({_processor()})"


def commit(here: Path = CHECKOUT) -> str | None:
    """The commit of the checkout ``here``, with ``-dirty`` behind where tracked files differ; None outside a checkout.

    Files in ``results/`` do not count: a campaign writes there itself, and no number depends on them.
    """
    if not (here / ".git").exists():
        return None
    try:
        name = _git(here, "describe", "--always", "--abbrev=10", "--exclude=*")
        changes = _git(here, "status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)results")
    except (OSError, subprocess.SubprocessError):
        return None  # git is missing or this is no repository of its own: the header says null
    return f"{name}-dirty" if name and changes else name or None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.strip()


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
