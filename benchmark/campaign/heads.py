"""The training of a head that is trained, where the protocol's own head is solved and its recipe trains nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmark.experiment import Protocol, ProtocolError
from benchmark.models import factory

# Found on held-out training images of CIFAR-10's embeddings: docs/recipes/README.md.
RECIPE = {"epochs": 20, "min_steps": 500, "batch_size": 64, "learning_rate": 0.1, "weight_decay": 0.05}


def with_training(base: Protocol, changes: Mapping[str, Any]) -> dict[str, Any]:
    """``changes``, with ``RECIPE`` where they replace the head of ``base``, which is solved, by one that is trained.

    What they say of the recipe wins. Raises ProtocolError where they replace the embeddings by images and say nothing.
    """
    model = changes.get("model.name", changes.get("model", {}).get("name", base.model.name))
    if not _solved(base.model.name) or _solved(model):
        return dict(changes)
    lengths = {"recipe.epochs", "recipe.min_steps", "recipe.steps_at"}
    if base.embedding and not changes.get("embedding", base.embedding) and not lengths & changes.keys():
        raise ProtocolError(
            f"the recipe of {base.name} is of a head that is solved, and '{model}' is trained: choose a --protocol on "
            "images, or --set recipe.epochs=…"
        )
    ours: dict[str, Any] = {f"recipe.{key}": value for key, value in RECIPE.items()}
    if "recipe.steps_at" in changes:
        ours |= {"recipe.epochs": 0, "recipe.min_steps": 0}
    return {**ours, **changes}


def _solved(model: str) -> bool:
    return model in factory.MODELS and factory.class_of(model).solved
