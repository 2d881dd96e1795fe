"""Cost: seconds of queries and training."""

from __future__ import annotations

import math

import pandas as pd

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import row_name, seconds, sentences
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.curves import RUN, groups
from benchmark.reports.statistics.seeds import GROUP, REFERENCE
from benchmark.reports.statistics.summary import SECONDS, by_run, keys, known, mean_and_sd
from benchmark.reports.statistics.views import View
from benchmark.reports.words import count


def costs(rows: pd.DataFrame, reference: str = REFERENCE) -> pd.DataFrame:
    """Seconds per strategy and learner, means over its runs in ``rows``, which are of ``seeds.reaching``.

    Columns: strategy, learner, n (runs), query_mean, query_sd (per query: mean over a run's rounds, then over runs),
    query (all queries of a run before the last label count), train (of a run, a shared first round counted for each
    run), total (both), factor (total divided by the reference's with the same learner, over the seeds that both have).
    """
    last = rows["labels"].max()
    runs = []
    for key, (labels, train, query) in by_run(rows, *SECONDS).items():
        queries = known(value for count, value in zip(labels, query, strict=True) if count < last)
        runs.append((*key, mean_and_sd(queries)[0], math.fsum(queries), math.fsum(known(train))))
    table = pd.DataFrame(runs, columns=[*RUN, "round", "query", "train"])
    table["total"] = table["query"] + table["train"]
    others = table.loc[table["strategy"] == reference, ["learner", "seed", "total"]]
    table = table.merge(others.rename(columns={"total": "base"}), on=["learner", "seed"], how="left")
    found = []
    for key, own in groups(table, GROUP).items():
        both = own.dropna(subset=["base"])
        spent, base = math.fsum(both["total"]), math.fsum(both["base"])
        means = (mean_and_sd(own[column])[0] for column in ("query", "train", "total"))
        found.append((*key, len(own), *mean_and_sd(own["round"].dropna()), *means, spent / base if base else math.nan))
    columns = [*GROUP, "n", "query_mean", "query_sd", "query", "train", "total", "factor"]
    return pd.DataFrame(found, columns=columns)


def table(report: Report, _: View) -> Table:
    """A row per strategy: seconds per query, of all queries, of training and of both, and the multiple of random's.

    Where strategies have different numbers of seeds, a column shows them.
    """
    source, cost = report.source, costs(report.rows)
    order = [key for key in report.ranking if key in set(keys(cost))]
    rows = cost.set_index(GROUP).reindex(order)
    differing = rows["n"].nunique() > 1
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in order],
        **({"seeds": [Cell(str(n)) for n in rows["n"]]} if differing else {}),
        "query (s)": [
            Cell(seconds(mean), spread=seconds(sd) if math.isfinite(sd) else "")
            for mean, sd in zip(rows["query_mean"], rows["query_sd"], strict=True)
        ],
        "queries (s)": [Cell(seconds(value)) for value in rows["query"]],
        "train (s)": [Cell(seconds(value)) for value in rows["train"]],
        "total (s)": [Cell(seconds(value)) for value in rows["total"]],
        f"× {REFERENCE}": [Cell(f"{factor:.2f}") if math.isfinite(factor) else MISSING for factor in rows["factor"]],
    }
    spread = ", ± standard deviation over seeds" if rows["n"].max() > 1 else ""
    over = "the strategy's own seeds" if differing else f"{rows['n'].iloc[0]} {count(rows['n'].iloc[0], 'seed')}"
    mixed = "Timings are from different devices and are not comparable. " if len(source.devices) > 1 else ""
    caption = (
        f"Cost on {source.datasets[0][0]}, means over {over}: seconds per query (a run's mean over its "
        f"rounds{spread}), for all queries of a run, for its training (a shared first round counted for each run), and "
        f"for both; the last column is the total as a multiple of {REFERENCE}'s. {mixed}Seconds are wall-clock time, "
        "which depends on the load of the machine."
    )
    return Table.of_columns(columns, rows.reset_index(), sentences(caption, source.unranked.note))


SECTION = Section("Cost", table=Part("cost", table))
