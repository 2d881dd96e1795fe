"""Files of the cache: tensors with the checksum of their bytes in front, written whole or not at all.

What is in the cache can be computed again. So a file that is damaged, cut or empty is as good as none: it is removed,
and one line on the standard error says so.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sys
from pathlib import Path
from typing import Any

import torch

from benchmark.results.atomic import write_atomically

_MAGIC = b"acqbench-cache-1 "
_LENGTH = len(_MAGIC) + 64 + 1
_checked: dict[Path, tuple[int, int, int]] = {}  # files that were whole, as they were then


def save(path: Path, what: Any) -> None:
    """Write ``what``, anything that ``torch.load`` takes with ``weights_only``, so that ``load`` gives it back.

    Raises OSError, in one line with the folder and the size, where it cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(what, buffer)
    content = buffer.getbuffer()
    digest = hashlib.sha256(content).hexdigest().encode()
    try:
        write_atomically(path, b"".join([_MAGIC, digest, b"\n", content]))
    except OSError as error:
        size = f"{(len(content) + _LENGTH) / 2**20:.1f} MB"
        raise OSError(
            f"cannot write {size} to the cache in {path.parent}: {error.strerror or error}; "
            "make room there or choose another --cache-dir"
        ) from error


def load(path: Path, device: torch.device | str = "cpu") -> Any:
    """What ``save`` wrote, on ``device``; None where there is no file, or a damaged one, which is removed.

    The file's time says when it was last used, by which the cache is kept small.
    """
    content = _content(path)
    if content is not None:
        with contextlib.suppress(OSError):  # another's cache, which is only read
            os.utime(path)
    return None if content is None else torch.load(io.BytesIO(content), map_location=device, weights_only=True)


def is_there(path: Path) -> bool:
    """Whether ``load`` would give something. A file that has not changed since is not read again."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return False
    state = stat.st_size, stat.st_mtime_ns, stat.st_ino
    if _checked.get(path) == state:
        return True
    if _content(path) is None:
        return False
    _checked[path] = state
    return True


def _content(path: Path) -> bytes | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    head, content = data[:_LENGTH], data[_LENGTH:]
    if head == _MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n":
        return content
    print(f"{path}: damaged, so removed; what was in it is computed again", file=sys.stderr)
    path.unlink(missing_ok=True)
    return None
