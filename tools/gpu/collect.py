#!/usr/bin/env python3
"""Take home what a block of time has brought.

    python tools/gpu/collect.py out DIR                  # there: what is new since it was packed, into DIR
    python tools/gpu/collect.py in DIR                   # at home: check it and put it into this checkout
    python tools/gpu/collect.py in DIR --into /tmp/copy  # or elsewhere

New are runs, rounds and failures of the experiments in ``results/``, and what ``first.py`` measured. At home every line
is checked before it is taken. A file is taken where there is none, or where the one here has not changed since it was
packed, or is a beginning of the new one; lines of failures and measurements are added to those here. What was changed
on both sides is left out with a line. Exit status of ``in``: 0 all is taken; 1 something was left out.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.extend(sorted(map(str, Path(__file__).resolve().parents[2].glob("wheels/*.whl"))))  # for what is not installed

from benchmark.results import doctor, store
from benchmark.results.layers import RESULTS, is_experiment
from benchmark.text.escapes import shell
from tools.gpu.pieces import Contents, size
from tools.gpu.places import FAILURES, MEASURED, MEASURED_IN_REHEARSAL, REHEARSAL, ROOT, kept
from tools.gpu.unpack import MANIFEST, PIECES, STATE, PieceError, read_manifest, unpack, write

DESCRIPTION = "experiment.json"


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("way", choices=("out", "in"))
    p.add_argument("folder", type=Path, metavar="DIR", help="where the collected files are")
    p.add_argument("--max-file", default="16M", metavar="SIZE", help="of a collected file (default: 16M)")
    p.add_argument("--into", type=Path, default=ROOT, metavar="DIR", help="the checkout (default: this one)")
    p.add_argument("--rehearse", action="store_true", help="the results of a rehearsal")
    options = p.parse_args()
    try:
        if options.way == "out":
            for path in gather(options.folder, size(options.max_file), options.rehearse):
                print(f"{path}: {path.stat().st_size:,} bytes")
            return 0
        return take(options.folder, options.into)
    except (PieceError, ValueError, OSError) as error:
        p.error(" ".join(str(error).split()))


def gather(folder: Path, max_file: int, rehearsal: bool) -> list[Path]:
    """Write what is new into ``folder``, in files of at most ``max_file`` bytes; none where nothing is new."""
    state = ROOT / STATE
    packed: dict[str, str] = read_manifest(state)["results"] if (state / MANIFEST).exists() else {}
    contents, base = Contents(), {}
    for path in _records(rehearsal):
        name, data = path.relative_to(ROOT).as_posix(), path.read_bytes()
        is_new = packed.get(name) != hashlib.sha256(data).hexdigest()
        if is_new or path.name == DESCRIPTION:
            contents.add_file(name, data)
        if is_new and name in packed:
            base[name] = packed[name]
    if not any(Path(file["path"]).name != DESCRIPTION for file in contents.files):
        return []
    return contents.write(folder, max_file, base=base)


def _records(rehearsal: bool) -> Iterator[Path]:
    results = ROOT / (REHEARSAL if rehearsal else RESULTS)
    for experiment in sorted(filter(is_experiment, results.glob("*"))):
        yield from kept(experiment)
    measured = ROOT / (MEASURED_IN_REHEARSAL if rehearsal else MEASURED)
    if measured.exists():
        yield measured


def take(folder: Path, into: Path) -> int:
    """Check what was collected in ``folder`` and put it into the checkout ``into``; the exit status."""
    pieces = sorted(folder.glob(PIECES))
    if not pieces:
        raise ValueError(f"there is no {PIECES} in {folder}")
    with tempfile.TemporaryDirectory() as temporary:
        new = Path(temporary)
        names, waiting = unpack(pieces, new)
        refused = dict.fromkeys(waiting, "a part of it is missing: where are the other pieces?")
        for root in sorted({path.parent for path in new.glob(f"*/*/{DESCRIPTION}")}):
            refused |= {path.relative_to(new).as_posix(): why for path, why in _obstacles(root, into, new)}
        base: dict[str, str] = read_manifest(new / STATE)["base"]
        done: Counter[str] = Counter()
        touched = set()
        for name in names:
            if name in refused:
                continue
            if Path(name).name == DESCRIPTION and (into / name).exists():
                what = _describe(into / name, new / name)
            else:
                what = _merge(into / name, (new / name).read_bytes(), base.get(name))
            if what is None:
                refused[name] = "it was changed here, too"
            elif what:
                done[what] += 1
                touched.add(Path(name).parts[:2] if Path(name).name != Path(MEASURED).name else Path(name).parts)
    for what, count in done.items():
        print(f"{count} files {what}")
    for name, why in refused.items():
        print(f"left out: {name}: {why}")
    folders = [str(into.joinpath(*parts)) for parts in sorted(touched)]
    if folders:
        print("ready to commit: git add " + " ".join(map(shell, folders)))
    return 1 if refused else 0


def _obstacles(root: Path, into: Path, new: Path) -> Iterator[tuple[Path, str]]:
    """Files of the collected experiment at ``root``, below ``new``, that cannot be taken, and why."""
    here = into / root.relative_to(new)
    problems = [problem for problem in doctor.examine(root) if not problem.remark and problem.path.is_file()]
    yield from ((problem.path, problem.what) for problem in problems)
    whole = [path for path in root.rglob("*") if path.is_file()]
    if any(problem.path.name == DESCRIPTION for problem in problems):
        yield from ((path, f"its {DESCRIPTION} is damaged") for path in whole)
    elif is_experiment(here):
        known, collected = store.read_description(here), store.read_description(root)
        if known is not None and collected is not None and known.fingerprint != collected.fingerprint:
            yield from ((path, f"{here} is of another experiment (fingerprint {known.fingerprint})") for path in whole)


def _describe(path: Path, new: Path) -> str:
    """Let the description here take in a longer budget schedule: what was done, empty for nothing."""
    before, collected = path.read_bytes(), store.read_description(new.parent)
    assert collected is not None
    store.write_description(path.parent, collected.fingerprint, collected.protocol)
    return "" if path.read_bytes() == before else "continued"


def _merge(path: Path, new: bytes, base: str | None) -> str | None:
    """Put a file in its place: what was done, empty for nothing; None where both sides have changed it.

    ``base`` is the SHA-256 of what was packed, None for a file that was not there.
    """
    if not path.exists():
        write(path, new)
        return "added"
    here = path.read_bytes()
    if path.name in (FAILURES, Path(MEASURED).name):
        known = set(here.splitlines())
        more = [line for line in new.splitlines() if line not in known]
        if more:
            write(path, here + b"".join(line + b"\n" for line in more))
        return "continued" if more else ""
    if here == new or (path.suffix == ".jsonl" and here.startswith(new)):
        return ""
    if hashlib.sha256(here).hexdigest() == base or (path.suffix == ".jsonl" and new.startswith(here)):
        write(path, new)
        return "continued"
    return None


if __name__ == "__main__":
    sys.exit(main())
