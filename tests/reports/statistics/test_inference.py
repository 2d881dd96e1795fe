"""The one inference, against SciPy, statsmodels and limma's formulae, and what no data may make it say."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired
from support.made_reports import area_of, curves_with_effects, report_of

from benchmark.reports.statistics.endpoints import ENDPOINTS
from benchmark.reports.statistics.family import contrasts
from benchmark.reports.statistics.inference import Contrast, Inference, infer
from benchmark.reports.statistics.power import power, powers, seeds_needed, smallest_difference


def made(strategies: int, seeds: int, rng: int = 0, scale: float = 0.02, **options: float) -> Inference:
    """An inference on random differences at two endpoints, the first strategies with effects."""
    draw = np.random.default_rng(rng)
    effects = np.where(np.arange(strategies) < 2, 0.08, 0)
    spread = scale * np.exp(draw.normal(0, 0.5, strategies))
    return infer(
        [
            Contrast(
                (f"s{k}", "supervised"), "random", tuple(range(seeds)), draw.normal(effects[k], spread[k], (seeds, 2))
            )
            for k in range(strategies)
        ],
        ("area", "last"),
        **options,
    )


def test_two_comparisons_are_student_s_tests_with_statsmodels_corrections() -> None:
    """With fewer than three variances nothing is shrunk."""
    curves = curves_with_effects(["random", "margin", "badge"], 6)
    found = infer(contrasts(curves, "random"), ENDPOINTS)
    rows = found.of("random")
    for name in ("margin", "badge"):
        own, other = area_of(curves, name), area_of(curves, "random")
        expected, row = stats.ttest_rel(own, other), rows.loc[(name, "supervised")]
        assert (row["t"], row["p"], row["df"]) == pytest.approx((expected.statistic, expected.pvalue, 5))
        assert (row["low"], row["high"]) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    every = found.findings
    assert len(every) == found.tests == 8
    assert every["p_corrected"].tolist() == pytest.approx(multipletests(every["p"], method="holm")[1].tolist())


def test_variances_are_shrunk_by_limma_s_formula_at_each_endpoint() -> None:
    found = made(7, 4)
    for endpoint in ("area", "last"):
        rows = found.of("random", endpoint)
        prior = found.priors.set_index("endpoint").loc[endpoint]
        raw = (rows["sd"] ** 2 * (prior["d0"] + 3) - prior["d0"] * prior["s0"]) / 3
        se = np.sqrt((prior["d0"] * prior["s0"] + 3 * raw) / (prior["d0"] + 3) / 4)
        np.testing.assert_allclose(rows["t"], rows["difference"] / se)
        np.testing.assert_allclose(rows["df"], 3 + prior["d0"])
        np.testing.assert_allclose(rows["p"], 2 * stats.t.sf(np.abs(rows["t"]), rows["df"]))


def test_equivalence_is_the_two_one_sided_tests_of_statsmodels() -> None:
    draw = np.random.default_rng(3)
    differences = draw.normal(0.001, 0.002, (8, 2))
    found = infer(
        [Contrast((f"s{k}", "supervised"), "random", tuple(range(8)), differences[:, [k]]) for k in range(2)], ("area",)
    )
    raw = [ttost_paired(column, np.zeros(8), -0.005, 0.005)[0] for column in differences.T]
    expected = multipletests(raw, method="holm")[1]
    assert found.findings["p_equivalent"].tolist() == pytest.approx(expected.tolist())
    assert found.findings["verdict"].tolist() == ["equivalent"] * 2


def test_a_wide_interval_is_undecided_not_equal() -> None:
    values = np.array([[0.02], [-0.018], [0.001], [-0.004]])
    found = infer([Contrast(("margin", "supervised"), "random", (0, 1, 2, 3), values)], ("area",))
    assert found.findings["verdict"].tolist() == ["undecided"]


@pytest.mark.parametrize("seeds", [3, 12])
def test_a_difference_of_less_than_one_test_image_is_no_evidence(seeds: int) -> None:
    """Even where all seeds agree on it; one of a whole image has a finite t."""
    for images, p in ((0.9, 1.0), (1.0, 0.9)):
        values = np.full((seeds, 1), images / 1000)
        found = infer([Contrast(("margin", "supervised"), "random", tuple(range(seeds)), values)], ("area",), 1 / 1000)
        row = found.findings.iloc[0]
        assert row["p"] == 1 if p == 1 else 0 < row["p"] < 1
        assert math.isfinite(row["t"])
        assert row["high"] > row["low"]
    assert found.findings["p_corrected"].iloc[0] >= 1 / 2 ** (seeds - 1) or seeds == 3


def test_too_few_seeds_have_no_test_and_weaken_no_other() -> None:
    draw = np.random.default_rng(0)
    two = Contrast(("badge", "supervised"), "random", (0, 1), draw.normal(0, 0.01, (2, 1)))
    five = Contrast(("margin", "supervised"), "random", (0, 1, 2, 3, 4), draw.normal(0.1, 0.01, (5, 1)))
    found = infer([two, five], ("area",))
    row = found.of("random").loc[("badge", "supervised")]
    assert (row["n"], row["verdict"]) == (2, "undecided")
    assert math.isnan(row["p"])
    assert math.isnan(row["low"])
    assert found.tests == 1
    alone = infer([five], ("area",)).findings["p_corrected"].iloc[0]
    assert found.of("random").loc[("margin", "supervised"), "p_corrected"] == alone
    assert infer([], ("area",)).findings.empty


def test_ten_seeds_are_corrected_by_flips_and_a_mixture_at_half_the_level_each() -> None:
    ten, both = made(6, 10), made(6, 10, level=0.1)
    assert (ten.permuted, ten.tests) == (12, 12)
    assert ten.of("random")["verdict"].tolist()[:2] == ["better"] * 2
    assert ten.findings["p_corrected"].min() >= 1 / 512
    assert (both.findings["p_corrected"] == ten.findings["p_corrected"]).all()
    draw = np.random.default_rng(0)
    many = [Contrast((f"m{k}", "l"), "random", tuple(range(10)), draw.normal(0.05, 0.02, (10, 1))) for k in range(3)]
    few = [Contrast((f"f{k}", "l"), "random", (0, 1, 2), draw.normal(0.05, 0.02, (3, 1))) for k in range(3)]
    apart = [infer(some, ("area",)).findings["p_corrected"] for some in (many, few)]
    mixed = infer([*many, *few], ("area",)).findings["p_corrected"].tolist()
    assert mixed[:3] == pytest.approx(np.minimum(1, 2 * apart[0]).tolist())
    assert mixed[3:] != pytest.approx(apart[1].tolist())  # their prior knows the others' variances


def test_verdicts_and_bands_do_not_contradict_one_another() -> None:
    """A simultaneous band that excludes 0 belongs to a verdict; the step-down procedures may find more."""
    for seeds in (3, 5, 10):
        rows = made(12, seeds, rng=seeds).findings
        outside = (rows["band_low"] > 0) | (rows["band_high"] < 0)
        assert outside.any() == (seeds > 3) or seeds == 3
        assert rows.loc[outside, "verdict"].isin(["better", "worse"]).all()
        assert (rows["band_low"] <= rows["low"]).all()


def test_the_family_holds_every_comparison_once() -> None:
    curves = curves_with_effects(["random", "margin", "badge", "bald"], 3)
    fixmatch = curves[curves["strategy"] != "bald"].assign(learner="fixmatch")
    both = pd.concat([curves, fixmatch])
    report = report_of(both, baseline="margin")
    rows = report.inference.findings
    assert not rows.duplicated(["strategy", "learner", "against", "endpoint"]).any()
    found = {
        against: set(zip(some["strategy"], some["learner"], strict=True)) for against, some in rows.groupby("against")
    }
    assert found["random"] == {(s, "supervised") for s in ("margin", "badge", "bald")} | {
        (s, "fixmatch") for s in ("margin", "badge")
    }
    assert found["margin"] == {("badge", "supervised"), ("bald", "supervised"), ("badge", "fixmatch")}
    assert found["supervised"] == {(s, "fixmatch") for s in ("random", "margin", "badge")}
    assert found["gain with supervised learning"] == {(s, "fixmatch") for s in ("margin", "badge")}
    assert report.inference.tests == len(rows) == (5 + 3 + 3 + 2) * 4
    assert rows["p_corrected"].tolist() == pytest.approx(multipletests(rows["p"], method="holm")[1].tolist())
    plain = report_of(both).inference  # without the baseline's comparisons, which nobody asked for
    assert plain.references == [one for one in report.inference.references if one != "margin"]
    assert plain.tests == report.inference.tests - 3 * 4
    assert (plain.of("random")["p_corrected"] <= report.inference.of("random")["p_corrected"]).all()


def test_the_change_of_a_gain_is_a_difference_of_differences() -> None:
    supervised, fixmatch = (curves_with_effects(["random", "margin"], 4, rng=k) for k in (1, 2))
    found = infer(contrasts(pd.concat([supervised, fixmatch.assign(learner="fixmatch")]), "margin"), ENDPOINTS)
    gains = [area_of(one, "margin") - area_of(one, "random") for one in (fixmatch, supervised)]
    expected = stats.ttest_rel(*gains)
    row = found.of("gain with supervised learning").loc[("margin", "fixmatch")]
    assert (row["difference"], row["p"]) == pytest.approx((np.mean(gains[0] - gains[1]), expected.pvalue))


@pytest.mark.parametrize(("n", "df", "critical"), [(3, 4.0, 8.6), (5, 6.0, 4.3), (10, 9.0, 3.9)])
def test_power_is_that_of_the_noncentral_t(n: int, df: float, critical: float) -> None:
    effect = smallest_difference(0.01, n, df, critical)
    shift = effect / 0.01 * math.sqrt(n)
    assert stats.nct.sf(critical, df, shift) == pytest.approx(0.8, abs=0.002)
    assert power(0.0, 0.01, n, df, critical) == pytest.approx(2 * stats.t.sf(critical, df), rel=0.05)


def test_the_seeds_needed_are_the_fewest() -> None:
    for tests, sd in ((1, 0.01), (28, 0.01), (144, 0.02)):
        n = seeds_needed(0.01, sd, 2.0, tests, 0.05)
        found = []
        for seeds in (n - 1, n):
            df = seeds - 1 + (2 if seeds < 10 else 0)
            found.append(power(0.01, sd, seeds, df, float(stats.t.isf(0.05 / 2 / tests, df))))
        assert found[0] < 0.8 <= found[1] or n == 3
    by_seeds = powers(made(8, 5), "random")
    assert [each.n for each in by_seeds] == [5]
    assert by_seeds[0].smallest > 0
