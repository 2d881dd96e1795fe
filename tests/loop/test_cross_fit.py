"""The second training on a part of the labels: what it is, and that nothing else notices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny import bench, experiment, plugin, run_lines, run_task
from torch import Tensor

from benchmark.data import datasets
from benchmark.data.image_data import ImageData
from benchmark.experiment import library, seeds
from benchmark.experiment.keys import RunKey
from benchmark.learners import supervised
from benchmark.loop.fitting import Fitter
from benchmark.loop.labelled import LabelledSet
from benchmark.loop.pool import FittedPool
from benchmark.models import factory
from benchmark.training.batches import Images
from benchmark.training.task import TrainingTask
from strategies.api import Strategy
from strategies.learning_loss import LearningLoss

SMALL = {"recipe.min_steps": 6, "model.parameters": {"width": 4, "hidden": 16, "dropout": 0.2}}


@pytest.fixture(scope="module")
def data() -> ImageData:
    return datasets.load("digits")


def fitter(data: ImageData, tmp_path: Path, strategy: type[Strategy] = Strategy, seed: int = 3) -> Fitter:
    task = run_task(tmp_path, library.load("digits").override(**SMALL), RunKey("x", "supervised", seed))
    return Fitter(task, data, Images(data.train_images, data.mean, data.std), strategy())


def known(data: ImageData, count: int, held_out: list[int] | None = None) -> LabelledSet:
    indices = torch.randperm(1258, generator=torch.Generator().manual_seed(0))[:count]
    return LabelledSet(tuple(indices.tolist()), tuple(data.train_labels[indices].tolist()), tuple(held_out or ()))


def cross_fit(made: Fitter, task: TrainingTask, share: float) -> tuple[Tensor, Tensor]:
    found = made.cross_fit(task)(share)
    assert found is not None
    return found


def test_it_is_the_learners_training_on_the_rest(data: ImageData, tmp_path: Path) -> None:
    made = fitter(data, tmp_path)
    task, labelled, answers = made.task(2, known(data, 41), {})
    with torch.no_grad():  # as in a query
        logits, labels = cross_fit(made, task, 0.3)
    order = torch.randperm(41, generator=seeds.generator(3, "cross-fit", 2))
    out, rest = order[:12], order[12:]
    with seeds.scoped(3, "weights", 2):
        network = factory.build("cnn", SMALL["model.parameters"], 1, (8, 8), 10)  # type: ignore[arg-type]
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    alone = TrainingTask(
        images=task.images,
        network=network,
        attachment=None,
        recipe=task.recipe,
        labelled=labelled[rest],
        targets=answers[rest],
        unlabelled=task.unlabelled,
        seed=3,
        round=2,
    )
    supervised.fit(alone).network.eval()
    torch.testing.assert_close(logits, network(task.images.normalised(labelled[out])).logits, rtol=1e-5, atol=1e-5)
    assert labels.equal(answers[out])
    assert not logits.requires_grad


def test_the_labels_left_out_have_no_influence(data: ImageData, tmp_path: Path) -> None:
    made = fitter(data, tmp_path)
    task, _, _ = made.task(0, known(data, 40), {})
    logits, labels = cross_fit(made, task, 0.25)
    out = torch.randperm(40, generator=seeds.generator(3, "cross-fit", 0))[:10]
    task.targets[out] = (task.targets[out] + 1) % 10
    again, wrong = cross_fit(made, task, 0.25)
    assert again.equal(logits)
    assert wrong.equal((labels + 1) % 10)


@pytest.mark.parametrize(("share", "size"), [(0.001, 1), (0.3, 12), (0.999, 39)])
def test_the_share_is_rounded_and_both_parts_have_an_image(
    data: ImageData, tmp_path: Path, share: float, size: int
) -> None:
    made = fitter(data, tmp_path)
    logits, labels = cross_fit(made, made.task(0, known(data, 40), {})[0], share)
    assert (logits.shape, labels.shape) == ((size, 10), (size,))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_that_is_none(data: ImageData, tmp_path: Path, share: float) -> None:
    made = fitter(data, tmp_path)
    with pytest.raises(ValueError, match="share must be between 0 and 1"):
        made.cross_fit(made.task(0, known(data, 40), {})[0])(share)


def test_fewer_than_two_labels_a_class_are_not_split(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fitter(data, tmp_path)
    assert made.cross_fit(made.task(0, known(data, 20), {})[0])(0.3) is not None
    monkeypatch.setattr(supervised.Supervised, "fit", None)  # nothing is trained
    assert made.cross_fit(made.task(0, known(data, 19), {})[0])(0.3) is None


def test_those_who_sit_out_take_no_part(data: ImageData, tmp_path: Path) -> None:
    made = fitter(data, tmp_path)
    knowledge = known(data, 40)
    task, _, _ = made.task(0, LabelledSet(knowledge.indices, knowledge.labels, knowledge.indices[:10]), {})
    trained: list[TrainingTask] = []

    def fit(_: supervised.Supervised, part: TrainingTask) -> Any:
        trained.append(part)
        return supervised.fit(part)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervised.Supervised, "fit", fit)
        logits, _ = cross_fit(made, task, 0.5)
    assert len(logits) == 15
    (part,) = trained
    assert len(part.labelled) == 15
    assert not torch.isin(part.labelled, torch.tensor(knowledge.indices[:10])).any()
    assert not torch.isin(part.unlabelled, torch.tensor(knowledge.indices)).any()


def test_the_rounds_model_and_its_attachment_are_left_alone(data: ImageData, tmp_path: Path) -> None:
    made = fitter(data, tmp_path, LearningLoss)
    task, _, _ = made.task(1, known(data, 40), {})
    predictor = made.fit(task).predictor
    modules = {"network": predictor.network.eval(), "attachment": predictor.attachment}
    before = {name: {k: v.clone() for k, v in m.state_dict().items()} for name, m in modules.items() if m is not None}
    random_state = torch.get_rng_state()
    first, _ = cross_fit(made, task, 0.3)
    assert torch.get_rng_state().equal(random_state)
    assert not predictor.network.training
    for name, module in modules.items():
        assert module is not None
        for key, value in module.state_dict().items():
            assert value.equal(before[name][key]), f"{name}.{key}"
    bare = fitter(data, tmp_path)
    assert cross_fit(bare, bare.task(1, known(data, 40), {})[0], 0.3)[0].equal(first)  # no attachment took part


def test_carried_weights_are_not_its_beginning(data: ImageData, tmp_path: Path) -> None:
    made = fitter(data, tmp_path)
    cold, _, _ = made.task(1, known(data, 40), {})
    fitted = made.fit(made.task(0, known(data, 40), {})[0]).predictor
    warm, _, _ = made.task(1, known(data, 40), {"network": fitted.network.state_dict()})
    assert cross_fit(made, warm, 0.3)[0].equal(cross_fit(made, cold, 0.3)[0])


# --- in the pool and in a run


def test_a_pool_computes_each_share_once(data: ImageData) -> None:
    asked: list[float] = []

    def compute(share: float) -> tuple[Tensor, Tensor]:
        asked.append(share)
        return torch.zeros(2, 10), torch.zeros(2)

    none = torch.empty(0, dtype=torch.int64)
    images = Images(data.train_images, data.mean, data.std)
    pool = FittedPool(images, none, none, none, 10, None, cross_fit=compute)
    assert asked == []
    assert pool.cross_fit(0.3) is pool.cross_fit(0.3)
    pool.cross_fit(0.5)
    assert asked == [0.3, 0.5]
    nothing = FittedPool(images, none, none, none, 10, None)
    with pytest.raises(ValueError, match="must declare it in needs"):
        nothing.cross_fit(0.3)


ASKS = """\
from strategies import top

