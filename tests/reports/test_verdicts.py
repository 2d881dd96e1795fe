"""What verdicts are called, and the one sentence on an experiment."""

from __future__ import annotations

import numpy as np
import pytest
from support.made_reports import curves_of, report_of

from benchmark.reports.statistics.inference import Contrast, Verdict, infer
from benchmark.reports.verdicts import in_words, method, reach, sentence

B: Verdict = "better"
W: Verdict = "worse"
E: Verdict = "equivalent"
U: Verdict = "undecided"


@pytest.mark.parametrize(
    ("area", "early", "late", "last", "words"),
    [
        (B, B, B, B, "better"),
        (U, W, W, U, "worse"),
        (U, W, B, B, "worse early, better late"),
        (W, W, B, U, "worse early and overall, better late"),
        (B, U, B, B, "better late and overall"),
        (U, U, B, U, "better late"),
        (U, U, U, B, "better at the last label count"),
        (W, W, W, B, "worse early and late and overall, better at the last label count"),
        (W, U, U, U, "worse overall"),
        (E, E, E, E, "equivalent"),
        (E, U, E, E, "equivalent overall"),
        (U, E, E, E, "undecided"),
        (U, U, U, U, "undecided"),
    ],
)
def test_a_verdict_names_its_region(area: Verdict, early: Verdict, late: Verdict, last: Verdict, words: str) -> None:
    assert in_words({"area": area, "early": early, "late": late, "last": last}) == words


@pytest.mark.parametrize("word", [B, W, E, U])
def test_a_single_label_count_has_a_single_verdict(word: Verdict) -> None:
    assert in_words({"area": word}) == word


def test_a_curve_that_crosses_is_worse_early_and_better_late() -> None:
    draw = np.random.default_rng(0)
    base = np.linspace(0.5, 0.9, 6) + draw.normal(0, 0.02, (10, 1))
    crossing = np.array([0, -0.1, -0.12, 0.06, 0.07, 0.08])
    accuracies = {
        "random": base + draw.normal(0, 0.003, base.shape),
        "bald": base + crossing + draw.normal(0, 0.003, base.shape),
        "margin": base + draw.normal(0, 0.02, base.shape),
    }
    report = report_of(curves_of(accuracies, [20, 40, 80, 160, 240, 320]))
    said = sentence(report.inference)
    assert "worse early, better late" in said or "worse early, better late and overall" in said
    assert said.startswith("Compared with random (10 seeds): ")
    assert "undecided – margin" in said
    assert said.endswith(".")


def test_what_is_left_out_is_not_named_and_few_seeds_say_so() -> None:
    draw = np.random.default_rng(0)
    some = [Contrast((name, "l"), "random", (0, 1, 2), draw.normal(0, 1, (3, 1))) for name in ("a", "b")]
    assert sentence(infer(some, ("area",)), left_out={("a", "l")}) == "Compared with random (3 seeds): undecided – b."
    two = [Contrast(("a", "l"), "random", (0, 1), np.ones((2, 1)))]
    assert "too few seeds for a test, which takes 3" in sentence(infer(two, ("area",)))
    assert reach(infer(two, ("area",))) == ""
    assert sentence(infer([], ("area",))) == ""


def test_many_undecided_strategies_are_counted() -> None:
    draw = np.random.default_rng(0)
    some = [Contrast((f"s{k}", "l"), "random", (0, 1, 2, 3), draw.normal(0, 0.01, (4, 1))) for k in range(20)]
    some[0] = Contrast(("best", "l"), "random", (0, 1, 2, 3), draw.normal(1, 0.01, (4, 1)))
    said = sentence(infer(some, ("area",)))
    assert said == "Compared with random (4 seeds): better – best; undecided – the other 19."


@pytest.mark.parametrize(("seeds", "how"), [(4, "Holm's correction"), (10, "max-T correction over sign flips")])
def test_the_method_and_the_reach_are_said(seeds: int, how: str) -> None:
    draw = np.random.default_rng(0)
    some = [Contrast((f"s{k}", "l"), "random", tuple(range(seeds)), draw.normal(0, 0.01, (seeds, 1))) for k in range(5)]
    found = infer(some, ("area",))
    assert how in method(found)
    assert "one family of 5" in method(found)
    assert "±0.5 points" in method(found)
    assert f"{seeds} seeds show a difference in accuracy of" in reach(found)
    assert "seeds would show one of 1 point" in reach(found)


@pytest.mark.parametrize("seeds", [3, 9, 10, 12])
def test_where_no_difference_varies_there_is_no_sentence_on_power(seeds: int) -> None:
    """As at the first label count, whose model all strategies share."""
    accuracies = {name: np.linspace(0.5, 0.6, seeds)[:, None] for name in ("random", "margin", "badge")}
    report = report_of(curves_of(accuracies, [20]))
    assert set(report.inference.of("random")["difference"]) == {0}
    assert (reach(report.inference) == "") == (seeds >= 10)
    assert sentence(report.inference).endswith(f"({seeds} seeds): equivalent – margin, badge.")
