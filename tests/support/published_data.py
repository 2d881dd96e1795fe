"""A small data set that counts as published, and copies of it of which some images differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.data import manifest
from benchmark.data.datasets import load
from benchmark.data.manifest import Manifest, manifest_of

NAME = "made"
TRAIN, TEST = 1200, 400  # of which 3 and 1 images may differ


def write_copy(folder: Path, *, train: int = 0, test: int = 0, labels: int = 0, size: int = TRAIN) -> Path:
    """A copy of the data set of which so many images differ by a few grey levels, and so many labels."""
    rng = np.random.default_rng(7)
    arrays: dict[str, np.ndarray] = {}
    for part, count in (("train", size), ("test", TEST)):
        classes = np.arange(count) % 4
        noise = rng.integers(0, 120, (count, 8, 8))
        arrays[f"x_{part}"] = (noise + 40 * classes[:, None, None]).astype(np.uint8)
        arrays[f"y_{part}"] = classes
    arrays["x_train"][:train, 2:4, 3] += 3
    arrays["x_test"][:test, 2:4, 3] += 3
    arrays["y_train"][:labels] = (arrays["y_train"][:labels] + 1) % 4
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{NAME}.npz", **arrays)  # type: ignore[arg-type]
    return folder / f"{NAME}.npz"


def publish(monkeypatch: pytest.MonkeyPatch, original: Path) -> None:
    """Let the data at ``original`` be the published ones of their name."""
    own = manifest_of(load(str(original)))

    def published(name: str) -> Manifest | None:
        return own if name == NAME else None

    monkeypatch.setattr(manifest, "published_manifest", published)
