"""NVIDIA's multi-process service, where it is installed: kernels of several processes run side by side on a GPU.

Without it the GPU takes turns between processes. The service belongs to this program: it is started with a folder of
its own, which all commands of a user on a machine share, and ended with the last of them; one that a killed program has
left is used again. Where the user has started one, or set ``CUDA_MPS_PIPE_DIRECTORY``, that is used, and nothing is
started. Clients find it by the environment, which processes that are started later inherit.

NVIDIA's guide to the service says of ``CUDA_VISIBLE_DEVICES``: what the daemon is started with renumbers the devices
for all clients, so that with ``0,2`` they see devices 0 and 1, and it is an error if they have ``0,2`` too. So the
daemon is started without it, unless it names parts of a GPU (``MIG-…``); clients choose by their own.
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
VISIBLE = "CUDA_VISIBLE_DEVICES"
_SECONDS = 20.0
_held: int | None = None  # the file in the service's folder on which every user of the service has a lock


def start() -> bool:
    """Start the service for processes that are started from now on; False where there is none, or the user's own."""
    if PIPE in os.environ or (_USERS / "control").exists() or shutil.which(CONTROL) is None:
        return False
    folder = Path(tempfile.gettempdir()) / f"acqbench-mps-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or not _enter(folder):
        return False
    os.environ |= {PIPE: str(folder), LOG: str(folder)}
    if _control("-d") or _control(says="get_server_list\n"):  # -d fails where one runs already, which then answers
        atexit.register(stop)
        return True
    _leave()
    return False


def stop() -> None:
    """Use the service no more, and end it where no other command does; nothing where ``start`` has started none."""
    if _held is None:
        return
    if _is_last():
        _control(says="quit\n")
    _leave()
    atexit.unregister(stop)


def _enter(folder: Path) -> bool:
    """Become a user of the service, after one that is ending it; False on a file system without locks."""
    global _held
    import fcntl  # there is none on Windows

    handle = os.open(folder / "users", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
    except OSError:
        os.close(handle)
        return False
    _held = handle
    return True


def _is_last() -> bool:
    """Whether no other process uses the service, or can begin to until ``_leave``."""
    import fcntl

    assert _held is not None
    try:
        fcntl.flock(_held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _leave() -> None:
    global _held
    if _held is not None:
        os.close(_held)
    _held = None
    for name in (PIPE, LOG):
        os.environ.pop(name, None)


def _control(*arguments: str, says: str = "") -> bool:
    environment = dict(os.environ)
    if "MIG-" not in environment.get(VISIBLE, ""):
        environment.pop(VISIBLE, None)
    command = [CONTROL, *arguments]
    try:
        done = subprocess.run(
            command, env=environment, input=says, text=True, capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
