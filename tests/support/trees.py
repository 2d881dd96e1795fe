"""A user's own embeddings: an .npz with words as labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

PLAIN = ("recipe.augmentation=none", "recipe.precision=float32")


def own(folder: Path, count: int = 120, dimensions: int = 12) -> Path:
    """An .npz of embeddings around three centres, labelled with words."""
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 3, count + 60)
    numbers[:3] = range(3)
    rows = rng.normal(0, 1, (3, dimensions))[numbers] * 2 + rng.normal(0, 1, (count + 60, dimensions))
    words = np.array(["ash", "birch", "cedar"])[numbers]
    path = folder / "trees.npz"
    np.savez(path, x_train=rows[:count], y_train=words[:count], x_test=rows[count:], y_test=words[count:])
    return path
