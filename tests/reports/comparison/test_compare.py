"""``--compare``: differences paired by seed, checked with SciPy; what is left out, and what differs."""

from __future__ import annotations

import dataclasses
import itertools
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from support.report_lines import BUDGETS, accuracy_of, header_of, write_experiment, write_run

import run_benchmark
from benchmark.experiment.keys import RunKey
from benchmark.reports.comparison.compare import Comparison, compare_experiments
from benchmark.reports.statistics import agreement
from benchmark.reports.statistics.curves import curves
from benchmark.results.errors import StoreError
from benchmark.results.store import read_experiment

STRATEGIES = ["random", "margin", "entropy"]
SEEDS = range(4)


def compared(roots: Sequence[Path], *selection: Any, **named: Any) -> Comparison:
    return compare_experiments([read_experiment(root) for root in roots], *selection, **named)


def shift(strategy: str, seed: int) -> float:
    """What the second experiment has more: little, and different for every run."""
    return 0.02 * math.sin(7 * seed + 3 * len(strategy)) + {"margin": 0.05}.get(strategy, 0.0)


def grid(root: Path, shifted: bool, seeds: range = SEEDS, budgets: list[int] = BUDGETS, **protocol: Any) -> Path:
    write_experiment(root, budgets, **protocol)
    for strategy, seed in itertools.product(STRATEGIES, seeds):
        write_run(root, strategy, seed, budgets, shift=shift(strategy, seed) if shifted else 0.0)
    return root


@pytest.fixture
def roots(tmp_path: Path) -> list[Path]:
    return [grid(tmp_path / "a", False), grid(tmp_path / "b", True)]


def row(comparison: Comparison, strategy: str, endpoint: str = "area") -> dict[str, Any]:
    table = comparison.differences
    (found,) = table[(table["strategy"] == strategy) & (table["endpoint"] == endpoint)].to_dict("records")
    return found


def accuracies(strategy: str, shifted: bool, budgets: list[int] = BUDGETS) -> list[list[float]]:
    return [
        [accuracy_of(strategy, seed, n) + (shift(strategy, seed) if shifted else 0) for n in budgets] for seed in SEEDS
    ]


def test_differences_and_their_intervals(roots: list[Path]) -> None:
    result = compared(roots)
    for strategy in STRATEGIES:
        both = [accuracies(strategy, shifted) for shifted in (False, True)]
        areas = [[integrate.trapezoid(run, BUDGETS) / (BUDGETS[-1] - BUDGETS[0]) for run in runs] for runs in both]
        lasts = [[run[-1] for run in runs] for runs in both]
        for endpoint, (before, after) in (("area", areas), ("last", lasts)):
            found = row(result, strategy, endpoint)
            assert (found["n"], found["first"]) == (4, pytest.approx(sum(before) / 4))
            assert found["second"] - found["first"] == pytest.approx(found["difference"])
            assert found["difference"] == pytest.approx(sum(after) / 4 - sum(before) / 4)
            half = stats.t.ppf(0.975, found["df"]) * found["sd"] / 2
            assert (found["low"], found["high"]) == pytest.approx(
                (found["difference"] - half, found["difference"] + half)
            )
    p = result.differences["p"].sort_values()
    holm = np.minimum(1, np.maximum.accumulate(p * np.arange(len(p), 0, -1)))
    assert len(p) == 3 * 4
    assert result.differences["p_corrected"].sort_values().tolist() == pytest.approx(holm.tolist())
    assert result.notes[0].startswith("Compared with a (4 seeds): ")


def test_an_experiment_does_not_differ_from_itself(roots: list[Path]) -> None:
    result = compared([roots[0], roots[0]])
    assert (result.differences["difference"] == 0).all()
    assert (result.differences["p_corrected"] == 1).all()
    assert {*result.differences["verdict"]} == {"equivalent"}  # no seed differs by even one test image
    assert "Compared with " in result.notes[0]
    assert "The protocols, versions and devices do not differ." in result.notes
    assert [table.header[0] for table in result.tables] == ["strategy", "rankings"]


