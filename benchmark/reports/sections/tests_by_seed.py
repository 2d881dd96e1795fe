"""Paired tests over seeds: is a strategy better than random, or than a baseline?

The primary test is Student's paired t-test on the area under the budget curve, two-sided, over all seeds that the two
share. Its family is each strategy against random and against one named baseline; Holm's step-down correction keeps the
probability of any false claim in that family at the level. It covers nothing else. Wilcoxon's signed-rank test is added
from 9 seeds on: with fewer, its smallest p-value, 2/2ⁿ, does not survive a correction for ten comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.reports.data import Report
from benchmark.reports.rendering.tables.cells import MARK, decimals, interval, p_value, points, row_name, sentences
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.curves import groups
from benchmark.reports.statistics.seeds import BASELINE, FEWEST_SEEDS, GROUP, REFERENCE, Key
from benchmark.reports.statistics.significance import LEVEL, accuracies, beats, holm, paired_t
from benchmark.reports.statistics.summary import keys, mean_interval, paired
from benchmark.reports.statistics.views import View
from benchmark.reports.words import count

FEWEST_SEEDS_WILCOXON = 9


def signed_rank(differences: Sequence[float]) -> float:
    """Wilcoxon's two-sided p-value; NaN for fewer than 9 differences. Zeros are dropped; if all are 0, p = 1."""
    if len(differences) < FEWEST_SEEDS_WILCOXON:
        return math.nan
    array = np.asarray(differences, dtype=float)
    return float(stats.wilcoxon(array).pvalue) if array.any() else 1.0


def compute(report: Report) -> pd.DataFrame:
    """``primary_tests`` of all runs; strategies with too few seeds for the first view are a family of their own."""
    return primary_tests(report.areas, report.baseline, set(report.ranking) - set(report.views[0].ranking))


def primary_tests(runs: pd.DataFrame, baseline: str = BASELINE, apart: Collection[Key] = ()) -> pd.DataFrame:
    """The primary tests on ``runs`` (see ``summary.run_areas``), one row per strategy and reference.

    Columns: strategy, learner, reference, n (the seeds that both have), gain (mean difference in area), low, high (its
    95 % t-interval), t, p, p_holm (over all rows; but ``apart``, strategies with few seeds, are a family of their own
    and do not weaken the others), wilcoxon (p-value, uncorrected). The reference is random, then ``baseline`` where it
    ran; random against the baseline would be the baseline against random again, and is left out.
    """
    rows = []
    for reference in dict.fromkeys((REFERENCE, baseline)):
        pairs = paired(runs, "area", ["learner", "seed"], reference)
        for key, pair in groups(pairs[pairs["strategy"] != REFERENCE], GROUP).items():
            gains = pair["gain"].tolist()
            gain, low, high, n = mean_interval(gains)
            rows.append((*key, reference, n, gain, low, high, *paired_t(gains), signed_rank(gains)))
    columns = [*GROUP, "reference", "n", "gain", "low", "high", "t", "p", "wilcoxon"]
    tests = pd.DataFrame(rows, columns=columns)
    family = [key in apart for key in zip(tests["strategy"], tests["learner"], strict=True)]
    corrected = tests["p"].groupby(family).transform(lambda p: holm(p.tolist())) if len(tests) else tests["p"]
    tests.insert(9, "p_holm", corrected.astype("float64"))
    return tests


def records(rows: pd.DataFrame, reference: str = REFERENCE) -> dict[Key, tuple[int, int, int]]:
    """Label counts won, tied and lost against ``reference`` (see ``beats``), over the seeds that the two share.

    ``rows`` are of ``seeds.reaching``. Strategies that share fewer than 3 seeds with the reference are left out.
    """
    runs = {
        key: own.pivot(index="seed", columns="labels", values="accuracy") for key, own in groups(rows, GROUP).items()
    }
    found = {}
    for key, own in runs.items():
        other = runs.get((reference, key[1]))
        if other is None or key[0] == reference:
            continue
        differences = (own - other).dropna().to_numpy()
        if len(differences) >= FEWEST_SEEDS:
            won, lost = int(beats(differences).sum()), int(beats(-differences).sum())
            found[key] = (won, differences.shape[1] - won - lost, lost)
    return found


