"""Recipes that follow from others: of a head on embeddings where the protocol's is of images, of a trained head where
its own is solved.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from benchmark.experiment import Protocol, ProtocolError, load
from benchmark.experiment.recipe import Recipe
from benchmark.models import factory

# Found on held-out training images of CIFAR-10's embeddings: docs/recipes/README.md.
RECIPE = {"epochs": 20, "min_steps": 500, "batch_size": 64, "learning_rate": 0.1, "weight_decay": 0.05}
_OF_SOLVED = ("recipe.augmentation", "recipe.precision")  # which a protocol of images has otherwise


def with_training(base: Protocol, changes: Mapping[str, Any]) -> dict[str, Any]:
    """``changes``, with the recipe of cifar10-embeddings where they embed the images of ``base``, by a linear head
    unless they name another; with ``RECIPE`` where the head, which is solved, becomes one that is trained.

    What they say of the recipe wins. Raises ProtocolError where they replace the embeddings by images and say nothing,
    or say how to train what is solved.
    """
    ours: dict[str, Any] = {}
    if changes.get("embedding") and not base.embedding and not _of_embeddings(base.model.name):
        like = load("cifar10-embeddings")
        ours = {
            f"recipe.{field.name}": getattr(like.recipe, field.name)
            for field in dataclasses.fields(Recipe)
            if getattr(like.recipe, field.name) != getattr(base.recipe, field.name)
        }
        ours["features"] = None  # strategies read the embeddings
        if "model" not in changes and "model.name" not in changes:
            ours["model"] = dataclasses.asdict(like.model)
        base = dataclasses.replace(base, model=like.model)
    model = changes.get("model.name", changes.get("model", {}).get("name", base.model.name))
    if _solved(model) and (idle := [key for key in changes if key.startswith("recipe.") and key not in _OF_SOLVED]):
        raise ProtocolError(
            f"{idle[0]} has no effect: model '{model}' is solved, not trained; leave it out, or choose --model mlp"
        )
    if not _solved(base.model.name) or _solved(model):
        return {**ours, **changes}
    lengths = {"recipe.epochs", "recipe.min_steps", "recipe.steps_at"}
    if base.embedding and not changes.get("embedding", base.embedding) and not lengths & changes.keys():
        raise ProtocolError(
            f"the recipe of {base.name} is of a head that is solved, and '{model}' is trained: choose a --protocol on "
            "images, or --set recipe.epochs=…"
        )
    ours |= {f"recipe.{key}": value for key, value in RECIPE.items()}
    if "recipe.steps_at" in changes:
        ours |= {"recipe.epochs": 0, "recipe.min_steps": 0}
    return {**ours, **changes}


def _of_embeddings(model: str) -> bool:
    return model in factory.MODELS and factory.class_of(model).of_embeddings


def _solved(model: Any) -> bool:
    """Whether a network is solved; what ``--set`` gives as its name is not checked yet."""
    return isinstance(model, str) and model in factory.MODELS and factory.class_of(model).solved
