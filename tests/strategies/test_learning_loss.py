"""Learning loss: its ranking losses, its module, and where its gradients go."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from support.small_trainings import task as small_training
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark import learners
from benchmark.experiment import library, seeds
from benchmark.models import factory
from strategies.api import Labelled, Strategy
from strategies.components.loss_prediction import LossPrediction, RankingLoss, all_pairs, fold
from strategies.learning_loss import LearningLoss
from strategies.registry import resolve
from strategies.semi_supervised_learning_loss import SemiSupervisedLearningLoss
from strategies.testing import SyntheticPool, check_strategy
from strategies.testing.synthetic import synthetic_output, synthetic_step

RESNET18 = (64, 128, 256, 512)
NAMES = ("learning-loss", "semi-supervised-learning-loss")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def module(channels: tuple[int, ...] = (8, 16, 32), **parameters: object) -> LossPrediction:
    torch.manual_seed(0)
    return LearningLoss(**parameters).attach(channels, 4)  # type: ignore[arg-type]


def pairs_of(pairs: tuple[Tensor, Tensor]) -> list[tuple[int, int]]:
    return list(zip(*(indices.tolist() for indices in pairs), strict=True))


# --- pairs and ranking losses


def test_fold_pairs_the_first_with_the_last() -> None:
    assert pairs_of(fold(8)) == [(0, 7), (1, 6), (2, 5), (3, 4)]
    assert pairs_of(fold(2)) == [(0, 1)]


@pytest.mark.parametrize("count", [1, 3, 9])
def test_fold_drops_the_last_of_an_odd_batch(count: int) -> None:
    assert pairs_of(fold(count)) == pairs_of(fold(count - 1))
    assert all(count - 1 not in pair for pair in pairs_of(fold(count)))


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_all_pairs(count: int) -> None:
    assert pairs_of(all_pairs(count)) == list(itertools.combinations(range(count), 2))


def tied_losses(count: int) -> Tensor:
    """True losses of which many are equal, within the folded pairs too."""
    losses = torch.randint(3, (count,), generator=torch.Generator().manual_seed(1)).float()
    i, j = fold(count)
    assert (losses[i] == losses[j]).any()
    assert (losses[i] < losses[j]).any()
    assert (losses[i] > losses[j]).any()
    return losses


@pytest.mark.parametrize("pairs", ["fold", "all"])
@pytest.mark.parametrize("margin", [1.0, 0.3])
def test_hinge_is_the_margin_ranking_loss_with_ties_at_minus_one(pairs: str, margin: float) -> None:
    predicted, true = normal(24), tied_losses(24)
    i, j = (fold if pairs == "fold" else all_pairs)(24)
    sign = torch.where(true[i] > true[j], 1.0, -1.0)
    expected = F.margin_ranking_loss(predicted[i], predicted[j], sign, margin=margin)
    torch.testing.assert_close(RankingLoss("hinge", margin, pairs)(predicted, true), expected)


@pytest.mark.parametrize("pairs", ["fold", "all"])
def test_ranknet_is_the_cross_entropy_of_the_difference_with_ties_at_zero(pairs: str) -> None:
    predicted, true = normal(24), tied_losses(24)
    i, j = (fold if pairs == "fold" else all_pairs)(24)
    expected = F.binary_cross_entropy_with_logits(predicted[i] - predicted[j], (true[i] > true[j]).float())
    torch.testing.assert_close(RankingLoss("ranknet", 1.0, pairs)(predicted, true), expected)


@pytest.mark.parametrize("kind", ["hinge", "ranknet"])
def test_an_odd_batch_is_the_batch_without_its_last_image(kind: str) -> None:
    predicted, true = normal(9), normal(9, seed=1)
    loss = RankingLoss(kind, 1.0, "fold")  # type: ignore[arg-type]
    assert loss(predicted, true).equal(loss(predicted[:8], true[:8]))
    assert loss(predicted[:1], true[:1]) == 0


@pytest.mark.parametrize("kind", ["hinge", "ranknet"])
@pytest.mark.parametrize("pairs", ["fold", "all"])
def test_the_right_order_costs_less_than_the_reverse(kind: str, pairs: str) -> None:
    true = torch.randperm(16, generator=torch.Generator().manual_seed(0)).float()
    loss = RankingLoss(kind, 1.0, pairs)  # type: ignore[arg-type]
    assert loss(100 * true, true) < 1e-3
    assert loss(-100 * true, true) > 10


@pytest.mark.parametrize("kind", ["hinge", "ranknet"])
@pytest.mark.parametrize("pairs", ["fold", "all"])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 8, 11])
def test_the_loss_among_some_is_the_loss_of_a_batch_of_these(kind: Any, pairs: str, count: int) -> None:
    predicted, true = normal(11).requires_grad_(), normal(11, seed=1)
    chosen = torch.randperm(11, generator=torch.Generator().manual_seed(count))[:count].sort().values
    among = torch.zeros(11, dtype=torch.bool).index_fill_(0, chosen, value=True)
    loss = RankingLoss(kind, 1.0, pairs)
    of_all, of_these = loss(predicted, true, among), loss(predicted[chosen], true[chosen])
    torch.testing.assert_close(of_all, of_these)
    torch.testing.assert_close(torch.autograd.grad(of_all, predicted)[0], torch.autograd.grad(of_these, predicted)[0])


@pytest.mark.parametrize("kind", ["hinge", "ranknet"])
def test_true_losses_get_no_gradient(kind: str) -> None:
    predicted, true = normal(8).requires_grad_(), normal(8, seed=1).requires_grad_()
    RankingLoss(kind, 1.0, "fold")(predicted, true).backward()  # type: ignore[arg-type]
    assert predicted.grad is not None
    assert predicted.grad.any()
    assert true.grad is None


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="hidden must be at least 1, not 0"):
        LearningLoss(hidden=0)
    with pytest.raises(ValueError, match="margin must be finite and at least 0, not -5"):
        LearningLoss(margin=-5.0)
    with pytest.raises(ValueError, match="hinge or ranknet, not 'mse'"):
        LearningLoss(ranking="mse")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="fold or all, not 'some'"):
        LearningLoss(pairs="some")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batcher is one of agglomerative, kmeans, topk, subset, not 'best'"):
        LearningLoss(batcher="best")  # type: ignore[arg-type]


# --- the module


def test_parameter_counts_on_resnet18() -> None:
    def count(attachment: nn.Module) -> int:
        return sum(p.numel() for p in attachment.parameters())

    assert factory.build("resnet18", {}, 3, (32, 32), 10).stage_channels == RESNET18
    assert count(LearningLoss().attach(RESNET18, 10)) == 123_905
    assert count(SemiSupervisedLearningLoss().attach(RESNET18, 10)) == 898_049
    assert count(SemiSupervisedLearningLoss(convolutions=False).attach(RESNET18, 10)) == 123_905


def test_the_module_is_its_formula() -> None:
    attachment, output = module(), synthetic_output((8, 16, 32), 5)
    branches = [
        F.relu(f.mean((2, 3)) @ branch.weight.T + branch.bias)  # type: ignore[operator]
        for f, branch in zip(output.stages, attachment.branches, strict=True)
    ]
    expected = torch.cat(branches, 1) @ attachment.out.weight[0] + attachment.out.bias
    torch.testing.assert_close(attachment(output), expected)


def test_convolutions_halve_all_stages_but_the_last() -> None:
    attachment = SemiSupervisedLearningLoss().attach((8, 16, 32), 4)
    stages = synthetic_output((8, 16, 32), 5).stages
    halved = [conv(f).shape for conv, f in zip(attachment.convolutions, stages, strict=True)]
    assert halved == [(5, 8, 4, 4), (5, 16, 2, 2), (5, 32, 2, 2)]
    assert all(conv.bias is None for conv in list(attachment.convolutions)[:-1])
    assert attachment.learning_rate_scale == 0.5
    assert module().learning_rate_scale == 1


def test_the_loss_is_the_weighted_ranking_of_the_batch() -> None:
    step = synthetic_step((8, 16, 32), 10)
    attachment = module(weight=0.7, margin=0.5)
    expected = 0.7 * RankingLoss("hinge", 0.5, "fold")(attachment(step), step.losses)
    torch.testing.assert_close(attachment.loss(step), expected)


@pytest.mark.parametrize(
    ("progress", "reaches"), [(0.0, True), (0.3, True), (0.599, True), (0.6, False), (0.8, False), (0.999, False)]
)
@pytest.mark.parametrize("strategy", [resolve(f"{name}[preset=authors]").build() for name in NAMES])
def test_gradients_reach_the_network_until_six_tenths_of_the_training(
    strategy: LearningLoss | SemiSupervisedLearningLoss, progress: float, reaches: bool
) -> None:
    attachment = strategy.attach((8, 16, 32), 4)
    step = synthetic_step((8, 16, 32), 10, progress=progress)
    attachment.loss(step).backward()
    assert [f.grad is not None and bool(f.grad.any()) for f in step.stages] == [reaches] * 3
    assert all(p.grad is not None for p in attachment.parameters())
    assert step.logits.grad is None  # the true losses are targets, not something to make smaller
    assert step.embedding.grad is None


@pytest.mark.parametrize("factor", [0.0, 0.1, 0.37, 1.0, 3.0])
@pytest.mark.parametrize("name", NAMES)
def test_the_network_gets_a_share_of_the_gradient_and_the_module_the_whole(name: str, factor: float) -> None:
    """Against the gradients of the same module's loss, written down without the factor."""
    attachment = resolve(f"{name}[gradient_factor={factor},weight=0.7]").build().attach((8, 16, 32), 4)
    assert isinstance(attachment, LossPrediction)
    step, plain = synthetic_step((8, 16, 32), 10), synthetic_step((8, 16, 32), 10)
    weights = list(attachment.parameters())
    whole = torch.autograd.grad(0.7 * attachment.ranking(attachment.predict(plain.stages), plain.losses), weights)
    (0.7 * attachment.ranking(attachment.predict(plain.stages), plain.losses)).backward(inputs=list(plain.stages))
    attachment.loss(step).backward()
    for weight, gradient in zip(weights, whole, strict=True):
        assert weight.grad is not None
        assert weight.grad.equal(gradient)
    for stage, entire in zip(step.stages, plain.stages, strict=True):
        if factor == 0:
            assert stage.grad is None
        else:
            assert entire.grad is not None
            torch.testing.assert_close(stage.grad, factor * entire.grad)
    assert attachment(step).equal(attachment.predict(plain.stages))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("learner", ["supervised", "fixmatch"])