def table(report: Report, _: View) -> Table | None:
    """A row per strategy, those of the first view first: mean rank, tests against random and the baseline.

    Ranks are of the first view. Where tests have different numbers of seeds, a column shows them.
    """
    source, views = report.source, report.views
    tests, wins = compute(report), records(report.rows)
    if not len(tests):
        return None
    first = views[0]
    places, ranks = decimals(first.summary["area_sd"]), first.mean_ranks
    tested = {*ranks.index, *keys(tests)}
    order = [key for key in dict.fromkeys([*first.ranking, *report.ranking]) if key in tested]
    references = list(dict.fromkeys(tests["reference"]))
    known = sorted(set(tests["n"].tolist()))
    header = ["strategy", "rank"]
    columns = [
        [Cell(row_name(key, source)) for key in order],
        [Cell(f"{ranks[key]:.2f}") if key in ranks.index else MISSING for key in order],
    ]
    for reference in references:
        rows = tests[tests["reference"] == reference].set_index(GROUP).reindex(order)
        if len(known) > 1:
            header.append("seeds")
            columns.append([Cell(f"{n:.0f}") if n > 0 else MISSING for n in rows["n"]])
        header += [f"vs. {reference}", "95 % interval", "p", "Holm"]
        columns += [
            [
                _points(gain, places, adjusted < LEVEL)
                for gain, adjusted in zip(rows["gain"], rows["p_holm"], strict=True)
            ],
            [interval(low, high, places) for low, high in zip(rows["low"], rows["high"], strict=True)],
            [Cell(p_value(p)) for p in rows["p"]],
            [Cell(p_value(p)) for p in rows["p_holm"]],
        ]
        if reference == REFERENCE:
            header += ["Wilcoxon", "W–T–L"]
            columns.append([Cell(p_value(p)) for p in rows["wilcoxon"]])
            columns.append([Cell("–".join(map(str, wins[key]))) if key in wins else MISSING for key in order])
    data = tests.copy()
    data["rank"] = [ranks.get(key, math.nan) for key in zip(data["strategy"], data["learner"], strict=True)]
    for i, column in enumerate(("won", "tied", "lost")):
        data[column] = [
            wins[strategy, learner][i] if (strategy, learner) in wins and reference == REFERENCE else math.nan
            for strategy, learner, reference in zip(data["strategy"], data["learner"], data["reference"], strict=True)
        ]
    n, counts = len(first.blocks), len(accuracies(first.rows)[2])
    tested_first = [key in set(first.ranking) for key in zip(tests["strategy"], tests["learner"], strict=True)]
    family, rest = int(tests.loc[tested_first, "p"].notna().sum()), int(tests["p"].notna().sum())
    families = f"the {family} tests of this table"
    if len(views) > 1:
        families = f"the {family} tests of the strategies with a rank and, separately, over the {rest - family} others"
    who = f" of the {len(ranks)} strategies with a rank" if len(ranks) < len(order) else ""
    caption = (
        f"Paired tests over seeds on {source.datasets[0][0]}. Rank is the mean rank{who} by area under the budget "
        f"curve over {n} {count(n, 'seed')}; 1 is best. Differences in area are in points, paired by seed, with the 95 "
        "% t-interval of the mean, not corrected. p is that of the two-sided paired t-test on the area, Holm is p "
        f"after Holm's correction over {families}; {MARK} marks values below {LEVEL:g}. W–T–L counts the label counts "
        f"({counts} in all) won, tied and lost against {REFERENCE} at p < {LEVEL:g} in a paired t-test, not corrected. "
    )
    if len(known) > 1:
        caption += "Each test is over all seeds that the two strategies share, counted in the column seeds. "
    for fewest, test in ((FEWEST_SEEDS, "a t-test"), (FEWEST_SEEDS_WILCOXON, "Wilcoxon's signed-rank test")):
        if few := [m for m in known or [n] if m < fewest]:
            verb = "is" if few == [1] else "are"
            caption += (
                f"{' and '.join(map(str, few))} {count(max(few), 'seed')} {verb} too few for {test} (at least "
                f"{fewest} are needed): its cells are empty. "
            )
    if known and known[-1] >= FEWEST_SEEDS_WILCOXON:
        caption += "Wilcoxon is the two-sided p-value of the signed-rank test, not corrected. "
    return Table(
        data, header, [list(row) for row in zip(*columns, strict=True)], sentences(caption, source.unranked.note)
    )


def _points(value: float, places: int, marked: bool) -> Cell:
    return Cell(points(value, places) + MARK * marked) if math.isfinite(value) else MISSING


SECTION = Section("Paired tests", table=Part("tests", table))
