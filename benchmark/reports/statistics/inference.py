"""The one inference of a report: every "better" and "worse" that it says comes from here.

Seeds are blocks: a comparison takes the differences of two runs of the same seed. Of each difference, the endpoints are
declared in advance (``endpoints``). Below ten seeds their variances are shrunk over strategies (``moderation``), for
each endpoint and each reference on its own. All comparisons and endpoints of an experiment are one family, which is
corrected once: by the step-down max-T procedure over sign flips of seeds where all are over the same ten or more seeds,
else by Holm's procedure. Where only some are, these are corrected by max-T and the others by Holm's procedure, at half
the level each. Every way keeps the probability of any false verdict at the level. Diagnostics, which read true labels
and are not ranked, are a family of their own: to run one takes nothing from the verdicts on strategies.

A test set of T images resolves 1/T: a mean difference below that is no evidence (p = 1), and no standard deviation is
taken to be smaller.

Verdicts: *better* and *worse* by the corrected p-value; *equivalent* where two one-sided tests (Schuirmann 1987) show
the difference to lie within ± the margin, their p-values corrected by Holm's procedure over the same family; else
*undecided*.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.reports.statistics.correction import holm, max_t
from benchmark.reports.statistics.moderation import moderated, prior
from benchmark.reports.statistics.seeds import FEWEST_SEEDS, GROUP, Key

LEVEL = 0.05
MARGIN = 0.005  # a difference in accuracy within which two strategies are equivalent: half a point
FEWEST_SEEDS_MAX_T = 10
UNKNOWN_TEST_SET = 10_000  # images, where no record says how many

Verdict = Literal["better", "worse", "equivalent", "undecided"]


@dataclass(frozen=True, eq=False)
class Contrast:
    """A comparison: ``differences`` (n, E) of its n ``seeds`` in the E endpoints, accuracies in 0–1.

    ``against`` names what the strategy (with its learner) is compared with.
    """

    key: Key
    against: str
    seeds: tuple[int, ...]
    differences: np.ndarray


class Moderated(NamedTuple):
    """Tests of K comparisons: t, its degrees of freedom, the variances (…, K) used; the prior d₀ and s₀² (…)."""

    t: np.ndarray
    df: np.ndarray
    variances: np.ndarray
    d0: np.ndarray
    s0: np.ndarray


def moderated_t(means: np.ndarray, variances: np.ndarray, seeds: np.ndarray, resolution: float) -> Moderated:
    """Moderated t-tests of ``means`` (…, K) of ``seeds`` (K,) ≥ 2 differences each, with their ``variances`` (…, K).

    From ten seeds on a variance stands as it is: flips of signs are exact for Student's t, and only for that.
    """
    degrees = seeds - 1
    variances = np.maximum(variances, resolution**2)
    d0, s0 = prior(variances, degrees)
    few = seeds < FEWEST_SEEDS_MAX_T
    used = np.where(few, moderated(variances, degrees, d0, s0), variances)
    return Moderated(means / np.sqrt(used / seeds), np.where(few, d0[..., None], 0.0) + degrees, used, d0, s0)


def two_sided(t: np.ndarray, df: np.ndarray, means: np.ndarray, resolution: float) -> np.ndarray:
    """Two-sided p-values; 1 where the mean difference is smaller than the test set resolves."""
    return np.where(np.abs(means) < resolution * (1 - 1e-9), 1.0, 2 * stats.t.sf(np.abs(t), df))


def within_margin(means: np.ndarray, errors: np.ndarray, df: np.ndarray, margin: float) -> np.ndarray:
    """The larger p-value of the two one-sided tests that the means lie above −margin and below +margin."""
    return np.asarray(stats.t.sf((margin - np.abs(means)) / errors, df))


@dataclass(frozen=True, eq=False)
class Inference:
    """What an experiment shows; built by ``infer``.

    ``findings`` has a row per comparison and endpoint: strategy, learner, against, endpoint, n (seeds), difference
    (its mean, 0–1), low and high (its interval on its own, of 1 − ``level``), band_low and band_high (simultaneous for
    the family), sd (of a seed's difference, shrunk below ten seeds), df, t, p, p_corrected, p_equivalent (corrected)
    and verdict. With fewer than 3 seeds there is no test: NaN and "undecided". ``priors`` has d0 and s0 (a variance) by
    against and endpoint. Strategies ``apart`` are a family of their own: they are in ``findings`` alone.
    """

    findings: pd.DataFrame
    priors: pd.DataFrame
    endpoints: tuple[str, ...]
    tests: int
    permuted: int  # of the tests: those corrected by max-T
    level: float = LEVEL
    margin: float = MARGIN
    apart: tuple[str, ...] = ()

    def of(self, against: str, endpoint: str = "area") -> pd.DataFrame:
        """The findings against a reference at an endpoint, indexed by strategy and learner, in their order."""
        rows = self.findings
        chosen = rows[(rows["against"] == against) & (rows["endpoint"] == endpoint)]
        return chosen.set_index(GROUP, drop=False)

    @property
    def family(self) -> pd.DataFrame:
        """The findings of the family that is corrected together: all but those on strategies ``apart``."""
        return self.findings[~self.findings["strategy"].isin(self.apart)]

    def verdicts(self, key: Key, against: str) -> dict[str, Verdict]:
        """The verdicts on a strategy (with its learner) by endpoint; empty where it is not compared."""
        rows = self.findings
        chosen = rows[(rows["strategy"] == key[0]) & (rows["learner"] == key[1]) & (rows["against"] == against)]
        return dict(zip(chosen["endpoint"], chosen["verdict"], strict=True))

    def compared(self, against: str) -> list[Key]:
        """The strategies (with learners) that are compared with a reference."""
        rows = self.of(against, self.endpoints[0])
        return list(zip(rows["strategy"], rows["learner"], strict=True))

    @property
    def references(self) -> list[str]:
        """What there are comparisons with, in order."""
        return list(dict.fromkeys(self.findings["against"].tolist()))


COLUMNS = [*GROUP, "against", "endpoint", "n", "difference", "low", "high", "band_low", "band_high", "sd", "df", "t"]
COLUMNS += ["p", "p_corrected", "p_equivalent", "verdict"]


def infer(
    contrasts: Sequence[Contrast],
    endpoints: Sequence[str],
    resolution: float = 1 / UNKNOWN_TEST_SET,
    margin: float = MARGIN,
    level: float = LEVEL,
    apart: Collection[str] = (),
) -> Inference:
    """Test all ``contrasts`` at all ``endpoints`` as one family; ``resolution`` is one over the test set's size.

    With up to n looks at growing numbers of seeds, ``level`` is 5 % / n, for intervals too: then they hold over all.
    Strategies named in ``apart`` are a family of their own, unless there are no others.
    """
    theirs = [one for one in contrasts if one.key[0] in apart]
    if not theirs or len(theirs) == len(contrasts):
        return _family(contrasts, endpoints, resolution, margin, level)
    ours = [one for one in contrasts if one.key[0] not in apart]
    first, second = (_family(some, endpoints, resolution, margin, level) for some in (ours, theirs))
    findings = pd.concat([first.findings, second.findings], ignore_index=True)
    return replace(first, findings=findings, apart=tuple(dict.fromkeys(one.key[0] for one in theirs)))


def _family(
    contrasts: Sequence[Contrast], endpoints: Sequence[str], resolution: float, margin: float, level: float
) -> Inference:
    """``infer`` for one family."""
    tested = [one for one in contrasts if len(one.seeds) >= FEWEST_SEEDS]
    permuted = _permuted(tested)
    flips = [one for one in tested if one.seeds == permuted]
    share = level if len(flips) in (0, len(tested)) else level / 2
    findings, priors = _estimates(tested, endpoints, resolution, margin, level)
    if len(findings):
        by_flips = findings["permuted"].to_numpy(dtype=bool)
        corrected, critical = np.empty(len(findings)), np.empty(len(findings))
        if by_flips.any():
            some = findings[by_flips]
            p, critical[by_flips] = max_t(_differences(flips, some, endpoints), resolution**2, share)
            corrected[by_flips] = np.where(some["p"] == 1, 1.0, p)
        if not by_flips.all():
            others = findings[~by_flips]
            corrected[~by_flips] = holm(others["p"].to_numpy())
            critical[~by_flips] = stats.t.isf(share / (2 * len(others)), others["df"])
        half = critical * findings["sd"] / np.sqrt(findings["n"])
        findings["p_corrected"] = np.minimum(1, corrected * level / share)
        findings["band_low"], findings["band_high"] = findings["difference"] - half, findings["difference"] + half
        findings["p_equivalent"] = holm(findings["p_equivalent"].to_numpy())
        shown = findings["p_corrected"] < level
        findings["verdict"] = np.select(
            [shown & (findings["difference"] > 0), shown, findings["p_equivalent"] < level],
            ["better", "worse", "equivalent"],
            "undecided",
        )
    number = len(findings)
    parts = [part[COLUMNS] for part in (findings, _untested(contrasts, endpoints)) if len(part)]
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    rows = rows.astype(dict.fromkeys(COLUMNS[5:-1], "float64"))
    return Inference(rows, priors, tuple(endpoints), number, len(flips) * len(endpoints), level, margin)


def _estimates(
    contrasts: Sequence[Contrast], endpoints: Sequence[str], resolution: float, margin: float, level: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The findings before correction, with a column ``permuted``, and the priors."""
    permuted = _permuted(contrasts)
    tables, priors = [], []
    for against in dict.fromkeys(one.against for one in contrasts):
        some = [one for one in contrasts if one.against == against]
        seeds = np.array([len(one.seeds) for one in some])
        means = np.array([one.differences.mean(axis=0) for one in some])
        variances = np.array([one.differences.var(axis=0, ddof=1) for one in some])
        for e, endpoint in enumerate(endpoints):
            found = moderated_t(means[:, e], variances[:, e], seeds, resolution)
            errors = np.sqrt(found.variances / seeds)
            half = stats.t.ppf(1 - level / 2, found.df) * errors
            priors.append((against, endpoint, float(found.d0), float(found.s0)))
            table = pd.DataFrame([one.key for one in some], columns=GROUP)
            tables.append(
                table.assign(
                    against=against,
                    endpoint=endpoint,
                    n=seeds,
                    difference=means[:, e],
                    low=means[:, e] - half,
                    high=means[:, e] + half,
                    sd=np.sqrt(found.variances),
                    df=found.df,
                    t=found.t,
                    p=two_sided(found.t, found.df, means[:, e], resolution),
                    p_equivalent=within_margin(means[:, e], errors, found.df, margin),
                    permuted=[one.seeds == permuted for one in some],
                )
            )
    findings = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)
    return findings, pd.DataFrame(priors, columns=["against", "endpoint", "d0", "s0"])