class Mine(Strategy):
    def __init__(self, declares: bool = True, asks: bool = True):
        self.asks = asks
        self.needs = frozenset({"cross_fit"} if declares else set())

    def select(self, pool, n, generator):
        order = top(pool.probs[:, 0], len(pool.indices))
        if not self.asks:
            return order[:n]
        found = pool.cross_fit(0.3)
        if found is None:
            return order[:n]
        logits, labels = found
        return order.roll(int(logits[0, labels[0]].double() * 1e6) % 7)[:n]
"""


def test_a_run_trains_a_second_time_only_where_it_is_asked_for(tmp_path: Path) -> None:
    mine = plugin(tmp_path, ASKS)
    trained: list[int] = []

    def counting(_: supervised.Supervised, task: TrainingTask) -> Any:
        trained.append(len(task.labelled))
        return supervised.fit(task)

    arguments = ("--seeds", "0", "--set", "initial=balanced")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervised.Supervised, "fit", counting)
        assert bench(tmp_path, *arguments, "--strategies", f"{mine}[asks=False]") == 0
        assert trained == [10, 20, 30]
        trained.clear()
        assert bench(tmp_path, *arguments, "--strategies", mine) == 0
        assert trained == [20, 14, 30]  # round 0 was there, and has too few labels; the last round buys nothing
        assert bench(tmp_path, *arguments, "--strategies", f"{mine}[declares=False]") == 1


def test_a_resumed_run_splits_as_one_that_went_through(tmp_path: Path) -> None:
    arguments = ("--seeds", "0", "--strategies", plugin(tmp_path, ASKS))
    through, resumed = tmp_path / "through", tmp_path / "resumed"
    for folder in (through, resumed):
        folder.mkdir()
    assert bench(through, *arguments, "--budgets", "20", "30", "40", "50") == 0
    assert bench(resumed, *arguments, "--budgets", "20", "30", "40", "50") == 0
    (path,) = (experiment(resumed) / "runs").rglob("*.jsonl")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    assert bench(resumed, *arguments, "--budgets", "20", "30", "40", "50") == 0
    assert run_lines(resumed) == run_lines(through)
