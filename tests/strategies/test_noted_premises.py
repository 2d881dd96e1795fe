"""What strategies note of their premises, against what they did."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from support.made_up import drawn_pool, seeded
from support.monte_carlo import drawn, pool_of

from benchmark.reports.statistics import degeneracy
from strategies import batchbald
from strategies.alfa_mix import AlfaMix
from strategies.bald import BALD
from strategies.batchbald import BatchBALD, joint_mutual_information
from strategies.dropquery import DropQuery
from strategies.tcm import TCM
from strategies.testing import SyntheticPool
from strategies.typiclust import TypiClust


def test_bald_notes_the_information_of_its_highest_score() -> None:
    pool = pool_of(drawn(30, masks=6))
    scores = BALD(samples=6).score(pool)
    assert pool.notes == {"information": pytest.approx(float(scores.max()) / math.log(6))}
    broken = pool_of(drawn(30, masks=6))
    broken.mc_probs(6)[3] = torch.nan
    BALD(samples=6).score(broken)
    assert broken.notes == {}


@pytest.mark.parametrize("n", [1, 3, 12])
def test_batchbald_notes_after_how_many_picks_its_masks_have_told_all(n: int) -> None:
    probs = drawn(40, masks=4, classes=3) ** 8
    probs = probs / probs.sum(dim=2, keepdim=True)  # masks that are sure, so that few labels tell them apart
    pool = pool_of(probs)
    BatchBALD(samples=4, configurations=2000).select(pool, n, seeded())
    kept = torch.arange(40)  # all are candidates
    _, informations = joint_mutual_information(probs[kept], n, 2000, seeded())
    shares = [float(value) / math.log(4) for value in informations]
    assert pool.notes["information"] == pytest.approx(shares[-1], abs=1e-6)
    reached = [i + 1 for i, share in enumerate(shares) if share >= 0.95]
    assert pool.notes["informative_picks"] == (reached[0] if reached else n)
    assert (pool.notes["informative_picks"] < n) == (n > 1)


def test_the_share_is_the_one_that_reports_name() -> None:
    assert batchbald.SATURATED == degeneracy.SATURATED


def test_alfa_mix_and_dropquery_note_their_candidates() -> None:
    for strategy in (AlfaMix(), DropQuery()):
        pool = drawn_pool(200)
        strategy.select(pool, 10, seeded())
        assert 0 <= pool.notes["candidates"] <= 200
    pool = drawn_pool(200)
    query = DropQuery()
    expected = query.candidates(query.disagreements(pool, seeded()), 10)
    query.select(pool, 10, seeded())
    assert pool.notes["candidates"] == len(expected)


def test_typiclust_notes_how_many_picks_are_from_clusters_without_a_label() -> None:
    blobs = 100 * torch.eye(6, dtype=torch.float64).repeat_interleave(10, 0)
    features = blobs + torch.randn(60, 6, generator=seeded(), dtype=torch.float64)
    labelled = torch.arange(60) % 10 == 0
    labelled[40:] = False  # in four of the six blobs
    base = SyntheticPool.draw(56, 4, dtype=torch.float64)
    for n, expected in ((1, 1.0), (2, 1.0)):
        pool = replace(base, features=features[~labelled], labelled_features=features[labelled])
        picks = TypiClust().select(pool, n, seeded())
        assert all(features[~labelled][picks].argmax(dim=1) >= 4)
        assert pool.notes == {"uncovered": expected}
    everywhere = replace(base, features=features[:56], labelled_features=features[::10][:4])
    TypiClust().select(everywhere, 56, seeded())
    assert 0 < everywhere.notes["uncovered"] < 1


def test_tcm_notes_its_phase() -> None:
    early, late = drawn_pool(60, labelled=12), drawn_pool(60, labelled=12)
    TCM(labels_per_class=4).select(early, 5, seeded())
    TCM(labels_per_class=3).select(late, 5, seeded())
    assert early.notes["margin_phase"] == 0
    assert "uncovered" in early.notes  # of the strategy that it used
    assert late.notes == {"margin_phase": 1}