def _untested(contrasts: Sequence[Contrast], endpoints: Sequence[str]) -> pd.DataFrame:
    """The rows of comparisons with too few seeds for a test."""
    rows = [
        dict(zip(GROUP, one.key, strict=True))
        | {"against": one.against, "endpoint": endpoint, "n": len(one.seeds), "verdict": "undecided"}
        | {"difference": one.differences[:, e].mean()}
        for one in contrasts
        if len(one.seeds) < FEWEST_SEEDS
        for e, endpoint in enumerate(endpoints)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _permuted(contrasts: Sequence[Contrast]) -> tuple[int, ...] | None:
    """The seeds of the comparisons that are corrected by max-T: the most, at least ten; None where there are none."""
    most = max((one.seeds for one in contrasts), key=len, default=())
    return most if len(most) >= FEWEST_SEEDS_MAX_T else None


def _differences(contrasts: Sequence[Contrast], findings: pd.DataFrame, endpoints: Sequence[str]) -> np.ndarray:
    """The differences (n, M) of the seeds, in the order of ``findings``."""
    of = {
        (*one.key, one.against, endpoint): one.differences[:, e]
        for one in contrasts
        for e, endpoint in enumerate(endpoints)
    }
    names = zip(*(findings[column] for column in (*GROUP, "against", "endpoint")), strict=True)
    return np.column_stack([of[name] for name in names])
