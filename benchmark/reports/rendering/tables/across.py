"""Tables across data sets and protocols."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.statistics.across import FEWEST_DEGREES, Across, Setting
from benchmark.reports.statistics.inference import MARGIN
from benchmark.reports.statistics.seeds import FEWEST_SEEDS
from benchmark.reports.words import brief, count

REGION = "worse"  # begins every verdict, or part of one, by which a strategy is worse somewhere


def titles(settings: Sequence[Setting]) -> list[str]:
    """The experiment of each setting, with its learner where an experiment has several."""
    called = brief(one.learner for one in settings)
    return [
        f"{one.experiment} ({called[one.learner]})"
        if sum(other.experiment == one.experiment for other in settings) > 1
        else one.experiment
        for one in settings
    ]


def across_table(found: Across, settings: Sequence[Setting]) -> Table:
    """A row per strategy: the measures with their intervals, and in how many settings it is not worse and is better."""
    table = found.table.copy()
    verdicts = {
        name: [one.verdicts[name] for one in settings if name in one.verdicts] for name in table["strategy"].tolist()
    }
    table["compared"] = [len(verdicts[name]) for name in table["strategy"]]
    table["not_worse"] = [sum(REGION not in words for words in verdicts[name]) for name in table["strategy"]]
    table["better"] = [sum("better" in words for words in verdicts[name]) for name in table["strategy"]]
    reference = settings[0].reference
    columns = {
        "strategy": [Cell(name) for name in table["strategy"]],
        "data sets": [Cell(str(n)) for n in table["datasets"]],
        "settings": [Cell(str(n)) for n in table["settings"]],
        "error reduction (%)": _cells(table, "reduction", 100, 1, signed=True),
        "P(improvement)": _cells(table, "improvement", 1, 2),
        "mean rank": _cells(table, "rank", 1, 1),
        "not worse": [_share(n, of) for n, of in zip(table["not_worse"], table["compared"], strict=True)],
        "better": [_share(n, of) for n, of in zip(table["better"], table["compared"], strict=True)],
    }
    datasets = len({one.dataset for one in settings})
    caption = (
        f"Strategies across {datasets} data {count(datasets, 'set')} and {len(settings)} "
        f"{count(len(settings), 'setting')} ({', '.join(titles(settings))}). A setting is an experiment with one "
        "learner; numbers are means over data sets of the means over a data set's settings, by the area under the "
        f"budget curve. Error reduction is the share of {reference}'s errors that a strategy avoids; P(improvement) is "
        f"the probability that one of its runs is better than one of {reference}'s (Agarwal et al., NeurIPS 2021). "
    )
    if found.ranks.shape[1]:
        caption += (
            f"The mean rank is among the {len(found.ranks)} strategies that all data sets have, 1 is best. In brackets "
        )
    else:
        caption += "Ranks take at least two strategies that all data sets have. In brackets "
    caption += (
        "are 95 % intervals of a bootstrap over seeds, stratified by setting: they say nothing of other data sets, and "
        f"take two seeds in each setting and, in all, {FEWEST_DEGREES} more seeds than settings; settings of a data "
        "set with the same seeds count as one there. Not worse and better count the settings by their corrected "
        f"verdicts: of those with at least {FEWEST_SEEDS} seeds, in which the strategy is tested against {reference}, "
        "how many do not call it worse anywhere on the curve, for which few seeds may be the reason, and how many call "
        "it better somewhere. Rows over different settings are not comparable with one another. Left out are "
        "diagnostics, strategies whose premises fail, and those with fewer seeds than the others."
    )
    return Table.of_columns(columns, table, caption)


def warm_up_table(settings: Sequence[Setting], order: Sequence[str]) -> Table:
    """A row per strategy, a column per setting: from how many labels on it is not behind the reference."""
    reference = settings[0].reference
    names = [name for name in order if any(name in one.warm_up for one in settings)]
    columns = {"strategy": [Cell(name) for name in names]}
    for title, one in zip(titles(settings), settings, strict=True):
        columns[title] = [_labels(*one.warm_up[name]) if name in one.warm_up else MISSING for name in names]
    rows = [
        (name, one.experiment, one.learner, *one.warm_up[name])
        for name in names
        for one in settings
        if name in one.warm_up
    ]
    data = pd.DataFrame(rows, columns=["strategy", "experiment", "learner", "labels", "low", "high"])
    ranges = ", ".join(
        f"{'–'.join(dict.fromkeys(f'{end:,}' for end in (one.first, one.last)))} in {title}"
        for title, one in zip(titles(settings), settings, strict=True)
    )
    caption = (
        f"Warm-up labels, from which on a strategy's mean accuracy stays within {100 * MARGIN:g} points of "
        f"{reference}'s, or above. These are estimates, not verdicts. Never: it is further behind at the last label "
        "count. In brackets are 95 % percentile intervals of a bootstrap over seeds, from five seeds on. Where a "
        f"strategy is about as good as {reference}, noise makes them late: with ten seeds they may miss the truth in a "
        f"third of cases. Label counts are {ranges}."
    )
    return Table.of_columns(columns, data, caption)


def _cells(table: pd.DataFrame, measure: str, scale: float, places: int, signed: bool = False) -> list[Cell]:
    def text(value: float) -> str:
        return f"{scale * value:{'+' * signed}.{places}f}".replace("-", "−")

    rows = table[[measure, f"{measure}_low", f"{measure}_high"]].to_numpy(dtype=float)
    return [
        MISSING
        if math.isnan(value)
        else Cell(text(value) + (f" [{text(low)}, {text(high)}]" if math.isfinite(low) else ""))
        for value, low, high in rows
    ]


def _share(n: int, of: int) -> Cell:
    return Cell(f"{n} of {of}") if of else MISSING


def _labels(value: float, low: float, high: float) -> Cell:
    def text(count: float) -> str:
        return "never" if math.isinf(count) else f"{count:,.0f}"

    return Cell(text(value) + ("" if math.isnan(low) else f" [{text(low)}, {text(high)}]"))
