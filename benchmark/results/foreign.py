"""Reading files that a stranger may have put into a folder of results."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from benchmark.results.errors import Damaged

LARGEST = 2**28  # bytes; a run of 60,000 labels takes 2 MB


def content(path: Path, found: os.stat_result | None = None) -> bytes:
    """A file's content. Raises Damaged for links, which may lead anywhere, for pipes and devices, and above 256 MiB.

    A folder on the way from the experiment's own may be no link either: of a run, the two above it. ``found`` is what
    ``path.lstat`` has just said, None to ask.
    """
    found = found or path.lstat()
    if stat.S_ISLNK(found.st_mode) or (path.suffix != ".json" and any(up.is_symlink() for up in path.parents[:2])):
        raise Damaged(path, "it is, or is behind, a symbolic link", "put the file itself there")
    if not stat.S_ISREG(found.st_mode):
        raise Damaged(path, "it is a pipe, a device or a folder, and no file")
    if found.st_size > LARGEST:
        raise Damaged(path, f"it has {found.st_size / 2**20:,.0f} MiB, more than any run")
    try:
        return path.read_bytes()
    except OSError as error:
        raise Damaged(path, f"it cannot be read ({error.strerror or error})") from error
