"""Locks that name their holder, with and without help from the file system."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from benchmark.results import locks
from benchmark.results.errors import Busy
from benchmark.results.locks import Lock, alone

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["locks", "ENOLCK", "EOPNOTSUPP", "ENOSYS", "no fcntl"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    def refuse(handle: int, how: int) -> None:
        raise OSError(getattr(errno, request.param), "no locks here")

    if request.param == "no fcntl":
        monkeypatch.setattr(locks, "fcntl", None)
    elif request.param != "locks":
        monkeypatch.setattr(fcntl, "flock", refuse)
    return str(request.param)


def test_one_holds_it_the_other_learns_who(tmp_path: Path, file_system: str) -> None:
    first, second = Lock(tmp_path / "a" / "run.lock"), Lock(tmp_path / "a" / "run.lock")
    first.acquire()
    with pytest.raises(Busy, match=f"held by process {os.getpid()} on ") as busy:
        second.acquire()
    assert busy.value.holder is not None
    assert not busy.value.holder.idle
    first.release()
    second.acquire()
    second.release()
    assert {path.name for path in (tmp_path / "a").iterdir()} <= {"run.lock"}


def test_what_a_killed_process_leaves_is_no_obstacle(tmp_path: Path, file_system: str) -> None:
    path = tmp_path / "run.lock"
    script = (
        "import os, signal; from pathlib import Path; from benchmark.results import locks\n"
        f"locks.fcntl = locks.fcntl if {file_system == 'locks'} else None\n"
        f"locks.Lock(Path({str(path)!r})).acquire(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, check=False)
    assert path.with_suffix(".holder").exists()
    lock = Lock(path)
    lock.acquire()
    lock.release()
    assert {entry.name for entry in tmp_path.iterdir()} <= {"run.lock"}


@pytest.mark.parametrize("content", [b"", b"{", b'{"host": 1}', b"[]"])
def test_a_holders_file_without_a_name_is_nobodys_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    beside = tmp_path / "run.holder"
    beside.write_bytes(content)
    with pytest.raises(Busy, match="held by another process"):
        Lock(tmp_path / "run.lock").acquire()
    os.utime(beside, (0, 0))
    Lock(tmp_path / "run.lock").acquire()
    assert b'"process"' in beside.read_bytes()


def test_one_on_another_host_is_never_taken_for_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    (tmp_path / "run.holder").write_text('{"host": "elsewhere", "process": 999999999, "started": "1"}')
    with pytest.raises(Busy, match=r"held by process 999999999 on elsewhere$"):
        Lock(tmp_path / "run.lock").acquire()


def test_of_many_threads_one_is_alone(tmp_path: Path, file_system: str) -> None:
    inside: list[int] = []
    most: list[int] = []

    def enter(number: int) -> None:
        with alone(tmp_path / "run.lock"):
            inside.append(number)
            most.append(len(inside))
            inside.remove(number)

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8


def test_a_stopped_holder_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = Lock(tmp_path / "round0.lock")
    holder.acquire()
    real = locks.state_of
    ours: Any = os.getpid()
    monkeypatch.setattr(locks, "state_of", lambda process: ("T", real(ours)[1]) if process == ours else real(process))
    with alone(tmp_path / "round0.lock"):
        pass
    assert "which is stopped, holds it; computing it here too" in capsys.readouterr().err
    holder.release()
