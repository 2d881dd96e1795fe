"""The tables of published results in README.md and docs/results.md, each written between two comments of the page.

README.md has the one of MNIST; docs/results.md has all of them. Everything is computed from the lines in
``results/``.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import pandas as pd

from benchmark import ENGINE_VERSION
from benchmark.experiment import library
from benchmark.reports import read_report
from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import points
from benchmark.reports.sections.checkpoints import last_checkpoints
from benchmark.reports.statistics.endpoints import declared
from benchmark.reports.statistics.family import GAIN, contrasts, resolution
from benchmark.reports.statistics.inference import Inference, infer
from benchmark.reports.statistics.seeds import GROUP, REFERENCE, SUPERVISED, Key
from benchmark.reports.statistics.summary import mean_and_sd, mean_interval
from benchmark.reports.statistics.tidy import groups
from benchmark.reports.statistics.views import View
from benchmark.reports.unranked import Unranked
from benchmark.reports.verdicts import in_words, method, reach, sentence
from benchmark.reports.words import brief
from benchmark.results.store import read_experiment
from docs import ablation, overview
from strategies.registry import resolve

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
RESULTS_PAGE = ROOT / "docs" / "results.md"
SHOWN = {
    "cifar10": 3000,
    "cifar10-short": 3000,
    "mnist": 100,
    "cifar10-embeddings": 100,
    "cifar10-embeddings-2000": 1000,
    "cifar10-embeddings-10000": 5000,
    "cifar10-embeddings-label-noise": 100,
    "cifar10-embeddings-long-tail": 100,
    "mnist-embeddings": 100,
    "replay-cifar10-short-by-head": 3000,
}  # experiments, and the label count shown beside the last one
MOST_ROWS = 9  # of README.md
GRID = "mnist-fixmatch"  # an experiment with several strategies and several learners
# Pairs of experiments that differ in the training alone, and what it is called in their table.
TRAININGS = (
    {"cifar10-short": "as it is", "cifar10-slow": "twice as long"},
    {"cifar10": "of the protocol", "cifar10-less-regularised": "less regularised"},
)
# Left out of README.md: in version 1 the loss predictor could not see the embedding (see docs/results.md).
FLAWED = {("learning-loss", 1), ("semi-supervised-learning-loss", 1)}


def readme() -> str:
    """README.md with its table recomputed from the lines. Raises ValueError if the table has no place in it."""
    shown = table(ROOT / "results" / "mnist", SHOWN["mnist"], short=True)
    return filled(README.read_text(encoding="utf-8"), "results/mnist", shown)


def results_page() -> str:
    """docs/results.md with its tables recomputed from the lines. Raises ValueError if a table has no place in it."""
    text = RESULTS_PAGE.read_text(encoding="utf-8")
    text = filled(text, "overview", overview.table(ROOT / "results"))
    for name, labels in SHOWN.items():
        text = filled(text, f"results/{name}", table(ROOT / "results" / name, labels))
    text = filled(text, f"results/{GRID}", grid_table(ROOT / "results" / GRID))
    for pair in TRAININGS:
        text = filled(text, f"results/{[*pair][-1]}", trainings_table(ROOT / "results", pair))
    text = filled(text, "loss-ablation", ablation.tables(ROOT / "results"))
    text = filled(text, "versions", older_versions(ROOT / "results"))
    return filled(text, "learners", learners_table(ROOT / "results"))


def older_versions(root: Path) -> str:
    """Which strategies of the published runs are not of the present code, a line of Markdown for each experiment.

    Those of an older engine alone, and those of an earlier version of the strategy.
    """
    lines = []
    for experiment in sorted(path.parent for path in root.glob("*/experiment.json")):
        published: dict[str, tuple[int, int]] = {}
        for run in read_experiment(experiment).runs:
            name, found = run.key.strategy, (run.header.engine_version, run.header.strategy_version)
            published[name] = max(found, published.get(name, (0, 0)))
        versions = [name for name, (_, version) in sorted(published.items()) if version < resolve(name).version]
        engine = [name for name, (number, _) in sorted(published.items()) if number < ENGINE_VERSION]
        said = []
        if engine:
            which = "all" if len(engine) == len(published) else ", ".join(f"`{name}`" for name in engine)
            said.append(f"of engine {min(published[name][0] for name in engine)}: {which}")
        if versions:
            said.append(f"of an earlier version: {', '.join(f'`{name}`' for name in versions)}")
        if said:
            lines.append(f"- {experiment.name}: {'; '.join(said)}\n")
    return "".join(lines) or "None.\n"


def filled(text: str, place: str, table: str) -> str:
    """``text`` with ``table`` between its lines <!-- place --> and <!-- end -->. Raises ValueError without them."""
    found = re.search(rf"(?<=<!-- {re.escape(place)} -->\n).*?(?=<!-- end -->)", text, re.DOTALL)
    if found is None:
        raise ValueError(f"there is no place for a table: no lines <!-- {place} --> and <!-- end -->")
    return text[: found.start()] + table + text[found.end() :]


def table(root: Path, labels: int, short: bool = False) -> str:
    """The headline strategies by area: accuracies, area and verdict against random; Markdown.

    Below stands the experiment's sentence, and how verdicts come about. What is ``short`` has the best strategies and
    random alone, without flawed runs and without the latter. Verdicts are the experiment's own: leaving strategies out
    does not change those on the others.
    """
    report = read_report(root)
    last = int(report.summary["labels"].iloc[0])
    at = report.accuracy[report.accuracy["labels"] == labels].set_index(["strategy", "learner"])
    lines = [
        f"| strategy | seeds | at {labels:,} labels (%) | at {last:,} labels (%) | area (%) "
        "| area vs. random (points) | verdict |",
        "| :-- | --: | --: | --: | --: | --: | :-- |",
    ]
    flawed = {run.key.strategy for run in report.runs if (run.key.strategy, run.header.strategy_version) in FLAWED}
    omitted = list(flawed) if short else []
    left_out = {key for key in report.ranking if key[0] in omitted or key in report.source.unranked.degenerate}
    shown = []
    rows = report.summary[~report.summary["strategy"].isin(omitted)]
    widest = report.views[-1]
    fewer = pd.DataFrame() if short else _only_in(widest, report)
    if len(fewer):
        rows = pd.concat([rows, fewer]).sort_values("area_mean", ascending=False, kind="stable")
        also = widest.accuracy[widest.accuracy["labels"] == labels].set_index(["strategy", "learner"])
        at = pd.concat([at, also.loc[[key for key in also.index if key not in at.index]]])
    if short and len(rows) > MOST_ROWS:
        best = [*rows["strategy"][rows["strategy"] != REFERENCE][: MOST_ROWS - 1], REFERENCE]
        rows = rows[rows["strategy"].isin(best)]
    for _, row in rows.iterrows():
        key = (row["strategy"], row["learner"])
        shown.append(key)
        cells = [
            row["strategy"] + report.source.unranked.mark(key),
            str(row["n"]),
            _percent(at.loc[key, "mean"], at.loc[key, "sd"]),
            _percent(row["final_mean"], row["final_sd"]),
            _percent(row["area_mean"], row["area_sd"]),
            *_found(report.inference, REFERENCE, key, report.source.unranked),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    degenerate = {key: why for key, why in report.source.unranked.degenerate.items() if key in shown}
    said = [sentence(report.inference, REFERENCE, left_out), Unranked(degenerate=degenerate).note]
    if len(rows) < len(report.summary) - len(omitted):
        said.insert(0, f"The best {len(rows) - 1} of {len(report.summary) - len(omitted)} strategies, and {REFERENCE}.")
    if len(fewer):
        said.append(f"Rows of {fewer['n'].min()} seeds are over these seeds alone.")
    if not short:
        said += [reach(report.inference), method(report.inference)]
    return "\n".join([*lines, "", " ".join(filter(None, said))]) + "\n"


def _only_in(view: View, report: Report) -> pd.DataFrame:
    """The summaries of strategies that have too few seeds for the headline, but for diagnostics."""
    summary, first = report.summary_of(view), report.summary
    return summary[~summary["strategy"].isin([*first["strategy"], *report.inference.apart])]


def learners_table(results: Path) -> str:
    """A row per learner and label count of each protocol that compares learners with supervised learning, Markdown.

    Only protocols with a single strategy. Accuracies are over the seeds that both learners have; the difference has its
    95 % t-interval.
    """
    lines = [
        "| protocol | labels | learner | seeds | supervised (%) | last step (%) | median of the last five (%) "
        "| difference (points) |",
        "| :-- | --: | :-- | --: | --: | --: | --: | --: |",
    ]
    for name in library.names():
        asked = library.load(name)
        root = results / name
        if len(asked.learners) == 1 or len(asked.strategies) > 1 or not (root / "experiment.json").exists():
            continue
        report = read_report(root)
        called = brief(report.source.learners)
        for labels in sorted(set(report.curves["labels"])):
            ends = last_checkpoints(report.runs, report.views[-1].ranking, labels)
            if ends.empty:  # only supervised learning has runs so far
                continue
            ends = ends.set_index("learner")
            at = report.curves[report.curves["labels"] == labels].pivot(
                index="seed", columns="learner", values="accuracy"
            )
            for learner in ends.index.drop(SUPERVISED):
                both = at[[SUPERVISED, learner]].dropna()
                gain, low, high, n = mean_interval(both[learner] - both[SUPERVISED])
                cells = [
                    f"[{name}](../results/{name}/README.md)",
                    f"{labels:,}",
                    called[learner],
                    str(n),
                    *(_percent(*mean_and_sd(both[who])) for who in (SUPERVISED, learner)),
                    _percent(ends.loc[learner, "median_mean"], ends.loc[learner, "median_sd"]),
                    f"{points(gain, 1)} [{points(low, 1)}, {points(high, 1)}]" if n > 1 else points(gain, 1),
                ]
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def grid_table(root: Path) -> str:
    """A row per strategy and learner: accuracy at every label count, the gain over random, and its change, Markdown.

    The gain is in area; the change is relative to the gain with supervised learning.
    """
    report = read_report(root)
    called = brief(report.source.learners)
    at = groups(report.accuracy, GROUP)
    counts = sorted(set(report.accuracy["labels"]))
    lines = [
        f"| strategy | learner | {' | '.join(f'at {labels}' for labels in counts)} | area "
        "| area vs. random | verdict | change from supervised | verdict |",
        "| :-- | :-- | " + " | ".join(["--:"] * (len(counts) + 2)) + " | :-- | --: | :-- |",
    ]
    for _, row in report.summary.iterrows():
        key, unranked = (row["strategy"], row["learner"]), report.source.unranked
        found = [cell for against in (REFERENCE, GAIN) for cell in _found(report.inference, against, key, unranked)]
        lines.append(_grid_row([row["strategy"], called[row["learner"]]], at[key], row, found))
    unranked = report.source.unranked.degenerate
    said = [sentence(report.inference, against, unranked) for against in (REFERENCE, GAIN)]
    said.insert(1, sentence(report.inference, SUPERVISED))
    return "\n".join([*lines, "", " ".join([*said, method(report.inference)])]) + "\n"


def trainings_table(results: Path, pair: dict[str, str]) -> str:
    """A row per strategy and training of ``pair``, for the strategies, seeds and label counts of the second, Markdown.

    The change is that of the gain in area over random, with the training in place of the learner, and all of the table
    is one family.
    """
    first, second = pair
    new = read_report(results / second)
    counts = new.curves["labels"].value_counts()
    seeds, budgets = set(new.curves["seed"]), sorted(counts[counts == counts.max()].index)
    strategies = new.summary["strategy"].tolist()
    old = read_report(results / first, strategies, seeds=seeds, budgets=budgets)
    lines = [
        f"| strategy | training | seeds | {' | '.join(f'at {labels:,}' for labels in budgets)} | area "
        "| area vs. random | verdict | change | verdict |",
        "| :-- | :-- | --: | " + " | ".join(["--:"] * (len(budgets) + 2)) + " | :-- | --: | :-- |",
    ]
    both = pd.concat([old.curves, new.curves.assign(learner=second)])
    inference = infer(contrasts(both), declared(len(budgets)), resolution([*old.runs, *new.runs]))
    for strategy in strategies:
        for report, training in zip((old, new), pair.values(), strict=True):
            row = report.summary.set_index("strategy").loc[strategy]
            at = report.accuracy[report.accuracy["strategy"] == strategy]
            key = (strategy, second if report is new else SUPERVISED)
            unranked, own = report.source.unranked, (strategy, SUPERVISED)
            found = [cell for against in (REFERENCE, GAIN) for cell in _found(inference, against, key, unranked, own)]
            lines.append(_grid_row([strategy, training, str(row["n"])], at, row, found))
    return "\n".join([*lines, "", method(inference)]) + "\n"


def _grid_row(first: list[str], at: pd.DataFrame, row: pd.Series, found: list[str]) -> str:
    """The ``first`` cells, the accuracies ``at`` each label count, the area of a summary's ``row``, and what is
    ``found``."""
    cells = [
        *first,
        *(_percent(mean, sd) for mean, sd in zip(at["mean"], at["sd"], strict=True)),
        _percent(row["area_mean"], row["area_sd"]),
        *found,
    ]
    return f"| {' | '.join(cells)} |"


def _difference(mean: float, low: float, high: float) -> str:
    """In points, with its interval; – without one."""
    return f"{points(mean, 1)} [{points(low, 1)}, {points(high, 1)}]" if math.isfinite(low) else "–"


def _percent(mean: float, deviation: float) -> str:
    """In %; ``deviation`` is NaN with a single seed, and then left out."""
    return f"{100 * mean:.1f}" + (f" ± {100 * deviation:.1f}" if math.isfinite(deviation) else "")


def _found(inference: Inference, against: str, key: Key, unranked: Unranked, own: Key | None = None) -> tuple[str, str]:
    """The difference in area to a reference with its interval, and the verdict; – where it is not compared.

    ``own`` is the key among the ``unranked``, where the inference has another.
    """
    rows = inference.of(against)
    if key not in rows.index:
        return "–", "–"
    words = unranked.cited(own or key, in_words(inference.verdicts(key, against)))
    return _difference(*rows.loc[key, ["difference", "low", "high"]]), words