def test_rankings_are_those_of_agreement(roots: list[Path]) -> None:
    expected = agreement.compare(*(curves(read_experiment(root)) for root in roots))
    (_, rankings) = compared(roots).tables
    assert [row[0].text for row in rankings.rows] == ["a with b", "a with itself", "b with itself"]
    for found, one in zip(rankings.rows, (expected.between, expected.first, expected.second), strict=True):
        assert [float(cell.text) for cell in found[1:]] == pytest.approx(one, abs=0.005)
    assert f"mean over {expected.splits} splits, on 3 strategies" in rankings.caption


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        ({"strategies": ["margin", "entropy"]}, "a ranking takes random and at least two other strategies in both"),
        ({"seeds": [0, 1, 2]}, "splitting seeds into halves takes at least 4 that all runs share; there are 3"),
    ],
)
def test_too_few_for_a_ranking(roots: list[Path], selection: dict[str, Any], said: str) -> None:
    result = compared(roots, **selection)
    assert len(result.tables) == 1
    (note,) = (note for note in result.notes if note.startswith("No agreement of rankings: "))
    assert said in note


def test_only_what_both_have_is_compared_and_the_rest_is_named(tmp_path: Path) -> None:
    first = grid(tmp_path / "a", False, budgets=[20, 40, 60, 80])
    second = grid(tmp_path / "b", True, range(1, 6), budgets=[20, 60, 80, 100])
    write_run(second, "margin", 2, [20, 60])  # stops early
    write_run(first, "badge", 0)
    write_run(second, "coreset", 1)
    result = compared([first, second])
    area = result.differences[result.differences["endpoint"] == "area"]
    assert area["strategy"].tolist() == sorted(STRATEGIES)
    assert area["n"].tolist() == [3, 2, 3]
    expected = [accuracy_of("margin", seed, 80) for seed in (1, 3)]
    assert row(result, "margin", "last")["first"] == pytest.approx(sum(expected) / 2)
    gains = [shift("margin", seed) for seed in (1, 3)]  # the same at all label counts, so the area's too
    assert row(result, "margin")["difference"] == pytest.approx(sum(gains) / 2)
    for note in (
        "Label counts in a only, left out: 40.",
        "Label counts in b only, left out: 100.",
        "In a only: badge.",
        "In b only: coreset.",
        "In a only: seed 0 of entropy, margin, random.",
        "In b only: seeds 4, 5 of entropy, margin, random.",
        "Incomplete in b: seed 2 of margin.",
        "b: margin is incomplete: seed 2 at 60 of 100 labels.",
    ):
        assert note in result.notes
    assert "at 20 60 80 labels" in result.tables[0].caption


def test_one_seed_gives_a_difference_and_no_test(roots: list[Path]) -> None:
    result = compared(roots, seeds=[2])
    margin = row(result, "margin", "last")
    assert margin["difference"] == pytest.approx(shift("margin", 2))
    assert all(math.isnan(margin[key]) for key in ("low", "p", "p_corrected"))
    assert "Compared with a (1 seed): too few seeds for a test" in result.notes[0]


def test_settings_that_differ_are_listed_field_by_field(tmp_path: Path) -> None:
    recipe = {"epochs": 10, "learning_rate": 0.1}
    first = write_experiment(tmp_path / "a", recipe=recipe, model={"name": "cnn", "parameters": {"width": 8}})
    other = {"name": "cnn", "parameters": {"width": 16}}
    second = write_experiment(
        tmp_path / "b", recipe={**recipe, "epochs": 20}, model=other, features=None, imbalance=2.0
    )
    for root, versions, device in ((first, "2.15.0", "cpu (X)"), (second, "2.11.0", "cuda (Y)")):
        write_run(root, "margin", 0, libraries={"torch": versions, "numpy": "2.2.0"}, device=device)
    settings = compared([first, second]).tables[-1]
    assert settings.header == ["what differs", "a", "b"]
    assert {line[0].text: [cell.text for cell in line[1:]] for line in settings.rows} == {
        "recipe.epochs": ["10", "20"],
        "model.parameters.width": ["8", "16"],
        "imbalance": ["1.0", "2.0"],
        "version of torch": ["2.15.0", "2.11.0"],
        "device": ["cpu (X)", "cuda (Y)"],
    }


@pytest.mark.parametrize(
    ("budgets", "said"),
    [
        ([40], "at 40 labels."),
        ([20, 80], "at 20 80 labels: area under the budget curve and accuracy at the last label count."),
        (
            BUDGETS,
            "at 20 40 60 80 labels: area under the budget curve, its early part, its late part and accuracy at the "
            "last label count.",
        ),
    ],
)
def test_the_caption_says_what_is_compared(roots: list[Path], budgets: list[int], said: str) -> None:
    table = compared(roots, budgets=budgets).tables[0]
    assert table.caption.startswith(f"b minus a in points of test accuracy {said} Differences are")
    assert ("accuracy" in table.header) == (len(budgets) == 1)
    assert [name for name in ("area", "early", "late", "last") if name in table.header] == [
        name for name in ("area", "early", "late", "last") if f"{name}" in said
    ]


