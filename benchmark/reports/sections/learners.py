"""Learners compared with supervised learning: what each gains with the same strategy, paired by seed.

The test is Student's paired t-test, two-sided, with Holm's correction over the strategies and learners of the table.
With a single label count, the area is the accuracy there.
"""

from __future__ import annotations

import math

import pandas as pd

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import (
    MARK,
    decimals,
    interval,
    p_value,
    points,
    row_name,
    sentences,
    thin_out,
)
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.curves import groups
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, GROUP, SUPERVISED
from benchmark.reports.statistics.significance import LEVEL, holm, paired_t
from benchmark.reports.statistics.summary import judged, keys, mean_and_sd, mean_interval, paired
from benchmark.reports.statistics.views import View
from benchmark.reports.words import count, name

PRINTED_COLUMNS = 6  # label counts


def compute(report: Report) -> pd.DataFrame:
    """``against_supervised`` for all runs."""
    return against_supervised(report.rows, report.areas)


def against_supervised(rows: pd.DataFrame, areas: pd.DataFrame) -> pd.DataFrame:
    """A row per strategy and learner that shares seeds with the same strategy's supervised runs.

    ``rows`` are of ``seeds.reaching``, ``areas`` of ``summary.run_areas`` on them, both 0–1. Columns: strategy,
    learner, n (these seeds), gain (mean difference in area), low, high (its 95 % t-interval), sd, t, p, p_holm, and for
    each label count the mean difference in accuracy, ``gain_<labels>``.
    """
    pairs = paired(areas, "area", ["strategy", "seed"], SUPERVISED, of="learner")
    single = paired(rows, "accuracy", ["strategy", "seed", "labels"], SUPERVISED, of="learner")
    at = {key: pair.groupby("labels")["gain"].mean() for key, pair in groups(single, GROUP).items()}
    found = []
    for key, pair in groups(pairs, GROUP).items():
        gains = pair["gain"].tolist()
        gain, low, high, n = mean_interval(gains)
        row = dict(zip(GROUP, key, strict=True)) | {"n": n, "gain": gain, "low": low, "high": high}
        row |= {"sd": mean_and_sd(gains)[1], **dict(zip(("t", "p"), paired_t(gains), strict=True)), "p_holm": math.nan}
        found.append(row | {f"gain_{labels}": value for labels, value in at[key].items()})
    frame = pd.DataFrame(found)
    if len(frame):
        frame["p_holm"] = holm(frame["p"].tolist())
    return frame


def label_counts(tests: pd.DataFrame) -> list[int]:
    """The label counts for which ``against_supervised`` has differences."""
    return sorted(int(column[5:]) for column in map(str, tests) if column.startswith("gain_"))


def notes(report: Report) -> list[str]:
    """For each number of seeds, which strategies and learners differ from supervised learning."""
    tests = report.once(compute)
    notes = []
    measure = "area" if len(label_counts(tests)) > 1 else "accuracy"
    for n, rows in groups(tests, ["n"]).items() if len(tests) else ():
        if n == 1:
            notes.append("One seed only: any difference to supervised learning may be chance.")
            continue
        beginnings = (
            f"{words} supervised learning"
            for words in ("Better than with", "Not shown to differ from", "Worse than with")
        )
        what = f"the difference in {measure} over {n} paired seeds"
        notes += judged(rows, ("low", "high"), beginnings, what, lambda key: name(*key, several=True))
    return notes


def table(report: Report, _: View) -> Table | None:
    """A row per strategy and learner in ``against_supervised``, in the order of the summary: the gain and its test."""
    source, tests = report.source, report.once(compute)
    if not len(tests):
        return None
    place = {key: i for i, key in enumerate(report.ranking)}
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
        f"Learners compared with supervised learning on {source.datasets[0][0]}: the difference in {what}, in points, "
        f"to the learner {SUPERVISED} with the same strategy, paired by seed, with the 95 % t-interval of its mean, "
        f"not corrected. p is that of the two-sided paired t-test, Holm is p after Holm's correction over the {family} "
        f"{count(family, 'test')} of this table; {MARK} marks values below {LEVEL:g}. "
    )
    if shown:
        caption += "The last columns are mean differences in accuracy at these label counts. "
    if (tests["n"] < FEWEST_SEEDS).any():
        caption += f"Fewer than {FEWEST_SEEDS} seeds are too few for a t-test: the cells are empty. "
    return Table.of_columns(columns, tests.drop(columns="sd"), sentences(caption, source.unranked.note))


SECTION = Section("Compared with supervised learning", notes=notes, table=Part("learners", table))
