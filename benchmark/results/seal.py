"""``seal.json``: what a published folder holds, so that a file or a last round that is gone shows too.

It lists experiment.json and every file in ``runs/`` with its length and SHA-256. Files that grow by lines may grow on,
and new ones may come: what was sealed must be there, until the folder is sealed again. The seal ends in a checksum of
its own.
"""

from __future__ import annotations

import hashlib
import json
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from benchmark.results.atomic import is_temporary, write_atomically
from benchmark.results.errors import Damaged
from benchmark.results.fields import FieldError, Range, plain, read_fields
from benchmark.results.lines import description_seal_problem, with_description_seal
from benchmark.results.records import Count, Sha256

NAME = "seal.json"
CHANGED, MISSING = "it has changed since it was sealed", "it is missing, although the seal lists it"
GROWING = ".jsonl"


@dataclass(frozen=True)
class SealedFile:
    """A file by its path in the experiment's folder: length, number of lines, if it has any, SHA-256 of its content."""

    path: str
    bytes: Count
    lines: Count | None
    sha256: Sha256


@dataclass(frozen=True)
class Seal:
    """``seal.json``; ``version`` is that of its layout."""

    version: Annotated[int, Range(1, 1)]
    files: tuple[SealedFile, ...]


def sealed_paths(root: Path) -> list[Path]:
    """What a seal covers; not what another process is about to write."""
    files = (path for path in (root / "runs").glob("*/*") if is_regular(path) and not is_temporary(path))
    return [root / "experiment.json", *sorted(files)]


def write_seal(root: Path) -> Seal:
    """Seal the experiment at ``root`` as it is."""
    seal = Seal(1, tuple(_sealed(root, path) for path in sealed_paths(root)))
    write_atomically(root / NAME, with_description_seal(plain(seal)))
    return seal


def read_seal(root: Path) -> Seal | None:
    """The seal of the experiment at ``root``, or None where there is none. Raises Damaged for a damaged one."""
    path = root / NAME
    if not is_regular(path):
        return None
    data = path.read_bytes()
    try:
        value: Any = json.loads(data)
        if not isinstance(value, dict):
            raise ValueError("it is not an object")
        if problem := description_seal_problem(data):
            raise ValueError(problem)
        value.pop("sha256")
        return read_fields(Seal, value)
    except (FieldError, ValueError, RecursionError) as error:
        raise Damaged(path, " ".join(str(error).split())) from error


def broken(root: Path) -> dict[str, str]:
    """What is wrong with the files that the seal lists, by their paths; empty where all are there, or without seal."""
    try:
        seal = read_seal(root)
    except Damaged as damage:
        return {NAME: damage.problem}
    found = {} if seal is None else {file.path: _broken(root, file) for file in seal.files}
    return {path: problem for path, problem in found.items() if problem}


def is_regular(path: Path) -> bool:
    """Whether a file can be read without following a link or waiting for somebody."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _sealed(root: Path, path: Path) -> SealedFile:
    data = path.read_bytes()
    lines = data.count(b"\n") if path.name.endswith(GROWING) else None
    return SealedFile(path.relative_to(root).as_posix(), len(data), lines, hashlib.sha256(data).hexdigest())


def _broken(root: Path, file: SealedFile) -> str:
    parts = PurePosixPath(file.path).parts
    if not parts or ".." in parts or PurePosixPath(file.path).is_absolute():
        return "the seal lists a file outside of the folder"
    path = root.joinpath(*parts)
    if not is_regular(path):
        return MISSING
    data = path.read_bytes()
    grows = path.name.endswith(GROWING)
    if len(data) < file.bytes and grows:
        lines = data.count(b"\n")
        return f"it has {lines} lines, but {file.lines} were sealed"
    sealed = data[: file.bytes] if grows else data
    return "" if hashlib.sha256(sealed).hexdigest() == file.sha256 else CHANGED
