"""Reports show one edition of everything: the newest, or an older one that is asked for by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.report_lines import write_grid, write_run

from benchmark import ENGINE_VERSION
from benchmark.reports import notes_of, read_report, report_of
from benchmark.reports.comparison.compare import compare_experiments
from benchmark.reports.statistics.curves import select
from benchmark.results.editions import base_name, edition_of, labelled, named
from benchmark.results.errors import StoreError
from benchmark.results.store import read_experiment

OLD, NEW = "1" * 64, "2" * 64


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three seeds of two strategies, all of version 1 and one engine."""
    return write_grid(tmp_path / "mnist", ["random", "margin"])


def rows(root: Path, strategies: list[str] | None = None, learners: list[str] | None = None) -> dict[str, list[int]]:
    """The seeds of each row."""
    found: dict[str, list[int]] = {}
    for run in select(read_experiment(root), strategies, learners).runs:
        learner = "" if run.key.learner == "supervised" else f" × {run.key.learner}"
        found.setdefault(f"{run.key.strategy}{learner}", []).append(run.key.seed)
    return found


def notes(root: Path, strategies: list[str] | None = None) -> list[str]:
    return select(read_experiment(root), strategies).notes


def test_an_older_version_is_left_out_and_counted(root: Path) -> None:
    write_run(root, "margin", 1, attempt=2, strategy_version=2)
    assert rows(root) == {"random": [0, 1, 2], "margin": [1]}
    note = "margin: 3 runs of version 1 are left out; add margin@1 to --strategies to show them."
    assert notes(root) == [note]
    assert note in notes_of(read_report(root))
    assert notes(root, ["random"]) == []
    assert rows(root, ["margin", "margin@1"]) == {"margin": [1], "margin (version 1)": [0, 1, 2]}
    assert rows(root, ["margin@1"]) == {"margin (version 1)": [0, 1, 2]}
    assert notes(root, ["margin", "margin@1"]) == []
    assert notes(root, ["margin", "margin@3"]) == [note, "margin (version 3): no run on disk."]
    curves = read_report(root, ["random", "margin", "margin@1"]).curves
    assert curves.groupby("strategy")["seed"].nunique().to_dict() == {"random": 3, "margin": 1, "margin (version 1)": 3}


def test_the_present_edition_goes_before_a_newer_one(root: Path) -> None:
    write_run(root, "margin", 1, attempt=2, strategy_version=2)
    experiment = read_experiment(root)
    first = next(run for run in experiment.runs if run.key.strategy == "margin")
    present = {("margin", "supervised"): edition_of(first.header)}
    assert report_of(experiment, ["random", "margin"], present=present).curves["seed"].nunique() == 3


def test_another_source_is_left_out_whichever_attempt_it_is(root: Path) -> None:
    for seed in range(2):
        write_run(root, "mine:Mine", seed, strategy_source_sha256=OLD)
    write_run(root, "mine:Mine", 0, attempt=2, strategy_source_sha256=NEW)
    assert rows(root)["mine:Mine"] == [0]
    assert notes(root) == [
        "mine:Mine: 2 runs of source 11111111 are left out; add mine:Mine@11111111 to --strategies to show them."
    ]
    assert rows(root, ["mine:Mine@11111111"]) == {"mine:Mine (source 11111111)": [0, 1]}


def test_learners_are_of_one_version_for_all_strategies(root: Path) -> None:
    for strategy in ("random", "margin"):
        write_run(root, strategy, 0, learner="fixmatch")
    write_run(root, "margin", 0, attempt=2, learner="fixmatch", learner_version=2)
    assert rows(root, learners=["fixmatch"]) == {"margin × fixmatch": [0]}
    older = rows(root, learners=["fixmatch", "fixmatch@1"])
    assert older == {
        "margin × fixmatch": [0],
        "margin × fixmatch (version 1)": [0],
        "random × fixmatch (version 1)": [0],
    }
    result = compare_experiments([read_experiment(root)], ["margin"], ["fixmatch@1", "fixmatch"])
    assert result.title == "fixmatch against fixmatch@1"
    assert set(result.differences["n"]) == {1}


def test_networks_of_two_sources_never_share_a_table(root: Path) -> None:
    write_run(root, "margin", 1, attempt=2, model_source_sha256=NEW)
    assert rows(root) == {"margin": [1]}
    assert notes(root) == ["6 runs of another source of the network are left out."]


def test_the_newest_engine_alone_is_shown(root: Path) -> None:
    write_run(root, "margin", 1, attempt=2, engine_version=ENGINE_VERSION + 1)
    assert rows(root) == {"margin": [1]}
    how = f"to show them, add @engine{ENGINE_VERSION} to each of --strategies (random@engine{ENGINE_VERSION})"
    assert f"6 runs of engine version {ENGINE_VERSION} are left out; {how}." in notes(root)
    old = [f"{name}@engine{ENGINE_VERSION}" for name in ("random", "margin")]
    assert rows(root, old) == {f"{name} (engine version {ENGINE_VERSION})": [0, 1, 2] for name in ("random", "margin")}
    with pytest.raises(StoreError, match="two engine versions are never paired: name all strategies of one"):
        select(read_experiment(root), ["margin", old[0]])


def test_a_folder_of_an_older_engine_is_shown_and_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_grid(tmp_path / "mnist", ["random", "margin"])
    assert not any("engine" in note for note in notes(root))
    monkeypatch.setattr("benchmark.reports.statistics.editions.ENGINE_VERSION", ENGINE_VERSION + 1)
    assert rows(root) == {"random": [0, 1, 2], "margin": [0, 1, 2]}
    assert notes(root)[0].startswith(f"All runs are of engine version {ENGINE_VERSION}; the present one is ")


def test_differences_are_to_the_edition_of_random_that_is_shown(root: Path) -> None:
    for seed in range(3):
        write_run(root, "random", seed, attempt=2, engine_version=ENGINE_VERSION + 1)
    older = [f"{name}@engine{ENGINE_VERSION}" for name in ("random", "margin")]
    report = read_report(root, older)
    assert report.reference == f"random (engine version {ENGINE_VERSION})"
    assert report.summary_of(report.views[0])["difference"].notna().sum() == 1
    assert read_report(root, ["random"]).reference == "random"


def test_versions_of_two_experiments_are_not_compared(tmp_path: Path) -> None:
    roots = [write_grid(tmp_path / name, ["random", "margin"]) for name in ("a", "b")]
    for seed in range(3):
        write_run(roots[1], "margin", seed, attempt=2, strategy_version=2)
    result = compare_experiments([read_experiment(root) for root in roots])
    assert set(result.differences["strategy"]) == {"random"}
    assert "margin: not compared, of version 1 and of version 2 in a and b." in result.notes


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("margin", "margin"),
        ("margin@1", "margin (version 1)"),
        ("bald[samples=50]@12", "bald[samples=50] (version 12)"),
        ("a/mine:Mine@0a1b2c3d4e", "a/mine:Mine (source 0a1b2c3d)"),
        ("margin@engine3", "margin (engine version 3)"),
        ("x[mail='a@1']", "x[mail='a@1']"),
        ("margin@", "margin@"),
        ("margin@new", "margin@new"),
    ],
)
def test_how_an_edition_is_named(text: str, label: str) -> None:
    assert named(text).label == label
    assert labelled(label).label == label
    assert base_name(label) == named(text).name
    shown = labelled(label).text
    assert text.startswith(shown)  # a source by its first eight digits
    assert named(shown) == labelled(label)
