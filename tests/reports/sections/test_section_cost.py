"""Costs, against sums by hand; multiples of random's only where the machine was as fast for both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.made_reports import curves_of
from support.report_lines import change_rounds, write_experiment, write_grid, write_run

from benchmark.experiment.keys import RunKey
from benchmark.reports import read_report
from benchmark.reports.sections import cost, seconds
from benchmark.reports.sections.cost import costs
from benchmark.reports.statistics.curves import RUN
from benchmark.reports.statistics.speed import UNIT, Speed
from benchmark.results.paths import run_path

LABELS = [20, 40, 80]


def equally_fast(rows: pd.DataFrame) -> dict[tuple[str, str, int], Speed]:
    return {(s, k, n): Speed((0.004,) * 3, "cpu") for s, k, n in rows[RUN].itertuples(index=False)}


def test_costs_add_up() -> None:
    rows = curves_of({"random": np.zeros((2, 3)), "margin": np.zeros((2, 3))}, LABELS)
    slow = (rows["strategy"] == "margin") & (rows["seed"] == 1)
    rows.loc[slow, "query_seconds"] *= 3
    scaled = rows[RUN].drop_duplicates().assign(calibrated=[1.0, 2.0, 3.0, np.nan])
    found, reasons = costs(rows, equally_fast(rows), scaled)
    cost = found.set_index("strategy")
    assert cost.loc["random", ["query_mean", "query", "train", "total"]].tolist() == [3, 6, 60, 66]
    assert cost.loc["margin", ["query_mean", "query", "total"]].tolist() == [6, 12, 72]
    assert cost.loc["margin", "query_sd"] == pytest.approx(np.std([3, 9], ddof=1))
    assert cost.loc["margin", "factor"] == pytest.approx(72 / 66)
    assert cost.loc["random", "calibrated"] == 1.5
    assert np.isnan(cost.loc["margin", "calibrated"])
    assert not reasons


@pytest.mark.parametrize(
    ("speed", "why"),
    [
        (Speed((0.004,) * 3, "cuda"), "they ran on different devices"),
        (Speed((), "cpu"), "no calibration was timed"),
        (Speed((0.0045,) * 3, "cpu"), "their calibrations differ"),
        (Speed((0.004, 0.004, 0.004, 0.009, 0.009), "cpu"), "the load of the machine changed during a run"),
        (Speed((0.0043,) * 3, "cpu"), ""),
        (Speed((0.004,) * 9 + (0.02,), "cpu"), ""),  # one round beside something else
    ],
)
def test_a_multiple_is_of_seeds_with_equal_calibration(speed: Speed, why: str) -> None:
    rows = curves_of({"random": np.zeros((2, 3)), "margin": np.zeros((2, 3))}, LABELS)
    rows.loc[(rows["strategy"] == "margin") & (rows["seed"] == 1), "train_seconds"] *= 8  # as a loaded machine would
    timed = equally_fast(rows)
    scaled = rows[RUN].drop_duplicates().assign(calibrated=1.0)
    one = costs(rows, timed | {("margin", "supervised", 1): speed}, scaled)[0].set_index("strategy").loc["margin"]
    assert one["pairs"] == (1 if why else 2)
    assert (one["factor"] == 1) == bool(why)
    both = {("margin", "supervised", seed): speed for seed in (0, 1)}
    found, reasons = costs(rows, timed | both, scaled)
    assert np.isnan(found.set_index("strategy").loc["margin", "factor"]) == bool(why)
    assert reasons == ({("margin", "supervised"): why} if why else {})


def test_calibrated_seconds_do_not_depend_on_the_load(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "e", ["random", "margin"], seeds=2)
    for strategy, load in (("random", 1.0), ("margin", 4.0)):
        for seed in (0, 1):
            path = run_path(root, RunKey(strategy, "supervised", seed), 1)
            change_rounds(
                path,
                lambda record, load=load: replace(
                    record,
                    calibration_seconds=0.004 * load,
                    seconds=replace(
                        record.seconds, train=record.seconds.train * load, query=record.seconds.query * load
                    ),
                ),
            )
    report = read_report(root)
    found, reasons = cost.compute(report)
    random, margin = (found.set_index("strategy").loc[name] for name in ("random", "margin"))
    assert margin["total"] == pytest.approx(4 * random["total"], rel=1e-3)
    assert margin["calibrated"] == pytest.approx(random["calibrated"])
    assert random["calibrated"] == pytest.approx(random["total"] * UNIT / 0.004)
    assert reasons == {("margin", "supervised"): "their calibrations differ"}
    table = cost.table(report, report.views[0])
    assert "– in the last column: their calibrations differ (margin)." in table.caption
    assert {row[0].text: row[-1].text for row in table.rows} == {"random": "1.00", "margin": "–"}
    drawn = seconds.figure(report, report.views[0])
    assert drawn is not None
    assert drawn.axes[0].get_xlabel().endswith("(calibrated)")


def test_runs_without_a_timing_have_no_multiple(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "e")
    for strategy in ("random", "margin"):
        write_run(root, strategy, 0)
    report = read_report(root)
    table = cost.table(report, report.views[0])
    assert [row[-1].text for row in table.rows] == ["–", "–"]
    assert "– in the last column: no calibration was timed (all rows)." in table.caption
    drawn = seconds.figure(report, report.views[0])
    assert drawn is not None
    assert "not calibrated" in drawn.axes[0].get_xlabel()


def test_without_a_run_of_random_there_are_costs_and_no_multiples(tmp_path: Path) -> None:
    report = read_report(write_grid(tmp_path / "e", ["margin", "entropy"]))
    table = cost.table(report, report.views[0])
    assert [row[-1].text for row in table.rows] == ["–", "–"]
    assert "– in the last column: no run of random with the same seed (all rows)." in table.caption
