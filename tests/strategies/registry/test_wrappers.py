"""Batches drawn by score: the laws, by enumeration of all ordered draws; what wrappers leave alone and refuse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from strategies.api import HOOKS, Attachment, Labelled, Pool, ScoreStrategy, Strategy, Tuning
from strategies.bald import BALD
from strategies.components.loss_prediction import LossPrediction
from strategies.learning_loss import LearningLoss
from strategies.margin import Margin
from strategies.random import Random
from strategies.registry import UnknownStrategy, resolve
from strategies.registry.wrappers import WRAPPERS, RandomSubset, StochasticBatch
from strategies.testing import SyntheticPool, SyntheticTuning, check_strategy

LAWS = ("power", "softmax", "softrank")
DRAWS = 1200


class Given(ScoreStrategy):
    """Scores that a test sets."""

    name = "given"
    scores: Sequence[float] = ()

    def score(self, pool: Pool) -> Tensor:
        return torch.tensor(self.scores)


def given(scores: Sequence[float]) -> Given:
    strategy = Given()
    strategy.scores = scores
    return strategy


def select(law: str, scores: Sequence[float], n: int, seed: int = 0, **beta: float) -> list[int]:
    return selections(law, scores, n, 1, seed, **beta)[0]


def selections(law: str, scores: Sequence[float], n: int, times: int, seed: int = 0, **beta: float) -> list[list[int]]:
    strategy = StochasticBatch(given(scores), law, **beta)
    pool, generator = SyntheticPool.draw(len(scores)), torch.Generator().manual_seed(seed)
    return [strategy.select(pool, n, generator).tolist() for _ in range(times)]


def assert_drawn_by(weights: Sequence[float], drawn: list[list[int]]) -> None:
    """That ordered draws without replacement have the frequencies that the weights give them."""
    expected = {}
    for order in permutations(range(len(weights)), len(drawn[0])):
        probability, left = 1.0, sum(weights)
        for i in order:
            probability *= weights[i] / left
            left -= weights[i]
        expected[order] = probability * len(drawn)
    assert sum(expected.values()) == pytest.approx(len(drawn))
    found = Counter(map(tuple, drawn))
    assert chisquare([found[order] for order in expected], list(expected.values())).pvalue > 1e-3


# --- the laws


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_power_draws_by_powers_of_the_scores(beta: float) -> None:
    scores = [0.2, 1.0, 0.5, 0.7]
    assert_drawn_by([s**beta for s in scores], selections("power", scores, 2, DRAWS, beta=beta))


@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_softmax_draws_by_exponentials_of_the_scores(beta: float) -> None:
    scores = [-1.0, 1.0, 0.0, 2.0]
    weights = torch.tensor(scores).mul(beta).exp().tolist()
    assert_drawn_by(weights, selections("softmax", scores, 2, DRAWS, beta=beta))


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_softrank_draws_by_powers_of_the_ranks(beta: float) -> None:
    assert_drawn_by(
        [rank**-beta for rank in (2, 4, 1, 3)], selections("softrank", [5.0, -9.0, 5.5, 0.0], 2, DRAWS, beta=beta)
    )


def test_images_of_one_score_share_the_mean_of_their_ranks() -> None:
    assert_drawn_by([1, 1 / 2.5, 1 / 4, 1 / 2.5], selections("softrank", [3.0, 1.0, 0.0, 1.0], 2, DRAWS))


def test_what_has_no_weight_comes_last_and_in_random_order() -> None:
    scores = [-1.0, 0.0, 2.0, 3.0, -5.0]
    drawn = selections("power", scores, 5, DRAWS)
    assert all(set(order[:2]) == {2, 3} for order in drawn)
    assert_drawn_by([2, 3], [[i - 2 for i in order[:2]] for order in drawn])
    assert_drawn_by([1, 1, 1], [[(0, 1, 4).index(i) for i in order[2:]] for order in drawn])


@pytest.mark.parametrize("law", ["power", "softrank"])
def test_scores_that_are_all_zero_give_a_random_batch(law: str) -> None:
    assert_drawn_by([1, 1, 1], selections(law, [0.0, 0.0, 0.0], 2, DRAWS))


@pytest.mark.parametrize("law", LAWS)
def test_a_large_beta_buys_the_highest_in_order(law: str) -> None:
    scores = torch.linspace(0.1, 1, 30)[torch.randperm(30, generator=torch.Generator().manual_seed(0))]
    assert select(law, scores.tolist(), 30, beta=1e9) == scores.sort(descending=True).indices.tolist()


@pytest.mark.parametrize("law", LAWS)
def test_extreme_scores_are_drawn_and_no_number_overflows(law: str) -> None:
    scores = [1e30, 1e-30, torch.inf, 0.0, 3e38, -1e30]
    assert sorted(select(law, scores, 6)) == list(range(6))
    assert select("softmax", scores, 2) == [2, 4]


@pytest.mark.parametrize("law", LAWS)
def test_a_score_that_is_no_number_is_refused(law: str) -> None:
    with pytest.raises(ValueError, match="NaN"):
        select(law, [0.5, torch.nan, 1.0], 1)


def test_the_generator_is_the_only_chance() -> None:
    scores = torch.rand(200, generator=torch.Generator().manual_seed(1)).tolist()
    first = select("power", scores, 20)
    assert select("power", scores, 20) == first
    assert select("power", scores, 20, seed=1) != first


# --- what is inside


class Whole(ScoreStrategy):
    """A strategy that uses every hook."""

    name = "whole"
    needs = frozenset({"dropout"})
    hooks = frozenset(HOOKS)
    max_batch = 7

    def __init__(self, beta: float = 3.0) -> None:
        self.beta, self.carried, self.spares_last_round = beta, 0, True

    def score(self, pool: Pool) -> Tensor:
        return pool.probs[:, 0] * self.beta

    def attach(self, stage_channels: tuple[int, ...], class_count: int) -> Attachment:
        return LearningLoss().attach(stage_channels, class_count)

    def after_training(self, tuning: Tuning) -> None:
        self.carried += 1

    def hold_out(self, old: Labelled, new: Labelled) -> Tensor:
        return new.indices[: len(new.indices) // 2]

    def state_dict(self) -> dict[str, Any]:
        return {"carried": self.carried}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.carried = state["carried"]


@pytest.mark.parametrize("inside", [Whole(), Margin(), BALD(), LearningLoss(batcher="topk")])
@pytest.mark.parametrize("wrapper", [*LAWS, "subset"])
def test_all_but_the_choice_is_that_of_the_strategy_inside(wrapper: str, inside: ScoreStrategy) -> None:
    strategy = WRAPPERS[wrapper].around(inside)
    assert isinstance(strategy, ScoreStrategy)
    assert strategy.draws_subset == (wrapper == "subset")
    for declared in ("needs", "hooks", "max_batch", "spares_last_round"):
        assert getattr(strategy, declared) == getattr(inside, declared)
    assert not strategy.takes_top_scores
    pool = SyntheticPool.draw()
    assert strategy.score(pool).equal(inside.score(pool))


def test_hooks_are_those_of_the_strategy_inside() -> None:
    inside = Whole()
    strategy = StochasticBatch(inside, "power")
    assert isinstance(strategy.attach((4, 8), 3), LossPrediction)
    assert StochasticBatch(Margin(), "power").attach((4, 8), 3) is None
    strategy.after_training(SyntheticTuning(LearningLoss().attach((8,), 4), (8,)))
    assert inside.carried == 1
    assert strategy.state_dict() == {"carried": 1}
    strategy.load_state_dict({"carried": 5})
    assert inside.carried == 5
    indices = torch.arange(10)
    held_out = strategy.hold_out(Labelled(indices[:0], indices[:0], None), Labelled(indices, indices, None))
    assert held_out.tolist() == [0, 1, 2, 3, 4]


def test_parameters_go_to_the_one_inside_and_two_betas_do_not_mix() -> None:
    inside = Whole(beta=0.5)
    strategy = StochasticBatch(inside, "power", beta=1e9)
    pool = SyntheticPool.draw()
    assert inside.beta == 0.5
    assert strategy.select(pool, 5, torch.Generator()).equal(pool.probs[:, 0].topk(5).indices)


def test_scores_of_another_shape_are_refused() -> None:
    strategy = StochasticBatch(given([0.1, 0.2]), "power")
    with pytest.raises(ValueError, match=r"strategy 'given': score returned \(2,\), expected \(40,\)"):
        strategy.select(SyntheticPool.draw(), 1, torch.Generator())


def test_the_attachment_inside_is_trained() -> None:
    strategy = resolve("softrank:learning-loss[batcher=topk,hidden=16,detach_after=0.25]").build()
    attachment = strategy.attach((8, 16), 4)
    assert isinstance(attachment, LossPrediction)
    assert (attachment.out.in_features, attachment.detach_after) == (32, 0.25)


@pytest.mark.parametrize(
    "strategy",
    [
        "power:bald[samples=2]",
        "softmax[beta=0.1]:entropy",
        "softrank:learning-loss[batcher=topk,ranking=ranknet]",
        "power:true-loss",
        "subset:margin",
        "subset[factor=2]:bald",
        "subset:learning-loss[batcher=topk]",
        "subset:true-loss",
    ],
)
def test_contract(strategy: str) -> None:
    check_strategy(strategy)


@pytest.mark.parametrize("law", LAWS)
def test_contract_around_every_hook_and_a_plugin(law: str, tmp_path: Path) -> None:
    check_strategy(StochasticBatch(Whole(), law))
    (tmp_path / "mine.py").write_text(
        "from strategies import ScoreStrategy\n\nclass Mine(ScoreStrategy):\n"
        "    def __init__(self, c: int = 0):\n        self.c = c\n\n"
        "    def score(self, pool):\n        return pool.probs[:, self.c] - 0.5\n"
    )
    check_strategy(f"{law}[beta=2]:{tmp_path}/mine.py:Mine[c=1]")


def test_a_diagnostic_inside_makes_a_diagnostic() -> None:
    assert resolve("power:true-loss").groups == ("stochastic", "diagnostic")
    assert resolve("power:margin").groups == ("stochastic",)


@pytest.mark.parametrize("wrapper", ["power", "subset"])
@pytest.mark.parametrize(
    ("inside", "way_out"),
    [
        ("random", ""),
        ("badge", ""),
        ("power:margin", ""),
        ("subset:margin", ""),
        ("learning-loss", " (with batcher=topk it does)"),
        ("learning-loss[batcher=kmeans]", " (with batcher=topk it does)"),
    ],
)
def test_only_what_takes_the_highest_scores_is_wrapped(wrapper: str, inside: str, way_out: str) -> None:
    name = inside.partition("[")[0]
    with pytest.raises(UnknownStrategy) as caught:
        resolve(f"{wrapper}:{inside}")
    assert str(caught.value) == (
        f"'{wrapper}:{inside}': {wrapper} wraps strategies that take the highest scores, "
        f"which '{name}' does not{way_out}"
    )


# --- random subsets


@pytest.mark.parametrize(("size", "n", "factor"), [(300, 8, 10), (300, 8, 1), (300, 20, 3), (60, 8, 10), (40, 40, 1)])
def test_subset_selects_the_highest_of_a_subset_of_that_size(size: int, n: int, factor: int) -> None:
    """By brute force: the generator's random order of the pool, its beginning, and the best in it one by one."""
    scores = torch.randn(size, generator=torch.Generator().manual_seed(size + n)).tolist()
    chosen = RandomSubset(given(scores), factor=factor).select(
        SyntheticPool.draw(size), n, torch.Generator().manual_seed(7)
    )
    order = torch.randperm(size, generator=torch.Generator().manual_seed(7)).tolist()
    left, expected = order[: factor * n], []
    for _ in range(n):
        best = max(left, key=scores.__getitem__)
        expected.append(best)
        left.remove(best)
    assert chosen.tolist() == expected


