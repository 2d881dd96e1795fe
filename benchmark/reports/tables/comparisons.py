"""The tables of comparisons: tests by seed, labels saved, and who beats whom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from benchmark.reports.provenance import Provenance
from benchmark.reports.statistics.efficiency import FEWEST_SEEDS_BOOTSTRAP, RESAMPLES
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, GROUP, REFERENCE, Key
from benchmark.reports.statistics.significance import FEWEST_SEEDS_WILCOXON, LEVEL
from benchmark.reports.statistics.summary import keys
from benchmark.reports.statistics.views import View
from benchmark.reports.tables.cells import MARK, decimals, interval, marked_best, p_value, points, row_name, sentences
from benchmark.reports.tables.render import MISSING, Cell, Table
from benchmark.reports.words import count, name


def significance_table(
    tests: pd.DataFrame, records: Mapping[Key, tuple[int, int, int]], views: Sequence[View], source: Provenance
) -> Table:
    """A row per strategy, those of the first view before the others: mean rank, tests against random and the baseline.

    ``tests`` as of ``significance.primary_tests``, ``records`` as of ``significance.records``. Ranks are the first
    view's. Where strategies have different numbers of seeds, each test has a column with its own.
    """
    first = views[0]
    places, ranks = decimals(first.summary["area_sd"]), first.mean_ranks
    tested = {*ranks.index, *keys(tests)}
    order = [key for key in dict.fromkeys([*first.ranking, *views[-1].ranking]) if key in tested]
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
            columns.append([Cell("–".join(map(str, records[key]))) if key in records else MISSING for key in order])
    told = tests.copy()
    told["rank"] = [ranks.get(key, math.nan) for key in zip(told["strategy"], told["learner"], strict=True)]
    for i, column in enumerate(("won", "tied", "lost")):
        told[column] = [
            records[strategy, learner][i] if (strategy, learner) in records and reference == REFERENCE else math.nan
            for strategy, learner, reference in zip(told["strategy"], told["learner"], told["reference"], strict=True)
        ]
    n = len(first.blocks)
    tested_first = [key in set(first.ranking) for key in zip(tests["strategy"], tests["learner"], strict=True)]
    family, rest = int(tests.loc[tested_first, "p"].notna().sum()), int(tests["p"].notna().sum())
    families = f"the {family} tests of this table"
    if len(views) > 1:
        families = f"the {family} tests of the strategies with a rank and, by itself, over the {rest - family} others"
    who = f" of the {len(ranks)} strategies with a rank" if len(ranks) < len(order) else ""
    caption = (
        f"Tests by seed on {source.datasets[0][0]}. Rank is the mean over {n} {count(n, 'seed')} of the rank{who} by "
        "area under the budget curve, 1 is best. Differences in area are in points, paired by seed, with the 95 % "
        "t-interval of the mean, not corrected. p is of the two-sided paired t-test on the area, Holm its value after "
        f"Holm's correction over {families}; {MARK} marks what stays below "
        f"{LEVEL:g}. W–T–L counts the label counts ({len(first.pairwise.labels)} in all) won, tied and lost against "
        f"{REFERENCE} at p < {LEVEL:g} in a paired t-test, not corrected. "
    )
    if len(known) > 1:
        caption += "Each test is over all seeds that the two strategies share; the column seeds counts them. "
    for fewest, test in ((FEWEST_SEEDS, "a t-test"), (FEWEST_SEEDS_WILCOXON, "Wilcoxon's signed-rank test")):
        if few := [m for m in known or [n] if m < fewest]:
            verb = "is" if few == [1] else "are"
            caption += (
                f"{' and '.join(map(str, few))} {count(max(few), 'seed')} {verb} too few for {test} (from {fewest} "
                "on): its cells are empty. "
            )
    if known and known[-1] >= FEWEST_SEEDS_WILCOXON:
        caption += "Wilcoxon is the two-sided p-value of the signed-rank test, not corrected. "
    return Table(
        name="tests",
        label=f"{source.experiment}-tests",
        data=told,
        header=header,
        rows=[list(row) for row in zip(*columns, strict=True)],
        caption=sentences(caption, source.cheats),
        source=source.sentence,
        footnotes=source.footnotes,
    )


def labels_table(view: View, source: Provenance) -> Table:
    """A row per strategy: areas on labels and on log labels, labels to reach the target, and labels saved."""
    saved = view.saved
    order = [key for key in view.ranking if key in set(keys(saved))]
    rows = saved.set_index(GROUP).reindex(order)
    means = view.summary.set_index(GROUP).reindex(order)
    places = decimals(pd.concat([means["area_sd"], means["log_area_sd"]]))
    n = int(saved["n"].max())
    columns = [
        [Cell(row_name(key, source)) for key in order],
        marked_best(means["area_mean"], means["area_sd"], places),
        marked_best(means["log_area_mean"], means["log_area_sd"], places),
        [Cell(f"{100 * target:.{places}f}") if math.isfinite(target) else MISSING for target in rows["target"]],
        [
            Cell("not reached" if math.isinf(x) else f"{x:.0f}") if not math.isnan(x) else MISSING
            for x in rows["needed"]
        ],
        [Cell(_labels(x)) for x in rows["saved"]],
        [
            MISSING if math.isnan(low) else Cell(f"[{_labels(low)}, {_labels(high)}]")
            for low, high in zip(rows["low"], rows["high"], strict=True)
        ],
    ]
    caption = (
        f"Label efficiency on {source.datasets[0][0]}, {_seeds(n, verb=False)}. Area is the mean test accuracy in % on "
        "the way over labels, log area that over the logarithm of labels, which weighs the start more (± standard "
        "deviation over seeds). Labels is where the mean curve over seeds, linear between label counts, first reaches "
        f"the accuracy in % (the final one of {REFERENCE}, unless another was asked for); saved is how many "
        f"fewer than {REFERENCE} with the same learner. "
    )
    if n >= FEWEST_SEEDS_BOOTSTRAP:
        caption += (
            f"The interval is the 95 % percentile interval of a bootstrap over the {n} seeds, {RESAMPLES} resamples "
            "shared by all strategies; −∞ means not reached in more than 2.5 % of them. "
        )
    else:
        caption += (
            f"{_seeds(n)} too few for a bootstrap interval (from {FEWEST_SEEDS_BOOTSTRAP} on): its cells are empty. "
        )
    return Table(
        name=f"labels{view.suffix}",
        label=f"{source.experiment}-labels{view.suffix}",
        data=rows.join(means[["area_mean", "area_sd", "log_area_mean", "log_area_sd"]]).reset_index(),
        header=["strategy", "area", "log area", "accuracy", "labels", "saved", "95 % interval"],
        rows=[list(row) for row in zip(*columns, strict=True)],
        caption=sentences(caption, view.scope, source.cheats),
        source=source.sentence,
        footnotes=source.footnotes,
    )


def pairwise_table(view: View, source: Provenance) -> Table:
    """The penalty matrix, columns numbered like the rows, with the sums of rows and columns."""
    pairwise, penalties = view.pairwise, view.pairwise.penalties
    several = len(source.learners) > 1
    names = [name(*key, several) for key in pairwise.keys]
    rows = [
        [
            Cell(f"{i + 1} {row_name(key, source)}"),
            *(Cell("") if i == j else _share(value) for j, value in enumerate(line)),
            _share(line.sum()),
        ]
        for i, (key, line) in enumerate(zip(pairwise.keys, penalties, strict=True))
    ]
    data = pd.DataFrame(penalties, columns=names)
    data.insert(0, "strategy", [key[0] for key in pairwise.keys])
    data.insert(1, "learner", [key[1] for key in pairwise.keys])
    total = pd.DataFrame([["sum", "", *penalties.sum(axis=0)]], columns=data.columns)
    caption = (
        f"Who beats whom on {source.datasets[0][0]}: the share of {len(pairwise.labels)} "
        f"{count(len(pairwise.labels), 'label count')} at which the "
        f"row's strategy beats the column's in a two-sided paired t-test over {_seeds(pairwise.n, verb=False)} at "
        f"p < {LEVEL:g}, not corrected (the penalty matrix of Ash et al., ICLR 2020, arXiv:1906.03671, over all label "
        "counts). Columns have the rows' numbers. The sum of a column is the penalty: lower is better. "
    )
    if pairwise.n < FEWEST_SEEDS:
        caption += f"{_seeds(pairwise.n)} too few for a t-test (from {FEWEST_SEEDS} on): the cells are empty. "
    return Table(
        name=f"pairwise{view.suffix}",
        label=f"{source.experiment}-pairwise{view.suffix}",
        data=pd.concat([data, total], ignore_index=True),
        header=["strategy", *map(str, range(1, len(names) + 1)), "sum"],
        rows=[*rows, [Cell("sum"), *map(_share, penalties.sum(axis=0)), Cell("")]],
        caption=sentences(caption, view.scope, source.cheats),
        source=source.sentence,
        footnotes=source.footnotes,
        rule_before=len(rows),
    )


def _points(value: float, places: int, marked: bool) -> Cell:
    return Cell(points(value, places) + MARK * marked) if math.isfinite(value) else MISSING


def _labels(value: float) -> str:
    """Labels saved, with sign; −∞ where the strategy does not get there, ∞ where only it does."""
    if math.isnan(value):
        return MISSING.text
    return f"{value:+.0f}".replace("-", "−").replace("inf", "∞")


def _share(value: float) -> Cell:
    return MISSING if math.isnan(value) else Cell(f"{value:.2f}")


def _seeds(n: int, verb: bool = True) -> str:
    """How many seeds, as words of a caption."""
    if n == 1:
        return "One seed is" if verb else "one seed"
    return f"{n} seeds are" if verb else f"{n} seeds"
