"""How many processes share a GPU, tried on the CPU; the devices of workers; their tasks in the order of costs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import PROTOCOL, run_task

from benchmark.campaign import executors, mps, sharing
from benchmark.campaign.campaign import balanced
from benchmark.campaign.in_process import InProcess
from benchmark.campaign.supervisor import Supervisor
from benchmark.campaign.tasks import Executor
from benchmark.data.datasets import ImageData
from benchmark.experiment import Protocol, load
from benchmark.experiment.keys import RunKey
from benchmark.training import backends

GIGABYTE = 10**9


# --- how many pay


@pytest.mark.parametrize(
    ("rates", "most", "expected"),
    [
        ({1: 100}, 1, 1),
        ({1: 100, 2: 190, 4: 350, 8: 600, 16: 900}, 16, 16),
        ({1: 100, 2: 190, 4: 350, 8: 360, 16: 9000}, 16, 4),  # it stops where a doubling does not pay
        ({1: 100, 2: 105}, 16, 1),
        ({1: 100, 2: 60}, 2, 1),  # taking turns costs more than it brings
        ({1: 100, 2: 190, 4: 350, 6: 380}, 6, 6),  # half as many more, half of the tenth
        ({1: 100, 2: 190, 4: 350, 6: 366}, 6, 4),
    ],
)
def test_processes_are_added_as_long_as_they_pay(rates: dict[int, float], most: int, expected: int) -> None:
    assert sharing.choose(rates.__getitem__, most) == expected


@given(st.integers(1, 40), st.floats(0.1, 50), st.floats(0, 1))
def test_of_a_rate_that_saturates_the_choice_is_near_its_best(most: int, capacity: float, loss: float) -> None:
    """``capacity`` processes fill the GPU; more of them gain nothing, or lose."""

    def rate(count: int) -> float:
        return min(count, capacity) - loss * max(count - capacity, 0) / 100

    chosen = sharing.choose(rate, most)
    assert 1 <= chosen <= most
    assert rate(chosen) >= max(rate(count) for count in range(1, most + 1)) / 1.2


def test_memory_bounds_them() -> None:
    assert sharing.that_fit(140 * GIGABYTE, 3 * GIGABYTE) == 28
    assert sharing.that_fit(10 * GIGABYTE, 3 * GIGABYTE) == 2
    assert sharing.that_fit(2 * GIGABYTE, 3 * GIGABYTE) == 1
    assert sharing.that_fit(2 * GIGABYTE, 0) > 16


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Protocol:
    path = tmp_path_factory.mktemp("tiny") / "tiny.toml"
    path.write_text(PROTOCOL)
    return load(str(path))


def test_a_trial_measures_processes_side_by_side_and_leaves_none(
    tiny: Protocol, digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "MEASURE", 0.1)
    memory: Iterator[int] = iter([10 * GIGABYTE, 7 * GIGABYTE])  # two fit
    found = sharing.measure(sharing.trial_of(tiny, digits), "cpu", 8, lambda: next(memory), 120.0)
    assert found is not None
    assert list(found.rates) == [1, 2]
    assert found.processes in (1, 2)
    assert all(rate > 0 for rate in found.rates.values())
    assert found.line.startswith(f"processes that share a GPU: {found.processes} (steps per second in a trial: ")
    assert not [child for child in torch.multiprocessing.active_children() if child.daemon]


def test_a_device_on_which_no_process_can_begin_has_one(
    tiny: Protocol, digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong with it shows in the runs; under the service it is tried again without."""
    said: list[str] = []
    trials: list[bool] = []

    def measure(*_: Any) -> None:
        trials.append(mps.PIPE in os.environ)

    def start() -> bool:
        monkeypatch.setenv(mps.PIPE, "/nowhere")
        return True

    monkeypatch.setattr(sharing, "cores", lambda: 8)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (GIGABYTE, GIGABYTE))
    monkeypatch.setattr(sharing, "measure", measure)
    monkeypatch.setattr(mps, "start", start)
    monkeypatch.setattr(mps, "stop", lambda: monkeypatch.delenv(mps.PIPE))
    assert sharing.processes_per_gpu(sharing.trial_of(tiny, digits), "cuda:0", 1, said.append) == 1
    assert trials == [True, False]
    assert said == ["processes cannot begin under NVIDIA's multi-process service: going on without it"]
    assert sharing.processes_per_gpu(sharing.trial_of(tiny, digits), "cuda:0", 8, said.append) == 1
    assert len(trials) == 2  # a core for each GPU: nothing to try


