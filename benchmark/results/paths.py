"""Where a run's files lie: two runs never share a path, on any file system.

A name becomes a path component by ``slug``. Names written like the suite's keep a readable form that can be read back
to one name alone; any other is told apart by a digest.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from benchmark.experiment.keys import RunKey

_SETTLED = 2 * 10**9  # nanoseconds after which a change of a folder shows in its time
_RUN = re.compile(r"(.+-seed[0-9]+)(?:\.[1-9][0-9]{0,17})?\.jsonl")
_ATTEMPT = re.compile(r"-seed[0-9]+\.([1-9][0-9]{0,17})\.jsonl$")
TRACES = ".epochs.jsonl"
EXAMPLES = ".examples.npz"


def run_path(root: Path, key: RunKey, attempt: int = 1) -> Path:
    """The file of a run's lines in the experiment's folder ``root``."""
    return root.joinpath("runs", *_components(key, attempt))


def belongs_to(path: Path, root: Path, key: RunKey, attempt: int) -> bool:
    """Whether ``path``, a run's file somewhere under ``root``, is the one that ``run_path`` names."""
    return path.parts[len(root.parts) :] == ("runs", *_components(key, attempt))


def _components(key: RunKey, attempt: int) -> tuple[str, str]:
    """The folder and the name of a run's file."""
    suffix = "" if attempt == 1 else f".{attempt}"
    return slug(key.strategy), f"{slug(key.learner)}-seed{key.seed}{suffix}.jsonl"


@lru_cache(maxsize=4096)
def slug(canonical: str) -> str:
    """A canonical name as a path component: ``typiclust[neighbours=5]`` becomes ``typiclust-neighbours=5``.

    At most 80 bytes of ASCII. Different names have different components, also where a file system ignores case or drops
    a final dot. A name that would look like another's, or that no folder can have, gets what is readable of it, two
    hyphens and 16 digits of its SHA-256.
    """
    readable = re.sub(r"[^A-Za-z0-9._=+-]+", "-", canonical).strip("-")
    if len(readable) <= _LONGEST and _is_plain(canonical):
        return readable
    digest = hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()[:16]
    beginning = re.sub("-{2,}", "-", readable)[: _LONGEST - 19].strip(".-=+")
    if not beginning or re.match(rf"{_RESERVED}\.", beginning, re.IGNORECASE):
        beginning = f"_{beginning}"
    return f"{beginning}--{digest}"


WRAPPERS = ("power", "softmax", "softrank", "subset")  # whose colon becomes a hyphen; see strategies.registry
_LONGEST = 80
_RESERVED = r"(?:con|prn|aux|nul|com\d|lpt\d)"  # what Windows takes for devices
_KEY = r"[a-z_][a-z0-9_]*"
_VALUE = r"(?!(?:true|false|none)\b)(?:True|False|None|[+-]?[a-z0-9](?:[a-z0-9._+]|-(?!-))*(?<![._+-]))"
_SHORT_VALUE = r"[0-9]+(?:\.[0-9]+)?"  # without a hyphen, which ends a wrapper's parameters
_AROUND = rf"(?:{'|'.join(WRAPPERS)})(?:\[{_KEY}={_SHORT_VALUE}(?:,{_KEY}={_SHORT_VALUE})*\])?:"
_NAME = rf"(?!{_RESERVED}\b)(?!(?:{'|'.join(WRAPPERS)})(?![a-z0-9]))[a-z0-9]+(?:-[a-z0-9]+)*"
_PLAIN = re.compile(rf"(?:{_AROUND})*{_NAME}(?:\[{_KEY}={_VALUE}(?:,{_KEY}={_VALUE})*\])?", re.ASCII)


def _is_plain(canonical: str) -> bool:
    """Whether the name can be read back from its readable form, in which brackets, commas and colons are hyphens.

    No name within begins like a wrapper, values hold no equals sign, and letters are lower case.
    """
    return _PLAIN.fullmatch(canonical) is not None


def run_paths(root: Path) -> Iterator[Path]:
    """The files of all runs in the experiment's folder ``root``, sorted. As a list, a hundred thousand take 40 MiB."""
    return (folder / name for folder, names in run_names(root) for name in names)


def run_names(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """The folders of strategies in the experiment's folder ``root``, each with the names of its runs' files, sorted."""
    for folder in sorted((root / "runs").glob("*")):
        names: list[str] = []
        if folder.is_dir():
            with contextlib.suppress(PermissionError):
                names = os.listdir(folder)
        yield folder, sorted(name for name in names if name.endswith(".jsonl") and not name.endswith(TRACES))


def attempt_paths(root: Path, key: RunKey) -> list[Path]:
    """The files of all attempts at a run, in the order of their numbers."""
    above, name = _components(key, 1)
    folder = _folder(root, above)
    try:
        changed = folder.stat().st_mtime_ns
        settled = time.time_ns() - changed > _SETTLED
        names = (_listed if settled else _listed.__wrapped__)(folder, changed)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    return [folder / found for found in names.get(name.removesuffix(".jsonl"), ())]


@lru_cache(maxsize=256)
def _folder(root: Path, name: str) -> Path:
    return root / "runs" / name


@lru_cache(maxsize=256)
def _listed(folder: Path, changed: int) -> dict[str, list[str]]:
    """The names of the files of runs in a folder by their run, attempts in order; as when it was last ``changed``."""
    found: dict[str, list[str]] = {}
    for name in os.listdir(folder):
        match = _RUN.fullmatch(name)
        if match is not None:
            found.setdefault(match[1], []).append(name)
    for names in found.values():
        names.sort(key=lambda name: attempt_of(folder / name))
    return found


def attempt_of(path: Path) -> int:
    """The attempt's number that stands behind the seed in the name of a run's file."""
    match = _ATTEMPT.search(path.name)
    return int(match[1]) if match else 1


def one_run(path: Path) -> tuple[Path, str]:
    """What the files of all attempts at a run have in common: their folder, and their name up to the seed."""
    match = _RUN.fullmatch(path.name)
    return path.parent, match[1] if match else path.name


def last_attempts(paths: Iterable[Path]) -> dict[tuple[Path, str], int]:
    """The highest number among the attempts at each run, by ``one_run``."""
    last: dict[tuple[Path, str], int] = {}
    for path in paths:
        run = one_run(path)
        last[run] = max(attempt_of(path), last.get(run, 0))
    return last


def lock_path(run: Path) -> Path:
    """The lock of a run's file, in the experiment's folder."""
    return run.parents[2] / ".locks" / run.parent.name / f"{run.stem}.lock"


def traces_path(run: Path) -> Path:
    """The traces of a run's trainings, beside its lines."""
    return run.with_suffix(TRACES)


def examples_path(run: Path) -> Path:
    """The test images with predictions, beside a run's lines."""
    return run.with_suffix(EXAMPLES)
