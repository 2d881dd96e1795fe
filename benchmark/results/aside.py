"""Moving bad files aside: nothing is deleted, and nothing that is read lies there."""

from __future__ import annotations

import os
from itertools import chain, count
from pathlib import Path

ASIDE = "damaged"


def move_aside(root: Path, path: Path) -> Path:
    """Move a file of the experiment at ``root`` to the same place below ``root/damaged``; returns the new path."""
    wanted = root / ASIDE / path.relative_to(root)
    wanted.parent.mkdir(parents=True, exist_ok=True)
    numbered = (wanted.with_name(f"{wanted.name}.{number}") for number in count(2))
    target = next(path for path in chain([wanted], numbered) if not os.path.lexists(path))
    os.rename(path, target)
    return target