def test_without_a_process_on_every_gpu_the_service_is_not_used(
    tiny: Protocol, digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    class Probe:
        def __init__(self, trial: sharing.Trial, device: str) -> None:
            self.device = device

        def is_ready(self, patience: float) -> bool:
            tried.append(self.device)
            return self.device != "cuda:2"

        def end(self) -> None: ...

    ended: list[bool] = []
    monkeypatch.setattr(sharing, "cores", lambda: 64)
    monkeypatch.setattr(sharing, "_known", {})
    monkeypatch.setattr(sharing, "_Probe", Probe)
    monkeypatch.setattr(sharing, "measure", lambda *_: sharing.Shared(2 if ended else 9, {}))
    monkeypatch.setattr(mps, "start", lambda: True)
    monkeypatch.setattr(mps, "stop", lambda: ended.append(True))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (GIGABYTE, GIGABYTE))
    trial, said = sharing.trial_of(tiny, digits), list[str]()
    assert sharing.processes_per_gpu(trial, "cuda:0", 4, said.append) == 2
    assert (tried, ended) == (["cuda:1", "cuda:2"], [True])
    assert said[0] == "processes cannot begin under NVIDIA's multi-process service: going on without it"
    monkeypatch.setattr(sharing, "_known", {})
    ended.clear()
    assert sharing.processes_per_gpu(trial, "cuda:0", 2, said.append) == 9


def test_a_trial_leaves_the_time_to_the_runs(
    tiny: Protocol, digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(sharing, "cores", lambda: 8)
    monkeypatch.setattr(sharing, "measure", lambda *given: waited.append(given[-1]))
    monkeypatch.setattr(mps, "start", lambda: False)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (GIGABYTE, GIGABYTE))
    trial = sharing.trial_of(tiny, digits)
    for left in (None, 10_000.0, 180.0, -5.0):
        deadline = None if left is None else time.time() + left
        assert sharing.processes_per_gpu(trial, "cuda:0", 1, print, deadline) == 1
    assert waited == [120.0, 120.0, pytest.approx(45.0, abs=1.0), 0.0]


class _Enough(Exception):
    """Ends a trial at its first training."""


def test_a_trial_trains_under_the_settings_of_a_run(
    tiny: Protocol, digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)

    def fit(*_: Any) -> None:
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == backends.CUBLAS_WORKSPACE
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.allow_tf32
        assert torch.get_num_threads() == 1
        raise _Enough

    monkeypatch.setattr(sharing.signals, "enter_worker", lambda: None)
    monkeypatch.setattr(sharing.supervised, "fit", fit)
    channel: Any = None
    with pytest.raises(_Enough):
        sharing._train(channel, sharing.trial_of(tiny, digits), "cpu")


def test_a_trial_is_made_once_for_equal_trainings(
    tiny: Protocol, digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials: list[int] = []

    def measure(*_: Any) -> sharing.Shared:
        trials.append(len(trials))
        return sharing.Shared(3 + len(trials), {1: 100.0, 4: 333.3})

    monkeypatch.setattr(sharing, "cores", lambda: 8)
    monkeypatch.setattr(sharing, "measure", measure)
    monkeypatch.setattr(sharing, "_known", {})
    monkeypatch.setattr(mps, "start", lambda: False)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (GIGABYTE, GIGABYTE))
    said: list[str] = []
    wider = tiny.override(**{"model.parameters.width": 8})
    found = [
        sharing.processes_per_gpu(sharing.trial_of(protocol, digits), "cuda:0", 1, said.append)
        for protocol in (tiny, tiny, wider, tiny.override(seeds=[7]))
    ]
    assert found == [4, 4, 5, 4]
    assert said[0] == "processes that share a GPU: 4 (steps per second in a trial: 100 with 1, 333 with 4)"
    assert len(said) == 2


