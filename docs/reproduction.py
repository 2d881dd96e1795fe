"""The page docs/reproduction.md: our accuracies beside those published elsewhere, at the same label counts.

``published.json`` holds the others' numbers, with their sources, in %; ours are the lines in results/. Each number is
compared by itself: the difference of the two means with the 95 % interval of Welch's t-test (Biometrika 34, 1947).
Where the others give no standard deviation ours stands in for theirs; what was read off a figure has its reading
error on top. Not corrected for the number of comparisons: of twenty one may stand out by chance.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from scipy import stats

from benchmark.experiment import Protocol, library
from benchmark.reports.statistics.curves import select, tidy
from benchmark.reports.statistics.seeds import REFERENCE
from benchmark.reports.statistics.summary import mean_and_sd, paired
from benchmark.reports.tables.cells import points
from benchmark.reports.words import count, ranges
from benchmark.results.store import read_experiment

PAGE = Path(__file__).with_name("reproduction.md")
PUBLISHED = Path(__file__).with_name("published.json")
RESULTS = Path(__file__).resolve().parents[1] / "results"

INTRODUCTION = """\
# Ours beside what others published

Written by `python -m docs.generate` from `results/` and `docs/published.json`; change those.

For every protocol with the data set and the label counts of published figures: test accuracies in %, and differences
to random in points, ours and theirs. Each of our means is over all seeds of that strategy. \\* marks a difference
beyond the noise: the 95 % interval of Welch's t-test excludes 0, not corrected for the number of comparisons, so one
of twenty may stand out by chance. Where the others give no standard deviation, ours stands in for theirs; a figure's
reading error is added.
"""


class Value(NamedTuple):
    """A mean over ``n`` runs with its standard deviation (NaN: unknown)."""

    mean: float
    sd: float
    n: int


def page(results: Path = RESULTS) -> str:
    """The whole page, from the experiments in ``results`` that are a protocol's own."""
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    known = library.names()
    compared = [name for name in known if any(name in one["differences"] for one in published.values())]
    sections = [_section(name, published, results) for name in compared]
    others = ", ".join(name for name in known if name not in compared)
    closing = (
        f"## Without a partner\n\nNo published figure at the same label counts is in `docs/published.json`: {others}.\n"
    )
    return "\n".join([INTRODUCTION, *sections, closing])


def difference(ours: Value, theirs: Value, error: float = 0.0) -> tuple[float, float, bool]:
    """Ours minus theirs, the half-width of its 95 % interval with ``error`` on top, and whether 0 lies outside.

    Without a spread on our side (one seed) the half-width is NaN and nothing is beyond the noise.
    """
    gap = ours.mean - theirs.mean
    sd = ours.sd if math.isnan(theirs.sd) else theirs.sd
    parts = [ours.sd**2 / ours.n, sd**2 / theirs.n]
    if math.isnan(sum(parts)):
        return gap, math.nan, False
    if sum(parts) == 0:
        return gap, error, abs(gap) > error
    freedom = sum(parts) ** 2 / sum(part**2 / (n - 1) for part, n in zip(parts, (ours.n, theirs.n), strict=True))
    half = float(stats.t.ppf(0.975, freedom)) * math.sqrt(sum(parts)) + error
    return gap, half, abs(gap) > half


def _section(name: str, published: Mapping[str, Any], results: Path) -> str:
    partners = [one for one in published.values() if name in one["differences"]]
    lines = [f"## {name}", ""]
    root = results / name
    own = library.load(name)
    if not (root / "experiment.json").is_file() or read_experiment(root).fingerprint != own.fingerprint:
        titles = "".join(f"- {one['title']}\n" for one in partners)
        return "\n".join([*lines, f"No published runs of ours yet. To be compared with:\n\n{titles}"])
    selection = select(read_experiment(root))
    curves = tidy(selection.runs)
    curves = curves[curves["learner"] == "supervised"]
    lines += [f"Ours: `results/{name}`, seeds {ranges(sorted(set(curves['seed'].tolist())))}.", ""]
    return "\n".join(lines) + "\n" + "\n".join(_against(one, curves, name) for one in partners)


def _differences(texts: Sequence[str], own: Protocol) -> list[str]:
    """``texts`` with our dropout, and our fewest and most steps of a training, where they name them."""
    steps = [f"{own.recipe.steps(labels):,}" for labels in (own.budgets[0], own.budgets[-1])]
    dropout = own.model.parameters.get("dropout", 0)
    return [text.format(dropout=dropout, fewest=steps[0], most=steps[1]) for text in texts]