def test_every_subset_is_as_likely() -> None:
    """With scores that fall with the position the best of 2 of 5 is position i with probability (4 − i) / 10."""
    strategy, pool = RandomSubset(given([5.0, 4.0, 3.0, 2.0, 1.0]), factor=2), SyntheticPool.draw(5)
    generator = torch.Generator().manual_seed(0)
    found = Counter(strategy.select(pool, 1, generator).item() for _ in range(DRAWS))
    assert chisquare([found[i] for i in range(4)], [DRAWS * (4 - i) / 10 for i in range(4)]).pvalue > 1e-3
    assert found[4] == 0


def test_a_subset_as_large_as_the_pool_is_the_strategy_inside() -> None:
    pool = SyntheticPool.draw()
    assert (
        resolve("subset[factor=1000]:margin")
        .build()
        .select(pool, 5, torch.Generator())
        .equal(Margin().select(pool, 5, torch.Generator()))
    )


def test_the_subset_is_that_of_the_batcher() -> None:
    """``subset:`` around what takes the highest predicted losses is the default of learning loss."""
    pool = SyntheticPool.draw(300)
    chosen = [
        resolve(text).build().select(pool, 6, torch.Generator().manual_seed(3)).tolist()
        for text in ("subset:learning-loss[batcher=topk]", "learning-loss")
    ]
    assert chosen[0] == chosen[1]


