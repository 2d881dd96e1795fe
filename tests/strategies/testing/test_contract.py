"""Every registered strategy keeps the contract, and the check of the contract catches those that do not."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from strategies.api import (
    HOOKS,
    Attachment,
    Labelled,
    Output,
    Pool,
    ScoreStrategy,
    Step,
    Strategy,
    Tuning,
    TuningBatch,
    top,
)
from strategies.registry import names
from strategies.testing import SyntheticPool, check_strategy

VARIANTS = (
    "bald[samples=2]",
    "learning-loss[pairs=all]",
    "learning-loss[ranking=ranknet]",
    "learning-loss[detach_after=0.0]",
    "semi-supervised-learning-loss[batcher=kmeans]",
    "semi-supervised-learning-loss[batcher=topk]",
    "semi-supervised-learning-loss[batcher=subset]",
    "semi-supervised-learning-loss[oversample=1]",
    "semi-supervised-learning-loss[pseudo_target=hard]",
    "semi-supervised-learning-loss[tuning=labelled]",
    "semi-supervised-learning-loss[tuning=none]",
    "semi-supervised-learning-loss[convolutions=false,ranking=hinge]",
    "semi-supervised-learning-loss[official=true]",
    "semi-supervised-learning-loss[hold_out=0.49]",
)
SHORTER = {"refine": "refine[depth=2,batches=9]"}  # what it repeats hundreds of times, a few times


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("strategy", [*names(), *VARIANTS])
def test_contract(strategy: str) -> None:
    check_strategy(SHORTER.get(strategy, strategy))


# --- a sound strategy, with a sound attachment


class Sound(ScoreStrategy):
    def score(self, pool: Pool) -> Tensor:
        return -pool.probs.amax(1)


class Head(Attachment):
    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.linear = nn.Linear(sum(channels), 1)

    def forward(self, output: Output | Step) -> Tensor:
        return self.linear(torch.cat([f.float().mean((2, 3)) for f in output.stages], 1)).squeeze(1)

    def loss(self, step: Step) -> Tensor:
        return (self(step) - step.losses.detach()).square().mean()


class Attaching(Sound):
    hooks = frozenset({"attach"})

    def attach(self, stage_channels: tuple[int, ...], class_count: int) -> Attachment:
        return Head(stage_channels)


def test_sound_strategies_pass_as_names_classes_and_instances() -> None:
    check_strategy("random")
    check_strategy(Sound)
    check_strategy(Attaching())


def test_global_randomness_is_left_as_it_was() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    check_strategy(Attaching)
    assert torch.rand(3).equal(expected)


# --- broken ones


def test_a_method_without_its_declaration_is_caught() -> None:
    class Silent(Sound):
        def attach(self, stage_channels: tuple[int, ...], class_count: int) -> Attachment:
            return Head(stage_channels)

    class Boasting(Sound):
        hooks = frozenset({"hold_out"})

    class Choosy(Sound):
        def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
            return top(self.score(pool), n)

    class Lying(Choosy):
        takes_top_scores = True

        def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
            return top(self.score(pool), len(pool.indices)).flip(0)[:n]

    for cls, message in (
        (Silent, "class Silent overrides attach: add 'attach' to its hooks"),
        (Boasting, "class Boasting has 'hold_out' in its hooks: define hold_out, or take 'hold_out' out"),
        (Choosy, "class Choosy overrides select: add takes_top_scores = False"),
        (Lying, "select does not return the highest scores: say takes_top_scores = False"),
    ):
        with pytest.raises(AssertionError, match=message):
            check_strategy(cls)


# --- each a method of the sound ones replaced


def assert_caught(message: str, base: type[Strategy], **methods: Any) -> None:
    """Of a class ``Broken`` that declares which of the base's methods it replaces."""
    hooks = {hook for hook, names in HOOKS.items() if set(names) & methods.keys()}
    declared = {"hooks": base.hooks | hooks} | ({"takes_top_scores": False} if "select" in methods else {})
    strategy: type[Strategy] = type("Broken", (base,), declared | methods)
    with pytest.raises(AssertionError, match=f"(?s)^Broken: .*{message}"):
        check_strategy(strategy)


def best(pool: Pool, n: int) -> Tensor:
    return top(-pool.probs.amax(1), n)


def seeding(pool: Pool, n: int) -> Tensor:
    torch.manual_seed(0)
    return best(pool, n)