def _against(one: Mapping[str, Any], curves: pd.DataFrame, name: str) -> str:
    """A published set beside ours: source, known differences, table, and what the comparison says."""
    text = [
        f"### {one['title']}",
        "",
        f"Source: {one['source']}; {one['kind']}; {one['n']} runs. {one['setting']}.",
        *([one["doubt"]] if one["doubt"] else []),
        *([f"Left out: {one['left_out']}"] if one["left_out"] else []),
        "",
        "Known differences of ours:",
        "",
        *(f"- {said}" for said in _differences(one["differences"][name], library.load(name))),
        "",
    ]
    ours = _ours(curves)
    rows, found = [], []
    for title, kind, theirs in _theirs(one):
        shared = {labels: value for labels, value in theirs.items() if labels in ours.get((kind, title), {})}
        if not shared:
            continue
        mine = ours[kind, title]
        error = one["error"] * (2 if kind == "gain" else 1)
        gaps = {labels: difference(mine[labels], value, error) for labels, value in shared.items()}
        said = f"{title} − {REFERENCE}" if kind == "gain" else title
        seeds = max(mine[labels].n for labels in shared)
        rows += [
            (said, f"ours, {seeds} {count(seeds, 'seed')}", {n: _number(mine[n].mean, kind) for n in shared}),
            ("", "published", {n: _number(value.mean, kind) for n, value in shared.items()}),
            ("", "difference", {n: _gap(gap) for n, gap in gaps.items()}),
        ]
        found += [(kind, *gap) for gap in gaps.values()]
    if not rows:
        return "\n".join([*text, "None of their strategies has runs of ours at these label counts yet.", ""])
    counts = sorted({labels for _, _, cells in rows for labels in cells})
    table = [
        f"| strategy | | {' | '.join(map(str, counts))} |",
        f"| :-- | :-- |{' --: |' * len(counts)}",
        *(f"| {who} | {what} | {' | '.join(cells.get(n, '') for n in counts)} |" for who, what, cells in rows),
    ]
    return "\n".join([*text, *table, "", *_verdict(found), ""])


def _ours(curves: pd.DataFrame) -> dict[tuple[str, str], dict[int, Value]]:
    """In % and points: by kind (accuracy, gain: the difference to random, paired by seed) and strategy, by labels."""
    gains = paired(curves, "accuracy", ["learner", "seed", "labels"])
    found: dict[tuple[str, str], dict[int, Value]] = {}
    for kind, frame, column in (("accuracy", curves, "accuracy"), ("gain", gains, "gain")):
        for (strategy, labels), values in frame.groupby(["strategy", "labels"])[column]:
            mean, sd = mean_and_sd(100 * value for value in values)
            found.setdefault((kind, str(strategy)), {})[int(labels)] = Value(mean, sd, len(values))
    return found


def _theirs(one: Mapping[str, Any]) -> Iterable[tuple[str, str, dict[int, Value]]]:
    """Their accuracies by strategy, then their differences to random: of means, with independent spreads."""
    values = {
        strategy: {
            labels: Value(mean, sd, one["n"])
            for labels, mean, sd in zip(
                curve["labels"], curve["mean"], curve.get("sd", [math.nan] * len(curve["mean"])), strict=True
            )
        }
        for strategy, curve in one["curves"].items()
    }
    for strategy, own in values.items():
        yield strategy, "accuracy", own
    for strategy, own in values.items():
        if strategy != REFERENCE:
            base = values[REFERENCE]
            yield (
                strategy,
                "gain",
                {
                    n: Value(v.mean - base[n].mean, math.hypot(v.sd, base[n].sd), v.n)
                    for n, v in own.items()
                    if n in base
                },
            )


def _number(value: float, kind: str) -> str:
    return points(value / 100, 1) if kind == "gain" else f"{value:.1f}"


def _gap(gap: tuple[float, float, bool]) -> str:
    return points(gap[0] / 100, 1) + r"\*" * gap[2]


def _verdict(found: list[tuple[str, float, float, bool]]) -> list[str]:
    """How many differences are beyond the noise, and the doubt that remains."""
    lines = []
    for kind, what in (("accuracy", "accuracies"), ("gain", "differences to random")):
        gaps = [gap for k, gap, _, _ in found if k == kind]
        beyond = sum(outside for k, _, _, outside in found if k == kind)
        if gaps:
            lines.append(
                f"- Of {len(gaps)} {what}, {beyond} differ beyond the noise; ours minus theirs is "
                f"{points(sum(gaps) / len(gaps) / 100, 1)} points on average, from {points(min(gaps) / 100, 1)} to "
                f"{points(max(gaps) / 100, 1)}."
            )
    if any(outside for *_, outside in found):
        lines.append(
            "- Which of the known differences accounts for how much is not settled: no run of ours isolates them here."
        )
    return lines
