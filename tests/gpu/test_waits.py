"""Trainings and queries on the pretended GPU: how often the host waits, and how many operations a step has."""

from __future__ import annotations

import pytest
import torch
from support.pretended_gpu import missing

if lacking := missing():
    pytest.skip(f"this PyTorch lacks {', '.join(lacking)}", allow_module_level=True)

from support.device_costs import BATCHES, LEARNERS, Steps, query, steps, table

from strategies import registry

COSTS = table()
COUNTED = "counted with PyTorch " + COSTS["torch"]
SAME_TORCH = torch.__version__.partition("+")[0] == COSTS["torch"]
WRITE = "PYTHONPATH=.:tests python -m support.device_costs"
# What CUDA may do in an order of its own without a change of any number: the votes of a committee or of masks are
# sums of ones, and of a median or a quantile the value is read, not the position.
EXACT = {
    "strategies/variation_ratio.py",
    "strategies/query_by_committee.py",
    "strategies/components/radii.py",
    "strategies/boss.py",
}


@pytest.fixture(scope="module")
def trained() -> dict[str, Steps]:
    return {name: steps(name) for name in LEARNERS}


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_host_waits_and_copies_for_no_step(learner: str, trained: dict[str, Steps]) -> None:
    """At the end of an epoch, here of two steps, it may: learners that average their weights evaluate the average."""
    counted = trained[learner]
    assert len(counted.waits) == 23
    within = [counted.waits[::2], counted.copies[::2]] if learner != "supervised" else [counted.waits, counted.copies]
    assert not any(map(any, within)), counted


@pytest.mark.skipif(not SAME_TORCH, reason=COUNTED)
@pytest.mark.parametrize("learner", LEARNERS)
def test_a_step_has_as_many_operations_as_the_table_says(learner: str, trained: dict[str, Steps]) -> None:
    assert min(trained[learner].operations) == COSTS["operations"][learner], f"if fewer, write the table: {WRITE}"


def test_the_table_has_every_strategy_and_learner() -> None:
    assert list(COSTS["waits"]) == list(registry.names())
    assert list(COSTS["operations"]) == list(LEARNERS)


@pytest.mark.parametrize("strategy", registry.names())
def test_a_query_waits_as_often_as_the_table_says(strategy: str) -> None:
    counted = [query(strategy, n) for n in BATCHES]
    unordered = {place.partition(" at ")[2].partition(":")[0] for _, places in counted for place in places}
    assert not unordered - EXACT
    if not SAME_TORCH:
        pytest.skip(COUNTED)
    assert [waits for waits, _ in counted] == COSTS["waits"][strategy], f"if fewer, write the table: {WRITE}"
