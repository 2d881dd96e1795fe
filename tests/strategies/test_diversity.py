"""What the strategies of diversity, CLUE and FALCUN have in common: chance, order, broken predictions, copies."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from support.made_up import pool_of, seeded

from strategies.cdal import CDAL
from strategies.clue import CLUE
from strategies.cluster_margin import ClusterMargin
from strategies.falcun import FALCUN
from strategies.kmeans import KMeans
from strategies.lcmd import LCMD
from strategies.logdet import LogDet
from strategies.testing import SyntheticPool


@pytest.mark.parametrize("strategy", [CDAL(), LogDet(), LCMD()])
def test_the_greedy_ones_know_no_chance_and_no_order_of_the_pool(strategy: Any) -> None:
    pool = SyntheticPool.draw(40)
    order = torch.randperm(40, generator=seeded())
    picks = strategy.select(pool, 10, seeded())
    assert picks.equal(strategy.select(pool, 10, seeded(1)))
    assert picks.equal(order[strategy.select(pool.permuted(order), 10, seeded())])


@pytest.mark.parametrize("strategy", [KMeans(), CLUE(), ClusterMargin(), FALCUN()])
def test_the_others_draw_from_the_generator(strategy: Any) -> None:
    pool = SyntheticPool.draw(40)
    assert len({tuple(sorted(strategy.select(pool, 10, seeded(seed)).tolist())) for seed in range(5)}) > 1


@pytest.mark.parametrize("strategy", [CDAL(), FALCUN(), ClusterMargin(), LogDet()])
def test_nan_predictions_are_refused(strategy: Any) -> None:
    pool = SyntheticPool.draw(40)
    broken = pool.probs.clone()
    broken[3, 1] = torch.nan
    parts = {
        name: getattr(pool, name) for name in ("embeddings", "labelled_embeddings", "head", "has_model", "class_count")
    }
    with pytest.raises(ValueError, match="finite"):
        strategy.select(pool_of(probs=broken, **parts), 5, seeded())


def test_labelled_images_at_a_point_keep_lcmd_and_cdal_from_buying_it() -> None:
    pool = SyntheticPool.draw(40, labelled=12)
    seen = replace(pool, labelled_points=pool.points[:12])
    for strategy in (LCMD(), CDAL()):
        assert set(strategy.select(seen, 28, seeded()).tolist()) == set(range(12, 40))
