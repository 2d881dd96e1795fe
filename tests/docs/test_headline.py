"""The numbers in README.md, docs/results.md and docs/recipes: those of the published lines."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmark.experiment import load
from docs import headline, recipe

RESULTS = Path(__file__).resolve().parents[2] / "results"
PAGES = [headline.README, headline.RESULTS_PAGE, headline.RESULTS_PAGE.parent / "strategies.md"]
GENERATED = re.compile(r"<!-- [\w/-]+ -->.*?<!-- end -->", re.DOTALL)
INTERVAL = re.compile(r"[+−]\d+\.\d \[[+−]\d+\.\d, [+−]\d+\.\d\]")


def test_the_tables_show_what_the_lines_say() -> None:
    assert headline.README.read_text(encoding="utf-8") == headline.readme(), "out of date: python -m docs.generate"
    assert headline.RESULTS_PAGE.read_text(encoding="utf-8") == headline.results_page(), (
        "out of date: python -m docs.generate"
    )
    assert recipe.PAGE.read_text(encoding="utf-8") == recipe.page(), "out of date: python -m docs.generate"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_interval_in_the_text_is_one_of_a_table(page: Path) -> None:
    prose = GENERATED.sub("", page.read_text(encoding="utf-8")).replace("\n", " ")
    generated = GENERATED.findall(headline.RESULTS_PAGE.read_text(encoding="utf-8"))
    tables = [*generated, *(p.read_text(encoding="utf-8") for p in RESULTS.glob("*/tables/*.md"))]
    cells = re.sub(r"[\\*|]", " ", " ".join(tables))
    known = set(INTERVAL.findall(re.sub(r" +", " ", cells).replace(" ]", "]").replace("[ ", "[")))
    found = set(INTERVAL.findall(prose))
    assert len(found) >= 3
    assert found <= known


def test_the_readme_leaves_out_the_flawed_rows_and_no_others() -> None:
    def strategies(table: str) -> list[str]:
        return [line.split("|")[1].strip() for line in rows(table)[2:]]

    def rows(table: str) -> list[str]:
        return [line for line in table.splitlines() if line.startswith("|")]

    complete = headline.table(RESULTS / "cifar10-short", 3000)
    shown = headline.table(RESULTS / "cifar10-short", 3000, short=True)
    assert set(strategies(complete)) - set(strategies(shown)) == {name for name, _ in headline.FLAWED}
    assert [line for line in rows(complete) if line in rows(shown)] == rows(shown)
    assert shown.rstrip().splitlines()[-1].startswith("Compared with random (3 seeds): ")
    assert "learning-loss" not in shown


def test_the_readme_has_the_best_strategies_and_random_of_many() -> None:
    def names(table: str) -> list[str]:
        return [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")][2:]

    complete = names(headline.table(RESULTS / "cifar10-embeddings", 100))
    short = headline.table(RESULTS / "cifar10-embeddings", 100, short=True)
    assert names(short) == [*complete[: headline.MOST_ROWS - 1], "random"]
    assert f"The best {headline.MOST_ROWS - 1} of {len(complete)} strategies, and random." in short


def test_the_learners_are_the_lines_of_the_last_round() -> None:
    """The row of one protocol, computed from its lines by other means."""
    ends: dict[str, list[dict[str, float]]] = {"supervised": [], "noisy-student": []}
    for learner, own in ends.items():
        for path in sorted((RESULTS / "mnist-noisy-student/runs/random").glob(f"{learner}-seed?.jsonl")):
            own.append(json.loads(path.read_text().splitlines()[-1]))
    supervised, student = (100 * np.array([line["accuracy"] for line in ends[who]]) for who in ends)
    medians = 100 * np.median([line["checkpoint_accuracies"] for line in ends["noisy-student"]], axis=1)
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


def test_the_grid_is_the_lines() -> None:
    """The row of margin with FixMatch, computed from the lines by other means."""

    def accuracies(strategy: str, learner: str) -> np.ndarray:
        paths = sorted((RESULTS / "mnist-fixmatch/runs" / strategy).glob(f"{learner}-seed?.jsonl"))
        lines = [[json.loads(line) for line in path.read_text().splitlines()[1:]] for path in paths]
        return 100 * np.array([[line["accuracy"] for line in rounds] for rounds in lines])

    labels = np.array(load("mnist-fixmatch").budgets)
    own, other, plain, plain_other = (
        accuracies(strategy, learner) for learner in ("fixmatch*", "supervised") for strategy in ("margin", "random")
    )
    areas = [np.trapezoid(x, labels, axis=1) / (labels[-1] - labels[0]) for x in (own, other, plain, plain_other)]
    cells = [f"{x.mean():.1f} ± {x.std(ddof=1):.1f}" for x in (*own.T, areas[0])]
    (row,) = [line for line in headline.grid_table(RESULTS / "mnist-fixmatch").splitlines() if "margin | fixm" in line]
    assert row.startswith(f"| margin | fixmatch | {' | '.join(cells)} | ")
    gains = areas[0] - areas[1], areas[0] - areas[1] - (areas[2] - areas[3])
    shown = [cell.strip() for cell in row.strip("|").split("|")[-4::2]]
    assert [text.split(" [")[0] for text in shown] == [f"{np.mean(x):+.1f}".replace("-", "−") for x in gains]


@pytest.mark.parametrize("pair", headline.TRAININGS, ids=lambda pair: "-".join(pair))
def test_the_changes_by_another_training_are_the_lines(pair: dict[str, str]) -> None:
    """The row of entropy with the second training, computed from the lines by other means."""
    second = [*pair][1]
    paths = [*(RESULTS / second / "runs").glob("*/*.jsonl")]
    rounds = [[json.loads(line)["num_labelled"] for line in path.read_text().splitlines()[1:]] for path in paths]
    labels = np.array(min(rounds, key=len))

    def areas(name: str, strategy: str) -> np.ndarray:
        paths = sorted((RESULTS / name / "runs" / strategy).glob("supervised-seed[012].jsonl"))
        lines = [[json.loads(line) for line in path.read_text().splitlines()[1 : len(labels) + 1]] for path in paths]
        accuracy = 100 * np.array([[line["accuracy"] for line in rounds] for rounds in lines])
        return np.trapezoid(accuracy, labels, axis=1) / (labels[-1] - labels[0])

    old, new = (areas(name, "entropy") - areas(name, "random") for name in pair)
    table = headline.trainings_table(RESULTS, pair).splitlines()
    (row,) = [line for line in table if line.startswith(f"| entropy | {pair[second]} ")]
    shown = [cell.strip() for cell in row.strip("|").split("|")[-4::2]]
    means = [f"{np.mean(x):+.1f}".replace("-", "−") for x in (new, new - old)]
    assert [text.split(" [")[0] for text in shown] == means
