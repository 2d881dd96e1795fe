"""Premises of strategies: measures against brute force, and verdicts where a premise fails in most rounds."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from support.report_lines import header_of, round_of

from benchmark.experiment.keys import RunKey
from benchmark.reports.statistics.degeneracy import RULES, degenerate, failing
from benchmark.reports.statistics.premises import alike, by_round, effective, measures, rounds_of
from benchmark.results.records import LabelsRecord, RoundRecord, RunRecord

EVEN = tuple(range(10)) * 2
TWO = (0, 1) * 10
CHANCE, NOISE = "loss_rank.pool.auroc", "premise.informative_picks"


def run_of(
    strategy: str,
    seed: int = 0,
    labels: Sequence[Sequence[int]] = (EVEN,) * 4,
    diagnostics: Sequence[Mapping[str, float]] = ({},) * 4,
    first: int = 1000,
    accuracy: float | None = None,
) -> RunRecord:
    """A run that acquires ``labels`` from round to round, 20 at first; its last round acquires nothing.

    Its images are ``first``, ``first`` + 1, …; its accuracy is its own unless it is given.
    """
    number, rounds = 20, []
    for i, (batch, found) in enumerate(zip([*labels, ()], [*diagnostics, {}], strict=True)):
        record = round_of(
            i,
            number,
            class_accuracy=(0.5,) * 10,
            accuracy=accuracy or 0.5 + len(strategy) / 1000,
            acquired_indices=tuple(range(first + number, first + number + len(batch))),
            acquired_labels=tuple(batch),
            diagnostics=found,
        )
        rounds.append(record)
        number += len(batch)
    return begun(strategy, EVEN, rounds, seed)


def begun(strategy: str, initial: Sequence[int], rounds: Sequence[RoundRecord], seed: int = 0) -> RunRecord:
    header = header_of(RunKey(strategy, "supervised", seed))
    labels = LabelsRecord(tuple(range(len(initial))), tuple(initial), ())
    return RunRecord(replace(header, initial=labels), tuple(rounds), Path())


def verdicts(*runs: RunRecord) -> dict[str, tuple[str, ...]]:
    return {strategy: found for (strategy, _), found in degenerate(runs).items()}


@pytest.mark.parametrize("labels", [[0, 0, 1, 2, 2, 2], [3] * 5, [0, 1], list(range(7)), [4], []])
def test_the_share_of_alike_pairs_counts_pairs(labels: list[int]) -> None:
    pairs = list(itertools.combinations(labels, 2))
    expected = sum(a == b for a, b in pairs) / len(pairs) if pairs else math.nan
    assert alike(Counter(labels)) == pytest.approx(expected, nan_ok=True)


def test_the_effective_number_of_classes_is_the_number_of_those_that_are_drawn_alike() -> None:
    assert effective(0.5, 10) == 2
    assert effective(0.0, 10) == 10
    assert effective(0.05, 10) == 10
    assert math.isnan(effective(math.nan, 10))


def test_what_the_labels_show_is_measured_for_runs_without_diagnostics() -> None:
    found = measures([run_of("a", labels=[[0, 0, 1], [5, 5, 5]], diagnostics=[{}, {}])])
    assert found["labels"].tolist() == [20, 23]
    assert found["alike"].tolist() == pytest.approx([1 / 3, 1])
    assert found["alike_so_far"].tolist() == pytest.approx([1 / 3, 4 / 15])
    assert found["class_0"].tolist() == pytest.approx([2 / 3, 0])
    assert found["missing"].tolist() == [0, 0]
    bare = run_of("a", labels=[[0, 1], [2, 9]], diagnostics=[{}, {}])
    assert measures([begun("a", (4, 4, 4), bare.rounds)])["missing"].tolist() == [9, 7]


def test_a_run_without_a_query_has_no_verdict() -> None:
    assert degenerate([run_of("a", labels=(), diagnostics=())]) == {}


def test_few_classes_are_told_where_random_acquires_more() -> None:
    random = [run_of("random", seed) for seed in range(3)]
    narrow = run_of("narrow", labels=(TWO,) * 4)
    assert verdicts(*random, narrow) == {"narrow": ("few classes",)}
    assert verdicts(narrow) == {}  # perhaps the pool has no more
    assert verdicts(run_of("random", labels=(TWO,) * 4), narrow) == {}
    assert verdicts(*random, run_of("half", labels=(TWO, EVEN, EVEN, EVEN))) == {}
    others = [range(2 * i, 2 * i + 2) for i in range(4)]
    assert verdicts(*random, run_of("in-turn", labels=[tuple(pair) * 10 for pair in others])) == {
        "in-turn": ("few classes",)
    }
    ((_, told),) = failing(by_round(measures([*random, narrow]))).items()
    assert told["few classes"].endswith("of 10")
    assert 1.9 < float(told["few classes"].split()[0]) < 2.2


def test_a_class_that_is_still_missing_is_told() -> None:
    lacking = begun("lacking", TWO, run_of("lacking", labels=(TWO,) * 4).rounds)
    told = failing(by_round(measures([run_of("random"), lacking])))["lacking", "supervised"]["few classes"]
    assert told.endswith("of 10, a class missing up to 80 labels")


@pytest.mark.parametrize(
    ("rounds", "seeds", "flagged"),
    [
        ([0.53] * 4, 1, True),
        ([0.53, 0.53, 0.53, 0.9], 1, True),
        ([0.53, 0.53, 0.9, 0.9], 1, False),  # half of the rounds are not most
        ([0.61] * 4, 1, False),
        ([0.75] * 4, 10, False),
    ],
)
def test_a_learned_scorer_at_chance(rounds: list[float], seeds: int, flagged: bool) -> None:
    runs = [run_of("learned", seed, diagnostics=[{CHANCE: value} for value in rounds]) for seed in range(seeds)]
    assert verdicts(*runs) == ({"learned": ("ranks at chance",)} if flagged else {})


def test_an_auroc_that_may_be_chance_is_chance_from_three_seeds_on() -> None:
    runs = [run_of("l", k, diagnostics=[{CHANCE: value}] * 4) for k, value in enumerate([0.45, 0.7, 0.8])]
    assert verdicts(*runs) == {"l": ("ranks at chance",)}  # mean 0.65, interval from 0.2
    assert verdicts(*runs[:2], run_of("m", diagnostics=[{CHANCE: 0.75}] * 4)) == {"l": ("ranks at chance",)}
    assert verdicts(*runs[1:]) == {}  # of two seeds the interval says nothing


def test_a_measure_of_few_rounds_is_no_verdict() -> None:
    one_in_four = [{CHANCE: 0.5}, {}, {}, {}]
    assert verdicts(run_of("learned", diagnostics=one_in_four)) == {}
    assert verdicts(run_of("learned", diagnostics=[{CHANCE: 0.5}, {CHANCE: 0.5}, {}, {}])) == {
        "learned": ("ranks at chance",)
    }


@pytest.mark.parametrize(
    ("strategy", "flagged"),
    [
        ("dcom", True),
        ("power:dcom", True),
        ("m.py:marginal", True),
        ("margin", False),
        ("margin (version 1)", False),
        ("power:margin", False),
        ("subset[factor=50]:margin", False),
        ("softrank[beta=2]:margin (source 0a1b2c3d)", False),
    ],
)
def test_margin_sampling_by_another_name(strategy: str, flagged: bool) -> None:
    overlap = "acquisition.margin_overlap"
    assert (strategy in verdicts(run_of(strategy, diagnostics=[{overlap: 0.8}] * 4))) == flagged
    assert strategy not in verdicts(run_of(strategy, diagnostics=[{overlap: 0.79}] * 4))


@pytest.mark.parametrize(("pool", "flagged"), [(1000, True), (40, False), (20, False)])
def test_images_that_any_two_methods_share_in_a_small_pool_are_not_margins(pool: float, flagged: bool) -> None:
    """20 of 40 images share half with any other 20, and 20 of 20 all."""
    shared = {"acquisition.margin_overlap": 1.0 if pool == 20 else 0.885, "acquisition.scored": pool}
    assert ("clue" in verdicts(run_of("clue", diagnostics=[shared] * 4))) == flagged


def test_every_uncertainty_of_two_classes_is_margins_and_no_verdict() -> None:
    runs = [run_of("entropy", diagnostics=[{"acquisition.margin_overlap": 1.0}] * 4)]
    assert verdicts(*runs) == {"entropy": ("margin sampling",)}
    two = [replace(record, class_accuracy=(0.5, 0.5)) for record in run_of("entropy", labels=(TWO,) * 4).rounds]
    two = [replace(record, diagnostics={"acquisition.margin_overlap": 1.0}) for record in two]
    assert verdicts(begun("entropy", TWO, two)) == {}


@pytest.mark.parametrize(("phases", "told"), [([0] * 4, "up to 80 labels"), ([0, 0, 0, 1], None), ([0, 1, 1, 1], None)])
def test_a_method_that_never_reaches_its_second_phase_was_the_first(phases: list[float], told: str | None) -> None:
    run = run_of("tcm", diagnostics=[{"premise.margin_phase": phase} for phase in phases])
    found = failing(by_round(measures([run])))
    assert found == ({("tcm", "supervised"): {"typiclust": told}} if told else {})


def test_a_figure_below_its_limit_reads_below_it() -> None:
    run = run_of("learned", diagnostics=[{CHANCE: 0.5966}] * 4)
    assert failing(by_round(measures([run]))) == {("learned", "supervised"): {"ranks at chance": "0.597"}}


def test_the_overlap_with_margin_is_known_where_the_two_have_the_same_model() -> None:
    batch = tuple(range(10))
    margin = run_of("margin", labels=[batch] * 2, diagnostics=[{}] * 2, accuracy=0.5)
    same = run_of("same", labels=[batch] * 2, diagnostics=[{}] * 2, first=1004, accuracy=0.5)
    other = run_of("other", labels=[batch] * 2, diagnostics=[{}] * 2, accuracy=0.6)
    found = measures([margin, same, other]).set_index("strategy")["acquisition.margin_overlap"]
    assert found["margin"].tolist() == [1, 1]
    assert found["same"].tolist() == pytest.approx([0.6, 0.6])
    assert found["other"].isna().all()
    recorded = run_of("same", labels=[batch] * 2, diagnostics=[{"acquisition.margin_overlap": 0.25}] * 2, accuracy=0.5)
    again = measures([margin, recorded]).set_index("strategy")["acquisition.margin_overlap"]
    assert again["same"].tolist() == [0.25, 0.25]


@pytest.mark.parametrize(
    ("name", "fails", "holds", "verdict", "told"),
    [
        (NOISE, 7, 20, "Monte-Carlo noise", "beyond pick 7 of 20"),
        ("premise.bias", 0.8, 0.5, "Monte-Carlo bias", "80 %"),
        ("premise.singletons", 0.9, 0.5, "singleton balls", "90 %"),
        ("premise.candidates", 12, 20, "too few candidates", "12 for 20"),
        ("premise.clusters", 3, 10, "few clusters", "3.0 for 20"),
        ("acquisition.duplicates", 2, 1, "duplicates", "10 %"),
    ],
)
def test_other_premises(name: str, fails: float, holds: float, verdict: str, told: str) -> None:
    bad = run_of("bad", diagnostics=[{name: fails}] * 3 + [{name: holds}])
    good = run_of("good", diagnostics=[{name: holds}] * 3 + [{name: fails}])
    assert verdicts(bad, good) == {"bad": (verdict,)}
    assert failing(by_round(measures([bad, good]))) == {("bad", "supervised"): {verdict: told}}


def test_means_by_round_are_the_same_one_strategy_after_another() -> None:
    """Though each has diagnostics and classes of its own, and margin's images are looked up."""
    few = (0, 1, 2) * 2
    runs = [run_of("random", seed) for seed in range(3)]
    runs += [run_of("margin", seed, labels=(few,) * 4, accuracy=0.5) for seed in range(4)]
    runs += [run_of("same", seed, labels=(few,) * 4, first=1002, accuracy=0.5) for seed in range(2)]
    runs += [run_of("loss", seed, diagnostics=[{CHANCE: 0.5 + seed / 10}] * 4) for seed in range(3)]
    runs += [run_of("noise", diagnostics=[{"new": 1.0, NOISE: 7.0}, {}, {"acquisition.duplicates": 2.0}, {}])]
    pd.testing.assert_frame_equal(rounds_of(runs), by_round(measures(runs)))
    assert rounds_of([]).empty