@pytest.mark.parametrize(("source", "other", "are_compared"), [("a", "a", True), ("a", "b", False), ("a", None, True)])
def test_a_plugin_is_compared_with_its_replay_and_not_with_another_source(
    source: str, other: str | None, are_compared: bool, tmp_path: Path
) -> None:
    roots = [write_experiment(tmp_path / name) for name in ("first", "second")]
    for root, sha256 in zip(roots, (source, other), strict=True):
        for seed in SEEDS:
            write_run(root, "random", seed)
            write_run(root, "mine:Mine", seed, strategy_source_sha256=None if sha256 is None else sha256 * 64)
    result = compared(roots)
    assert ("mine:Mine" in set(result.differences["strategy"])) == are_compared
    assert any("by another source" in note for note in result.notes) == (not are_compared)


@pytest.mark.parametrize(
    ("field", "values", "said"),
    [
        ("learner_version", (1, 2), "of version 1 and of version 2"),
        ("learner_source_sha256", ("a" * 64, "b" * 64), "by another source"),
    ],
)
def test_learners_of_two_editions_are_not_compared(
    field: str, values: tuple[Any, Any], said: str, tmp_path: Path
) -> None:
    roots = [grid(tmp_path / name, name == "b") for name in ("a", "b")]
    for root, value in zip(roots, values, strict=True):
        for strategy, seed in itertools.product(STRATEGIES, SEEDS):
            write_run(root, strategy, seed, learner="mine:Patient", **{field: value})
    result = compared(roots)
    note = f"learner mine:Patient: not compared, {said} in a and b."
    assert set(result.differences["learner"]) == {"supervised"}
    assert note in result.notes
    (settings,) = (table for table in result.tables if table.header[0] == "what differs")
    (line,) = settings.rows
    assert line[0].text == f"{'version' if field == 'learner_version' else 'source'} of the learner mine:Patient"
    with pytest.raises(StoreError, match=f"have no label count .* in common; {note[:-1]}$"):
        compared(roots, learners=["mine:Patient"])


def test_networks_of_one_name_and_two_sources_are_not_compared(tmp_path: Path) -> None:
    roots = [tmp_path / name for name in ("a", "b", "c")]
    for root, source, model in zip(roots, "123", ("mine:Tiny", "mine:Tiny", "mine:Wide"), strict=True):
        write_experiment(root, model={"name": model, "parameters": {}})
        for strategy, seed in itertools.product(STRATEGIES, SEEDS):
            write_run(root, strategy, seed, model_source_sha256=source * 64)
    with pytest.raises(StoreError, match=r"^a and b are not compared: their network mine:Tiny is of two sources$"):
        compared(roots[:2])
    settings = compared([roots[0], roots[2]]).tables[-1]  # another network is a setting
    assert [row[0].text for row in settings.rows] == ["model.name", "source of the network"]


def test_versions_that_one_side_alone_has_are_no_difference(tmp_path: Path) -> None:
    roots = [grid(tmp_path / "a", False), grid(tmp_path / "b", True)]
    write_run(roots[1], "badge", 0, strategy_version=2)
    write_run(roots[1], "margin", 0, learner="fixmatch", learner_version=3)
    result = compared(roots)
    assert "The protocols, versions and devices do not differ." in result.notes
    for seed in SEEDS:
        write_run(roots[1], "margin", seed, attempt=2, strategy_version=2)
    assert "The protocols, versions and devices do not differ." not in compared(roots).notes


def test_other_data_are_said_first(roots: list[Path], tmp_path: Path) -> None:
    assert not any("data are not the same" in note for note in compared(roots).notes)
    elsewhere = write_experiment(tmp_path / "c")
    data = dataclasses.replace(
        header_of(RunKey("random", "supervised", 0), 20).dataset, sha256="9" * 64, manifest_sha256="8" * 64
    )
    for seed in SEEDS:
        write_run(elsewhere, "random", seed, dataset=data)
    assert compared([roots[0], elsewhere]).notes[0].startswith("The data are not the same")


