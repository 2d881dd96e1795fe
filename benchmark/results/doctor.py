"""All problems of a folder of results, found without stopping at the first; and what can be done about them.

``examine`` only reads, and opens nothing but regular files. ``repair`` moves what is bad to ``damaged/`` and writes the
rounds before the damage as the run. ``attest`` seals a folder that has no problems but changes since its last seal.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmark.experiment import ProtocolError, from_dict
from benchmark.experiment.kinds import mistaken
from benchmark.results import failures, lines, seal, store
from benchmark.results.aside import ASIDE, move_aside
from benchmark.results.atomic import STALE_SECONDS, is_temporary, write_atomically
from benchmark.results.errors import Busy, Damaged, StoreError
from benchmark.results.locks import SUFFIX, Lock
from benchmark.results.paths import EXAMPLES, TRACES, attempt_of, lock_path
from benchmark.results.records import RunRecord, TraceRecord
from benchmark.results.run_lines import RunLines

_DESCRIPTION, _RUNS = "experiment.json", "runs"
_LOCKS = ".locks"
_OF_REPORTS = {"README.md", "index.html", "curves.csv"}
_FOLDERS_OF_REPORTS = {"tables": (".csv", ".md", ".tex", ".bib"), "figures": (".png", ".pdf")}
_RUN = ".jsonl"


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file.

    A ``bad`` file is moved aside; a ``remark`` is no damage, and no obstacle to a seal. A ``change`` is no obstacle to
    a new one: a file that was sealed is another now, or gone, and nothing else is wrong with it.
    """

    path: Path
    what: str
    bad: bool = True
    remark: bool = False
    change: bool = False


def experiments(folder: Path) -> list[Path]:
    """The experiments at ``folder``: it, or those in it. Raises StoreError where there is none."""
    found = [folder] if _is_experiment(folder) else sorted(filter(_is_experiment, folder.glob("*")))
    if not found:
        wrong = "" if folder.is_dir() else mistaken(folder, "an experiment")
        raise StoreError(wrong or f"{folder} holds no experiment: there is neither {_DESCRIPTION} nor {_RUNS}/ in it")
    return found


def examine(root: Path) -> list[Problem]:
    """All problems of the experiment at ``root``, in the order of their paths. Reads regular files alone."""
    found: list[Problem] = []
    files: list[Path] = []
    for path in _walk(root):
        if seal.is_regular(path):
            files.append(path)
        else:
            found.append(Problem(path, f"it is {_kind(path)}, which nobody opens"))
    places = [root / _DESCRIPTION, root / seal.NAME, *(root / _RUNS).glob("*/*")]
    folders = [path for path in places if path.is_dir() and not path.is_symlink()]
    found += [Problem(path, "it is a folder where a file belongs", bad=False) for path in folders]
    fingerprint, budgets, problems = _description(root)
    found += problems
    for path in files:
        found += _file(root, path, fingerprint, budgets)
    found += _failures(root)
    if not any(path.parent.parent == root / _RUNS for path in files):
        found.append(Problem(root / _RUNS, "there is no run in it", bad=False))
    known = {problem.path for problem in found if not problem.remark}
    for name, what in seal.broken(root).items():
        path = root / name
        if name == seal.NAME or path not in known:
            found.append(Problem(path, what, bad=name == seal.NAME, change=what in (seal.CHANGED, seal.MISSING)))
    return sorted(found, key=lambda problem: problem.path)


def repair(root: Path, problems: list[Problem]) -> list[str]:
    """Move the bad files among ``problems`` aside and salvage whole rounds; a line for each thing done.

    A run's file is examined again once nobody else can write to it: one that was finished meanwhile stays.
    """
    done = []
    fingerprint, budgets, _ = _description(root)
    for path in dict.fromkeys(problem.path for problem in problems if problem.bad and not problem.remark):
        with _alone(path) as is_alone:
            if not is_alone:
                done.append(f"{path.relative_to(root)}: another process is computing it; left as it is")
                continue
            if not _is_bad(root, path, fingerprint, budgets):
                done.append(f"{path.relative_to(root)}: it was mended or removed meanwhile; left as it is")
                continue
            kept, words = _salvaged(root, path)
            moved = move_aside(root, path)
            done.append(f"{path.relative_to(root)}: moved to {moved.relative_to(root)}{words}")
            if kept:
                write_atomically(path, kept)
    return done


