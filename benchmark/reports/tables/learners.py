"""The tables of learners: what they gain on supervised learning, and what strategies gain with them on random."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from benchmark.reports.provenance import Provenance
from benchmark.reports.statistics.learners import GAINS, SUPERVISED, label_counts
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, GROUP, REFERENCE, Key
from benchmark.reports.statistics.significance import LEVEL
from benchmark.reports.statistics.summary import keys
from benchmark.reports.tables.cells import MARK, decimals, interval, p_value, points, row_name, sentences, thin_out
from benchmark.reports.tables.render import MISSING, Cell, Table
from benchmark.reports.words import count

PRINTED_COLUMNS = 6  # label counts


def learners_table(tests: pd.DataFrame, ranking: Sequence[Key], source: Provenance) -> Table:
    """A row per strategy and learner of ``against_supervised``, in the order of ``ranking``: the gain, and its test."""
    place = {key: i for i, key in enumerate(ranking)}
    tests = tests.set_index(GROUP).loc[sorted(keys(tests), key=place.__getitem__)].reset_index()
    counts = label_counts(tests)
    shown = thin_out(counts, PRINTED_COLUMNS) if len(counts) > 1 else []
    places = decimals(tests["sd"])
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in keys(tests)],
        "seeds": [Cell(str(n)) for n in tests["n"]],
        f"vs. {SUPERVISED}": [
            Cell(points(gain, places) + MARK * (adjusted < LEVEL))
            for gain, adjusted in zip(tests["gain"], tests["p_holm"], strict=True)
        ],
        "95 % interval": [interval(low, high, places) for low, high in zip(tests["low"], tests["high"], strict=True)],
        "p": [Cell(p_value(p)) for p in tests["p"]],
        "Holm": [Cell(p_value(p)) for p in tests["p_holm"]],
        **{
            f"at {labels}": [
                Cell(points(gain, places)) if math.isfinite(gain) else MISSING for gain in tests[f"gain_{labels}"]
            ]
            for labels in shown
        },
    }
    family = int(tests["p"].notna().sum())
    what = "area under the budget curve" if len(counts) > 1 else f"accuracy at {counts[0]} labels"
    caption = (
        f"Learners beside supervised learning on {source.datasets[0][0]}: the difference in {what}, in points, to the "
        f"learner {SUPERVISED} with the same strategy, paired by seed, with the 95 % t-interval of its mean, not "
        "corrected. p is of the two-sided paired t-test, Holm its value after Holm's correction over the "
        f"{family} {count(family, 'test')} of this table; {MARK} marks what stays below {LEVEL:g}. "
    )
    if shown:
        caption += "The last columns are mean differences in accuracy at these label counts. "
    if (tests["n"] < FEWEST_SEEDS).any():
        caption += f"Fewer than {FEWEST_SEEDS} seeds are too few for a t-test: the cells are empty. "
    return Table(
        name="learners",
        label=f"{source.experiment}-learners",
        data=tests.drop(columns="sd"),
        header=list(columns),
        rows=[list(row) for row in zip(*columns.values(), strict=True)],
        caption=sentences(caption, source.cheats),
        source=source.sentence,
        footnotes=source.footnotes,
    )


def interactions_table(found: pd.DataFrame, ranking: Sequence[Key], source: Provenance) -> Table:
    """A row per strategy and learner of ``interactions``, in the order of ``ranking``."""
    place = {key: i for i, key in enumerate(ranking)}
    found = found.set_index(GROUP).loc[sorted(keys(found), key=place.__getitem__)].reset_index()
    places = decimals(found["sd"])
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in keys(found)],
        "seeds": [Cell(str(n)) for n in found["n"]],
    }
    heads = (SUPERVISED, "learner", "change")
    for head, what in zip(heads, GAINS, strict=True):
        shown = (found["p_holm"] < LEVEL) & (what == "change")
        columns[head] = [Cell(points(x, places) + MARK * mark) for x, mark in zip(found[what], shown, strict=True)]
        columns[f"95 % interval ({what})"] = [
            interval(low, high, places) for low, high in zip(found[f"{what}_low"], found[f"{what}_high"], strict=True)
        ]
    columns |= {
        "p": [Cell(p_value(p)) for p in found["p"]],
        "Holm": [Cell(p_value(p)) for p in found["p_holm"]],
    }
    family = int(found["p"].notna().sum())
    caption = (
        f"What the choice of labels is worth on {source.datasets[0][0]}: the mean difference in area under the budget "
        f"curve to {REFERENCE}, in points, with the learner {SUPERVISED} and with the row's, and the change from the "
        "first to the second, paired by seed, with 95 % t-intervals, not corrected. p is of the change's two-sided "
        f"paired t-test, Holm its value after Holm's correction over the {family} {count(family, 'test')} of this "
        f"table; {MARK} marks what stays below {LEVEL:g}. "
    )
    if (found["n"] < FEWEST_SEEDS).any():
        caption += f"Fewer than {FEWEST_SEEDS} seeds are too few for a t-test: the cells are empty. "
    return Table(
        name="interactions",
        label=f"{source.experiment}-interactions",
        data=found.drop(columns="sd"),
        header=[head.partition(" (")[0] for head in columns],
        rows=[list(row) for row in zip(*columns.values(), strict=True)],
        caption=sentences(caption, source.cheats),
        source=source.sentence,
        footnotes=source.footnotes,
    )
