"""The inference on simulated experiments whose answers are known.

Their residuals are as unequal and as correlated as those published on MNIST: ``mnist_endpoints.csv`` has the endpoints
of 36 strategies with three seeds, eight of them with ten. A drawn residual is a combination of the residuals of the
published seeds, with the same weights for all strategies in one part (what a seed does to all) and with weights of its
own in the other, since the covariance that three seeds give alone is of rank two.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.reports.statistics.correction import flipped_statistics, holm, sign_patterns
from benchmark.reports.statistics.endpoints import ENDPOINTS
from benchmark.reports.statistics.inference import (
    FEWEST_SEEDS_MAX_T,
    LEVEL,
    MARGIN,
    Contrast,
    infer,
    moderated_t,
    two_sided,
    within_margin,
)
from benchmark.reports.statistics.power import smallest_difference

EXPERIMENTS = 10_000
RESOLUTION = 1e-4  # of 10,000 test images
COMMON = 0.7  # the share of the covariance that the strategies of a seed have in common
CASES = [(strategies, seeds) for strategies in (9, 37) for seeds in (3, 5, 10)]
FEW = [
    (4, 3),
    (4, 5),
    (4, 6),
    (5, 3),
    (5, 5),
    (6, 3),
    (6, 4),
    (6, 5),
    (6, 7),
    (7, 3),
    (8, 3),
]  # about where shrinking begins


def residuals(strategies: int) -> np.ndarray:
    """(seeds, strategies, endpoints), scaled so that products of weights of variance 1 have the sample covariance.

    Random comes first; of 9 and 37 strategies the last is margin again, with other weights. Fewer are the most and the
    least variable of nine, in turn.
    """
    table = pd.read_csv(Path(__file__).with_name("mnist_endpoints.csv"))
    seeds = 10 if strategies <= 9 else 3
    table = table[(table["seed"] < seeds) & (table.groupby("strategy")["seed"].transform("nunique") >= seeds)]
    names = ["random", *(name for name in table["strategy"].unique() if name != "random"), "margin"]
    if strategies < len(names):
        spread = table.groupby("strategy")["area"].std()
        ordered = sorted(set(names[1:]), key=lambda name: -spread[name])
        names = ["random", *(ordered[::-1][k // 2] if k % 2 else ordered[k // 2] for k in range(strategies - 1))]
    assert len(names) == strategies
    values = np.stack([table[table["strategy"] == name][list(ENDPOINTS)].to_numpy() for name in names], axis=1)
    return np.asarray((values - values.mean(axis=0)) / np.sqrt(seeds - 1))


def differences(strategies: int, seeds: int, experiments: int, rng: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Differences to random (experiments, seeds, strategies − 1, 4) without effects, and their true SDs."""
    draw, given = np.random.default_rng(rng), residuals(strategies)
    count = len(given)
    common = draw.standard_normal((experiments, seeds, count)) @ given.reshape(count, -1)
    drawn = np.sqrt(COMMON) * common.reshape(experiments, seeds, *given.shape[1:])
    own = draw.standard_normal((strategies, experiments * seeds, count)) @ given.transpose(1, 0, 2)
    drawn += np.sqrt(1 - COMMON) * own.reshape(strategies, experiments, seeds, -1).transpose(1, 2, 0, 3)
    contrast = given[:, 1:] - given[:, :1]
    separate = (given[:, 1:] ** 2).sum(axis=0) + (given[:, :1] ** 2).sum(axis=0)
    return drawn[:, :, 1:] - drawn[:, :, :1], np.sqrt(COMMON * (contrast**2).sum(axis=0) + (1 - COMMON) * separate)


class Drawn:
    """What the engine finds in each of many experiments, as arrays (experiments, strategies, endpoints)."""

    def __init__(self, drawn: np.ndarray) -> None:
        seeds = np.full(drawn.shape[2], drawn.shape[1])
        self.means, variances = drawn.mean(axis=1), drawn.var(axis=1, ddof=1)
        found = [moderated_t(self.means[..., e], variances[..., e], seeds, RESOLUTION) for e in range(len(ENDPOINTS))]
        self.t, self.df = (np.stack([getattr(one, name) for one in found], axis=-1) for name in ("t", "df"))
        self.errors = np.stack([np.sqrt(one.variances / seeds) for one in found], axis=-1)
        self.p = two_sided(self.t, self.df, self.means, RESOLUTION)
        self.tests = self.p[0].size

    def smallest_p(self) -> np.ndarray:
        """The smallest corrected p-value of each experiment, by Holm's procedure."""
        return np.asarray(np.nanmin(holm(self.p.reshape(len(self.p), -1)), axis=1))


