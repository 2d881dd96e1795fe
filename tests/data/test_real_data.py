"""A round on the real data sets, where they lie under data/; skipped, and said so, where not."""

from pathlib import Path

import pytest
import torch

from benchmark.data import datasets
from benchmark.experiment import library, seeds
from benchmark.learners import supervised
from benchmark.models import factory
from benchmark.training.batches import Images
from benchmark.training.metrics import evaluate
from benchmark.training.predict import Predictor
from benchmark.training.task import TrainingTask

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.mark.parametrize(("name", "labels", "steps", "bar"), [("mnist", 100, 250, 0.75), ("cifar10", 1000, 400, 0.3)])
def test_a_short_training_learns(name: str, labels: int, steps: int, bar: float) -> None:
    """Far above chance with a fraction of the protocol's steps: data, labels, augmentation and model fit together."""
    try:
        data = datasets.load(name, DATA, download=False)
    except datasets.DatasetError as error:
        pytest.skip(f"real data are not at hand: {error}")
    own = library.load(name).override(**{"recipe.min_steps": steps, "recipe.epochs": 0, "recipe.steps_at": []})
    with seeds.scoped(0, "weights", 0):
        network = factory.build(
            own.model.name, own.model.parameters, data.channels, data.image_size, data.class_count
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    chosen = torch.randperm(len(data.train_labels), generator=seeds.generator(0, "initial", 0))[:labels]
    images = Images(data.train_images, data.mean, data.std)
    task = TrainingTask(
        images=images,
        network=network,
        attachment=None,
        recipe=own.recipe,
        labelled=chosen,
        targets=data.train_labels[chosen],
        unlabelled=chosen[:0],
        seed=0,
        round=0,
    )
    predictor = Predictor(supervised.fit(task).network, None, own.recipe.precision)
    test = Images(data.test_images[:2000], data.mean, data.std)
    metrics = evaluate(predictor.predict(test, torch.arange(2000)).logits, data.test_labels[:2000])
    assert metrics.accuracy > bar
