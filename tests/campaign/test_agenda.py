"""Which run comes next: none that would wait for what another one computes, while there is something else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmark.campaign.agenda import Agenda
from benchmark.campaign.plan import RunPlan, shared
from benchmark.campaign.tasks import Ended, Failure, RoundDone
from benchmark.experiment import Protocol, load
from benchmark.experiment.keys import RunKey
from strategies.registry import resolve


def planned(*runs: tuple[str, int]) -> list[Any]:
    """Tasks of supervised learning; typiclust and tcm need features, of each seed's own."""
    protocol = load("mnist")
    plans = [
        RunPlan(RunKey(name, "supervised", seed), resolve(name), Path(f"/nowhere/{name}-{seed}")) for name, seed in runs
    ]
    return [SimpleNamespace(key=plan.key, path=plan.path, shared=shared(plan, protocol)) for plan in plans]


def begun(agenda: Agenda) -> str:
    task = agenda.next()
    assert task is not None
    return f"{task.key.strategy} {task.key.seed}"


def with_a_round(agenda: Agenda, strategy: str, seed: int) -> None:
    record: Any = None
    agenda.heed(RoundDone(RunKey(strategy, "supervised", seed), record))


def test_what_another_run_computes_for_a_seed_is_not_waited_for_while_there_is_something_else() -> None:
    agenda = Agenda(planned(("random", 0), ("margin", 0), ("typiclust", 0), ("random", 1), ("margin", 1)), print)
    assert begun(agenda) == "random 0"
    assert begun(agenda) == "random 1", "the first training of seed 0 is under way"
    with_a_round(agenda, "random", 0)
    assert begun(agenda) == "margin 0"
    assert begun(agenda) == "typiclust 0"
    assert begun(agenda) == "margin 1", "nothing else is left: it waits for the first training of seed 1"
    assert agenda.next() is None


def test_features_are_prepared_by_one_run_of_those_that_need_them() -> None:
    agenda = Agenda(planned(*((name, 0) for name in ("random", "typiclust", "kmeans", "tcm", "margin"))), print)
    assert begun(agenda) == "random 0"
    with_a_round(agenda, "random", 0)
    assert [begun(agenda) for _ in range(4)] == ["typiclust 0", "kmeans 0", "margin 0", "tcm 0"]


def test_a_module_of_its_own_shares_no_training_and_is_not_kept_waiting() -> None:
    agenda = Agenda(planned(("random", 0), ("learning-loss", 0), ("margin", 0), ("random", 1)), print)
    assert [begun(agenda) for _ in range(4)] == ["random 0", "learning-loss 0", "random 1", "margin 0"]


def test_another_run_prepares_where_the_first_has_failed() -> None:
    agenda = Agenda(planned(("random", 0), ("random", 1), ("margin", 0)), print)
    task = agenda.next()
    assert task is not None
    assert agenda.over(task, Ended("failed", Failure("no"))) is not None
    assert begun(agenda) == "random 1"
    assert begun(agenda) == "margin 0", "which computes the first training of seed 0 now"


def test_what_runs_share_follows_from_learner_network_features_and_what_is_on_disk(tmp_path: Path) -> None:
    def of(strategy: str, protocol: Protocol, learner: str = "supervised", **changes: Any) -> set[str]:
        plan = RunPlan(RunKey(strategy, learner, 3), resolve(strategy), tmp_path / "none", **changes)
        return set(shared(plan, protocol))

    own = load("mnist")
    common = own.override(**{"features.method": "torchvision:ResNet18_Weights.IMAGENET1K_V1"})
    assert of("random", own) == {"first training of supervised, seed 3"}
    assert of("random", own, "fixmatch") == {"first training of fixmatch, seed 3"}
    assert of("random", own, begun=tmp_path) == set(), "it goes on with a published run"
    assert of("typiclust", own) == {"first training of supervised, seed 3", "features of seed 3"}
    assert of("power:margin", own) == of("random", own)
    replay = own.override(replay="of/some/runs")
    assert of("typiclust", replay) == of("learning-loss", replay) == of("random", own)
    assert of("random", load("cifar10-embeddings")) == set(), "its head is solved"
    assert of("typiclust", load("cifar10-embeddings")) == set(), "its features are the data"
    assert of("typiclust", common) == {"first training of supervised, seed 3", "features"}, "one for all seeds"