def any_by_flips(drawn: np.ndarray, tests: Drawn) -> np.ndarray:
    """Whether max-T rejects anything, by experiment; patterns are tried only until the answer is certain."""
    signs, found = np.concatenate([*sign_patterns(drawn.shape[1], tests.tests)]), []
    allowed = LEVEL * len(signs)
    for i, own in enumerate(drawn):
        flat = own.reshape(len(own), -1)
        observed, beaten = np.abs(tests.t[i]).max() * (1 - 1e-9), 0
        for part in np.array_split(signs, 8):
            beaten += int((flipped_statistics(flat, RESOLUTION**2, part).max(axis=1) >= observed).sum())
            if beaten >= allowed:
                break
        found.append(beaten < allowed)
    return np.array(found)


@pytest.mark.parametrize(("strategies", "seeds"), [*FEW, *CASES])
def test_a_false_verdict_is_as_rare_as_stated_and_intervals_cover(strategies: int, seeds: int) -> None:
    """At most 5 % of null experiments have any verdict; 95 % intervals cover in 95 ± 1 % on average.

    The least covered strategy is the most variable one, whose variance is shrunk most: docs/statistics.md says how far.
    """
    number = EXPERIMENTS if strategies * seeds < 100 or seeds < FEWEST_SEEDS_MAX_T else 3000  # flips take longest
    drawn, _ = differences(strategies, seeds, number)
    tests = Drawn(drawn)
    any_false = any_by_flips(drawn, tests) if seeds >= FEWEST_SEEDS_MAX_T else tests.smallest_p() < LEVEL
    assert any_false.mean() <= LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / number)
    half = stats.t.ppf(0.975, tests.df) * tests.errors
    covered = (np.abs(tests.means) <= half).mean(axis=0)
    assert covered.mean() == pytest.approx(0.95, abs=0.01)
    assert covered.min() > 0.8


@pytest.mark.parametrize(("strategies", "seeds"), [(9, 5), (9, 10), (37, 3)])
def test_the_simulations_compute_what_the_engine_does(strategies: int, seeds: int) -> None:
    drawn, _ = differences(strategies, seeds, 20, rng=1)
    drawn[:, :, 0] += 0.05
    tests = Drawn(drawn)
    corrected, decided = holm(tests.p.reshape(20, -1)), any_by_flips(drawn, tests)
    for i in range(20):
        contrasts = [
            Contrast((f"s{k}", "supervised"), "random", tuple(range(seeds)), drawn[i, :, k])
            for k in range(strategies - 1)
        ]
        found = infer(contrasts, ENDPOINTS, RESOLUTION).findings
        rows = found.pivot(index="strategy", columns="endpoint", values="p").loc[[c.key[0] for c in contrasts]]
        np.testing.assert_allclose(rows[list(ENDPOINTS)].to_numpy(), tests.p[i])
        smallest = found["p_corrected"].min()
        if seeds < FEWEST_SEEDS_MAX_T:
            assert smallest == pytest.approx(corrected[i].min())
        assert decided[i] == (smallest < LEVEL) or seeds < FEWEST_SEEDS_MAX_T


@pytest.mark.parametrize(("strategies", "seeds"), [(9, 3), (9, 5), (37, 5), (37, 10)])
def test_power_is_as_predicted(strategies: int, seeds: int) -> None:
    """For strategies of about median variability, at the difference that is said to be shown with 80 %."""
    drawn, sds = differences(strategies, seeds, 2000, rng=2)
    area = sds[:, 0]
    tests = strategies * len(ENDPOINTS) - len(ENDPOINTS)
    shown = []
    found = Drawn(drawn)
    df = float(found.df[..., 0].mean())
    for k in np.argsort(np.abs(np.log(area / np.median(area))))[:3]:
        critical = stats.t.isf(LEVEL / (2 * tests), df)
        effect = smallest_difference(float(area[k]), seeds, df, critical)
        t = found.t[:, k, 0] + effect / found.errors[:, k, 0]
        shown.append(np.mean(t > critical))
    assert np.mean(shown) == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize(("strategies", "seeds"), CASES)
@pytest.mark.parametrize("effect", [MARGIN, 0.01])
def test_equivalence_is_hardly_ever_claimed_where_it_is_not_true(strategies: int, seeds: int, effect: float) -> None:
    """All strategies lie at the margin's edge or one point off: at most 5 % of experiments claim it of any."""
    drawn, _ = differences(strategies, seeds, 2000, rng=3)
    tests = Drawn(drawn + effect)
    p = within_margin(tests.means, tests.errors, tests.df, MARGIN)
    claimed = (holm(p.reshape(len(p), -1)) < LEVEL).any(axis=1).mean()
    assert claimed <= LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / 2000)
