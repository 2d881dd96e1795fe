"""Labels saved: how many fewer labels than random a strategy needs to reach an accuracy.

The labels needed are where the mean curve over seeds, linear between label counts, first reaches the accuracy, without
smoothing. A mean curve that dips again later keeps that number; one that never reaches the accuracy needs infinitely
many. Intervals are percentile intervals of a bootstrap over seeds (Efron & Tibshirani 1993): seeds are drawn with
replacement, the same for all strategies, and curves and crossings are recomputed (see ``resampling``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.reports.data import Report
from benchmark.reports.rendering.figures import style
from benchmark.reports.rendering.figures.rows import ROW, row_looks
from benchmark.reports.rendering.tables.cells import (
    decimals,
    marked_best,
    row_name,
    seeds_are,
    seeds_in_words,
    sentences,
)
from benchmark.reports.rendering.tables.table import MISSING, Cell, Table
from benchmark.reports.sections.section import Part, Section
from benchmark.reports.statistics.resampling import FEWEST_SEEDS_BOOTSTRAP, RESAMPLES, resampled_means
from benchmark.reports.statistics.seeds import GROUP, REFERENCE, Key
from benchmark.reports.statistics.summary import accuracies, keys
from benchmark.reports.statistics.views import View


def savings(report: Report, view: View) -> pd.DataFrame:
    """``labels_saved`` of the view."""
    return labels_saved(view.rows, report.target, view.reference)


def first_crossing(labels: np.ndarray, curves: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Where ``curves`` (…, L) over ``labels`` (L,), linear in between, first reach ``target`` (…,); infinity if never.

    For a curve that starts above the target, the first label count.
    """
    reached = curves >= target[..., None]
    at = reached.argmax(axis=-1)
    before = np.maximum(at - 1, 0)
    high, low = (np.take_along_axis(curves, where[..., None], axis=-1)[..., 0] for where in (at, before))
    rise = np.where(at > 0, high - low, 1)
    share = np.where(at > 0, (target - low) / np.where(rise > 0, rise, 1), 0)
    where = labels[before] + share * (labels[at] - labels[before])
    return np.where(reached.any(axis=-1), where, math.inf)


def labels_saved(rows: pd.DataFrame, target: float | None = None, reference: str = REFERENCE) -> pd.DataFrame:
    """Labels needed to reach the accuracy ``target`` (0–1), and saved against ``reference``, per strategy and learner.

    ``rows`` are of ``seeds.compared``. The default target is the reference's mean final accuracy with the same
    learner, recomputed in each bootstrap resample. Columns: strategy, learner, n (seeds), target, needed (infinity: not
    reached), saved (minus infinity where only the reference reaches the target), low, high (95 % percentile interval
    over seeds, order statistics of 2,000 resamples; NaN for fewer than 5 seeds).
    """
    order, seeds, counts, accuracy = accuracies(rows)
    labels, n = np.asarray(counts, dtype=float), len(seeds)
    found = []
    for learner in dict.fromkeys(learner for _, learner in order):
        base = resampled_means(accuracy[order.index((reference, learner))]) if (reference, learner) in order else None
        if base is None and target is None:
            goal = np.full(1 + RESAMPLES, math.nan)
        else:
            goal = base[:, -1] if base is not None and target is None else np.full(1 + RESAMPLES, target, dtype=float)
        spent = np.full(1 + RESAMPLES, math.nan) if base is None else first_crossing(labels, base, goal)
        for key, curves in zip(order, accuracy, strict=True):
            if key[1] != learner:
                continue
            needed = first_crossing(labels, resampled_means(curves), goal)
            with np.errstate(invalid="ignore"):  # neither reaches it: inf − inf is NaN
                saved = spent - needed
            bounds = (math.nan, math.nan)
            if n >= FEWEST_SEEDS_BOOTSTRAP and key[0] != reference and not np.isnan(saved).any():
                bounds = tuple(np.quantile(saved[1:], (0.025, 0.975), method="inverted_cdf"))
            mine = math.nan if math.isnan(goal[0]) else needed[0]
            found.append((*key, n, goal[0], mine, math.nan if key[0] == reference else saved[0], *bounds))
    table = pd.DataFrame(found, columns=[*GROUP, "n", "target", "needed", "saved", "low", "high"])
    return table.set_index(GROUP).reindex(pd.MultiIndex.from_tuples(order, names=GROUP)).reset_index()