def test_two_learners_of_one_experiment(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "a")
    for seed in (0, 1, 2):
        write_run(root, "margin", seed)
        write_run(root, "margin", seed, learner="fixmatch", shift=0.1 + 0.01 * seed)
    result = compared([root], learners=["supervised", "fixmatch"])
    assert row(result, "margin", "last")["difference"] == pytest.approx(0.11)
    assert row(result, "margin")["n"] == 3
    assert result.tables[0].caption.startswith("fixmatch minus supervised")
    (sentence, *_) = result.notes
    assert sentence == "Compared with supervised learning (3 seeds): better – margin (fixmatch)."
    assert set(result.differences["learner"]) == {"fixmatch"}
    (back, *_) = compared([root], learners=["fixmatch", "supervised"]).notes
    assert back == "Compared with fixmatch (3 seeds): worse – margin."
    again = compared([root, root])  # without a choice each learner is a row
    assert list(dict.fromkeys(again.differences["learner"])) == ["fixmatch", "supervised"]
    assert [line[0].text for line in again.tables[0].rows] == ["margin (fixmatch)", "margin (supervised)"]


def test_rankings_of_two_learners_are_of_neither_alone(tmp_path: Path) -> None:
    root = grid(tmp_path / "a", False)
    for strategy, seed in itertools.product(STRATEGIES, SEEDS):
        write_run(root, strategy, seed, learner="fixmatch", shift=shift(strategy, seed))
    (_, rankings) = compared([root], learners=["supervised", "fixmatch"]).tables
    assert "on 3 strategies by area; gains are" in rankings.caption
    (_, *alone) = compared([root, root], learners=["fixmatch"]).tables
    assert "by area (learner fixmatch); gains are" in alone[0].caption


def test_an_experiment_that_is_called_as_a_learner_is_none(tmp_path: Path) -> None:
    result = compared([grid(tmp_path / "supervised", False), grid(tmp_path / "b", True)])
    assert result.notes[0].startswith("Compared with experiment supervised (4 seeds): ")


def test_the_command_prints_and_writes_only_where_asked(
    roots: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    command = ["--compare", *map(str, roots), "--strategies", "random", "margin", "entropy", "--budgets", "20", "80"]
    assert run_benchmark.main(command) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 100
    (line,) = (line.split() for line in printed.splitlines() if line.startswith("  margin"))
    gains = [shift("margin", seed) for seed in SEEDS]
    assert line[1] == "4"
    assert float(line[2].replace("−", "-").rstrip("*")) == pytest.approx(100 * sum(gains) / 4, abs=0.005)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before
    out = tmp_path / "out"
    assert run_benchmark.main([*command, "--output", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {"comparison.csv", "comparison.md"}
    table = pd.read_csv(out / "comparison.csv")
    last = table[(table["strategy"] == "margin") & (table["endpoint"] == "last")]
    assert last["difference"].item() == pytest.approx(sum(gains) / 4)
    assert (out / "comparison.md").read_text().startswith("# b against a\n\n| strategy |")
    assert {path for path in tmp_path.rglob("*") if path.is_file() and path.parent != out} == before


def test_what_cannot_be_compared_is_one_line(roots: list[Path], tmp_path: Path) -> None:
    empty = write_experiment(tmp_path / "empty")
    elsewhere = grid(tmp_path / "elsewhere", False, budgets=[30, 50])
    others = grid(tmp_path / "others", False, range(7, 9))
    for request, message in (
        ([tmp_path / "none", roots[0]], "holds no experiment"),
        ([roots[0], empty], "has no complete round"),
        ([roots[0], elsewhere], "a and elsewhere have no label count of a strategy"),
        ([roots[0], others], "a and others share no run"),
        ([roots[0]], "--compare takes two experiments, or one and two learners"),
        ([*roots, empty], "--compare takes two experiments, or one and two learners"),
    ):
        with pytest.raises(StoreError, match=message) as raised:
            compared(request)
        assert "\n" not in str(raised.value)


def test_experiments_of_one_name_are_told_apart_by_their_paths(roots: list[Path], tmp_path: Path) -> None:
    again = grid(tmp_path / "mine" / "a", True)
    assert compared([roots[0], again]).title == f"{again} against {roots[0]}"


def test_comparing_takes_no_torch() -> None:
    code = "import sys, benchmark.reports.comparison.compare; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[3])


def test_several_values_of_one_side_are_all_shown(roots: list[Path]) -> None:
    write_run(roots[1], "badge", 0, commit="1234567")
    (_, _, settings) = compared(roots).tables
    assert [[cell.text for cell in line] for line in settings.rows] == [["commit", "abcdef0", "1234567 / abcdef0"]]
