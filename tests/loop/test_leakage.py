"""What a strategy is handed leads to no label that was not bought, and to no test image.

All that can be reached as data is looked at in a real run; see ``leak_search``.
"""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.leak_search import leaks, untrained_pool
from support.tiny import run_task
from torch import Tensor

from benchmark.data import datasets
from benchmark.data.image_data import ImageData
from benchmark.experiment import library
from benchmark.experiment.keys import RunKey
from benchmark.learners import LEARNERS, Learner
from benchmark.loop.pool import FittedOraclePool, FittedPool
from benchmark.loop.run import ActiveLearningRun
from benchmark.results.run_file import RunFile
from benchmark.results.store import read_traces
from benchmark.training.batches import Images
from benchmark.training.task import TrainingResult, TrainingTask
from strategies.api import Attachment, Labelled, Pool, Strategy, Tuning, TuningBatch
from strategies.learning_loss import LearningLoss
from strategies.registry import names, resolve


@pytest.fixture(scope="module")
def data() -> ImageData:
    return datasets.load("digits")


# --- a real run


def spy(look: Callable[[str, object, Tensor | None], None]) -> type[Strategy]:
    """A strategy that shows everything it is handed, all parts of the pool computed."""

    class Spy(Strategy):
        hooks = frozenset({"attach", "after_training", "hold_out"})
        cold_start = True

        def attach(self, stage_channels: tuple[int, ...], class_count: int) -> Attachment:
            return LearningLoss().attach(stage_channels, class_count)

        def after_training(self, tuning: Tuning) -> None:
            unlabelled: Tensor = tuning._task.unlabelled  # type: ignore[attr-defined]

            def loss(batch: TuningBatch) -> Tensor:
                look("tuning batch", batch, unlabelled)
                return tuning.attachment(batch.strong).sum()

            tuning.run(loss, steps=2, labelled=8, unlabelled=8, learning_rate=0.01)
            look("tuning", tuning, unlabelled)

        def hold_out(self, old: Labelled, bought: Labelled) -> Tensor:
            look("hold-out", (old, bought), None)
            return super().hold_out(old, bought)

        def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
            if pool.has_model:
                assert pool.probs.shape == pool.mc_probs(2)[:, 0].shape
                assert len(pool.labelled_embeddings) == len(pool.labels)
                assert len(pool.embeddings) == len(pool.attachment_output)
            look("pool" if pool.has_model else "initial pool", pool, pool.indices)
            return torch.arange(n)

    return Spy


@pytest.mark.parametrize("label_noise", [0.0, 0.2])
def test_nothing_that_a_strategy_is_handed_leads_to_a_label_or_a_test_image(
    data: ImageData, tmp_path: Path, label_noise: float
) -> None:
    tiny = library.load("digits").override(
        budgets=[10, 20, 30], initial="strategy", label_noise=label_noise, **{"recipe.min_steps": 3}
    )
    seen: dict[str, int] = {}
    found: list[str] = []

    def look(what: str, thing: object, unlabelled: Tensor | None) -> None:
        seen[what] = seen.get(what, 0) + 1
        everybody = [data.train_labels, run.oracle._labels]
        secrets = everybody + ([] if unlabelled is None else [labels[unlabelled] for labels in everybody])
        found.extend(f"{what}: {leak}" for leak in leaks(thing, secrets, memory=[data.test_images, data.test_labels]))

    task = run_task(tmp_path, tiny, RunKey("spy", "supervised", 0))
    with RunFile(task.path) as file:
        run = ActiveLearningRun(task, spy(look)(), data, file)
        assert run.execute(lambda record: True)
    assert seen == {"initial pool": 1, "tuning": 2, "tuning batch": 4, "pool": 2, "hold-out": 3}
    assert found == []


def test_hold_out_and_pool_have_the_labels_that_were_bought(data: ImageData, tmp_path: Path) -> None:
    tiny = library.load("digits").override(budgets=[10, 25], **{"recipe.min_steps": 3})
    handed: dict[str, Any] = {}

    def look(what: str, thing: object, unlabelled: Tensor | None) -> None:
        handed[what] = thing

    task = run_task(tmp_path, tiny, RunKey("spy", "supervised", 0))
    with RunFile(task.path) as file:
        ActiveLearningRun(task, spy(look)(), data, file).execute(lambda record: True)
    old, bought = handed["hold-out"]
    for indices, labels in ((old.indices, old.labels), (bought.indices, bought.labels)):
        assert labels.equal(data.train_labels[indices])
    pool = handed["pool"]
    assert pool.labels.equal(data.train_labels[pool.labelled_indices])
    assert sorted([*pool.indices.tolist(), *pool.labelled_indices.tolist()]) == list(range(len(data.train_labels)))
    assert bought.indices.equal(pool.indices[:15])


LEARNER_FORMS = {
    **dict.fromkeys(LEARNERS, ""),
    "self-training": "[threshold=0.05,revisions=1]",
    "noisy-student": "[threshold=0.05,iterations=1]",
    "pseudo-label": "[teacher=true]",
}


