"""The cache's limit: what has not been used for longest is removed first. All of it can be computed again."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

LIMIT = 20 * 2**30  # bytes
_FOLDERS = ("round0", "features", "embeddings", "carried", "datasets")  # not "answers", which a person gave
_INDEX = "runs-*.sqlite"
_IN_USE = 24 * 3600.0  # seconds after its last use for which a file may be another process's


def keep_below(cache: Path, limit: int) -> str:
    """Remove files until the cache has at most ``limit`` bytes; one line that says so, empty where it fits."""
    files = [path for folder in _FOLDERS for path in (cache / folder).rglob("*") if path.is_file()]
    found = []
    for path in [*files, *cache.glob(_INDEX)]:
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            state = path.stat()
            found.append((state.st_mtime, state.st_size, path))
    size = before = sum(entry[1] for entry in found)
    removed, oldest_in_use = 0, time.time() - _IN_USE
    for used, length, path in sorted(found):
        if size <= limit or used > oldest_in_use:
            break
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        size, removed = size - length, removed + 1
        with contextlib.suppress(OSError):  # it holds other files
            os.rmdir(path.parent)
    if not removed:
        return ""
    return f"{cache}: removed the {removed} files that were not used for longest, {(before - size) / 2**30:.1f} GiB"
