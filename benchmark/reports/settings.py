"""The settings of a report, that is its experiment with each learner: what is compared across data sets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmark.reports.data import Report
from benchmark.reports.statistics.across import Setting
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, only
from benchmark.reports.statistics.summary import accuracies, area_under_budget_curve, keys
from benchmark.reports.statistics.warm_up import warm_up
from benchmark.reports.verdicts import in_words


def settings_of(report: Report) -> list[Setting]:
    """The settings of the report's first view; what is not ranked is left out, and learners without the reference."""
    unranked, rows = report.source.unranked, report.views[0].rows
    ranked = [key for key in keys(rows) if key not in unranked]
    found = []
    for learner in dict.fromkeys(learner for _, learner in ranked):
        order, seeds, labels, array = accuracies(only(rows, [key for key in ranked if key[1] == learner]))
        curves = {strategy: array[i] for i, (strategy, _) in enumerate(order)}  # (seeds, labels)
        if report.reference not in curves or len(curves) < 2:
            continue
        others = [strategy for strategy in curves if strategy != report.reference]
        tested = others if len(seeds) >= FEWEST_SEEDS else []  # with fewer there is no verdict to count
        said = {strategy: report.inference.verdicts((strategy, learner), report.reference) for strategy in tested}
        found.append(
            Setting(
                report.source.experiment,
                report.source.datasets[0][0],
                learner,
                report.reference,
                labels[0],
                labels[-1],
                tuple(seeds),
                {who: np.array([area_under_budget_curve(labels, run) for run in own]) for who, own in curves.items()},
                {strategy: in_words(verdicts) for strategy, verdicts in said.items() if verdicts},
                {strategy: warm_up(labels, curves[strategy] - curves[report.reference]) for strategy in others},
            )
        )
    return found


def to_plain(setting: Setting) -> dict[str, Any]:
    """A setting as JSON: areas in 6 decimals; infinity as "inf", NaN as null."""
    return {
        **{name: getattr(setting, name) for name in ("experiment", "dataset", "learner", "reference", "first", "last")},
        "seeds": list(setting.seeds),
        "areas": {name: [round(float(area), 6) for area in areas] for name, areas in setting.areas.items()},
        "verdicts": dict(setting.verdicts),
        "warm_up": {name: [_plain(value) for value in found] for name, found in setting.warm_up.items()},
    }


def of_plain(data: Mapping[str, Any]) -> Setting:
    """The setting of ``to_plain``."""
    given = dict(data)
    given["seeds"] = tuple(given["seeds"])
    given["areas"] = {name: np.array(areas) for name, areas in given["areas"].items()}
    given["warm_up"] = {
        name: tuple(math.nan if value is None else float(value) for value in found)
        for name, found in given["warm_up"].items()
    }
    return Setting(**given)


def _plain(value: float) -> float | str | None:
    return None if math.isnan(value) else "inf" if math.isinf(value) else value