def attest(root: Path, changes: int = 0) -> str:
    """Seal the experiment at ``root``, whose only problems are ``changes`` since its last seal; a line that says so."""
    sealed = seal.write_seal(root)
    count = sum(file.lines or 0 for file in sealed.files)
    again = f" again, {changes} changed or missing since the last seal" if changes else ""
    return f"{root / seal.NAME}: {len(sealed.files)} files with {count} lines are sealed{again}"


# --- what lies where


def _is_experiment(folder: Path) -> bool:
    return (
        folder.is_dir()
        and folder.name != ASIDE
        and (os.path.lexists(folder / _DESCRIPTION) or (folder / _RUNS).is_dir())
    )


def _walk(root: Path) -> Iterator[Path]:
    """Everything below ``root`` that is no folder, links to folders included; not what was moved aside."""
    for where, folders, names in os.walk(root):
        here = Path(where)
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = sorted(set(folders) - set(links) - ({ASIDE} if here == root else set()))
        yield from (here / name for name in sorted([*names, *links]))


def _kind(path: Path) -> str:
    mode = path.lstat().st_mode
    kinds = {stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _file(root: Path, path: Path, fingerprint: str | None, budgets: tuple[int, ...]) -> list[Problem]:
    inside = path.relative_to(root)
    first = inside.parts[0]
    if is_temporary(path):
        stale = path.lstat().st_mtime < time.time() - STALE_SECONDS
        return [Problem(path, "a temporary file that a killed process has left")] if stale else []
    if len(inside.parts) > 1 and first == _LOCKS:
        return [] if path.suffix in (".lock", SUFFIX) else [Problem(path, "it is none of the suite's files")]
    if len(inside.parts) == 1:
        known = first in {_DESCRIPTION, seal.NAME, failures.NAME, *_OF_REPORTS}
        return [] if known else [Problem(path, "it is none of the suite's files")]
    if len(inside.parts) == 2 and path.suffix in _FOLDERS_OF_REPORTS.get(first, ()):
        return []
    if first != _RUNS or len(inside.parts) != 3:
        return [Problem(path, "it is none of the suite's files")]
    for suffix, check in ((TRACES, _traces), (EXAMPLES, _examples)):
        if path.name.endswith(suffix):
            run = path.with_name(path.name.removesuffix(suffix) + _RUN)
            return check(run) if seal.is_regular(run) else [Problem(path, "its run is not there")]
    if path.suffix == _RUN:
        return _run(root, path, fingerprint, budgets)
    return [Problem(path, "it is none of the suite's files")]


def _description(root: Path) -> tuple[str | None, tuple[int, ...], list[Problem]]:
    """The experiment's fingerprint, None where it is not known, its budgets, and what is wrong with experiment.json."""
    path = root / _DESCRIPTION
    if not seal.is_regular(path):
        return None, (), [] if os.path.lexists(path) else [Problem(path, "it is missing", bad=False)]
    try:
        description = store.read_description(root)
    except Damaged as damage:
        return None, (), [Problem(path, damage.problem)]
    assert description is not None
    remarks = []
    try:
        fingerprint = from_dict(description.protocol).fingerprint
        if fingerprint != description.fingerprint:
            what = f"its fingerprint is {description.fingerprint[:8]}, but {fingerprint[:8]} to this version"
            remarks.append(Problem(path, what, remark=True))
    except ProtocolError as error:
        remarks.append(Problem(path, f"its protocol is none of this version: {error}", remark=True))
    return description.fingerprint, tuple(description.protocol.get("budgets", ())), remarks


# --- runs and what lies beside them


def _run(root: Path, path: Path, fingerprint: str | None, budgets: tuple[int, ...]) -> list[Problem]:
    data = path.read_bytes()
    whole = lines.split(data)
    taken, problems = _taken(path, whole)
    end = whole[-1].end if whole else 0
    if end < len(data):
        problems.append(Problem(path, f"its last line is torn: {len(data) - end} bytes without an end"))
    if problems or taken.header is None:
        return problems or [Problem(path, "it is empty")]
    record = RunRecord(taken.header, tuple(taken.rounds), path, attempt_of(path))
    try:
        store.check_place(record, root, fingerprint or record.header.fingerprint)
    except Damaged as damage:
        return [Problem(path, damage.problem)]
    if budgets and not record.extent.covers(budgets):
        reached = record.label_counts[-1] if record.rounds else 0
        return [Problem(path, f"it ends at {reached} of {budgets[-1]} labels", remark=True)]
    return []


def _taken(path: Path, whole: list[lines.Line]) -> tuple[RunLines, list[Problem]]:
    """The lines before the first that is bad, and a problem for each bad one.

    Of the lines behind it only those are called bad that are so by themselves: none of them can follow.
    """
    taken = RunLines()
    problems: list[Problem] = []
    for line in whole:
        if not problems:
            try:
                taken.take(path, line)
            except Damaged as damage:
                problems.append(Problem(path, damage.problem))
        elif line.problem:
            problems.append(Problem(path, f"line {line.number}: {line.problem}"))
    return taken, problems


def _traces(run: Path) -> list[Problem]:
    path = run.with_suffix(TRACES)
    problems: list[Problem] = []
    for line in lines.split(path.read_bytes()):
        try:
            lines.read_record(path, lines.undamaged(path, line), TraceRecord)
        except Damaged as damage:
            problems.append(Problem(path, damage.problem))
    return problems


def _examples(run: Path) -> list[Problem]:
    try:
        store.read_examples(run)
    except Damaged as damage:
        return [Problem(damage.path, damage.problem)]
    return []


def _failures(root: Path) -> list[Problem]:
    """What is wrong with failures.jsonl, and a remark for each run that has not got beyond its failure."""
    path = root / failures.NAME
    recorded, problems = failures.read(root)
    last = failures.open_failures(recorded, store.summaries(root)) if recorded else []
    return [Problem(path, what) for what in problems] + [
        Problem(path, failures.in_words(failure), remark=True) for failure in last
    ]


# --- repair


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether no other process computes the run that a file belongs to; none does while the block runs."""
    if path.parent.parent.name != _RUNS:
        yield True
        return
    name = path.name.removesuffix(EXAMPLES).removesuffix(TRACES).removesuffix(_RUN)
    held = Lock(lock_path(path.with_name(name + _RUN)))
    try:
        held.acquire()
    except Busy:
        yield False
        return
    try:
        yield True
    finally:
        held.release()


def _is_bad(root: Path, path: Path, fingerprint: str | None, budgets: tuple[int, ...]) -> bool:
    """Whether a file that was bad still is; files outside of ``runs/`` are written whole, and not looked at again."""
    if path.parent.parent != root / _RUNS or not seal.is_regular(path):
        return os.path.lexists(path)
    return any(problem.bad and not problem.remark for problem in _file(root, path, fingerprint, budgets))


def _salvaged(root: Path, path: Path) -> tuple[bytes, str]:
    """The good part of a file that is moved aside, to be written in its place, and what it is; nothing for most."""
    if not seal.is_regular(path) or not path.name.endswith(_RUN) or path.parent.parent != root / _RUNS:
        return b"", ""
    data = path.read_bytes()
    whole = lines.split(data)
    if path.name.endswith(TRACES):
        good = [line.data + b"\n" for line in whole if not line.problem]
        if not good or len(good) == len(whole):
            return b"", ""
        return b"".join(good), f"; {len(good)} lines kept"
    taken, problems = _taken(path, whole)
    torn = not problems and (whole[-1].end if whole else 0) < len(data)
    if taken.header is None or not (problems or torn):
        return b"", ""  # nothing of it, or all of it, which does not belong there
    return data[: taken.end], f"; {len(taken.rounds)} rounds kept"
