"""Locks between processes that say who holds them: one line instead of a silent wait.

A lock is one of the operating system, which ends with its process. Beside it lies a file that names the holder. On
systems and file systems without locks that file, created by one process alone, is the lock itself; what a dead process
of this host has left of it is taken over.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.results.errors import Busy

fcntl: Any = None
with contextlib.suppress(ImportError):  # not on Windows
    import fcntl

SUFFIX = ".holder"
_WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)
_POLL, _SILENCE = 0.05, 30.0  # seconds between two tries, and until a wait is spoken of
_UNWRITTEN = 60.0  # seconds after which a holder's file without a name is that of a killed process


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock; ``started`` tells it from a later one of the same number."""

    host: str
    process: int
    started: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}{self.idle and f', {self.idle},'}"

    @property
    def is_here(self) -> bool:
        """Whether it runs on this host, so that its state can be seen."""
        return self.host == socket.gethostname()

    @property
    def idle(self) -> str:
        """``which has ended`` or ``which is stopped``; empty where it runs or nobody can tell from here."""
        if not self.is_here:
            return ""
        state, started = state_of(self.process)
        if not state or (self.started and started != self.started):
            return "which has ended"
        return "which is stopped" if state in "Tt" else ""


class Lock:
    """The lock at ``path``; at most one process holds it."""

    def __init__(self, path: Path) -> None:
        self._path, self._beside = path, path.with_suffix(SUFFIX)
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises Busy, with its holder, at once if another process has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if not self._lock():
            self._create()
            return
        with contextlib.suppress(OSError):  # a full disk: it holds without a name
            self._beside.write_bytes(_ours())

    def release(self) -> None:
        """Give it back."""
        with contextlib.suppress(OSError):
            self._beside.unlink()
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _lock(self) -> bool:
        """Take the operating system's lock; whether there is such a thing here. Raises Busy as ``acquire``."""
        if fcntl is None:
            return False
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            if error.errno in _WITHOUT_LOCKS:
                return False
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise Busy(self._path, _read(self._beside)) from error
            raise
        self._handle = handle
        return True

    def _create(self) -> None:
        """Take the lock where there are only files."""
        for _ in range(2):
            try:
                handle = os.open(self._beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            except FileExistsError:
                holder = _read(self._beside)
                if not self._is_abandoned(holder):
                    raise Busy(self._path, holder) from None
                self._take_away(holder)
                continue
            with os.fdopen(handle, "wb") as file:
                file.write(_ours())
            return
        raise Busy(self._path, _read(self._beside))

    def _is_abandoned(self, holder: Holder | None) -> bool:
        if holder is not None:
            return holder.idle == "which has ended"
        try:
            return time.time() - self._beside.stat().st_mtime > _UNWRITTEN
        except FileNotFoundError:
            return True

    def _take_away(self, holder: Holder | None) -> None:
        """Remove the file of a dead holder, and no other that has come in its place meanwhile."""
        aside = self._beside.with_suffix(f".{secrets.token_hex(8)}")
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._beside, aside)
            if _read(aside) != holder:
                os.rename(aside, self._beside)
            else:
                aside.unlink()


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Nobody else is in here, for work on files that are the same whoever does it.

    Waits for the process that is, and says so on the standard error if it takes long; goes on beside one that is
    stopped.
    """
    lock, began, said = Lock(path), time.monotonic(), False
    while True:
        try:
            lock.acquire()
        except Busy as busy:
            if busy.holder is not None and busy.holder.idle:
                print(f"{path}: {busy.holder} holds it; computing it here too", file=sys.stderr)
                yield
                return
            if not said and time.monotonic() - began > _SILENCE:
                said = True
                print(f"{path}: waiting for {busy.who} to compute it", file=sys.stderr)
            time.sleep(_POLL)
            continue
        try:
            yield
        finally:
            lock.release()
        return


def _ours() -> bytes:
    return json.dumps(asdict(Holder(socket.gethostname(), os.getpid(), state_of(os.getpid())[1]))).encode()


def _read(path: Path) -> Holder | None:
    """The holder that a file names; None where it names none."""
    try:
        value = json.loads(path.read_bytes())
        return Holder(str(value["host"]), int(value["process"]), str(value["started"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def state_of(process: int) -> tuple[str, str]:
    """A process's state, a letter as in ``ps``, and when it started; an empty letter for none of that number."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return ("", "") if fields[0] in "ZX" else (fields[0], fields[19])
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return "", ""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return "", ""
    except OSError:
        pass  # another user's
    return "R", ""
