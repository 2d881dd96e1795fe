"""The published results: every table follows from the lines that lie beside it, byte for byte."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmark.experiment import from_dict, library
from benchmark.reports import write_report
from benchmark.results.store import read_experiment
from docs import headline, recipe

RESULTS = Path(__file__).resolve().parents[2] / "results"
PUBLISHED = sorted(p.parent.name for p in RESULTS.glob("*/experiment.json") if not p.parent.name.startswith("digits"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_tables_follow_from_the_lines(name: str, tmp_path: Path) -> None:
    root = tmp_path / name
    shutil.copytree(RESULTS / name / "runs", root / "runs")
    shutil.copy(RESULTS / name / "experiment.json", root)
    write_report(root)
    files = ["curves.csv", "README.md", *(f"tables/{p.name}" for p in (RESULTS / name / "tables").iterdir())]
    for file in files:
        assert (root / file).read_bytes() == (RESULTS / name / file).read_bytes(), f"{name}/{file} is out of date"


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_runs_are_the_protocols_own_as_far_as_they_go(name: str) -> None:
    experiment = read_experiment(RESULTS / name)
    own = library.load(name)
    assert experiment.fingerprint == own.fingerprint
    written = json.loads((RESULTS / name / "experiment.json").read_text())["protocol"]
    assert from_dict(written).recipe == own.recipe
    for run in experiment.runs:
        reached = len(run.labels)
        assert reached >= 2 or reached == len(own.budgets), f"{run.path} has less than two rounds"
        assert run.labels == list(own.budgets[:reached]), f"{run.path} leaves the protocol's label counts"
        assert "dirty" not in (run.header["commit"] or "dirty"), f"{run.path}: not from committed code"


def test_the_readme_shows_what_the_lines_say() -> None:
    assert headline.README.read_text(encoding="utf-8") == headline.readme(), "out of date: python -m docs.generate"
    assert recipe.PAGE.read_text(encoding="utf-8") == recipe.page(), "out of date: python -m docs.generate"


def test_the_readmes_learners_are_the_lines_of_the_last_round() -> None:
    """The row of one protocol, computed from its lines by other means."""
    ends: dict[str, list[dict[str, float]]] = {"supervised": [], "noisy-student": []}
    for learner, own in ends.items():
        for path in sorted((RESULTS / "mnist-noisy-student/runs/random").glob(f"{learner}-seed?.jsonl")):
            own.append(json.loads(path.read_text().splitlines()[-1]))
    supervised, student = (100 * np.array([line["accuracy"] for line in ends[who]]) for who in ends)
    medians = 100 * np.median([line["late"] for line in ends["noisy-student"]], axis=1)
    interval = stats.ttest_rel(student, supervised).confidence_interval()
    cells = [f"{x.mean():.1f} ± {x.std(ddof=1):.1f}" for x in (supervised, student, medians)]
    cells.append(f"{np.mean(student - supervised):+.1f} [{interval.low:+.1f}, {interval.high:+.1f}]")
    assert f"| 100 | noisy-student | {len(student)} | {' | '.join(cells)} |" in headline.learners_table(RESULTS)


def test_the_learners_table_of_one_seed_has_no_spread_and_no_interval(tmp_path: Path) -> None:
    copy = tmp_path / "mnist-noisy-student"
    shutil.copytree(RESULTS / copy.name, copy)
    for path in (copy / "runs").glob("*/*"):
        if not re.search(r"-seed0\.", path.name):
            path.unlink()
    (row,) = headline.learners_table(tmp_path).splitlines()[2:]
    assert re.fullmatch(r"\| .* \| 100 \| noisy-student \| 1 \| \d\d\.\d \| \d\d\.\d \| \d\d\.\d \| \+\d\.\d \|", row)


def test_the_readmes_grid_is_the_lines() -> None:
    """The row of margin with FixMatch, computed from the lines by other means."""

    def accuracies(strategy: str, learner: str) -> np.ndarray:
        paths = sorted((RESULTS / "mnist-fixmatch/runs" / strategy).glob(f"{learner}-seed?.jsonl"))
        lines = [[json.loads(line) for line in path.read_text().splitlines()[1:]] for path in paths]
        return 100 * np.array([[line["accuracy"] for line in rounds] for rounds in lines])

    labels = np.array(library.load("mnist-fixmatch").budgets)
    own, other, plain, plain_other = (
        accuracies(strategy, learner) for learner in ("fixmatch*", "supervised") for strategy in ("margin", "random")
    )
    areas = [np.trapezoid(x, labels, axis=1) / (labels[-1] - labels[0]) for x in (own, other, plain, plain_other)]
    cells = [f"{x.mean():.1f} ± {x.std(ddof=1):.1f}" for x in (*own.T, areas[0])]
    for gains, nothing in ((areas[0], areas[1]), (areas[0] - areas[1], areas[2] - areas[3])):
        interval = stats.ttest_rel(gains, nothing).confidence_interval()
        cells.append(f"{np.mean(gains - nothing):+.1f} [{interval.low:+.1f}, {interval.high:+.1f}]".replace("-", "−"))
    row = f"| margin | fixmatch | {' | '.join(cells)} | "
    assert row in headline.grid_table(RESULTS / "mnist-fixmatch")


def test_the_readmes_lengths_are_the_lines() -> None:
    """The row of entropy trained twice as long, computed from the lines by other means."""
    labels = np.array(library.load("cifar10-slow").budgets)

    def areas(name: str, strategy: str) -> np.ndarray:
        paths = sorted((RESULTS / name / "runs" / strategy).glob("supervised-seed[012].jsonl"))
        lines = [[json.loads(line) for line in path.read_text().splitlines()[1 : len(labels) + 1]] for path in paths]
        accuracy = 100 * np.array([[line["accuracy"] for line in rounds] for rounds in lines])
        return np.trapezoid(accuracy, labels, axis=1) / (labels[-1] - labels[0])

    short, long = (areas(name, "entropy") - areas(name, "random") for name in ("cifar10", "cifar10-slow"))
    cells = []
    for gains, nothing in ((long, np.zeros(3)), (long, short)):
        interval = stats.ttest_rel(gains, nothing).confidence_interval()
        cells.append(f"{np.mean(gains - nothing):+.1f} [{interval.low:+.1f}, {interval.high:+.1f}]".replace("-", "−"))
    (row,) = [line for line in headline.lengths_table(RESULTS).splitlines() if "entropy | twice" in line]
    assert f" | {' | '.join(cells)} | " in row
