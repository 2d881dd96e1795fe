"""Where a run happens: libraries, device, settings of the backends and commit, for its header."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

import torch

from benchmark import __version__
from benchmark.results.records import EnvironmentRecord

CHECKOUT = Path(__file__).resolve().parents[2]


def record(device: torch.device) -> EnvironmentRecord:
    """This process's environment, with the ``device`` that the run is computed on."""
    return EnvironmentRecord(
        device=device_name(device),
        libraries=libraries(),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        num_threads=torch.get_num_threads(),
        switches=_switches(device),
    )


def libraries() -> dict[str, str]:
    """Versions of what a number may depend on."""
    versions = {name: metadata.version(name) for name in ("torch", "torchvision", "numpy", "scikit-learn")}
    return {"acqbench": __version__, "python": platform.python_version(), **versions}


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


def _switches(device: torch.device) -> dict[str, bool | int | float | str]:
    """Settings of the backends that change rounding."""
    switches: dict[str, bool | int | float | str] = {
        "mkldnn": bool(torch.backends.mkldnn.enabled),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
    }
    if device.type == "cuda":
        switches |= {
            "cudnn": str(torch.backends.cudnn.version()),
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "cudnn_deterministic": torch.backends.cudnn.deterministic,
            "cudnn_tf32": torch.backends.cudnn.allow_tf32,
            "matmul_tf32": torch.backends.cuda.matmul.allow_tf32,
        }
    return switches


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
