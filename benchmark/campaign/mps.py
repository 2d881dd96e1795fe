"""NVIDIA's multi-process service, where it is installed: kernels of several processes run side by side on a GPU.

Without it the GPU takes turns between processes. The service belongs to this program: it is started with a folder of
its own, and ended with the program; one that a killed program has left is used again. Where the user has started one,
or set ``CUDA_MPS_PIPE_DIRECTORY``, that is used, and nothing is started. Clients find it by the environment, which
processes that are started later inherit.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

CONTROL = "nvidia-cuda-mps-control"
PIPE, LOG = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
_USERS = Path("/tmp/nvidia-mps")  # where a service lies that was started without a folder
_SECONDS = 20.0


def start() -> bool:
    """Start the service for processes that are started from now on; False where there is none, or the user's own."""
    if PIPE in os.environ or (_USERS / "control").exists() or shutil.which(CONTROL) is None:
        return False
    folder = Path(tempfile.gettempdir()) / f"acqbench-mps-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        return False
    os.environ |= {PIPE: str(folder), LOG: str(folder)}
    if _control("-d") or _control(says="get_server_list\n"):  # -d fails where one runs already, which then answers
        atexit.register(stop)
        return True
    _forget()
    return False


def stop() -> None:
    """End the service that ``start`` has started; nothing where there is none."""
    if PIPE in os.environ:
        _control(says="quit\n")
        _forget()
        atexit.unregister(stop)


def _forget() -> None:
    for name in (PIPE, LOG):
        os.environ.pop(name, None)


def _control(*arguments: str, says: str = "") -> bool:
    try:
        done = subprocess.run(
            [CONTROL, *arguments], input=says, text=True, capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
