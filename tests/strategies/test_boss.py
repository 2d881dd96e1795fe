"""The best of strategies: its batch is the best of its candidates, by fits of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from support.made_up import drawn_pool, seeded
from torch.nn import functional as F

from strategies.boss import MEMBERS, BoSS, on_test
from strategies.components.part import PartOfPool
from strategies.testing import SyntheticPool


def test_the_batch_is_the_best_of_the_candidates() -> None:
    pool, strategy = drawn_pool(90), BoSS(batches=12, largest=40)
    candidates = strategy.candidates(pool, 5, seeded(4))
    assert candidates.shape == (12, 5)
    assert all(len(row.unique()) == 5 for row in candidates)
    assert len({tuple(sorted(row.tolist())) for row in candidates}) > 6
    found = []
    for batch in candidates:
        x = torch.cat([pool.labelled_embeddings, pool.embeddings[batch]])
        y = torch.cat([pool.labels, pool.indices[batch] % 4])
        extended = F.pad(x, (0, 1), value=1.0)
        head = torch.linalg.solve(extended.T @ extended + torch.eye(7).double(), extended.T @ F.one_hot(y).double()).T
        logits = F.pad(pool.test_embeddings, (0, 1), value=1.0) @ head.T
        right = int((logits.argmax(1) == pool.test_labels).sum())
        found.append((right, -float(F.cross_entropy(logits, pool.test_labels)), batch.tolist()))
    right, nll = on_test(pool, pool.refitted_with(candidates))
    assert right.tolist() == [r for r, *_ in found]
    assert (-nll).tolist() == pytest.approx([n for _, n, _ in found])
    assert strategy.select(pool, 5, seeded(4)).tolist() == max(found)[2]
    assert pool.notes["best_accuracy"] == max(found)[0] / 20


@pytest.mark.parametrize("member", MEMBERS, ids=lambda cls: cls.name)
def test_a_part_of_a_pool_is_a_pool(member: Any) -> None:
    """A strategy that draws nothing chooses what it chooses of a pool with these images alone."""
    pool = SyntheticPool.draw(60)
    rows = torch.randperm(60, generator=seeded())[:25]
    part: Any = PartOfPool(pool, rows)
    alone = replace(pool.permuted(rows))
    assert member().select(part, 6, seeded(1)).tolist() == member().select(alone, 6, seeded(1)).tolist()
    assert part.labels.equal(pool.labels)
    assert not pool.notes
