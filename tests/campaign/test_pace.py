"""The time that is left of a campaign, by the rounds that have ended."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console
from support.report_lines import round_of

from benchmark.campaign.pace import Cost, Pace
from benchmark.campaign.progress import Display
from benchmark.campaign.tasks import RoundDone
from benchmark.experiment.keys import RunKey
from benchmark.results.records import RoundRecord, Seconds

CHEAP, DEAR = RunKey("random", "supervised", 0), RunKey("bald", "supervised", 0)
NEVER = RunKey("uherding", "supervised", 0)  # what no run on disk tells


def took(labels: int, train: float, query: float = 0.0, shared: bool = False) -> RoundRecord:
    return round_of(0, labels, seconds=Seconds(train, query, 0.0), shared_training=shared)


def ten(key: RunKey, seconds: float, whole: bool = True) -> dict[tuple[RunKey, int], Cost]:
    return {(key, labels): Cost(seconds, whole) for labels in range(10, 110, 10)}


def test_a_machine_half_as_fast_as_it_was_takes_twice_the_forecast() -> None:
    pace = Pace(ten(CHEAP, 2.0) | ten(DEAR, 14.0))
    pace.take(CHEAP, took(10, 4.0), 4.0)
    assert pace.left(4.0) == pytest.approx(2 * (9 * 2 + 10 * 14))


def test_one_that_no_run_tells_slows_nothing_but_itself() -> None:
    pace = Pace(ten(CHEAP, 0.02) | ten(NEVER, 0.02, whole=False))
    assert pace.left(0.0) is None
    pace.take(NEVER, took(10, 0.02, 4.0), 4.02)
    assert pace.left(4.02) == pytest.approx(9 * 4.02 + 10 * 0.02)
    pace.take(CHEAP, took(10, 0.04), 4.06)
    assert pace.left(4.06) == pytest.approx(9 * 4.02 + 9 * 0.04)


def test_what_the_start_takes_comes_once() -> None:
    """The first round ends after 20 s, of which it took a tenth of a second."""
    pace = Pace(ten(CHEAP, 0.1))
    pace.take(CHEAP, took(10, 0.1), 20.0)
    assert pace.left(20.0) == pytest.approx(0.9)


def test_two_workers_halve_the_time_left() -> None:
    pace = Pace(ten(CHEAP, 10.0) | ten(DEAR, 10.0))
    pace.take(CHEAP, took(10, 10.0), 15.0)
    pace.take(DEAR, took(10, 10.0), 15.0)
    assert pace.left(15.0) == pytest.approx(18 * 10 / 2)


def test_before_the_second_of_two_workers_has_ended_a_round_it_counts_as_at_work() -> None:
    """They began together, and the first to end tells nothing of the other; alone it would be twice as long."""
    runs = [RunKey("random", "supervised", seed) for seed in range(4)]
    costs = {cost: one for run in runs for cost, one in ten(run, 10.0).items()}
    alone, both = Pace(costs), Pace(costs, at_once=2)
    for pace in (alone, both):
        pace.take(runs[0], took(10, 10.0), 10.0)
    assert alone.left(10.0) == pytest.approx(39 * 10)
    assert both.left(10.0) == pytest.approx(39 * 10 / 2)
    both.take(runs[1], took(10, 10.0), 10.0)
    assert both.left(10.0) == pytest.approx(38 * 10 / 2)


def test_workers_beyond_the_runs_do_not_count() -> None:
    pace = Pace(ten(CHEAP, 10.0), at_once=8)
    pace.take(CHEAP, took(10, 10.0), 10.0)
    assert pace.left(10.0) == pytest.approx(9 * 10)


def test_the_last_run_is_computed_by_one_worker() -> None:
    """Two workers have shared the first, of which one round is left: its rounds follow one another."""
    pace = Pace(ten(CHEAP, 1.0) | ten(DEAR, 10.0), at_once=2)
    for number in range(9):
        pace.take(CHEAP, took(10 * number + 10, 1.0), 10.0)
    pace.take(DEAR, took(10, 10.0), 10.0)
    assert pace.left(10.0) == pytest.approx(9 * 10)


def test_what_a_failed_run_lacks_is_not_left() -> None:
    pace = Pace(ten(CHEAP, 1.0) | ten(DEAR, 10.0))
    pace.take(DEAR, took(10, 10.0), 10.0)
    pace.take(CHEAP, took(10, 1.0), 11.0)
    pace.over(DEAR)
    assert pace.left(11.0) == pytest.approx(9 * 1)


def test_a_round_done_again_counts_once() -> None:
    pace = Pace(ten(CHEAP, 10.0))
    pace.take(CHEAP, took(10, 10.0), 10.0)
    pace.take(CHEAP, took(10, 10.0), 20.0)
    assert pace.left(20.0) == pytest.approx(9 * 10)


def test_a_shared_training_says_nothing_of_the_others() -> None:
    """Its query took a second where a round was to take 200, nearly all of it training."""
    pace = Pace(ten(DEAR, 200.0, whole=False))
    pace.take(DEAR, took(10, 200.0, query=1.0, shared=True), 1.0)
    assert pace.left(1.0) == pytest.approx(9 * 200)
    pace.take(DEAR, took(20, 400.0, query=1.0), 402.0)
    assert pace.left(402.0) == pytest.approx(8 * 401)


def test_without_seconds_all_rounds_count_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 10.0])
    monkeypatch.setattr("benchmark.campaign.progress.time", SimpleNamespace(monotonic=lambda: next(now)))
    out = io.StringIO()
    with Display(Console(file=out, width=200), ten(CHEAP, 1.0), {10: 1}) as display:
        display.take(RoundDone(CHEAP, took(10, 0.0)))
    assert "about 2 min left" in out.getvalue()
