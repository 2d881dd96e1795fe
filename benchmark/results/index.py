"""An index of runs: how far each has got, by the SHA-256 of its file's content.

It saves checking every line again, and is never the truth: a file is still read to its end, and what the index says
holds for these very bytes alone. It lies in the cache, can be deleted at any time and is filled again from the lines.
An entry that is damaged counts as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.experiment.keys import RunKey
from benchmark.results.fields import FieldError, plain, read_fields
from benchmark.results.foreign import content
from benchmark.results.records import DatasetRecord, LabelsRecord, RunExtent, RunHeader

_LAYOUT = 1  # part of the file's name: another layout is another file
_AT_ONCE = 1000  # entries that are written together; so few new runs need no file of their own
_READ_AHEAD = 2**26  # bytes of a database that is read in one go; in a larger one each entry is looked up
_TABLES = (
    "CREATE TABLE IF NOT EXISTS runs (content BLOB PRIMARY KEY, run BLOB, header BLOB, seal BLOB) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS headers (sha256 BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID",
)
_ROWS = "SELECT run, header, seal, content FROM runs"
_ANY_RUN = RunKey("any", "any", 0), LabelsRecord((), (), ())  # in the headers, which many runs share
_kept: Index | None = None
State = tuple[int, int, int, int]  # of a file: size, times of its last changes, number


class Index:
    """An SQLite database at ``path``. One that cannot be used is as good as none: nothing here raises an error."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._new: dict[bytes, tuple[bytes, bytes]] = {}  # run and digest of the header by digest of the content
        self._headers: dict[bytes, RunHeader] = {}
        self._ahead: dict[bytes, tuple[Any, Any, Any]] | None = None  # rows that were read and not yet asked for
        self._read: dict[str, tuple[State, bytes]] = {}  # files that this process has read, with their digests
        self._usable: dict[str, tuple[str, DatasetRecord]] = {}  # of these, with fingerprint and data
        if path.exists():
            self._open()

    def digest_of(self, path: Path) -> bytes | None:
        """The digest of a file that this process has read and that nobody has touched since; None for any other."""
        state, digest = self._read.get(str(path), (None, None))
        return digest if state is not None and state == _state(path.lstat()) else None

    def content_of(self, path: Path) -> tuple[bytes, bytes]:
        """The content of a file and its digest. Raises Damaged as ``content`` does."""
        found = path.lstat()  # before it is read: what changes meanwhile is read again
        data = content(path, found)
        digest = hashlib.sha256(data).digest()
        name = str(path)
        self._read[name] = _state(found), digest
        self._usable.pop(name, None)
        return data, digest

    def set_usable(self, path: Path, header: RunHeader) -> None:
        """Keep, while this process lasts, that the run with this header may be used, and lies where it belongs."""
        self._usable[str(path)] = header.fingerprint, header.dataset

    def dataset_of(self, path: Path, fingerprint: str) -> DatasetRecord | None:
        """The data of a run that may be used, as far as ``digest_of`` and ``set_usable`` tell."""
        known, dataset = self._usable.get(str(path), ("", None))
        return dataset if known == fingerprint and self.digest_of(path) is not None else None

    def get(self, digest: bytes) -> RunExtent | None:
        """The extent of the run in a file with this digest; None where it is not known."""
        found = self._new.get(digest) or self._row(digest)
        if found is None:
            return None
        header = self._headers.get(found[1]) or self._header(found[1])
        if header is None:
            return None
        key, initial, label_counts, acquired_counts = json.loads(str(found[0], "ascii"))
        whole = object.__new__(RunHeader)  # as ``replace``, which would set each field by itself
        vars(whole).update(vars(header), key=RunKey(*key), initial=LabelsRecord(*map(tuple, initial)))
        return RunExtent(whole, tuple(label_counts), tuple(acquired_counts))

    def put(self, digest: bytes, extent: RunExtent) -> None:
        """Keep the extent of the run in a file with this digest."""
        key, initial = extent.header.key, extent.header.initial
        run = [
            [key.strategy, key.learner, key.seed],
            [initial.acquired_indices, initial.acquired_labels, initial.held_out_indices],
            extent.label_counts,
            extent.acquired_counts,
        ]
        header = replace(extent.header, key=_ANY_RUN[0], initial=_ANY_RUN[1])
        header_digest = hashlib.sha256(_bytes(plain(header))).digest()
        self._headers[header_digest] = header
        self._new[digest] = _bytes(run), header_digest
        if len(self._new) >= _AT_ONCE:
            self._write()

    def close(self) -> None:
        """Write what is new, unless it is too little for a new file."""
        if self._database is not None:
            self._write()
        if self._database is not None:
            self._database.close()

    def _open(self) -> None:
        with self._or_none():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self._path, timeout=1.0)
            for table in _TABLES:
                self._database.execute(table)

    def _write(self) -> None:
        if self._database is None:
            self._open()
        runs = [(digest, *entry, _seal(digest, *entry)) for digest, entry in self._new.items()]
        headers = [(digest, _bytes(plain(header))) for digest, header in self._headers.items()]
        self._new.clear()
        if self._database is not None:
            with self._or_none(), self._database:
                self._database.executemany("INSERT OR REPLACE INTO headers VALUES (?, ?)", headers)
                self._database.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", runs)

    def _row(self, digest: bytes) -> tuple[bytes, bytes] | None:
        """The run and the digest of its header."""
        if self._ahead is None:
            self._ahead = self._all_rows()
        row = self._ahead.pop(digest, None) or self._select(f"{_ROWS} WHERE content = ?", digest)
        if row is None or row[2] != _seal(digest, row[0], row[1]):
            return None
        return row[0], row[1]

    def _all_rows(self) -> dict[bytes, tuple[Any, Any, Any]]:
        """All rows, by the digest of the content; none of a database that is too large to be kept in memory."""
        if self._database is None:
            return {}
        with self._or_none():
            if self._path.stat().st_size <= _READ_AHEAD:
                return {row[3]: row[:3] for row in self._database.execute(_ROWS)}
        return {}

    def _header(self, digest: bytes) -> RunHeader | None:
        """A header that was not read before."""
        row = self._select("SELECT value FROM headers WHERE sha256 = ?", digest)
        if row is None or _digest(row[0]) != digest:
            return None
        with contextlib.suppress(ValueError, FieldError):
            self._headers[digest] = read_fields(RunHeader, json.loads(row[0]))
        return self._headers.get(digest)

    def _select(self, query: str, key: bytes) -> Any:
        if self._database is None:
            return None
        try:
            return self._database.execute(query, (key,)).fetchone()
        except (OSError, sqlite3.Error) as error:
            return self._give_up(error)

    @contextmanager
    def _or_none(self) -> Iterator[None]:
        """Go on without a database that cannot be read or written."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Use the database no more, and remove it unless another process is at it."""
        if self._database is not None:
            self._database.close()
        self._database = None
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def _bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _state(found: os.stat_result) -> State:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _seal(digest: bytes, run: Any, header: Any) -> bytes:
    return _digest(digest, header, run)


def _digest(*parts: Any) -> bytes:
    """The SHA-256 of all parts; empty where something else than bytes lies in the database."""
    return hashlib.sha256(b"".join(parts)).digest() if all(isinstance(part, bytes) for part in parts) else b""


@contextmanager
def kept_in(cache: Path) -> Iterator[None]:
    """Within, the runs that are read are looked up in the index of this cache."""
    global _kept
    _kept = Index(cache / f"runs-{_LAYOUT}.sqlite")
    try:
        yield
    finally:
        _kept.close()
        _kept = None


def kept() -> Index | None:
    """The index of the cache in use; None for none."""
    return _kept
