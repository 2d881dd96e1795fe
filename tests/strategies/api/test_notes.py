"""What a strategy notes of its premises: numbers by name, or one line on what is wrong."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from support.made_up import seeded

from strategies import Pool, ScoreStrategy
from strategies.api import top
from strategies.cluster_margin import ClusterMargin, average_linkage
from strategies.kernels.margins import margin_uncertainty
from strategies.registry.wrappers import WRAPPERS
from strategies.testing import SyntheticPool


def test_numbers_of_any_kind_are_noted_and_the_last_one_counts() -> None:
    pool = SyntheticPool.draw()
    pool.note(radius=torch.tensor([0.25]), candidates=7, saturated=True)
    pool.note(radius=0.5)
    assert pool.notes == {"radius": 0.5, "candidates": 7.0, "saturated": 1.0}
    assert all(type(value) is float for value in pool.notes.values())
    assert replace(pool).notes == {}


@pytest.mark.parametrize(
    ("premises", "message"),
    [
        ({"radius": math.nan}, "radius is nan: leave out"),
        ({"radius": torch.tensor(math.inf)}, "radius is inf: leave out"),
        ({"radii": torch.ones(3)}, "radii is not one number but Tensor"),
        ({"phase": None}, "phase is not one number but NoneType"),
        ({"Radius": 1.0}, "name 'Radius' is not lower-case"),
        ({"a.b": 1.0}, "name 'a.b' is not lower-case"),
        ({"": 1.0}, "name '' is not lower-case"),
    ],
)
def test_what_is_no_number_or_no_name_is_refused_in_one_line(premises: dict[str, float], message: str) -> None:
    pool = SyntheticPool.draw()
    with pytest.raises(ValueError, match=message) as caught:
        pool.note(**premises)
    assert "\n" not in str(caught.value)
    assert pool.notes == {}


def test_a_wrapper_notes_what_the_strategy_inside_does() -> None:
    class Noting(ScoreStrategy):
        """Scores that say how many images they are for."""

        def score(self, pool: Pool) -> torch.Tensor:
            pool.note(images=len(pool.indices))
            return pool.probs.amax(dim=1)

    for wrapper in WRAPPERS.values():
        pool = SyntheticPool.draw(30)
        wrapper.around(Noting()).select(pool, 5, seeded())
        assert pool.notes == {"images": 30.0}


def test_cluster_margin_notes_its_candidates_and_their_clusters() -> None:
    pool = SyntheticPool.draw(300)
    ClusterMargin(oversample=3).select(pool, 8, seeded())
    lowest = top(margin_uncertainty(pool.probs), 24)
    clusters = average_linkage(pool.embeddings, 10, seeded())[lowest]
    assert pool.notes == {"candidates": 24, "clusters": len(clusters.unique())}