def test_a_subset_s_factor_is_at_least_one_and_in_its_name() -> None:
    assert resolve("subset[factor=50]:margin").canonical == "subset[factor=50]:margin"
    assert resolve("subset[factor=10]:margin").canonical == "subset:margin"
    assert "50 times the batch" in resolve("subset[factor=50]:margin").build().summary
    with pytest.raises(UnknownStrategy, match="factor must be at least 1, not 0"):
        resolve("subset[factor=0]:margin")


def test_a_score_strategy_with_a_choice_of_its_own_is_refused() -> None:
    def select(self: Strategy, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        return Random().select(pool, n, generator)

    for base in (Margin, LearningLoss):
        own = type("Own", (base,), {"select": select, "name": "own", "takes_top_scores": False})
        with pytest.raises(ValueError, match="which 'own' does not"):
            StochasticBatch(own(), "power")


def test_a_plugin_that_overrides_select_must_say_whether_it_takes_the_highest(tmp_path: Path) -> None:
    source = (
        "from strategies.learning_loss import LearningLoss\n\nclass Own(LearningLoss):\n"
        "    def select(self, pool, n, generator):\n        return pool.indices[:n]\n"
    )
    (tmp_path / "own.py").write_text(source)
    for text in (f"{tmp_path}/own.py:Own", f"power:{tmp_path}/own.py:Own"):
        with pytest.raises(UnknownStrategy, match="'own:Own': class Own overrides select: add takes_top_scores"):
            resolve(text)


@pytest.mark.parametrize("beta", ["0", "-1", "1e999"])
def test_beta_is_positive(beta: str) -> None:
    with pytest.raises(UnknownStrategy, match="beta must be positive and finite, not "):
        resolve(f"power[beta={beta}]:margin")
