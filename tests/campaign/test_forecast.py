"""What a campaign says it will cost, before it computes anything."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.tiny import bench

from benchmark.campaign.costs import FORWARD_SMALL, ROUGH_SMALL, Costs, Sizes
from benchmark.campaign.forecast import core_alone, forecast, lines, until_last
from benchmark.campaign.heads import with_training
from benchmark.experiment import load
from benchmark.experiment.keys import RunKey
from benchmark.experiment.operations import IMAGES, of_model
from benchmark.loop import calibration
from benchmark.training import operations

PROTOCOL, SIZES = load("mnist"), Sizes((1, 28, 28), 10, 60_000, 10_000)
FORWARD = 2 * of_model(PROTOCOL.model, IMAGES["mnist"]).forward / calibration.OPERATIONS * FORWARD_SMALL  # of an image


def record(strategy: str, *rounds: tuple[int, float, float], calibrated: float | None = 0.01, seed: int = 0) -> Any:
    """A run with rounds (label count, seconds of training, of the query), none of them shared."""
    lines_of = [
        SimpleNamespace(
            num_labelled=labels,
            seconds=SimpleNamespace(train=train, query=query, evaluate=0.5),
            calibration_seconds=calibrated,
            shared_training=False,
        )
        for labels, train, query in rounds
    ]
    return SimpleNamespace(key=RunKey(strategy, "supervised", seed), rounds=lines_of)


def costs(*known: Any, here: float = 0.01) -> Costs:
    return Costs(PROTOCOL, SIZES, known, here)


def test_a_round_costs_the_median_of_its_like_at_the_present_speed() -> None:
    known = [record("badge", (20, 2.0, seconds), seed=seed) for seed, seconds in enumerate((1.0, 3.0, 50.0))]
    assert costs(*known).of_round("badge", "supervised", 20) == (pytest.approx(5.5), True)
    assert costs(*known, here=0.02).of_round("badge", "supervised", 20) == (pytest.approx(11.0), True)
    uncalibrated = record("badge", (20, 2.0, 1.0), calibrated=None)
    assert costs(uncalibrated, here=0.02).of_round("badge", "supervised", 20) == (pytest.approx(3.5), True)
    # What is not calibrated, of older versions, does not count beside what is.
    mixed = costs(record("badge", (20, 90.0, 9.0), calibrated=None), *known[:1])
    assert mixed.of_round("badge", "supervised", 20) == (pytest.approx(3.5), True)


def test_other_label_counts_cost_the_training_there_and_what_the_strategy_costs_beside_it() -> None:
    random, badge = record("random", (20, 2.0, 0.0), (300, 9.0, 0.0)), record("badge", (20, 2.0, 7.0))
    assert costs(random, badge).of_round("badge", "supervised", 300) == (pytest.approx(9.0 + 7.5), True)
    both = costs(random, badge)
    rate = 2.0 / costs()._training("supervised", 20), 9.0 / costs()._training("supervised", 300)
    evaluated = sum(rate) / 2 * 0.01 * 10_000 * FORWARD
    assert both.of_round("margin", "supervised", 300) == (pytest.approx(9.0 + evaluated), True)


def test_where_no_run_tells_operations_do() -> None:
    model = PROTOCOL.model
    operations_of = operations.of_training(model.name, model.parameters, SIZES.shape, PROTOCOL.recipe, 300)
    bare = ROUGH_SMALL * 0.01 * operations_of / calibration.OPERATIONS
    evaluated = 0.01 * 10_000 * FORWARD
    assert costs().of_round("random", "supervised", 300) == (pytest.approx(bare + evaluated), True)
    assert costs().of_round("random", "fixmatch", 300)[1] is False
    # A recorded training that took twice as long as its operations suggest doubles the others.
    steps = [PROTOCOL.recipe.steps(labels) for labels in (100, 300)]
    recorded = record("random", (100, 2 * bare * steps[0] / steps[1], 0.0))
    assert costs(recorded).of_round("margin", "supervised", 300)[0] == pytest.approx(2 * (bare + evaluated))


def test_the_passes_of_a_query_count_where_no_run_tells() -> None:
    """Margin looks at each of the pool once, badge does more than its pass, nobody queries in the last round."""
    random = costs().of_round("random", "supervised", 280)[0]
    queried = random + 0.01 * (60_000 - 280) * FORWARD
    assert costs().of_round("margin", "supervised", 280) == (pytest.approx(queried), True)
    assert costs().of_round("badge", "supervised", 280) == (pytest.approx(queried), False)
    assert costs().of_round("bald", "supervised", 280)[0] > 4 * queried
    last = costs().of_round("random", "supervised", 300)[0]
    assert costs().of_round("margin", "supervised", 300)[0] == pytest.approx(last)
    assert costs().of_round("mine:Mine", "supervised", 280) == (pytest.approx(random), False)


def test_on_digits_the_core_costs_about_what_it_did_on_a_core() -> None:
    """Measured with the fixed computation at 0.0015 s: rounds of one seed, of which small networks hardly compute."""
    protocol, sizes = load("digits"), Sizes((1, 8, 8), 10, 1258, 539)
    took = {"random": 1.46, "margin": 1.22, "bald": 2.07, "learning-loss": 2.41, "semi-supervised-learning-loss": 8.10}
    found = Costs(protocol, sizes, (), 0.0015)
    for strategy, seconds in took.items():
        run = RunKey(strategy, "supervised", 0)
        assert forecast(found, [(run, protocol.budgets)]).seconds == pytest.approx(seconds, rel=0.4), strategy


def test_the_first_training_of_a_seed_counts_once() -> None:
    keys = [RunKey(name, "supervised", seed) for seed in (0, 1) for name in ("random", "learning-loss", "margin")]
    one = {key: forecast(costs(), [(key, (20, 40))]).seconds for key in keys}
    shared = 2 * costs()._training("supervised", 20)
    assert forecast(costs(), [(key, (20, 40)) for key in keys]).seconds == pytest.approx(sum(one.values()) - shared)


def test_a_first_training_of_each_network_takes_about_as_long_as_it_did_on_a_core() -> None:
    """Measured with these seconds of the fixed computation: 9,600 steps of 0.0295 s, 150 of 0.0066 s."""
    sizes = Sizes((3, 32, 32), 10, 50_000, 10_000)
    cifar10 = Costs(load("cifar10"), sizes, (), 0.0042).of_round("random", "supervised", 1000)[0]
    assert cifar10 == pytest.approx(9_600 * 0.0295, rel=0.5)
    steps = PROTOCOL.recipe.steps(300)
    assert costs(here=0.0039).of_round("random", "supervised", 300)[0] == pytest.approx(steps * 0.0066, rel=0.5)


def test_heads_cost_what_their_steps_or_their_solution_takes() -> None:
    """Measured with the fixed computation at 0.0034 s: rounds of 0.084 s; 500 steps on 20,000 × 64 entries, 0.4 s."""
    protocol, sizes = load("cifar10-embeddings-2000"), Sizes((256, 1, 1), 10, 50_000, 10_000)
    solved = Costs(protocol, sizes, (), 0.0034).of_round("random", "supervised", 1000)[0]
    assert solved == pytest.approx(0.084, rel=0.6)
    trained = protocol.override(**with_training(protocol, {"model.name": "mlp", "model.parameters": {}}))
    steps = trained.recipe.steps(200)
    cost = Costs(trained, sizes, (), 0.0034).of_round("random", "supervised", 200)[0]
    assert cost == pytest.approx(steps * 0.0008, rel=0.5)


def test_what_else_the_machine_does_for_a_moment_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    took = iter([9.0, 8.0, 0.5, 7.0])
    monkeypatch.setattr(calibration, "_seconds", lambda compute: next(took))
    now = iter([0.0, 0.0, 0.1, 0.2, 0.4])
    monkeypatch.setattr(calibration, "time", SimpleNamespace(monotonic=lambda: next(now)))
    assert calibration.quickest_seconds(torch.device("cpu")) == 0.5


def test_the_lines_say_what_is_left_what_is_not_counted_and_what_the_core_costs() -> None:
    known = costs(record("random", (20, 3600.0, 0.0), (40, 3600.0, 0.0)))
    missing = [(RunKey(name, "supervised", 0), (20, 40)) for name in ("random", "typiclust")]
    command = ["--strategies", "random", "typiclust", "--seeds", "0"]
    said = lines(5, known, missing, frozenset({"random"}), command)
    assert said == [
        "2 of 5 runs are left, 4 rounds: at least 3.2 h of one worker",
        "it may take much longer, because no earlier run shows how long typiclust takes: go by the time left, "
        "shown after each round",
        "the core strategies alone, 1 run, about 2.0 h of one worker: "
        "python run_benchmark.py --strategies core --seeds 0",
    ]
    assert lines(5, known, missing[:1], frozenset({"random"}), command)[1:] == []
    (two, *_) = lines(5, known, missing, frozenset(), command, workers=2)
    assert two == "2 of 5 runs are left, 4 rounds: at least 2.0 h with 2 workers (3.2 h of one)"  # the longer run
    (one, *_) = lines(5, known, missing[:1], frozenset(), command, workers=2)
    assert one == "1 of 5 runs is left, 2 rounds: about 2.0 h of one worker"
    (brief, *_) = lines(5, costs(record("random", (20, 3.0, 0.0))), [(missing[0][0], (20,))], frozenset(), command)
    assert brief == (
        "1 of 5 runs is left, 1 round: about 4 s of one worker, and some seconds to start and to write the report"
    )
    (least, *_) = lines(5, costs(record("random", (20, 0.0, 0.0))), [(missing[0][0], (20,))], frozenset(), command)
    assert "about 1 s of one worker" in least
    many = [(RunKey(name, "supervised", 0), (20, 40)) for name in ("badge", "bait", "kmeans", "coreset", "typiclust")]
    assert "how long badge, bait, kmeans and 2 others take: go by" in lines(5, known, many, frozenset(), command)[1]


@pytest.mark.parametrize(
    ("runs", "workers", "seconds"),
    [
        ((3.0,) * 5, 2, 9.0),  # not 7.5: the fifth is computed alone
        ((3.0,) * 4, 2, 6.0),
        ((1.0, 1.0, 4.0), 2, 5.0),
        ((4.0, 1.0, 1.0), 2, 4.0),
        ((2.0, 1.0), 8, 2.0),
        ((2.0, 1.0), 1, 3.0),
        ((), 2, 0.0),
    ],
)
def test_runs_end_when_the_last_of_them_does(runs: tuple[float, ...], workers: int, seconds: float) -> None:
    assert until_last(runs, workers) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("--strategies all --dataset cifar10", "--strategies core --dataset cifar10"),
        ("--dataset cifar10 --strategies a b c", "--dataset cifar10 --strategies core"),
        ("--strategies=all --seeds 0 1", "--strategies core --seeds 0 1"),
        ("--protocol mnist", "--protocol mnist --strategies core"),
        ("--strategies a b --seeds 0 --strategies c --name d", "--strategies core --seeds 0 --name d"),
    ],
)
def test_the_command_for_the_core_is_the_same_but_for_its_strategies(command: str, expected: str) -> None:
    assert core_alone(command.split()) == expected.split()


def test_the_cost_is_said_before_the_first_round(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = ("--strategies", "random", "margin", "kmeans")
    assert bench(tmp_path, *grid, "--seeds", "0") == 0
    capsys.readouterr()
    assert bench(tmp_path, *grid, "--seeds", "0", "1") == 0
    said = capsys.readouterr().out
    assert said.index("3 of 6 runs are left, 9 rounds: about ") < said.index("seed 1: 10 labels")
    assert "it may take much longer" not in said  # seed 0 tells
    assert "the core strategies alone" not in said  # of which two are asked for
    assert bench(tmp_path, *grid, "--seeds", "0", "1") == 0
    assert "are left" not in capsys.readouterr().out
    assert bench(tmp_path, "--strategies", "core", "lcmd", "--seeds", "0", "--time-limit", "0s") == 3
    assert "the core strategies alone, 7 runs, at least " in capsys.readouterr().out