@pytest.mark.parametrize("name", LEARNERS)
def test_nothing_that_a_learner_is_handed_leads_to_a_label_that_was_not_bought(
    data: ImageData, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after its training, and later; how right its pseudo-labels are is for the run's traces alone."""
    tiny = library.load("digits").override(budgets=[10, 20], **{"recipe.min_steps": 3})
    found: list[str] = []
    seen: list[tuple[TrainingTask, TrainingResult]] = []
    own = LEARNERS[name].fit

    def look(task: TrainingTask, result: TrainingResult | None = None) -> None:
        secrets = [data.train_labels, run.oracle._labels, data.train_labels[task.unlabelled]]
        memory = [data.test_images, data.test_labels]
        found.extend(f"{len(seen)}: {leak}" for leak in leaks((task, result), secrets, memory=memory))
        traces = () if result is None else result.traces
        assert all(not {"accepted", "right", "precision"} & trace.values.keys() for trace in traces)

    def watched(learner: Learner, task: TrainingTask) -> TrainingResult:
        look(task)
        result = own(learner, task)
        seen.append((task, result))
        look(task, result)
        return result

    monkeypatch.setattr(LEARNERS[name], "fit", watched)
    learner = name + LEARNER_FORMS[name]
    asked = run_task(tmp_path, tiny, RunKey("random", learner, 0))
    with RunFile(asked.path) as file:
        run = ActiveLearningRun(asked, resolve("random").build(), data, file)
        assert run.execute(lambda record: True)
    assert len(seen) == 2
    for task, result in seen:
        look(task, result)
    assert found == []
    traces = read_traces(asked.path)
    assert (name == "supervised") != any("right" in trace.values for trace in traces)


# --- pools with the true labels, for diagnostics and no other strategy


def pools_seen(data: ImageData, folder: Path, groups: tuple[str, ...], needs: frozenset[str]) -> list[Any]:
    """The pools that a strategy of these groups and needs is handed in a run that begins with its own choice."""
    seen: list[Any] = []

    class Looking(Strategy):
        cold_start = True

        def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
            seen.append(pool)
            return torch.arange(n)

    Looking.groups, Looking.needs = groups, needs
    tiny = library.load("digits").override(budgets=[10, 20, 30], initial="strategy", **{"recipe.min_steps": 50})
    task = run_task(folder, tiny, RunKey("looking", "supervised", 0))
    with RunFile(task.path) as file:
        ActiveLearningRun(task, Looking(), data, file).execute(lambda record: True)
    return seen


@pytest.mark.parametrize("groups", [(), ("core",), ("diagnostic",)])
def test_who_does_not_ask_for_the_labels_gets_an_ordinary_pool(
    data: ImageData, tmp_path: Path, groups: tuple[str, ...]
) -> None:
    assert [type(pool) for pool in pools_seen(data, tmp_path, groups, frozenset())] == [FittedPool] * 3


@pytest.mark.parametrize("groups", [(), ("core", "uncertainty")])
def test_who_asks_outside_the_group_is_refused_before_the_choice(
    data: ImageData, tmp_path: Path, groups: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="in the group 'diagnostic' reads true labels"):
        pools_seen(data, tmp_path, groups, frozenset({"oracle"}))


def test_a_diagnostic_gets_the_labels_and_the_test_set(data: ImageData, tmp_path: Path) -> None:
    initial, *pools = pools_seen(data, tmp_path, ("diagnostic",), frozenset({"oracle"}))
    assert type(initial) is FittedPool
    assert [type(pool) for pool in pools] == [FittedOraclePool] * 2
    for pool in pools:
        assert pool.true_labels.equal(data.train_labels[pool.indices])
        assert pool.test_labels.equal(data.test_labels)
        assert pool.logits.equal(pool.head(pool.embeddings))
        logits = pool.head(pool.test_embeddings)
        assert len(logits) == len(data.test_labels)
        # Labels and embeddings of the same images: the model knows something of them.
        shuffled = data.test_labels[torch.randperm(len(logits), generator=torch.Generator().manual_seed(0))]
        right, chance = ((logits.argmax(1) == labels).float().mean() for labels in (data.test_labels, shuffled))
        assert right > chance
        # And the search finds them, as it would have in an ordinary pool.
        assert leaks(pool, [data.train_labels[pool.indices]], memory=[])
        assert not leaks(pool, [data.train_labels], memory=[data.test_labels])  # they are copies


def test_the_strategies_that_ask_are_those_of_the_group() -> None:
    asking = {name for name in names() if "oracle" in resolve(name).build().needs}
    diagnostic = {name for name in names() if "diagnostic" in resolve(name).groups}
    assert asking == diagnostic >= {"true-loss", "greedy-oracle"}
    assert all(resolve(name).groups == ("diagnostic",) for name in diagnostic)


def test_an_oracle_pool_cannot_be_made_for_an_honest_strategy(data: ImageData) -> None:
    pool = untrained_pool(data)
    test_images = Images(data.test_images, data.mean, data.std)
    for groups, needs in itertools.product([(), ("diagnostic",)], [frozenset[str](), frozenset({"oracle"})]):
        strategy = type("Any", (Strategy,), {"groups": groups, "needs": needs})()
        if groups and needs:
            made = FittedOraclePool(pool, strategy, data.train_labels, test_images, data.test_labels)
            assert not hasattr(pool, "true_labels")
            assert len(made.test_embeddings) == len(data.test_labels)
        else:
            with pytest.raises(ValueError, match="group 'diagnostic'"):
                FittedOraclePool(pool, strategy, data.train_labels, test_images, data.test_labels)
