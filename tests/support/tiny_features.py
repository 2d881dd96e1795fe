"""Features of digits by a training of five steps; for the tests of self-supervised features."""

from __future__ import annotations

from pathlib import Path

from benchmark.data import datasets
from benchmark.experiment import FeatureSettings
from benchmark.experiment.recipe import Recipe
from benchmark.features.source import FeatureSource, resolved, source
from benchmark.training.batches import Images

TINY = FeatureSettings(steps=5, batch_size=16)


def images_of(data: datasets.ImageData) -> Images:
    return Images(data.train_images, data.mean, data.std)


def source_of(data: datasets.ImageData, cache: Path, settings: FeatureSettings = TINY, seed: int = 0) -> FeatureSource:
    named = resolved(settings, "cnn", {"width": 4, "hidden": 16})
    return source(named, data, images_of(data), Recipe(min_steps=1, precision="float32"), cache, seed)
