"""The kit's campaign: requests in their order as far as time and data allow, and a round given up in the end."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import pytest
from support.tiny import PROTOCOL

import run_benchmark
from benchmark.campaign import preflight, signals
from benchmark.campaign.request import requested
from benchmark.results.store import read_run
from benchmark.text.terminal import Terminal
from tools.gpu import campaign, collect
from tools.gpu.places import experiments_asked_for, requests

OPTIONS = {"device": "cpu", "workers": 1, "rehearse": True, "time_limit": 3600.0}


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in with the tiny protocol; the requests are those of ``asked``."""
    (tmp_path / "tiny.toml").write_text(PROTOCOL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *asked: str, **changed: Any) -> int:
    monkeypatch.setattr(campaign, "requests", lambda rehearsal: [words.split() for words in asked])
    return campaign.run(argparse.Namespace(**{**OPTIONS, **changed}), Terminal())


def test_requests_are_computed_in_their_order_and_not_twice(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (f"--protocol tiny.toml --strategies {name} --seeds 0 --name tiny" for name in ("margin", "random"))
    assert run(monkeypatch, first, second) == 0
    out = capsys.readouterr().out
    assert out.index(first) < out.index("[3/3]") < out.index(second)
    runs = tiny / "rehearsal" / "tiny" / "runs"
    assert sorted(path.parent.name for path in runs.glob("*/*.jsonl")) == ["margin", "random"]
    before = {path: path.read_bytes() for path in runs.glob("*/*.jsonl")}
    assert run(monkeypatch, first, second) == 0
    assert {path: path.read_bytes() for path in runs.glob("*/*.jsonl")} == before
    assert not list(tiny.glob("rehearsal/tiny/*.md"))  # no report


def test_a_run_that_was_begun_in_an_earlier_block_goes_on(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = "--protocol tiny.toml --strategies margin --seeds 0 --budgets 10 20 --name tiny"
    assert run(monkeypatch, short) == 0
    (path,) = (tiny / "rehearsal" / "tiny" / "runs").glob("margin/*.jsonl")
    before = path.read_bytes()
    assert run(monkeypatch, short.replace("10 20", "10 20 30")) == 0
    assert path.read_bytes().startswith(before)
    continued = read_run(path)
    assert continued is not None
    assert continued.label_counts == [10, 20, 30]


def test_a_request_that_cannot_be_met_is_said_and_the_others_are_computed(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    possible = "--protocol tiny.toml --strategies random --seeds 0 --name tiny"
    assert run(monkeypatch, "--protocol tiny.toml --strategies nonesuch", possible) == 1
    assert "failed: " in capsys.readouterr().out
    assert run(monkeypatch, "--protocol cifar10", possible) == 3
    assert "'cifar10' is not here yet; left for later: --protocol cifar10" in capsys.readouterr().out
    assert run(monkeypatch, "--protocol tiny.toml --dataset data/missing.npz", possible) == 3
    capsys.readouterr()
    assert run(monkeypatch, possible, time_limit=5.0) == 3
    assert "no time left for: --protocol tiny.toml" in capsys.readouterr().out


def test_a_round_that_outlives_the_limit_is_given_up_and_what_is_there_collected(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    collected = []

    def gather(folder: Path, max_file: int, rehearsal: bool) -> list[Path]:
        collected.append((folder, max_file, rehearsal))
        return []

    monkeypatch.setattr(campaign, "ROOT", tiny)
    monkeypatch.setattr(campaign, "GRACE", 0.1)
    monkeypatch.setattr(signals, "_requested", "")  # put back for the tests that follow
    monkeypatch.setattr(campaign, "SHORTEST", 0.0)
    monkeypatch.setattr(campaign, "gather", gather)
    monkeypatch.setattr(campaign, "compute_missing", lambda *anything: time.sleep(60))
    monkeypatch.setattr(campaign, "requests", lambda rehearsal: [["--protocol", "tiny.toml"]])
    words = ["campaign.py", "--rehearse", "--time-limit", "0.3s", "--collect", "out", "--max-file", "2M"]
    monkeypatch.setattr("sys.argv", words)
    assert campaign.main() == 3
    assert "the round in hand was given up" in capsys.readouterr().out
    assert collected == [(tiny / "out", 2_000_000, True)]


def test_what_cannot_be_collected_is_said_on_one_line(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny / "rehearsal").mkdir()
    (tiny / "rehearsal" / "gpu.jsonl").write_bytes(b"{}\n")
    monkeypatch.setattr(campaign, "ROOT", tiny)
    monkeypatch.setattr(collect, "ROOT", tiny)
    monkeypatch.setattr(campaign, "requests", lambda rehearsal: [])
    monkeypatch.setattr("sys.argv", ["campaign.py", "--rehearse", "--collect", "out", "--max-file", "1k"])
    assert campaign.main() == 1
    out = capsys.readouterr().out
    assert out.startswith("not collected: a piece of 1,000 bytes is too small: ")
    assert out.count("\n") == 1
    monkeypatch.setattr("sys.argv", ["campaign.py", "--rehearse", "--collect", "out"])
    assert campaign.main() == 0
    assert list((tiny / "out").iterdir())


def test_a_gpu_that_fails_under_a_request_leaves_what_is_there_to_be_collected(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def compute_missing(*_: Any) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be")

    monkeypatch.setattr(campaign, "compute_missing", compute_missing)
    assert run(monkeypatch, "--protocol tiny.toml --seeds 0 --name tiny") == 1
    assert "failed: CUDA error: an illegal memory access was encountered CUDA kernel" in capsys.readouterr().out


@pytest.mark.parametrize("rehearsal", [False, True])
def test_every_request_in_the_list_can_be_met(rehearsal: bool) -> None:
    for words in requests(rehearsal):
        protocol = preflight.with_learners(requested(run_benchmark.parser().parse_args(words)))
        assert preflight.runnable(protocol, Terminal())
    found = experiments_asked_for(rehearsal)
    lengths = ["cifar10-half", "cifar10-double"]
    published = ["mnist", "cifar10", *lengths, "mnist-balanced", "mnist-fixmatch"]
    assert found == (["digits", "pictures"] if rehearsal else published)
