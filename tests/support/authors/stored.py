"""The stored arrays as pools, the comparisons, and draws and clusters that are replayed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from strategies.registry import resolve
from strategies.testing import SyntheticPool
from support.made_up import seeded

Arrays = dict[str, np.ndarray]


def pool(stored: Arrays, **parts: Any) -> SyntheticPool:
    """The stored images, labelled ones first in the data set, in the format that they were stored in."""
    points, known = tensor(stored["embeddings"]), tensor(stored["labelled_embeddings"])
    drawn = SyntheticPool.draw(len(points), len(known), class_count=len(stored["bias"]), width=points.shape[1])
    drawn.classifier.load_state_dict({"weight": tensor(stored["weight"]), "bias": tensor(stored["bias"])})
    order = torch.arange(len(known) + len(points))
    named = {name: tensor(stored[name]) for name in ("features", "labelled_features", "labels") if name in stored}
    own = {"points": points, "labelled_points": known, "labelled_indices": order[: len(known)]}
    return replace(drawn, indices=order[len(known) :], **own, **named, **parts)


def features(stored: Arrays, suffix: str = "") -> SyntheticPool:
    """Images that have features and nothing else of interest."""
    points, known = (tensor(stored[name + suffix]) for name in ("features", "labelled_features"))
    order = torch.arange(len(known) + len(points))
    own = {"features": points, "labelled_features": known, "labelled_indices": order[: len(known)]}
    return replace(SyntheticPool.draw(len(points), len(known)), indices=order[len(known) :], **own)


def tensor(array: np.ndarray) -> Tensor:
    return torch.tensor(array)


def picks(spec: str, images: Any, n: int) -> list[int]:
    return resolve(spec).build().select(images, n, seeded()).tolist()


def same(ours: Iterable[int], theirs: np.ndarray) -> None:
    np.testing.assert_array_equal(np.asarray(list(ours)), theirs)


def close(ours: Tensor | np.ndarray, theirs: np.ndarray, tolerance: float) -> None:
    """Equal within ``tolerance`` of the largest."""
    scale = max(float(np.abs(theirs).max()), 1e-30)
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=0, atol=tolerance * scale)


def clustered(module: str, *, clusters: np.ndarray | None = None, centres: np.ndarray | None = None) -> Any:
    """A context in which the k-means of ``module`` gives the stored clusters and centres; yields what it was given."""
    given: list[tuple[Any, ...]] = []

    def stored(points: Tensor, k: int, generator: torch.Generator, weights: Tensor | None = None) -> tuple[Any, Any]:
        given.append((points, k, weights))
        return (
            torch.zeros(len(points), dtype=torch.int64) if clusters is None else tensor(clusters).long(),
            None if centres is None else tensor(centres).to(points),
        )

    return replaced(f"{module}.kmeans", stored, given)


def drawn(module: str, theirs: Iterable[int]) -> Any:
    """A context in which ``module`` draws what the authors drew; yields the laws (N,) that it would have drawn from."""
    laws: list[Tensor] = []
    remaining = iter(theirs)

    def stored(weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
        laws.append(weights.double() / weights.double().sum())
        return torch.tensor([next(remaining) for _ in range(count)])

    return replaced(f"{module}.proportionally", stored, laws)


@contextmanager
def replaced(name: str, by: Any, record: Any = None) -> Iterator[Any]:
    """A context in which the dotted ``name`` is ``by``; yields ``record``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(name, by)
        yield record
