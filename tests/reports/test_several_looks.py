"""An experiment that may be looked at several times: intervals are of a look's level, and are called so."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from support.report_lines import change_rounds, data_of, write_experiment, write_grid, write_run

from benchmark.reports import read_report, write_report
from benchmark.reports.comparison.compare import compare_experiments
from benchmark.reports.comparison.transfer import transfer
from benchmark.reports.rendering.figures.rows import area_figure
from benchmark.reports.rendering.web.overview import STRICTER, overview_page
from benchmark.reports.sections import signs
from benchmark.reports.statistics.family import REPLAYED, SOURCE_ACCURACY
from benchmark.results.store import read_experiment

NAMES = ["random", "margin", "entropy"]
LEARNERS = ("supervised", "fixmatch")
SEEDS = 4


def grid(root: Path, gain: float = 0.0, **protocol: object) -> Path:
    """All strategies with both learners; margin gains a little more with every seed."""
    write_experiment(root, learners=LEARNERS, **protocol)
    for strategy, learner, seed in itertools.product(NAMES, LEARNERS, range(SEEDS)):
        shift = gain + (0.05 + 0.001 * seed) * (strategy == "margin")
        write_run(root, strategy, seed, learner=learner, shift=shift)
    return root


@pytest.mark.parametrize(("looks", "level"), [(1, "95 %"), (5, "99 %")])
def test_every_interval_and_band_names_its_level(tmp_path: Path, looks: int, level: str) -> None:
    report = write_report(grid(tmp_path / "e", looks=looks))
    other = {"95 %", "99 %"} - {level}
    for table in ("summary", "tests", "learners", "interactions"):
        text = (report.root / "tables" / f"{table}.md").read_text()
        assert f" {level} interval |" in text, table
        assert f"the {level} interval is that of one difference on its own" in text
        assert not any(wrong in text for wrong in other)
    assert f"whose {level} band, simultaneous" in (report.root / "tables" / "signs.md").read_text()
    map_ = signs.figure(report, report.views[0])
    assert map_ is not None
    assert f"framed: the {level} band" in map_.texts[-1].get_text()
    view = report.views[0]
    remark = area_figure(view, report.inference).texts[-1].get_text()
    assert ("mean and 95 % interval (differences: 99 %) over" in remark) == (looks > 1)
    row = data_of((report.root / "index.html").read_text())["overview"]
    assert row["vs. random"].endswith("] (99 %) better" if looks > 1 else "] better")
    gains = [one["gain"] for one in row["advice"] if one["certain"]]
    assert gains
    assert all(gain.endswith("] (99 %)" if looks > 1 else "]") for gain in gains)
    assert overview_page(tmp_path).count(STRICTER) == (2 if looks > 1 else 0)


def test_a_comparison_is_corrected_for_the_most_looks(tmp_path: Path) -> None:
    plain, looked = grid(tmp_path / "plain"), grid(tmp_path / "looked", 0.01, looks=5)
    for sides in ((plain, looked), (looked, plain)):
        found = compare_experiments([read_experiment(side) for side in sides])
        table = found.tables[0]
        assert "99 % interval" in table.header
        assert "Verdicts hold together at 5 % over up to 5 looks, 1 % at each" in table.caption
        assert "the 99 % interval is that of one difference" in table.caption
    wide, narrow = (
        compare_experiments([read_experiment(one) for one in sides], ["entropy"]).differences.iloc[0]
        for sides in ((plain, looked), (plain, grid(tmp_path / "again", 0.01)))
    )
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]
    by_learner = compare_experiments([read_experiment(looked)], learners=LEARNERS)
    assert "99 % interval" in by_learner.tables[0].header


def test_replays_beside_an_experiment_are_too(tmp_path: Path) -> None:
    source = write_grid(tmp_path / "mnist", NAMES, seeds=SEEDS)
    for name, looks in (("once", 1), ("often", 5)):
        of = f"mnist@{read_experiment(source).fingerprint[:16]}"
        replay = write_experiment(tmp_path / name, fingerprint="1" * 64, replay=of, looks=looks)
        for strategy, seed in itertools.product(NAMES, range(SEEDS)):
            path = write_run(replay, strategy, seed, fingerprint="1" * 64)
            change_rounds(path, lambda one: replace(one, diagnostics={SOURCE_ACCURACY: 0.5}))
        found = transfer(read_experiment(source), [read_experiment(replay)])
        assert ("over up to 5 looks, 1 % at each" in found.tables[0].caption) == (looks > 1)
        header = (write_report(replay).root / "tables" / "replay.md").read_text()
        assert header.count(f" {99 if looks > 1 else 95} % interval |") == 2
        assert REPLAYED in read_report(replay).inference.references
