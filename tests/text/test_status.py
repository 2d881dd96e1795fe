"""What is being done is said where it takes long, and only there; results stay alone on standard output."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from support.tiny import bench

import run_benchmark
from benchmark import reports
from benchmark.campaign import campaign
from benchmark.commands import checking, computing, reporting
from benchmark.text import status
from benchmark.text.terminal import Terminal
from benchmark.verification import verify

SOON = 20.0  # seconds in which a thread gets its turn on a machine of any load


def wait_until(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + SOON
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    return holds()


def test_what_is_quick_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    with status.doing("reading mnist", Terminal(file=out, force_terminal=True)):
        pass
    assert (out.getvalue(), capsys.readouterr()) == ("", ("", ""))
    assert wait_until(lambda: not any_timer())


def any_timer() -> bool:
    return any(isinstance(thread, threading.Timer) for thread in threading.enumerate())


def test_what_is_slow_is_one_line_on_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "PATIENCE", 0.0)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(err), status.doing("reading a\nb", Terminal(file=out)):
        assert wait_until(lambda: bool(err.getvalue()))
    assert (out.getvalue(), err.getvalue()) == ("", "reading a b …\n")


def test_on_a_terminal_it_goes_when_the_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "PATIENCE", 0.0)
    out, err = io.StringIO(), io.StringIO()
    console = Terminal(file=out, force_terminal=True, width=60)
    with contextlib.redirect_stderr(err), status.doing("reading [bold]mnist", console):
        assert wait_until(lambda: "reading [bold]mnist …" in out.getvalue())
        console.print("a note")
    assert "a note" in out.getvalue()
    assert out.getvalue().endswith("\x1b[1A\x1b[2K")  # the line is erased
    assert err.getvalue() == ""


def test_an_error_ends_it_and_a_reader_who_left_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "PATIENCE", 0.0)

    class Gone(io.StringIO):
        asked = False

        def write(self, text: str) -> int:
            self.asked = True
            raise BrokenPipeError

    failed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    gone = Gone()

    def work() -> None:
        with contextlib.redirect_stderr(gone), status.doing("reading mnist", Terminal(file=io.StringIO())):
            assert wait_until(lambda: gone.asked)
            raise ValueError("no such data")

    with pytest.raises(ValueError, match="no such data"):
        work()
    assert wait_until(lambda: not any_timer())
    assert failed == []


def test_commands_say_what_takes_them_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said, is_open = [], False

    @contextlib.contextmanager
    def doing(what: str, console: Console) -> Iterator[None]:
        nonlocal is_open
        assert not is_open, f"'{what}' is nested"
        said.append(what)
        is_open = True
        yield
        is_open = False

    def said_by(*arguments: str) -> list[str]:
        said.clear()
        done = run_benchmark.main(arguments) if "--doctor" in arguments else bench(tmp_path, *arguments, report=True)
        assert done == 0
        return list(said)

    for module in (status, campaign, checking, computing, reporting, verify):
        monkeypatch.setattr(module, "doing", doing)
    for writes in ("write", "write_selection"):  # which takes longest, and says nothing itself
        monkeypatch.setattr(reports, writes, lambda *of: None)
    grid = "--strategies", "random", "margin", "--seeds", "0"
    shown = ["computing the table", "writing tables and figures"]
    begun = said_by(*grid)
    (root,) = (tmp_path / "results").glob("tiny-*")
    start = ["loading PyTorch", f"reading the runs in {root}"]
    computed = ["checking strategies of your own", "reading digits", "estimating the cost"]
    assert begun == [*start, *computed, "reading the runs", *shown]
    assert said_by(*grid) == [*start, "checking digits", "reading the runs", *shown]
    assert said_by("--report", str(root)) == [start[0], "loading the report", start[1], *shown]
    assert said_by("--report", str(root), "--seeds", "0", "--output", str(tmp_path / "paper"))[-2:] == shown
    assert said_by("--doctor", str(root)) == [start[0], f"checking {root}"]
    assert said_by("--verify", str(root), "--sample", "1") == [start[0], "reading the runs", "reading digits"]
