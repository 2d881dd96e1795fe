"""``--until-decided``: seeds are added until intervals are narrow, and looking several times is paid for."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from scipy import stats
from support.tiny import RAISES, bench, experiment, plugin

from benchmark.campaign.until_decided import LOOKS, more_seeds, until_decided
from benchmark.experiment import Protocol, load
from benchmark.reports import read_report
from benchmark.reports.verdicts import method
from benchmark.results import failures


@pytest.mark.parametrize(
    ("seeds", "widest", "count"), [((0, 1, 2), 0.022, 4), ((0, 1, 2), 0.03, 6), ((0, 4), math.nan, 4), ((3,), 0.9, 2)]
)
def test_seeds_grow_as_the_width_asks_and_at_most_twofold(seeds: tuple[int, ...], widest: float, count: int) -> None:
    found = more_seeds(seeds, widest, 0.02)
    assert len(found) == count
    assert found[: len(seeds)] == seeds
    assert len(set(found)) == count


def test_it_stops_when_narrow_or_after_five_looks_or_without_a_result() -> None:
    asked: list[int] = []

    def compute(protocol: Protocol) -> int:
        asked.append(len(protocol.seeds))
        return 0

    protocol, status, width = until_decided(load("digits"), 0.01, compute, lambda p: 0.03 / math.sqrt(len(p.seeds)))
    assert (status, width <= 0.01) == (0, True)
    assert asked == sorted(set(asked))
    assert protocol.looks == LOOKS
    asked.clear()
    protocol, status, width = until_decided(load("digits"), 0.01, compute, lambda _: 0.5)
    assert (len(asked), width, status) == (LOOKS, 0.5, 0)
    assert math.isnan(until_decided(load("digits"), 0.01, lambda _: 3, lambda _: 0.5)[2])


def test_whoever_stops_as_soon_as_it_pays_is_wrong_no_more_often_than_stated() -> None:
    """The worst that stopping can do: at the first look that shows a difference."""
    draw, experiments, wrong = np.random.default_rng(0), 4000, np.zeros(4000, dtype=bool)
    values = draw.normal(0, 1, (experiments, 48))
    for n in (3, 6, 12, 24, 48):
        wrong |= stats.ttest_1samp(values[:, :n], 0, axis=1).pvalue < 0.05 / LOOKS
    assert wrong.mean() <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / experiments)


def test_the_number_of_looks_is_kept_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path, "--seeds", "0", "1", "2", "--until-decided", "100") == 0
    assert "3 seeds; the widest interval of a difference to random has " in capsys.readouterr().out
    described = experiment(tmp_path) / "experiment.json"
    assert json.loads(described.read_text())["protocol"]["looks"] == LOOKS
    assert bench(tmp_path, "--seeds", "3") == 0  # a later run does not forget them
    assert json.loads(described.read_text())["protocol"]["looks"] == LOOKS
    inference = read_report(experiment(tmp_path)).inference
    assert inference.level == pytest.approx(0.05 / LOOKS)
    assert "over up to 5 looks, 1 % at each" in method(inference)


def margins_width(root: Path) -> float:
    rows = read_report(root).inference.of("random")
    return float((rows["high"] - rows["low"]).max())


def test_the_first_look_is_corrected_where_all_runs_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Published, or computed by a command without looks: nothing has recorded that there may be several."""
    asked = ("--seeds", "0", "1", "2", "3", "4")
    assert bench(tmp_path, *asked) == 0
    root = experiment(tmp_path)
    once = margins_width(root)
    capsys.readouterr()
    with patch("benchmark.reports.write"):
        assert bench(tmp_path, *asked, "--until-decided", "100", report=True) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "over up to 5 looks, 1 % at each" in said
    (points,) = re.findall(r"the widest interval of a difference to random has ([\d.]+) points", said)
    assert float(points) == pytest.approx(100 * margins_width(root), abs=0.005)
    assert float(points) > 150 * once


def test_a_protocol_with_more_looks_keeps_them() -> None:
    protocol, _, _ = until_decided(load("digits").override(looks=8), 0.5, lambda _: 0, lambda _: 0.1)
    assert protocol.looks == 8


def test_a_run_that_fails_is_computed_once(tmp_path: Path) -> None:
    arguments = ("--strategies", plugin(tmp_path, RAISES), "random", "--seeds", "0", "--until-decided", "1")
    assert bench(tmp_path, *arguments) == 1
    recorded, _ = failures.read(experiment(tmp_path))
    assert [record.key.seed for record in recorded] == [0]


def test_what_has_no_effect_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path, "--until-decided", "1", "--fresh") == 2
    assert "--fresh has no effect with --until-decided" in capsys.readouterr().err
    assert bench(tmp_path, "--until-decided", "0") == 2
    assert "no width in points" in capsys.readouterr().err
    assert bench(tmp_path, "--until-decided", "1", "--strategies", "margin", "--seeds", "0") == 2
    assert "compares with random: add it to --strategies" in capsys.readouterr().err
    assert bench(tmp_path, "--until-decided", "1", "--strategies", "random", "--seeds", "0") == 2
    assert "compares with random: add another strategy to --strategies" in capsys.readouterr().err
    assert not list(tmp_path.glob("results/**/*.jsonl")), "nothing was computed"
