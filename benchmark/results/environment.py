"""Where a run happens: libraries, device, settings of the backends and commit, for its header."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from benchmark import __version__
from benchmark.results.records import UNKNOWN, EnvironmentRecord
from strategies.api.process_state import flushes_denormals

CHECKOUT = Path(__file__).resolve().parents[2]
PACKED_COMMIT = "commit.txt"  # of a checkout that was carried to another machine without its repository
DECIDING = {  # k-means, linkage and connected components on the CPU are those of SciPy and scikit-learn
    "torch": "PyTorch",
    "numpy": "NumPy",
    "scipy": "SciPy",
    "scikit-learn": "scikit-learn",
}
DRIVER = Path("/proc/driver/nvidia/version")


def record(device: torch.device) -> EnvironmentRecord:
    """This process's environment, with the ``device`` that the run is computed on."""
    return EnvironmentRecord(
        device=device_name(device),
        libraries=libraries() | _driver(device),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        num_threads=torch.get_num_threads(),
        switches=_switches(device),
    )


def libraries() -> dict[str, str]:
    """Versions of what a number may depend on."""
    versions = {name: _version(name) for name in ("torch", "torchvision", "numpy", "scipy", "scikit-learn")}
    return {"acqbench": __version__, "python": platform.python_version(), **versions}


@cache
def _version(package: str) -> str:
    """Read once: the header of every run has it, and on embeddings a run takes half a second."""
    return metadata.version(package)


def differences(recorded: EnvironmentRecord, present: EnvironmentRecord) -> list[str]:
    """What decides bits and is not the same in two environments, in words; what is not recorded counts as another.

    Empty where the same code gives the same bits in both: PyTorch, NumPy, SciPy, scikit-learn, device, CPU capability,
    threads and the backends' settings agree.
    """
    pairs: dict[str, tuple[object, object]] = {
        **{
            called: (recorded.libraries.get(library, UNKNOWN), present.libraries.get(library, UNKNOWN))
            for library, called in DECIDING.items()
        },
        "device": (recorded.device, present.device),
        "CPU capability": (recorded.cpu_capability, present.cpu_capability),
        "threads": (recorded.num_threads, present.num_threads),
    }
    for name in sorted(recorded.switches.keys() | present.switches.keys()):
        pairs[name] = (recorded.switches.get(name, UNKNOWN), present.switches.get(name, UNKNOWN))
    return [
        f"{name} {new} here, {'not recorded there' if old == UNKNOWN else f'{old} there'}"
        for name, (old, new) in pairs.items()
        if old != new or old == UNKNOWN
    ]


def deciding(device: torch.device) -> dict[str, Any]:
    """What ``differences`` compares, of this process: part of the name of what the cache keeps."""
    versions = libraries()
    return {**deciding_of_torch(device), **{library: versions[library] for library in DECIDING}}


def deciding_of_torch(device: torch.device) -> dict[str, Any]:
    """As ``deciding``, for what the suite computes by PyTorch alone: no other library's version parts such files."""
    here = record(device)
    return {
        "torch": here.libraries["torch"],
        "device": here.device,
        "cpu_capability": here.cpu_capability,
        "threads": here.num_threads,
        **here.switches,
    }


def device_name(device: torch.device) -> str:
    """Such as ``cpu (AMD EPYC)`` or ``cuda (NVIDIA H200)``."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({_processor()})"


def commit(here: Path = CHECKOUT) -> str | None:
    """The commit of the checkout ``here``, with ``-dirty`` behind where tracked files differ; None outside a checkout.

    Files in ``results/`` do not count: a campaign writes there itself, and no number depends on them. Where only the
    files were carried to this machine (``tools/gpu/pack.py``), it is the commit that came with them.
    """
    if not (here / ".git").exists():
        packed = here / PACKED_COMMIT
        return packed.read_text(encoding="utf-8").strip() if packed.is_file() else None
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
        "flush_denormal": flushes_denormals(),
        **_built_with(),
    }
    if device.type == "cuda":
        switches |= {
            "cuda": str(torch.version.cuda),
            "cublas_workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG", ""),
            "cudnn": str(torch.backends.cudnn.version()),
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "cudnn_deterministic": torch.backends.cudnn.deterministic,
            "cudnn_tf32": torch.backends.cudnn.allow_tf32,
            "matmul_reduced_bf16": bool(torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction),
            "matmul_tf32": torch.backends.cuda.matmul.allow_tf32,
        }
    return switches


def _driver(device: torch.device) -> dict[str, str]:
    """The version of the GPU's driver, which decides no bits: kernels are compiled and chosen by the libraries."""
    if device.type != "cuda":
        return {}
    try:
        text = DRIVER.read_text(encoding="utf-8")
    except OSError:  # not Linux
        text = ""
    found = re.search(r"Kernel Module.*?(\d+(?:\.\d+)+)", text)
    return {"nvidia-driver": found[1] if found else UNKNOWN}


@cache
def _built_with() -> dict[str, str]:
    """The versions of the libraries that multiply matrices and convolve on the CPU, as PyTorch was built with them."""
    built = torch.__config__.show()
    patterns = {"onednn": r"(?:oneDNN|MKL-DNN) v([\d.]+)", "blas": r"BLAS_INFO=(\w+)"}
    found = {name: re.search(pattern, built) for name, pattern in patterns.items()}
    return {name: match[1] for name, match in found.items() if match}


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.strip()


@cache
def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
