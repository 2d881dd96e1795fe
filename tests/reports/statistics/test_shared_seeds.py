"""Which runs stand beside one another."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmark.reports.statistics.seeds import comparable, seed_groups


def frame_of(seeds: dict[str, range | list[int]], labels: list[int] = [10, 20]) -> pd.DataFrame:  # noqa: B006
    rows = [(name, "supervised", s, n, 0.5) for name, some in seeds.items() for s in some for n in labels]
    frame = pd.DataFrame(rows, columns=["strategy", "learner", "seed", "labels", "accuracy"])
    return frame.assign(train_seconds=1.0, query_seconds=0.1)


def names(keys: list[tuple[str, str]]) -> list[str]:
    return [strategy for strategy, _ in keys]


@pytest.mark.parametrize(
    ("seeds", "complete", "partial", "unfinished"),
    [
        ({"random": range(10), "a": range(10), "b": range(3)}, ["random", "a"], ["b"], []),
        ({"random": range(10), "a": range(9), "b": range(8), "c": range(7)}, ["random", "a", "b"], ["c"], []),
        ({"random": range(5), "a": range(5), "b": range(4), "c": range(3)}, ["random", "a", "b"], ["c"], []),
        ({"random": range(2), "a": range(2), "b": range(1)}, ["random", "a", "b"], [], []),  # too few for any test
        ({"random": range(3), "a": range(20), "b": range(3)}, ["random", "a", "b"], [], []),  # what random has too
        ({"random": range(10), "a": range(3), "b": range(3)}, ["random", "a", "b"], [], []),  # random alone is no group
        ({"random": range(5), "a": range(5), "b": [7, 8]}, ["random", "a"], [], ["b"]),
        ({"a": range(10), "b": range(3)}, ["a"], ["b"], []),
        ({"random": range(3)}, ["random"], [], []),
    ],
)
def test_seed_groups(
    seeds: dict[str, range | list[int]], complete: list[str], partial: list[str], unfinished: list[str]
) -> None:
    found = seed_groups(frame_of(seeds))
    assert [names(keys) for keys in found] == [complete, partial, unfinished]


def test_groups_are_of_seeds_that_the_reference_has_too() -> None:
    seeds = {"random": range(10), "a": range(10), "b": range(3)}
    assert names(seed_groups(frame_of(seeds), reference="b").complete) == ["random", "a", "b"]
    more = frame_of(seeds | {"b": range(5), "c": range(2)})
    assert [names(keys) for keys in seed_groups(more, reference="b")] == [["random", "a", "b"], ["c"], []]


def test_who_is_not_done_takes_no_seed_from_the_others() -> None:
    begun = frame_of({"late": [0], "early": range(5)}, [10])
    frame = pd.concat([frame_of({"random": range(5), "a": range(5)}), begun], ignore_index=True)
    found = seed_groups(frame, end=20)
    assert names(found.unfinished) == ["late", "early"]
    shared, notes = comparable(frame, found.unfinished)
    assert shared.groupby(["strategy", "labels"]).size().to_dict() == {
        **{(name, labels): 5 for name in ("random", "a") for labels in (10, 20)},
        ("early", 10): 5,
    }
    assert notes == ["Left out at 10 labels: late, which lacks seeds of the others."]


def test_notes_on_what_is_left_out_stay_short() -> None:
    _, notes = comparable(frame_of({"random": range(10), **{f"m{i}": range(3) for i in range(30)}}))
    assert notes == ["Left out at 10 to 20 labels: seeds 3–9, which m0, m1, m2, … (30 strategies) did not run."]