# --- devices


def devices(monkeypatch: pytest.MonkeyPatch, gpus: int, *arguments: Any, each: int = 4) -> tuple[list[str], int]:
    """The workers' devices, and how often it was asked how many share a GPU."""
    asked = []

    def per_gpu(device: str, count: int) -> int:
        asked.append((device, count))
        return each

    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    return executors._devices(*arguments, per_gpu), len(asked)


def test_processes_are_spread_over_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices(monkeypatch, 1, "cuda", None, 100) == (["cuda:0"] * 4, 1)
    assert devices(monkeypatch, 2, "cuda", None, 100) == (["cuda:0", "cuda:1"] * 4, 1)
    assert devices(monkeypatch, 2, "cuda", None, 5) == (["cuda:0", "cuda:1", "cuda:0", "cuda:1", "cuda:0"], 1)
    assert devices(monkeypatch, 4, "cuda", None, 3) == (["cuda:0", "cuda:1", "cuda:2"], 0)
    assert devices(monkeypatch, 2, "cuda", 3, 100) == (["cuda:0", "cuda:1", "cuda:0"], 0)
    assert devices(monkeypatch, 2, "cuda:1", None, 100) == (["cuda:1"] * 4, 1)
    assert devices(monkeypatch, 1, "cuda", None, 1) == (["cuda:0"], 0)
    monkeypatch.setattr(executors, "cores", lambda: 3)
    assert devices(monkeypatch, 0, "cpu", None, 100) == (["cpu"] * 3, 0)
    assert devices(monkeypatch, 0, "cpu", 5, 4) == (["cpu"] * 4, 0)


def test_a_single_run_begins_here_without_a_trial(tiny: Protocol) -> None:
    def never(device: str, gpus: int) -> int:
        raise AssertionError

    assert isinstance(executors.executor_for(tiny, "local", "cuda:0", None, {}, 1, never), InProcess)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_nothing_is_started_once_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch, tiny: Protocol, digits: ImageData, device: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    trials: list[str] = []
    monkeypatch.setattr(sharing, "processes_per_gpu", lambda trial, device, *_: trials.append(device) or 4)

    def chosen(deadline: float | None, load: Callable[[], ImageData] = lambda: digits) -> Executor:
        per_gpu = executors.by_trial(tiny, load, deadline, print)
        return executors.executor_for(tiny, "local", device, None if device == "cuda" else 2, {}, 9, per_gpu, deadline)

    def slow() -> ImageData:
        monkeypatch.setattr(time, "time", lambda: over + 1)
        return digits

    over = time.time()
    assert isinstance(chosen(over), InProcess)
    assert not trials
    for deadline in (None, over + 1000):
        assert isinstance(chosen(deadline), Supervisor)
    assert len(trials) == 2 * (device == "cuda")
    if device == "cuda":  # over while the data are read
        over += 2000
        assert isinstance(chosen(over, slow), InProcess)
        assert len(trials) == 2


# --- order

PRICES = {"random": 1.0, "margin": 2.0, "badge": 9.0, "coreset": 5.0, "learning-loss": 3.0}


def test_within_a_seed_the_dearest_runs_come_first(tiny: Protocol, tmp_path: Path) -> None:
    costs: Any = SimpleNamespace(
        of_round=lambda strategy, learner, labels, is_trained: (PRICES[strategy] * labels, True),
        first=10,
        shares_first=lambda strategy, learner: strategy != "learning-loss",
    )
    names = ["random", "learning-loss", "margin", "badge", "coreset"]
    tasks = [run_task(tmp_path, tiny, RunKey(name, "supervised", seed)) for seed in (3, 1) for name in names]
    ordered = [(task.key.seed, task.key.strategy) for task in balanced(tasks, costs)]
    expected = ["random", "learning-loss", "badge", "coreset", "margin"]
    assert ordered == [(seed, name) for seed in (3, 1) for name in expected]
