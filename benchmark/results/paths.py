"""Where a run's files lie: two runs never share a path, on any file system.

A name becomes a path component by ``slug``. Names written like the suite's keep a readable form that can be read back
to one name alone; any other is told apart by a digest.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from benchmark.experiment.keys import RunKey

TRACES = ".epochs.jsonl"
EXAMPLES = ".examples.npz"


def run_path(root: Path, key: RunKey, attempt: int = 1) -> Path:
    """The file of a run's lines in the experiment's folder ``root``."""
    suffix = "" if attempt == 1 else f".{attempt}"
    return root / "runs" / slug(key.strategy) / f"{slug(key.learner)}-seed{key.seed}{suffix}.jsonl"


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


def run_paths(root: Path) -> list[Path]:
    """The files of all runs in the experiment's folder ``root``, sorted."""
    return [path for path in sorted((root / "runs").glob("*/*.jsonl")) if not path.name.endswith(TRACES)]


def attempt_paths(root: Path, key: RunKey) -> list[Path]:
    """The files of all attempts at a run, in the order of their numbers."""
    first = run_path(root, key)
    pattern = re.escape(first.stem) + r"(?:\.[1-9][0-9]*)?\.jsonl"
    found = [path for path in first.parent.glob(f"{first.stem}*.jsonl") if re.fullmatch(pattern, path.name)]
    return sorted(found, key=attempt_of)


def attempt_of(path: Path) -> int:
    """The attempt's number that stands behind the seed in the name of a run's file."""
    match = re.search(r"-seed[0-9]+\.([1-9][0-9]{0,17})\.jsonl$", path.name)
    return int(match[1]) if match else 1


def lock_path(run: Path) -> Path:
    """The lock of a run's file, in the experiment's folder."""
    return run.parents[2] / ".locks" / run.parent.name / f"{run.stem}.lock"


def traces_path(run: Path) -> Path:
    """The traces of a run's trainings, beside its lines."""
    return run.with_suffix(TRACES)


def examples_path(run: Path) -> Path:
    """The test images with predictions, beside a run's lines."""
    return run.with_suffix(EXAMPLES)
