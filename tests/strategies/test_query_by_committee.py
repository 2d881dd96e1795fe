"""Query by committee: the disagreement by its definitions, the members, and ties."""

from __future__ import annotations

from collections import Counter
from math import log
from typing import Any

import pytest
import torch
from support.made_up import drawn_pool, normal, pool_of, seeded
from torch import Tensor

from strategies.query_by_committee import QueryByCommittee, disagreement
from strategies.registry import resolve


def test_disagreement_by_hand() -> None:
    probs = (2 * normal(30, 5, 4)).softmax(2)
    for row, (entropy, kl, consensus) in zip(
        probs,
        zip(*(disagreement(probs, measure).tolist() for measure in ("vote-entropy", "kl", "consensus")), strict=True),
        strict=True,
    ):
        counts = Counter(row.argmax(1).tolist()).values()
        mean = [float(sum(row[:, c])) / 5 for c in range(4)]
        assert entropy == pytest.approx(-sum(v / 5 * log(v / 5) for v in counts), abs=1e-12)
        assert kl == pytest.approx(sum(float(p) * log(p / m) for r in row for p, m in zip(r, mean, strict=True)) / 5)
        assert consensus == pytest.approx(-sum(m * log(m) for m in mean))


def test_members_are_fitted_on_as_many_labels_drawn_with_replacement() -> None:
    pool, asked = drawn_pool(), []

    def refitted(rows: Tensor) -> Tensor:
        asked.append(rows)
        return pool.refitted(rows)

    watched: Any = pool_of(labels=pool.labels, embeddings=pool.embeddings, refitted=refitted)
    probs = QueryByCommittee(members=400).probs(watched, seeded())
    (rows,) = asked
    assert rows.shape == (400, len(pool.labels))
    distinct = sum(len(row.unique()) for row in rows) / 400
    expected = len(pool.labels) * (1 - (1 - 1 / len(pool.labels)) ** len(pool.labels))
    assert distinct == pytest.approx(expected, rel=0.02)
    third = pool.refitted(rows[2:3])[0]
    torch.testing.assert_close(probs[:, 2], (pool.embeddings @ third[:, :-1].T + third[:, -1]).softmax(1))


def test_ties_are_broken_at_random_and_the_rest_by_disagreement() -> None:
    probs = torch.zeros(50, 4, 3)
    probs[:, :, 0] = 1
    probs[[7, 31], 0] = torch.tensor([0.0, 1.0, 0.0])  # one dissenter
    probs[20, :2] = torch.tensor([0.0, 0.0, 1.0])  # two
    images: Any = pool_of(labels=torch.arange(5), mc_probs=lambda members: probs)
    strategy = QueryByCommittee(members=4, committee="posterior")
    seen = set()
    for seed in range(8):
        chosen = strategy.select(images, 6, seeded(seed)).tolist()
        assert chosen[0] == 20
        assert set(chosen[1:3]) == {7, 31}
        seen |= set(chosen[3:])
    assert len(seen) > 12
    assert images.notes["agreed"] == pytest.approx(47 / 50)


def test_what_a_committee_cannot_be_is_one_line() -> None:
    with pytest.raises(ValueError, match="measure is one of vote-entropy, kl, consensus, not 'votes'"):
        resolve("qbc[measure=votes]").build()
    with pytest.raises(ValueError, match="committee is one of"):
        resolve("qbc[committee=boosting]").build()
    with pytest.raises(ValueError, match="there are none: draw the initial labels otherwise"):
        QueryByCommittee().select(drawn_pool(labelled=0), 3, seeded())