def failing_on_nan(pool: Pool, n: int) -> Tensor:
    size = len(pool.indices)
    finite = (pool.probs[:, 0] >= 0).nonzero().squeeze(1)
    return finite[torch.arange(size)][:n]


def scribbling_on_the_head(pool: Pool, n: int) -> Tensor:
    pool.head.weight.data.add_(1)
    return best(pool, n)


def permutation(size: int) -> np.ndarray:
    return np.random.permutation(size)  # noqa: NPY002


SELECTIONS: list[tuple[str, Callable[[Pool, int, torch.Generator], Any]]] = [
    ("an image twice", lambda pool, n, g: torch.randint(len(pool.indices), (n,), generator=g)),
    ("positions are 0…39.*not dataset indices", lambda pool, n, g: pool.indices[best(pool, n)]),
    ("returned -1…", lambda pool, n, g: best(pool, n) - 1),
    ("int64 .*, not torch.int32", lambda pool, n, g: best(pool, n).int()),
    ("not <class 'list'>", lambda pool, n, g: best(pool, n).tolist()),
    (r"shape \(40,\), not torch.int64 \(20,\)", lambda pool, n, g: best(pool, min(n, 20))),
    ("select drew from torch's global gen", lambda pool, n, g: torch.randperm(len(pool.indices))[:n]),
    ("select drew from numpy's global", lambda pool, n, g: torch.from_numpy(permutation(len(pool.indices))[:n])),
    ("of Python's random module", lambda pool, n, g: torch.tensor(random.sample(range(len(pool.indices)), n))),
    ("select drew from torch's global gen", lambda pool, n, g: seeding(pool, n)),
    ("two choices", lambda pool, n, g: torch.from_numpy(np.random.default_rng().permutation(len(pool.indices))[:n])),
    ("reads pool.probs and accepts NaN", lambda pool, n, g: pool.probs.amax(1).sort().indices[:n]),
    ("reads pool.attachment_output and accepts NaN", lambda pool, n, g: pool.attachment_output.topk(n).indices),
    ("reads pool.mc_probs and accepts NaN", lambda pool, n, g: pool.mc_probs(2).mean((1, 2)).topk(n).indices),
    ("reads pool.noisy_logits and", lambda pool, n, g: pool.noisy_logits(2, 0.1).mean((1, 2)).topk(n).indices),
    ("NaN for one image.*IndexError", lambda pool, n, g: failing_on_nan(pool, n)),
    ("pool.head.weight in place", lambda pool, n, g: scribbling_on_the_head(pool, n)),
    ("without a model.*IndexError", lambda pool, n, g: torch.arange(n) + 0 * pool.labels[0]),
]


@pytest.mark.parametrize(("message", "select"), SELECTIONS)
def test_broken_choices_are_caught(message: str, select: Callable[[Pool, int, torch.Generator], Any]) -> None:
    assert_caught(message, Sound, select=lambda self, pool, n, generator: select(pool, n, generator))


def distance_to_class_means(pool: Pool) -> Tensor:
    means = torch.stack([pool.labelled_embeddings[pool.labels == c].float().mean(0) for c in range(pool.class_count)])
    return (pool.embeddings.float()[:, None] - means).square().sum(2).amin(1)


def number_of_calls(strategy: Any) -> int:
    strategy.calls = getattr(strategy, "calls", 0) + 1
    return int(strategy.calls)


SCORES: list[tuple[str, Callable[[Any, Pool], Tensor]]] = [
    ("pool.probs in place", lambda self, pool: pool.probs.mul_(pool.probs.log()).sum(1)),
    ("pool.labels in place", lambda self, pool: pool.probs[:, 0] + 0 * pool.labels.zero_().sum()),
    (r"pool.noisy_logits\(3, 0.1\) in place", lambda self, pool: pool.noisy_logits(3, 0.1).sub_(0.1).mean(1).amax(1)),
    (r"pool.mc_probs\(3\) in place", lambda self, pool: pool.mc_probs(3).sub_(0.1).mean(1).amax(1)),
    (r"'Broken': score returned \(40, 4\), expected \(40,\)", lambda self, pool: pool.probs),
    (r"score returned \(39,\), expected \(40,\): one number per", lambda self, pool: pool.probs[:-1, 0]),
    ("score returned list, expected", lambda self, pool: pool.probs[:, 0].tolist()),
    ("order of the pool", lambda self, pool: pool.probs[:, 0] + torch.arange(len(pool.indices)).remainder(2)),
    ("two choices.*state_dict", lambda self, pool: pool.probs[:, number_of_calls(self) % pool.class_count]),
    ("two classes", lambda self, pool: pool.probs.topk(3, dim=1).values[:, 2]),
    ("one labelled image", lambda self, pool: distance_to_class_means(pool)),
    ("previous_probs is None", lambda self, pool: (pool.probs - pool.previous_probs).square().sum(1)),  # type: ignore[operator]
    ("float16 outputs", lambda self, pool: pool.embeddings @ torch.ones(pool.embeddings.shape[1])),
]


