"""Costs, against sums by hand; multiples of random's only where the machine was as fast for both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.made_reports import curves_of
from support.report_lines import change_rounds, write_experiment, write_grid, write_run

from benchmark.experiment.keys import RunKey
from benchmark.reports import read_report
from benchmark.reports.data import Report
from benchmark.reports.sections import cost, seconds
from benchmark.reports.sections.cost import costs
from benchmark.reports.statistics.speed import UNIT, Speed
from benchmark.reports.statistics.tidy import RUN
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


PROTOCOL = {
    "model": {"name": "cnn", "parameters": {"width": 16}},
    "recipe": {"epochs": 8, "min_steps": 50, "batch_size": 32},
    "ladder": [20, 40, 60, 80],
}


def counted(report: Report) -> tuple[dict[str, list[str]], str]:
    """Operations and their multiple of random's as the table shows them, by row; and its caption."""
    table = cost.table(report, report.views[0])
    columns = [i for i, title in enumerate(table.header) if "MACs" in title]
    return {row[0].text: [row[i].text for i in columns] for row in table.rows}, table.caption


def test_operations_are_those_of_trainings_and_passes(tmp_path: Path) -> None:
    strategies = ["random", "margin", "bald[samples=10]", "coreset"]
    root = write_grid(tmp_path / "e", strategies, seeds=2, **PROTOCOL)
    for seed in (0, 1):
        for strategy, version in (("bald[samples=10]", 2), ("margin", 1)):
            write_run(root, strategy, seed, strategy_version=version)
    rows, caption = counted(read_report(root))
    first, second, flat, head = 9 * 16 * 28**2, 9 * 16 * 32 * 14**2, 32 * 7 * 7 * 128, 1280
    step = 3 * (first + second + flat + head) - first
    forward = first + second + flat + head
    training = 32 * step * 50 * 4  # 50 steps are more than 8 epochs, even of 80 images
    pool = 3 * 60_000 - (20 + 40 + 60)
    expected = {
        "random": training,
        "margin": training + pool * forward,
        "coreset": training + (pool + 20 + 40 + 60) * forward,
        "bald[samples=10]": training + pool * (forward + 9 * (flat + head)),
    }
    assert rows == {
        name: [f"{count / 1e9:.{0 if count >= 1e11 else 1}f}", f"{count / training:.2f}"]
        for name, count in expected.items()
    }
    assert "MACs (G = 1e9) are the multiply-adds of the network in a run" in caption
    assert "Not counted are the selection's own arithmetic" in caption
    assert "in the columns of MACs" not in caption


@pytest.mark.parametrize(
    ("strategy", "header", "protocol", "why"),
    [
        ("mine:Mine", {"strategy_source_sha256": "1" * 64}, {}, "the strategy is not of the present suite (mine:Mine)"),
        ("margin", {"strategy_version": 99}, {}, "the strategy has changed since (margin)"),
        ("boss", {}, {}, "the strategy does not declare its passes (boss)"),
        ("margin", {}, {"model": {"name": "net.py:Mine"}}, "the network's operations are not counted (all rows)"),
        (
            "margin",
            {},
            {"model": {"name": "cnn", "parameters": {"x": 1}}},
            "the network's operations are not counted (all rows)",
        ),
        ("margin", {}, {"dataset": "photos"}, "do not tell how many images there are, and of which size (all rows)"),
        ("margin", {}, {"imbalance": 10.0}, "do not tell how many images there are, and of which size (all rows)"),
        ("margin", {}, {"embedding": "lite0"}, "is solved, in steps that are not recorded (all rows)"),
        ("margin", {}, {"recipe": None}, "the protocol is not complete (all rows)"),
    ],
)
def test_what_cannot_be_derived_has_a_dash(
    strategy: str, header: dict[str, Any], protocol: dict[str, Any], why: str, tmp_path: Path
) -> None:
    root = write_experiment(tmp_path / "e", **PROTOCOL | protocol)
    write_run(root, "random", 0)
    write_run(root, strategy, 0, **header)
    rows, caption = counted(read_report(root))
    if "all rows" in why:  # no column is shown
        said = caption.partition("Operations are not counted: ")[2].partition(".")[0]
        assert said.endswith(why.removesuffix(" (all rows)"))
        return
    assert "– in the columns of MACs: " in caption
    assert why in caption
    assert rows[strategy] == ["–", "–"]
    assert rows["random"][1] == "1.00"


def test_held_out_labels_are_not_trained_on(tmp_path: Path) -> None:
    recipe = {"epochs": 16, "batch_size": 1}
    root = write_grid(tmp_path / "e", ["random"], seeds=1, **PROTOCOL | {"recipe": recipe})
    whole = cost.counted(read_report(root))[0]["operations"].item()
    path = run_path(root, RunKey("random", "supervised", 0), 1)
    change_rounds(path, lambda record: replace(record, held_out_indices=tuple(range(record.num_labelled // 2))))
    fewer = cost.counted(read_report(root))[0]["operations"].item()
    assert fewer / whole == pytest.approx((200 - 10 - 20 - 30) / 200)


def test_replays_select_nothing(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "e", ["random", "margin"], **PROTOCOL, replay=f"mnist@{'a' * 8}")
    rows, _ = counted(read_report(root))
    assert rows["margin"] == rows["random"]
