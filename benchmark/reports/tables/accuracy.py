"""The tables of a report: accuracy at each label count, the summary, and cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from benchmark.reports.provenance import Provenance
from benchmark.reports.statistics.seeds import GROUP, REFERENCE, Key
from benchmark.reports.statistics.summary import keys
from benchmark.reports.statistics.views import View
from benchmark.reports.tables.cells import (
    decimals,
    interval,
    marked_best,
    points,
    row_name,
    seconds,
    sentences,
    thin_out,
)
from benchmark.reports.tables.render import MISSING, Cell, Table
from benchmark.reports.words import count

PRINTED_COLUMNS = 10


def accuracy_table(view: View, source: Provenance) -> Table:
    """Mean ± sd in % per strategy (rows, as in the summary) and label count (columns), the best mean bold.

    The CSV holds every label count; the printed table at most 10, evenly chosen, first and last among them.
    """
    accuracy, strategies = view.accuracy, view.ranking
    counts = sorted(set(accuracy["labels"].tolist()))
    shown = thin_out(counts, PRINTED_COLUMNS)
    places = decimals(accuracy["sd"])
    columns, seeds = [], []
    for labels in shown:
        there = accuracy[accuracy["labels"] == labels].set_index(GROUP).reindex(strategies)
        columns.append(marked_best(there["mean"], there["sd"], places))
        seeds.append(Cell(f"{there['n'].max():.0f}"))
    rows = [
        [Cell(row_name(key, source)), *cells] for key, cells in zip(strategies, zip(*columns, strict=True), strict=True)
    ]
    spread = "mean ± standard deviation over seeds" if accuracy["n"].max() > 1 else "one seed, no spread"
    caption = f"Test accuracy in % by number of labels on {source.datasets[0][0]}: {spread}. "
    if len(strategies) > 1:
        caption += "The best mean of each column is bold. "
    if len(shown) < len(counts):
        caption += f"Shown are {len(shown)} of {len(counts)} label counts, evenly chosen; the CSV holds all. "
    return Table(
        name=f"accuracy{view.suffix}",
        label=f"{source.experiment}-accuracy{view.suffix}",
        data=accuracy[[*GROUP, "labels", "mean", "sd", "n"]],
        header=["strategy", *map(str, shown)],
        rows=[*rows, [Cell("seeds"), *seeds]],
        caption=sentences(caption, view.scope, source.cheats),
        source=source.sentence,
        footnotes=source.footnotes,
        rule_before=len(rows),
    )


def summary_table(view: View, source: Provenance) -> Table:
    """One row per strategy: seeds, area, final accuracy, paired difference to random, seconds.

    Where there is one label count, the accuracy stands for area and final accuracy; where nothing pairs with random,
    there is no difference. Where some differences have more seeds than the means, a column ``pairs`` counts them.
    """
    summary = view.summary
    places = decimals(pd.concat([summary["area_sd"], summary["final_sd"]]))
    last, several = summary["labels"].iloc[0], view.curves["labels"].nunique() > 1
    paired = summary["gain_n"].max() > 0
    differing = ((summary["gain_n"] > 0) & (summary["gain_n"] != summary["n"])).any()
    area, final = (marked_best(summary[f"{what}_mean"], summary[f"{what}_sd"], places) for what in ("area", "final"))
    gains = {
        **({"pairs": [Cell(str(n)) if n else MISSING for n in summary["gain_n"]]} if differing else {}),
        f"vs. {REFERENCE}": [
            Cell(points(mean, places)) if math.isfinite(mean) else MISSING for mean in summary["gain_mean"]
        ],
        "95 % interval": [
            interval(low, high, places) for low, high in zip(summary["gain_low"], summary["gain_high"], strict=True)
        ],
    }
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in keys(summary)],
        "seeds": [Cell(str(n)) for n in summary["n"]],
        **({"area": area, "final": final} if several else {"accuracy": final}),
        **(gains if paired else {}),
        "train (s)": [Cell(seconds(value)) for value in summary["train_seconds"]],
        "query (s)": [Cell(seconds(value)) for value in summary["query_seconds"]],
    }
    spread = "± standard deviation over seeds" if summary["n"].max() > 1 else "one seed, no spread"
    caption = f"Acquisition strategies on {source.datasets[0][0]}, in the order of "
    if several:
        caption += (
            f"the area under the budget curve: the mean test accuracy in % on the way to {last} labels. Final is the "
            f"accuracy in % at {last} labels ({spread}). "
        )
    else:
        caption += f"the test accuracy in % at {last} labels ({spread}). "
    if paired:
        pairs = f", over the pairs of seeds that it shares with {REFERENCE}" if differing else ""
        corrected = ", not corrected for the number of comparisons" if len(summary) > 2 else ""
        caption += (
            f"vs. {REFERENCE} is the {'area' if several else 'accuracy'}'s mean difference to {REFERENCE} in points, "
            f"paired by seed{pairs}, with its 95 % t-interval{corrected}. "
        )
    caption += (
        "Train is seconds of training a run, a shared first round counted for each; query is seconds a round. "
        + ("The best means are bold. " if len(summary) > 1 else "")
    )
    return Table(
        name=f"summary{view.suffix}",
        label=f"{source.experiment}-summary{view.suffix}",
        data=summary,
        header=list(columns),
        rows=[list(row) for row in zip(*columns.values(), strict=True)],
        caption=sentences(caption, view.scope, source.cheats),
        source=source.sentence,
        footnotes=source.footnotes,
    )


def cost_table(cost: pd.DataFrame, ranking: Sequence[Key], source: Provenance) -> Table:
    """A row per strategy: seconds of a query, of all queries, of training, and the total against random's.

    Where strategies have different numbers of seeds, a column has their numbers.
    """
    order = [key for key in ranking if key in set(keys(cost))]
    rows = cost.set_index(GROUP).reindex(order)
    differing = rows["n"].nunique() > 1
    columns = [
        [Cell(row_name(key, source)) for key in order],
        *([[Cell(str(n)) for n in rows["n"]]] if differing else []),
        [
            Cell(seconds(mean), spread=seconds(sd) if math.isfinite(sd) else "")
            for mean, sd in zip(rows["query_mean"], rows["query_sd"], strict=True)
        ],
        *([Cell(seconds(value)) for value in rows[column]] for column in ("query", "train", "total")),
        [Cell(f"{factor:.2f}") if math.isfinite(factor) else MISSING for factor in rows["factor"]],
    ]
    spread = ", ± standard deviation over seeds" if rows["n"].max() > 1 else ""
    over = "the strategy's own seeds" if differing else f"{rows['n'].iloc[0]} {count(rows['n'].iloc[0], 'seed')}"
    mixed = "Seconds are from different devices and do not compare. " if len(source.devices) > 1 else ""
    header = ["strategy", *(["seeds"] if differing else []), "query (s)", "queries (s)", "train (s)", "total (s)"]
    return Table(
        name="cost",
        label=f"{source.experiment}-cost",
        data=rows.reset_index(),
        header=[*header, f"× {REFERENCE}"],
        rows=[list(row) for row in zip(*columns, strict=True)],
        caption=sentences(
            f"Cost on {source.datasets[0][0]}, means over {over}: seconds of a "
            f"query (a run's mean over its rounds{spread}), of all queries of a run, of its training, a shared first "
            f"round counted for each, and of both, as a multiple of {REFERENCE}'s in the last column. "
            f"{mixed}Seconds are by the clock: a machine that did more at a time took longer.",
            source.cheats,
        ),
        source=source.sentence,
        footnotes=source.footnotes,
    )