@pytest.mark.parametrize(("message", "score"), SCORES)
def test_broken_scores_are_caught(message: str, score: Callable[[Any, Pool], Tensor]) -> None:
    assert_caught(message, Sound, score=score)


@pytest.mark.parametrize(
    "hold_out",
    [
        lambda self, old, new: torch.cat([old.indices, new.indices]),
        lambda self, old, new: torch.arange(len(new.indices) // 2),
        lambda self, old, new: new.indices[:1].repeat(2) if len(new.indices) > 1 else new.indices[:0],
    ],
    ids=["all", "positions", "twice"],
)
def test_broken_hold_outs_are_caught(hold_out: Callable[[Any, Labelled, Labelled], Tensor]) -> None:
    assert_caught("distinct dataset indices of some of the", Sound, hold_out=hold_out)


@pytest.mark.parametrize(
    ("message", "state"),
    [
        ("resumed strategy chooses differently", lambda self: {}),
        ("must survive torch.save", lambda self: {"calls": object.__new__(Sound)}),
    ],
)
def test_broken_states_are_caught(message: str, state: Callable[[Any], dict[str, Any]]) -> None:
    def select(self: Any, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        return top(pool.probs[:, number_of_calls(self) % pool.class_count], n)

    assert_caught(message, Sound, select=select, state_dict=state)


HEADS: list[tuple[str, dict[str, Any]]] = [
    ("one finite number per image", {"forward": lambda self, output: Head.forward(self, output)[:, None]}),
    ("one finite number per image.* 1 images", {"forward": lambda self, output: Head.forward(self, output).squeeze()}),
    ("one finite number per image", {"forward": lambda self, output: Head.forward(self, output) / 0}),
    ("finite scalar", {"loss": lambda self, step: (self(step) - step.losses.detach()).square()}),
    ("finite scalar.* 1 images", {"loss": lambda self, step: self(step).diff().mean()}),
    ("the attachment drew", {"loss": lambda self, step: nn.functional.dropout(self(step)).square().mean()}),
    ("no gradient", {"loss": lambda self, step: step.losses.mean() * 1}),
    ("at progress 0.6 the attachment's loss reaches", {"detach_after": 0.6}),
    ("does not reach", {"detach_after": 0.5, "loss": lambda self, step: self.linear.weight.square().sum()}),
]


@pytest.mark.parametrize(("message", "methods"), HEADS)
def test_broken_attachments_are_caught(message: str, methods: dict[str, Any]) -> None:
    head = type("BrokenHead", (Head,), methods)
    assert_caught(message, Sound, attach=lambda self, stage_channels, class_count: head(stage_channels))


def test_a_mean_over_no_confident_image_is_caught() -> None:
    def after_training(self: Strategy, tuning: Tuning) -> None:
        def loss(batch: TuningBatch) -> Tensor:
            confident = batch.weak.logits.softmax(1).amax(1) > 0.9
            return tuning.attachment(batch.strong)[confident].mean()

        tuning.run(loss, steps=100, labelled=8, unlabelled=8, learning_rate=0.01)

    assert_caught("NaN or infinity", Attaching, after_training=after_training)


def test_the_synthetic_pool_is_consistent() -> None:
    pool = SyntheticPool.draw(30, 10)
    order = torch.arange(29, -1, -1)
    torch.testing.assert_close(pool.permuted(order).mc_probs(3), pool.mc_probs(3)[order])
    torch.testing.assert_close(pool.permuted(order).noisy_logits(3, 0.1), pool.noisy_logits(3, 0.1)[order])
    torch.testing.assert_close(pool.noisy_logits(2, 0.0)[:, 1], pool.logits)
    torch.testing.assert_close(pool.permuted(order).probs, pool.probs[order])
    assert pool.probs.equal(pool.head(pool.embeddings).softmax(1))
    assert sorted([*pool.indices.tolist(), *pool.labelled_indices.tolist()]) == list(range(40))
