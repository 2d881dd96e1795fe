"""What goes by the name of a strategy goes by it in an older edition too, which is a row of another name."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.made_reports import curves_of, curves_with_effects, report_of
from support.report_lines import header_of, round_of, write_experiment, write_grid, write_run

from benchmark import ENGINE_VERSION
from benchmark.experiment import load
from benchmark.experiment.keys import RunKey
from benchmark.reports import compare_across, notes_of, read_report
from benchmark.reports.bibliography import bibliography, read_entries
from benchmark.reports.rendering.figures.style import look
from benchmark.reports.sections import interactions, pairwise, summary, what_ran
from benchmark.reports.sections.headroom import headroom
from benchmark.reports.statistics.family import GAIN
from benchmark.reports.statistics.operations import multiply_adds
from benchmark.results.records import RunRecord
from benchmark.results.store import read_experiment

NAMES = ["random", "margin", "power:bald", "badge"]
OLD = [f"{name}@engine{ENGINE_VERSION}" for name in NAMES]


def older(name: str) -> str:
    return f"{name} (engine version {ENGINE_VERSION})"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three seeds of four strategies, and a run of a newer engine."""
    root = write_grid(tmp_path / "mnist", NAMES)
    write_experiment(root, strategies=["margin", *NAMES])
    write_run(root, "random", 0, attempt=2, engine_version=ENGINE_VERSION + 1)
    return root


def test_its_papers_are_cited(root: Path, tmp_path: Path) -> None:
    plain = read_report(write_grid(tmp_path / "e", NAMES))
    texts = [bibliography([report.source]) for report in (plain, read_report(root, OLD))]
    first, second = (set(read_entries(text)) for text in texts)
    assert first == second
    assert not any("Not part of the suite" in text for text in texts)
    assert not any("engine version" in text for text in texts)


def test_no_command_computes_it(root: Path) -> None:
    report = read_report(root, OLD)
    assert what_ran.commands(report.curves, report.source) == []
    readme, page = "\n".join(what_ran.readme(report)), what_ran.page(report)
    for name in OLD:
        assert name in readme.partition("## Run it again")[2]
        assert name in page
    assert "<pre>" not in page


def test_beside_the_present_edition_the_commands_are_for_that(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "mnist", ["random", "margin"])
    for seed in range(3):
        write_run(root, "margin", seed, attempt=2, strategy_version=2)
    report = read_report(root, ["random", "margin", "margin@1"])
    (command,) = what_ran.commands(report.curves, report.source)
    assert command.endswith("--strategies margin random --seeds 0 1 2")
    assert "Not computed again, but shown by --report: margin@1." in what_ran.readme(report)


def test_it_has_the_place_of_its_strategy(root: Path) -> None:
    assert read_report(root, OLD).source.strategies == tuple(map(older, ("margin", "random", "power:bald", "badge")))


def test_pairs_with_an_older_reference_have_the_verdicts_of_its_comparisons() -> None:
    curves = curves_with_effects(["random", "margin", "badge", "bald"], 5)
    report = report_of(curves.assign(strategy=curves["strategy"].map(older)), reference=older("random"))
    found = pairwise.wins(report, report.views[0])
    assert found.tests == 4 * len(list(itertools.combinations(range(3), 2)))
    assert [note for note in summary.notes(report) if note.startswith("With a power of 80 %")]


def test_gains_by_learner_are_over_an_older_random() -> None:
    draw = np.random.default_rng(0)
    frame = curves_of({name: draw.uniform(0.5, 0.6, (4, 3)) for name in ("random (version 1)", "margin")}, [10, 20, 50])
    both = pd.concat([frame, frame.assign(learner="fixmatch", accuracy=frame["accuracy"] + 0.1)], ignore_index=True)
    report = report_of(both, reference="random (version 1)")
    assert report.inference.compared(GAIN) == [("margin", "fixmatch")]
    made = interactions.table(report, report.views[0])
    assert made is not None
    assert made.caption.startswith("Gain over random (version 1) by learner")


def test_an_older_oracle_is_the_scale() -> None:
    base = np.random.default_rng(0).uniform(0.5, 0.6, (5, 3))
    named = {"random": base, "boss (version 1)": base + 0.1, "margin": base + 0.04}
    assert headroom(curves_of(named, [10, 20, 30]), "random")["strategy"].tolist() == ["margin"]


def test_it_has_the_colour_of_its_strategy_and_a_marker_of_its_own() -> None:
    for name in ("random", "margin", "bald[samples=50]"):
        old, new = look(f"{name} (version 1)"), look(name)
        assert (old.colour, old.dashes) == (new.colour, new.dashes)
        assert old.marker != new.marker


def test_its_operations_are_counted() -> None:
    rounds = tuple(round_of(i, labels, 20) for i, labels in enumerate((20, 40)))
    keys = [RunKey(name, "supervised", 0) for name in ("margin", older("margin"))]
    runs = [RunRecord(header_of(key), rounds, Path()) for key in keys]
    table, reasons = multiply_adds(runs, load("mnist").to_dict(), 40)
    assert not reasons
    assert table["operations"].nunique() == 1


def test_across_experiments_the_reference_is_the_edition_asked_for(root: Path) -> None:
    other = write_experiment(root.parent / "other")
    for name, seed in itertools.product(NAMES, range(3)):
        write_run(other, name, seed)
    found = compare_across([read_experiment(one) for one in (root, other)], OLD)
    assert {setting.reference for setting in found.settings} == {older("random")}
    assert notes_of(read_report(root, OLD))[0].startswith(f"Compared with {older('random')} (3 seeds)")
