"""Reports of strategies that do not all go equally far: random on a long ladder, its rivals on a part of it."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from support.report_lines import BUDGETS, accuracy_of, write_experiment, write_run

from benchmark.reports import notes_of, read_report, write_report
from benchmark.reports.rendering.figures import panels as figures
from benchmark.reports.rendering.figures.lines import Panel
from benchmark.reports.rendering.web.page import page_data
from benchmark.reports.sections import balance, cost
from benchmark.reports.statistics.seeds import together
from benchmark.reports.statistics.summary import area_under_budget_curve

SHORT = BUDGETS[:3]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """random has four label counts, margin and entropy the first three."""
    root = write_experiment(tmp_path / "mnist")
    for seed in range(3):
        write_run(root, "random", seed)
        write_run(root, "margin", seed, SHORT)
        write_run(root, "entropy", seed, SHORT)
    return root


def test_the_comparison_ends_where_the_rivals_end(root: Path) -> None:
    report = read_report(root)
    summary = report.summary.set_index("strategy")
    assert summary["n"].tolist() == [3, 3, 3]
    assert set(summary["labels"]) == {SHORT[-1]}
    for strategy in ("random", "margin"):
        own = [[accuracy_of(strategy, seed, labels) for labels in SHORT] for seed in range(3)]
        expected = sum(area_under_budget_curve(SHORT, accuracy) for accuracy in own) / 3
        assert summary.loc[strategy, "area_mean"] == pytest.approx(expected, abs=1e-12)
    assert report.inference.compared("random")
    costs = cost.compute(report)[0].set_index("strategy")["train"]
    assert costs["random"] == pytest.approx(costs["margin"])  # of as many rounds
    assert f"Areas and final accuracies end at {SHORT[-1]} labels: not all strategies reach {BUDGETS[-1]}." in (
        notes_of(report)
    )
    assert f"entropy, margin are incomplete: seeds 0–2 at {SHORT[-1]} of {BUDGETS[-1]} labels." in notes_of(report)


def test_a_second_strategy_at_the_end_takes_the_comparison_there(root: Path) -> None:
    shutil.rmtree(root / "runs" / "margin")
    for seed in range(3):
        write_run(root, "margin", seed)
    summary = read_report(root).summary.set_index("strategy")
    assert summary["n"].to_dict() == {"random": 3, "margin": 3, "entropy": 0}
    assert set(summary["labels"]) == {BUDGETS[-1]}


def test_tables_go_on_where_figures_and_the_page_end(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panels: list[Panel] = []
    drawn = figures.line_figure
    monkeypatch.setattr(figures, "line_figure", lambda given, *rest: panels.extend(given) or drawn(given, *rest))
    report = write_report(root)
    assert len(panels) == 10  # accuracy and difference, two of calibration, in two widths each; seconds, which has one
    assert {labels for panel in panels for labels in panel.table["labels"]} == set(SHORT)
    table = pd.read_csv(root / "tables" / "accuracy.csv").set_index(["strategy", "labels"])
    ends = [accuracy_of("random", seed, BUDGETS[-1]) for seed in range(3)]
    assert table.loc[("random", BUDGETS[-1]), "mean"] == pytest.approx(sum(ends) / 3)
    assert ("margin", BUDGETS[-1]) not in table.index
    page = page_data(report)
    assert page["labels"] == SHORT
    assert {labels for line in page["lines"] for labels in line["accuracy"]["labels"]} == set(SHORT)
    assert page["overview"]["labels"] == f"{SHORT[0]}–{SHORT[-1]}"


def test_the_class_balance_ends_where_the_rivals_end(root: Path) -> None:
    report = read_report(root)
    even = report.curves[["strategy", "learner", "seed", "labels"]].assign(batch=0.9, labelled=0.95)
    panels = balance.balance_panels(even, report.views[0])
    assert [sorted(set(panel.table["labels"])) for panel in panels] == [SHORT, SHORT]


def test_one_strategy_alone_is_drawn_to_its_end() -> None:
    alone = pd.DataFrame({"strategy": "random", "learner": "supervised", "labels": BUDGETS})
    pd.testing.assert_frame_equal(together(alone), alone)
    beside = pd.concat([alone, alone.iloc[:2].assign(strategy="margin")])
    assert together(beside)["labels"].tolist() == 2 * BUDGETS[:2]


def test_each_part_has_a_command_of_its_own(root: Path) -> None:
    write_run(root, "badge", 0, SHORT)
    write_report(root)
    start = "python run_benchmark.py --protocol mnist --strategies"
    ladder = f"--budgets {' '.join(map(str, SHORT))}"
    expected = "\n".join(
        [
            "```",
            f"{start} entropy margin {ladder} --seeds 0 1 2",
            f"{start} random --seeds 0 1 2",
            f"{start} badge {ladder} --seeds 0",
            "```",
        ]
    )
    assert expected in (root / "README.md").read_text(encoding="utf-8")


def test_learners_with_the_same_plan_share_a_command(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "mnist")
    for learner in ("supervised", "fixmatch"):
        write_run(root, "random", 0, learner=learner)
        write_run(root, "margin", 0, learner=learner)
    write_run(root, "entropy", 0, learner="fixmatch")
    write_report(root)
    lines = (root / "README.md").read_text(encoding="utf-8").splitlines()
    told = [line.split("--strategies ")[1] for line in lines if line.startswith("python run_benchmark.py --protocol")]
    assert told == [
        "margin random --learner fixmatch supervised --seeds 0",
        "entropy --learner fixmatch --seeds 0",
    ]


def test_a_report_from_within_the_folder_has_its_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    write_report(Path())
    assert (root / "README.md").read_text(encoding="utf-8").startswith("# mnist\n")
    assert "<title>mnist" in (root / "index.html").read_text(encoding="utf-8")
    assert "<title>Results" in (root.parent / "index.html").read_text(encoding="utf-8")