def test_with_no_share_of_the_gradient_the_network_is_that_of_a_plain_training(name: str, learner: str) -> None:
    """To the last bit: weights and statistics; and with any share it is another."""
    trained = {}
    for key, text in {"plain": "", "none": name, "tenth": f"{name}[gradient_factor=0.1]"}.items():
        job = small_training()
        attachment = None
        if text:
            with seeds.scoped(0, "attachment", 0):
                attachment = resolve(text).build().attach(job.network.attachment_channels, 4)
        trained[key] = learners.build(learner).fit(replace(job, attachment=attachment)).network.state_dict()
    assert all(value.equal(trained["none"][part]) for part, value in trained["plain"].items())
    assert not all(value.equal(trained["tenth"][part]) for part, value in trained["plain"].items())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"gradient_factor": -0.1}, "gradient_factor must be finite and at least 0, not -0.1"),
        ({"weight": float("inf")}, "weight must be finite and at least 0, not inf"),
        ({"detach_after": 60.0}, "detach_after is a share of the training, 0 to 1, not 60.0"),
        ({"learning_rate_scale": 0.0}, "learning_rate_scale must be positive and finite, not 0.0"),
    ],
)
@pytest.mark.parametrize("strategy", [LearningLoss, SemiSupervisedLearningLoss])
def test_joint_settings_out_of_range_are_refused(
    strategy: type[Strategy], parameters: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        strategy(**parameters)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ranking", ["hinge", "ranknet"])
@pytest.mark.parametrize("pairs", ["fold", "all"])
def test_both_forms_take_either_ranking_loss_on_either_pairs(name: str, ranking: str, pairs: str) -> None:
    step = synthetic_step((8, 16, 32), 10)
    attachment = resolve(f"{name}[pairs={pairs},ranking={ranking}]").build().attach((8, 16, 32), 4)
    assert attachment is not None
    expected = RankingLoss(ranking, 1.0, pairs)(attachment(step), step.losses)  # type: ignore[arg-type]
    torch.testing.assert_close(attachment.loss(step), expected)


def test_the_module_learns_to_rank() -> None:
    step = synthetic_step((8, 16, 32), 32)
    for ranking in ("hinge", "ranknet"):
        attachment = module(ranking=ranking, pairs="all")
        optimiser = torch.optim.Adam(attachment.parameters(), 1e-2)
        for _ in range(200):
            optimiser.zero_grad()
            attachment.loss(step).backward()
            optimiser.step()
        ranks = attachment(step).argsort().argsort().float(), step.losses.argsort().argsort().float()
        assert torch.corrcoef(torch.stack(ranks))[0, 1] > 0.95


@pytest.mark.parametrize("batcher", ["topk", "subset", "kmeans", "agglomerative"])
def test_the_batcher_is_independent_of_the_scorer(batcher: str) -> None:
    pool = SyntheticPool.draw(300)
    chosen = [
        strategy(batcher=batcher).select(pool, 6, torch.Generator().manual_seed(1)).tolist()  # type: ignore[operator]
        for strategy in (LearningLoss, SemiSupervisedLearningLoss)
    ]
    assert chosen[0] == chosen[1]
    strategy = LearningLoss(batcher=batcher)  # type: ignore[arg-type]
    assert strategy.takes_top_scores == (batcher == "topk")
    assert strategy.draws_subset == (batcher == "subset")


def test_by_default_the_highest_of_a_random_subset_are_bought_and_the_highest_of_each_cluster() -> None:
    """Learning loss selects as its paper does, the semi-supervised form as its authors' code does."""
    pool = SyntheticPool.draw(300)
    for strategy, batcher in ((LearningLoss, "subset"), (SemiSupervisedLearningLoss, "agglomerative")):
        own = strategy().select(pool, 6, torch.Generator().manual_seed(1))
        others = {
            other: strategy(batcher=other).select(pool, 6, torch.Generator().manual_seed(1)).tolist()  # type: ignore[arg-type]
            for other in ("topk", "subset", "kmeans", "agglomerative")
        }
        assert [other for other, chosen in others.items() if chosen == own.tolist()] == [batcher]


@pytest.mark.parametrize("batcher", ["topk", "agglomerative"])
def test_with_another_batcher_it_keeps_the_contract(batcher: str) -> None:
    check_strategy(f"learning-loss[batcher={batcher}]")


@pytest.mark.parametrize("name", ["mnist-loss-ablation", "cifar10-loss-ablation", "cifar10-loss-ablation-gpu"])
def test_the_ablation_is_every_scorer_with_every_batcher(name: str) -> None:
    own = library.load(name)
    scorers: dict[str, set[str]] = {}
    for text in own.strategies:
        strategy = resolve(text).build()
        assert resolve(text).canonical == text
        if isinstance(strategy, SemiSupervisedLearningLoss):
            scorer = f"{strategy.tuning}, {strategy.held_out_share}"
            count = own.budgets[0]
            everybody = Labelled(torch.arange(count), torch.zeros(count, dtype=torch.int64), None)
            held_out = strategy.hold_out(Labelled(everybody.indices[:0], everybody.labels[:0], None), everybody)
            assert (len(held_out) > 0) == (strategy.tuning != "none")
            scorers.setdefault(scorer, set()).add(strategy.batcher)
        elif isinstance(strategy, LearningLoss):
            scorers.setdefault("joint hinge", set()).add(strategy.batcher)
    assert set(scorers) == {"joint hinge", "none, 0.0", "labelled, 0.05", "semi-supervised, 0.05"}
    assert all(batchers == {"subset", "topk", "agglomerative"} for batchers in scorers.values())


def test_the_highest_predicted_losses_are_bought() -> None:
    pool = SyntheticPool.draw(30)
    chosen = LearningLoss(batcher="topk").select(pool, 5, torch.Generator())
    assert chosen.tolist() == sorted(range(30), key=lambda i: -float(pool.attachment_output[i]))[:5]
