"""Self-supervised or pretrained features of a data set's training images, computed once per machine and kept.

``[features]`` in a protocol says which. No label goes in. All runs of a seed share the self-supervised ones, and all
runs the pretrained ones. ``cache/features/`` keeps them, named by the digest of everything that they depend on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark import ENGINE_VERSION
from benchmark.data.datasets import ImageData
from benchmark.experiment.feature_settings import FeatureSettings
from benchmark.experiment.recipe import Recipe
from benchmark.features import pretrained, simclr
from benchmark.models import factory
from benchmark.models.blueprint import Blueprint, blueprint
from benchmark.models.network import Network
from benchmark.results import environment, sealed
from benchmark.results.locks import alone
from benchmark.training.augmentation import augmentation
from benchmark.training.batches import Images
from benchmark.training.predict import Predictor


@dataclass(frozen=True)
class FeatureSource:
    """Computes the features of a run, or reads them; it holds no label.

    ``blueprint`` is the network's, None for a pretrained one; ``flip`` says whether views are mirrored; ``sha256``
    is the data set's; ``seed`` is the run's, None where the features do not depend on it.
    """

    settings: FeatureSettings
    blueprint: Blueprint | None
    images: Images
    sha256: str
    flip: bool
    precision: str
    cache: Path
    seed: int | None

    def __call__(self) -> Tensor:
        """The features (M, F), float32, on the images' device. Raises ValueError as ``computed`` does."""
        features: Tensor | None = None
        while features is None:
            features = sealed.load(self.computed(), self.images.device)
        return features

    def computed(self) -> Path:
        """The file of the features in the cache; computes them first if it is not there.

        One process computes, and others that need the same wait for it. Raises ValueError if a pretrained network
        cannot be had or the features are not finite.
        """
        path = self.cache / "features" / f"{self._digest}.pt"
        if sealed.is_there(path):
            return path
        partial = path.with_suffix(".partial")
        with alone(path.with_suffix(".lock")):
            if not sealed.is_there(path):
                sealed.save(path, self._compute(partial).cpu())
                partial.unlink(missing_ok=True)
        return path

    @property
    def _digest(self) -> str:
        """The digest of everything that the features depend on."""
        key = {
            "dataset": self.sha256,
            "settings": dataclasses.asdict(self.settings),
            "seed": self.seed,
            "flip": self.flip,
            "precision": self.precision,
            "engine": ENGINE_VERSION,
            "environment": environment.deciding_of_torch(self.images.device),
        }
        if not self.settings.by_seed:
            method = self.settings.method
            key |= {"format": pretrained.format_of(method), "package": pretrained.version_of(method)}
        if self.blueprint is not None and (code := factory.source_of(self.blueprint.name)) is not None:
            key |= {"network": code.sha256, "environment": environment.deciding(self.images.device)}
        return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]

    def _compute(self, partial: Path) -> Tensor:
        settings, images = self.settings, self.images
        if self.blueprint is None or self.seed is None:
            return pretrained.embeddings(settings.method, images.pixels)
        network = trained(settings, self.blueprint, images, self.flip, self.precision, self.seed, partial)
        everything = torch.arange(len(images.pixels), device=images.device)
        features = Predictor(network, None, self.precision).predict(images, everything).embeddings
        if not torch.isfinite(features).all():
            raise ValueError("the self-supervised features are not finite; lower features.learning_rate")
        return features


def trained(
    settings: FeatureSettings,
    plan: Blueprint,
    images: Images,
    flip: bool,
    precision: str,
    seed: int,
    partial: Path,
) -> Network:
    """The network of ``plan`` trained by SimCLR on ``images``; ``partial`` keeps its state while it is trained."""
    network = plan.network(seed, "features/weights", 0, images.device)
    simclr.train(
        network,
        images,
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        temperature=settings.temperature,
        flip=flip,
        precision=precision,
        seed=seed,
        resume=sealed.load(partial, images.device) or {},
        save=lambda state: sealed.save(partial, state),
    )
    return network


@dataclass(frozen=True)
class OwnEmbeddings:
    """The features of data that are embeddings: these, normalised."""

    images: Images

    def __call__(self) -> Tensor:
        """The features (M, F), float32, on the images' device."""
        everything = torch.arange(len(self.images.pixels), device=self.images.device)
        return self.images.normalised(everything).flatten(1)

    def computed(self) -> None:
        """Nothing is to be computed."""


def resolved(settings: FeatureSettings, model: str, parameters: Mapping[str, Any]) -> FeatureSettings:
    """The settings with their own network or, if they name none, the given one of the protocol; without dropout."""
    own = (settings.model, settings.parameters) if settings.model else (model, parameters)
    return dataclasses.replace(settings, model=own[0], parameters=factory.with_parameter(*own, "dropout", 0.0))


def source(
    settings: FeatureSettings, data: ImageData, images: Images, recipe: Recipe, cache: Path, seed: int
) -> FeatureSource:
    """The source of the features of ``data`` for runs of ``seed``, by resolved settings.

    The recipe says the precision and the mirroring.
    """
    plan = blueprint(settings.model, settings.parameters, data) if settings.by_seed else None
    flip = augmentation(recipe.augmentation).flip
    own = seed if settings.by_seed else None
    return FeatureSource(settings, plan, images, data.sha256, flip, recipe.precision, cache, own)


def check(settings: FeatureSettings, channels: int, image_size: tuple[int, int], memory: int) -> None:
    """Raise ValueError, in one line, if resolved settings do not work for such images or in ``memory`` (bytes)."""
    if settings.by_seed:
        factory.check_size(settings.model, settings.parameters, channels, image_size, 2, memory)
    else:
        pretrained.check(settings.method)