def test_random_is_never_degenerate() -> None:
    assert verdicts(run_of("random", diagnostics=[{"acquisition.duplicates": 20}] * 4)) == {}


def test_each_rule_has_a_verdict_of_its_own() -> None:
    assert len({rule.verdict for rule in RULES}) == len(RULES)


def test_an_older_edition_is_judged_as_its_strategy() -> None:
    random = [run_of("random (engine version 1)", seed) for seed in range(3)]
    narrow = run_of("narrow (engine version 1)", labels=(TWO,) * 4)
    assert verdicts(*random, narrow) == {"narrow (engine version 1)": ("few classes",)}
    assert verdicts(run_of("random"), run_of("random (version 1)", labels=(TWO,) * 4)) == {}
    same = {"accuracy": 0.5, "first": 1000}
    margin, follower = run_of("margin (version 1)", **same), run_of("entropy (version 1)", **same)
    assert verdicts(margin, follower) == {"entropy (version 1)": ("margin sampling",)}
    own = run_of("margin (version 1)", diagnostics=({"acquisition.margin_overlap": 1.0},) * 4)
    assert verdicts(own) == {}
    elsewhere = run_of("margin", accuracy=0.5, first=2000)
    for runs in itertools.permutations([margin, elsewhere, follower]):
        assert verdicts(*runs) == {}  # the present margin's images are others
