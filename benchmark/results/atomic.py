"""Writing files whole."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

_PREFIX, _SUFFIX = ".acqbench-", ".tmp"
STALE_SECONDS = 3600.0  # a temporary file that nobody has written to for this long belongs to a killed process


def write_atomically(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file, whole or of parts, so that a reader, or a crash, sees the old one or the new one, never half of it.

    Returns when it is on the disk. The temporary file's name is random: processes in containers share their numbers.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(path.parent)
    partial = path.with_name(f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}")
    try:
        with partial.open("xb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_temporary(path: Path) -> bool:
    """Whether a file is one that ``write_atomically`` had not finished."""
    return path.name.startswith(_PREFIX) and path.name.endswith(_SUFFIX)


def _remove_stale(folder: Path) -> None:
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        try:
            if path.lstat().st_mtime < time.time() - STALE_SECONDS:
                path.unlink()
        except FileNotFoundError:  # another process was faster
            continue
