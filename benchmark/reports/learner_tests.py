"""Learners beside supervised learning: what they gain with the same strategy, paired by seed, and its test.

The test is the one of strategies (see ``significance``): Student's paired t-test on the area under the budget curve,
two-sided, with Holm's correction over the strategies and learners of the table. With one label count the area is the
accuracy there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from benchmark.reports.comparison_tables import p_value
from benchmark.reports.curves import groups
from benchmark.reports.provenance import Provenance
from benchmark.reports.render import MISSING, Cell, Table
from benchmark.reports.seeds import FEWEST_SEEDS, GROUP, Key
from benchmark.reports.significance import LEVEL, holm, paired_t
from benchmark.reports.statistics import judged, keys, mean_and_sd, mean_interval, paired
from benchmark.reports.tables import MARK, decimals, points, row_name, sentences, thin_out
from benchmark.reports.words import count, name

SUPERVISED = "supervised"
PRINTED_COLUMNS = 6  # label counts


def against_supervised(rows: pd.DataFrame, areas: pd.DataFrame) -> pd.DataFrame:
    """A row per strategy and learner that shares seeds with the same strategy's supervised runs; else empty.

    ``rows`` are of ``seeds.reaching``, ``areas`` of ``statistics.run_areas`` on them, both 0–1. Columns: strategy,
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


def _counts(tests: pd.DataFrame) -> list[int]:
    """The label counts that ``against_supervised`` has a difference for."""
    return sorted(int(column[5:]) for column in map(str, tests) if column.startswith("gain_"))


def learner_notes(tests: pd.DataFrame) -> list[str]:
    """In words, for each number of seeds: who is shown to differ from supervised learning, and who is not."""
    notes = []
    measure = "area" if len(_counts(tests)) > 1 else "accuracy"
    for n, rows in groups(tests, ["n"]).items() if len(tests) else ():
        if n == 1:
            notes.append(f"One seed only: any difference to the learner {SUPERVISED} may be chance.")
            continue
        beginnings = (
            f"{words} the learner {SUPERVISED}"
            for words in ("Better than with", "Not shown to differ from", "Worse than with")
        )
        what = f"the {measure}'s difference, {n} paired seeds"
        notes += judged(rows, ("low", "high"), beginnings, what, lambda key: name(*key, several=True))
    return notes


def learners_table(tests: pd.DataFrame, ranking: Sequence[Key], source: Provenance) -> Table:
    """A row per strategy and learner of ``against_supervised``, in the order of ``ranking``: the gain, and its test."""
    place = {key: i for i, key in enumerate(ranking)}
    tests = tests.set_index(GROUP).loc[sorted(keys(tests), key=place.__getitem__)].reset_index()
    counts = _counts(tests)
    shown = thin_out(counts, PRINTED_COLUMNS) if len(counts) > 1 else []
    places = decimals(tests["sd"])
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in keys(tests)],
        "seeds": [Cell(str(n)) for n in tests["n"]],
        f"vs. {SUPERVISED}": [
            Cell(points(gain, places) + MARK * (adjusted < LEVEL))
            for gain, adjusted in zip(tests["gain"], tests["p_holm"], strict=True)
        ],
        "95 % interval": [
            Cell(f"[{points(low, places)}, {points(high, places)}]") if math.isfinite(low) else MISSING
            for low, high in zip(tests["low"], tests["high"], strict=True)
        ],
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
