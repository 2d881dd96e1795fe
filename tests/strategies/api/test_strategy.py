"""What a strategy's base classes do: the stable top-n, and what they refuse."""

import pytest
import torch
from support.made_up import pool_of, seeded
from torch import Tensor

from strategies import Pool, ScoreStrategy, Strategy, top


class Given(ScoreStrategy):
    def __init__(self, scores: object) -> None:
        self.scores = scores

    def score(self, pool: Pool) -> Tensor:
        return self.scores  # type: ignore[return-value]


def pool(size: int) -> Pool:
    images: Pool = pool_of(indices=torch.arange(size))
    return images


def test_top_refuses_nan_and_ranks_infinity() -> None:
    assert top(torch.tensor([1.0, torch.inf, -torch.inf, 2.0]), 4).tolist() == [1, 3, 0, 2]
    with pytest.raises(ValueError, match="not finite"):
        top(torch.tensor([1.0, torch.nan]), 1)


def test_top_refuses_more_than_one_number_per_image() -> None:
    with pytest.raises(
        ValueError, match=r"scores of shape \(120, 10\), expected \(N,\): one number per unlabelled image"
    ):
        top(torch.zeros(120, 10), 5)


def test_a_score_strategy_takes_the_highest_scores_and_the_smaller_position_of_equals() -> None:
    assert Given(torch.tensor([0.0, 2.0, 1.0, 2.0])).select(pool(4), 3, seeded()).tolist() == [1, 3, 2]


@pytest.mark.parametrize(
    ("scores", "found"),
    [
        (torch.zeros(120, 10), r"\(120, 10\)"),
        (torch.zeros(119), r"\(119,\)"),
        (torch.zeros(()), r"\(\)"),
        ([0.0] * 120, "list"),
        (None, "NoneType"),
    ],
)
def test_scores_of_another_shape_are_refused_by_name(scores: object, found: str) -> None:
    strategy = Given(scores)
    strategy.name = "mine.py:Mine"
    message = f"^strategy 'mine.py:Mine': score returned {found}, expected \\(120,\\): one number per unlabelled image$"
    with pytest.raises(ValueError, match=message):
        strategy.select(pool(120), 5, seeded())


def test_by_default_a_strategy_declares_nothing() -> None:
    assert (Strategy().needs, Strategy().hooks, Strategy().takes_top_scores) == (frozenset(), frozenset(), False)
    assert Given(None).takes_top_scores