def table(report: Report, view: View) -> Table | None:
    """A row per strategy: areas over labels and over log labels, labels to reach the target, and labels saved.

    None for a single label count or a single strategy.
    """
    if not view.several_label_counts or len(report.views[-1].compared) == 1:
        return None
    source, saved = report.source, report.once(savings, view)
    order = [key for key in view.ranking if key in set(keys(saved))]
    rows = saved.set_index(GROUP).reindex(order)
    means = view.summary.set_index(GROUP).reindex(order)
    places = decimals(pd.concat([means["area_sd"], means["log_area_sd"]]))
    n = int(saved["n"].max())
    columns = {
        "strategy": [Cell(row_name(key, source)) for key in order],
        "area": marked_best(means["area_mean"], means["area_sd"], places),
        "log area": marked_best(means["log_area_mean"], means["log_area_sd"], places),
        "accuracy": [
            Cell(f"{100 * target:.{places}f}") if math.isfinite(target) else MISSING for target in rows["target"]
        ],
        "labels": [
            Cell("not reached" if math.isinf(x) else f"{x:.0f}") if not math.isnan(x) else MISSING
            for x in rows["needed"]
        ],
        "saved": [Cell(_labels(x)) for x in rows["saved"]],
        "95 % interval": [
            MISSING if math.isnan(low) else Cell(f"[{_labels(low)}, {_labels(high)}]")
            for low, high in zip(rows["low"], rows["high"], strict=True)
        ],
    }
    caption = (
        f"Label efficiency on {source.datasets[0][0]}, {seeds_in_words(n)}. Area is the mean test accuracy in % over "
        "label counts, log area the mean over their logarithm, which gives more weight to the start (± standard "
        "deviation over seeds). Labels is where the mean curve over seeds, linear between label counts, first reaches "
        f"the accuracy in % (the final accuracy of {view.reference}, unless another was asked for); saved is how many "
        f"fewer that is than for {view.reference} with the same learner. "
    )
    if n >= FEWEST_SEEDS_BOOTSTRAP:
        caption += (
            f"The interval is the 95 % percentile interval of a bootstrap over the {n} seeds with {RESAMPLES} "
            f"resamples of {n - 1}, the same for all strategies; −∞ means not reached in more than 2.5 % of them. With "
            "five seeds it covers the truth in 83 to 92 % of simulated cases, with ten in 87 to 95 %. "
        )
    else:
        caption += (
            f"{seeds_are(n)} too few for a bootstrap interval (at least {FEWEST_SEEDS_BOOTSTRAP} are needed): its "
            "cells are empty. "
        )
    return Table.of_columns(
        columns,
        rows.join(means[["area_mean", "area_sd", "log_area_mean", "log_area_sd"]]).reset_index(),
        sentences(caption, view.scope, source.unranked.note),
    )


def figure(report: Report, view: View) -> Figure | None:
    """Bars of the labels saved against random (see ``labels_saved``), in the order of the ranking.

    Lines are 95 % bootstrap intervals; an arrow marks an infinite end, where some resamples never reach the target.
    None where no number of labels saved is finite: there is nothing to compare, or no scale to draw it on.
    """
    if not view.several_label_counts:
        return None
    saved, unranked = report.once(savings, view), report.source.unranked
    rows = saved[saved["saved"].notna()].set_index(GROUP)
    order = [key for key in view.ranking if key in rows.index]
    if not np.isfinite(rows["saved"]).any():
        return None
    with mpl.rc_context(style.RC):
        figure = Figure(figsize=(style.width(both=False), 0.75 + ROW * max(len(order), 2)))
        labels = style.row_labels(order, unranked)
        left = style.text_width(figure, labels) + 0.12
        (axes,) = style.new_axes(figure, 1)
        style.place(figure, [axes], left=left, gap=0, right=0.14, bottom=0.4)
        shown = rows.loc[order]
        _bars(axes, shown, order, row_looks(order, view.reference))
        axes.set_yticks(range(len(order)), labels)
        axes.set_title(f"Labels saved against {view.reference}", loc="right")
        n = int(shown["n"].iloc[0])
        whiskers = "lines: 95 % bootstrap interval" if shown["low"].notna().any() else "too few for intervals"
        explained = unranked.remark(order)
        style.remark(figure, f"{explained}mean curve over {n} seeds, {whiskers}" if n > 1 else f"{explained}one seed")
    return figure


def _bars(axes: Axes, shown: pd.DataFrame, order: Sequence[Key], looks: Mapping[Key, style.Look]) -> None:
    """Draw a bar per row; infinite ends of intervals become arrows at the edge, infinite bars become words."""
    numbers = shown[["saved", "low", "high"]].to_numpy(dtype=float)
    finite = [*numbers[np.isfinite(numbers)].tolist(), 0.0]
    room = max(max(finite) - min(finite), 1.0)
    lowest, highest = min(finite) - 0.06 * room, max(finite) + 0.06 * room
    for row, (key, (saved, low, high)) in enumerate(zip(order, numbers, strict=True)):
        colour = looks[key].colour
        if math.isfinite(saved):
            axes.barh(row, saved, height=0.62, color=colour, alpha=0.55, linewidth=0, zorder=2)
        else:
            axes.text(0, row, " not reached" if saved < 0 else " reached by it alone", va="center", color=style.FAINT)
        if math.isfinite(saved) and not math.isnan(low):
            ends = [max(low, lowest), min(high, highest)]
            axes.plot(ends, [row, row], color=style.INK, linewidth=0.8, zorder=3)
            for value, end, arrow in ((low, ends[0], "<"), (high, ends[1], ">")):
                if math.isinf(value):
                    axes.plot(end, row, arrow, color=style.INK, markersize=2.5, zorder=3, clip_on=False)
    axes.axvline(0, color=style.INK, linewidth=1, zorder=1)
    axes.set_xlim(lowest - 0.04 * room, highest + 0.04 * room)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(style.value_ticks())
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    sns.despine(ax=axes, left=True)


def _labels(value: float) -> str:
    """Labels saved, with sign; −∞ where only random reaches the target, ∞ where only the strategy does."""
    if math.isnan(value):
        return MISSING.text
    return f"{value:+.0f}".replace("-", "−").replace("inf", "∞")


SECTION = Section(
    "Labels saved",
    table=Part("labels", table, wide="linked"),
    figure=Part(
        "labels-saved",
        figure,
        place="linked",
        wide="linked",
        alt=lambda report: f"How many labels fewer than {report.reference} each strategy needs to be as accurate",
    ),
)
