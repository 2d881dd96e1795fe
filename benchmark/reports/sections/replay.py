"""Replays: what the labels that each strategy acquired are worth to the training that the replay is.

For every run, the accuracy in the run that acquired the labels (*own*) and the accuracy of the replay's training on
the same labels (*replayed*). Where the replay is the plain training of the same network, their difference is what the
strategy's attachment costs or gains. With a single label count the area is the accuracy there.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures import style
from benchmark.reports.rendering.figures.rows import ROW
from benchmark.reports.rendering.tables.cells import decimals, row_name, seeds_in_words, sentences
from benchmark.reports.rendering.tables.compared import (
    difference_cells,
    differences_explained,
    interval_cells,
    interval_title,
    rows_of,
    verdict_cells,
)
from benchmark.reports.rendering.tables.table import Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.family import REPLAYED, SOURCE_ACCURACY
from benchmark.reports.statistics.seeds import GROUP, Key
from benchmark.reports.statistics.summary import area_under_budget_curve, keys, mean_and_sd
from benchmark.reports.statistics.tidy import RUN, groups, key_of
from benchmark.reports.statistics.views import View
from benchmark.reports.unranked import RANKED
from benchmark.reports.verdicts import explained, sentence


def compute(report: Report) -> pd.DataFrame:
    """``replays`` of the report's runs up to its last label count."""
    found = []
    counts = sorted(set(report.rows["labels"]))
    for run in report.runs:
        rounds = [record for record in run.rounds if SOURCE_ACCURACY in record.diagnostics]
        own = {record.num_labelled: record.diagnostics[SOURCE_ACCURACY] for record in rounds}
        replayed = {record.num_labelled: record.accuracy for record in rounds}
        if not set(counts) <= set(own):
            continue
        areas = [area_under_budget_curve(counts, [values[n] for n in counts]) for values in (own, replayed)]
        found.append((*key_of(run), *areas))
    return replays(pd.DataFrame(found, columns=[*RUN, "own", "replayed"]), report.ranking)


def replays(runs: pd.DataFrame, ranking: list[Key]) -> pd.DataFrame:
    """A row per strategy and learner, in the order of ``ranking``.

    ``runs`` has a row per run with its areas ``own`` and ``replayed``, 0–1. Columns: strategy, learner, n (seeds), the
    means ``own`` and ``replayed`` with their standard deviations ``_sd``.
    """
    rows = []
    for key, some in groups(runs, GROUP).items():
        row: dict[str, Any] = {**dict(zip(GROUP, key, strict=True)), "n": len(some)}
        for what in ("own", "replayed"):
            row[what], row[f"{what}_sd"] = mean_and_sd(some[what])
        rows.append(row)
    place = {key: i for i, key in enumerate(ranking)}
    order = sorted(range(len(rows)), key=lambda i: place[rows[i]["strategy"], rows[i]["learner"]])
    return pd.DataFrame([rows[i] for i in order])


def _measure(report: Report) -> str:
    """What the areas are called."""
    counts = sorted(set(report.rows["labels"]))
    return (
        f"mean accuracy, {counts[0]} to {counts[-1]} labels" if len(counts) > 1 else f"accuracy at {counts[0]} labels"
    )


def notes(report: Report) -> list[str]:
    """Which experiment's labels these are, and whether the strategies' own trainings differ from this one."""
    source = str(report.source.protocol.get("replay") or "").partition("@")[0]
    if not source:
        return []
    return [
        f"A replay: every row is trained on the labels that its strategy acquired in {source}, not in this training.",
        *filter(None, [sentence(report.inference, REPLAYED)]),
    ]


def table(report: Report, _: View) -> Table | None:
    """A row per strategy; None where no run was replayed."""
    source, found = report.source, report.once(compute)
    if not len(found):
        return None
    places = decimals(found["replayed_sd"])
    cells = {
        what: [
            Cell(f"{100 * mean:.{places}f}", spread=f"{100 * sd:.{places}f}" if math.isfinite(sd) else "")
            for mean, sd in zip(found[what], found[f"{what}_sd"], strict=True)
        ]
        for what in ("own", "replayed")
    }
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in keys(found)],
        "seeds": [Cell(str(n)) for n in found["n"]],
        "own training": cells["own"],
        "replayed": cells["replayed"],
    }
    order, inference = keys(found), report.inference
    for head, against in (("own − replayed", REPLAYED), (f"replayed vs. {report.reference}", report.reference)):
        compared = rows_of(inference, against, order)
        columns[head] = difference_cells(compared, places)
        columns[f"{interval_title(inference)} ({against})"] = interval_cells(compared, places)
        unranked = RANKED if against == REPLAYED else source.unranked  # trainings of a strategy have no rank
        columns[f"verdict ({against})"] = verdict_cells(inference, against, order, unranked)
    caption = (
        f"What the acquired labels are worth: {_measure(report)} (%) in the run that acquired them, its own training, "
        f"and of this replay's training on the same labels, ± standard deviation over seeds. "
        f"{differences_explained(inference)} "
        f"{explained(inference, [REPLAYED])}"
    )
    made = Table.of_columns(columns, found, sentences(caption, source.unranked.note))
    return replace(made, header=[head.partition(" (")[0] for head in columns])


def figure(report: Report, _: View) -> Figure | None:
    """A row per strategy: a ring for its own training, a dot for the replay's, and the way from one to the other."""
    found = report.once(compute)
    if not len(found):
        return None
    ranking, seeds = keys(found), int(found["n"].max())
    title = _measure(report)
    with mpl.rc_context(style.RC):
        figure = Figure(figsize=(style.width(both=True), 0.95 + ROW * 1.2 * max(len(ranking), 2)))
        labels = style.row_labels(ranking, report.source.unranked)
        left = style.text_width(figure, labels) + 0.12
        (axes,) = style.new_axes(figure, 1)
        style.place(figure, [axes], left=left, gap=0, right=0.12, bottom=0.4)
        for row, (key, own, replayed) in enumerate(zip(ranking, found["own"], found["replayed"], strict=True)):
            colour = style.look(key[0]).colour
            axes.plot([100 * own, 100 * replayed], [row, row], color=colour, linewidth=1.2, zorder=2)
            ring: dict[str, Any] = {"markeredgecolor": colour, "markeredgewidth": 1.0, "linestyle": ""}
            axes.plot(100 * own, row, "o", markersize=6, markerfacecolor="white", zorder=3, **ring)
            axes.plot(100 * replayed, row, "o", markersize=3.5, markerfacecolor=colour, zorder=4, **ring)
        if (reference := found[found["strategy"] == report.reference]["replayed"]).size:
            axes.axvline(100 * reference.iloc[0], color=style.MUTED, linewidth=0.8, linestyle=":", zorder=1)
        axes.set_yticks(range(len(ranking)), labels)
        axes.set_ylim(len(ranking) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(style.value_ticks())
        axes.margins(x=0.05)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        sns.despine(ax=axes, left=True)
        axes.set_title(f"{title[0].upper()}{title[1:]} (%)", loc="left")
        said = f"ring: the run that acquired the labels; dot: this training on them; means over {seeds_in_words(seeds)}"
        style.remark(figure, f"{said}; dotted: the dot of {report.reference}" if reference.size else said)
    return figure


SECTION = Section(
    "What the acquired labels are worth",
    notes=notes,
    table=Part("replay", table),
    figure=Part(
        "replay", figure, alt=lambda _: "Accuracy in each strategy's own run and of the replay on the same labels"
    ),
)
