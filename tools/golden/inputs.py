"""What the authors' code and ours are both given: small pools made from a seed."""

from __future__ import annotations

import numpy as np

Arrays = dict[str, np.ndarray]


def pool(size: int = 120, labelled: int = 20, width: int = 6, classes: int = 4, seed: int = 0) -> Arrays:
    """Embeddings of ``size`` unlabelled and some ``labelled`` images in one group a class, a last layer, features.

    ``embeddings`` (N, D), ``labelled_embeddings`` (L, D), ``labels`` (L,) each class at least once, ``weight`` (C, D),
    ``bias`` (C,), and features of length 1: ``features`` (N, F), ``labelled_features`` (L, F); all float32.
    """
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, width))
    group = rng.integers(classes, size=size + labelled)
    group[:classes] = range(classes)
    points = centres[group] + 0.7 * rng.normal(size=(size + labelled, width))
    features = (centres[group] + rng.normal(size=(size + labelled, width))) @ rng.normal(size=(width, 8))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    made = {
        "labelled_embeddings": points[:labelled],
        "embeddings": points[labelled:],
        "weight": 0.7 * centres + 0.2 * rng.normal(size=(classes, width)),
        "bias": 0.2 * rng.normal(size=classes),
        "labelled_features": features[:labelled],
        "features": features[labelled:],
    }
    return {name: part.astype(np.float32) for name, part in made.items()} | {"labels": group[:labelled]}


def monte_carlo(size: int = 60, samples: int = 8, classes: int = 4, seed: int = 0) -> np.ndarray:
    """Softmax outputs (N, K, C) under K masks that disagree more on some images than on others, float64."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.2, 2, size=(size, 1, 1))
    logits = 2 * rng.normal(size=(size, 1, classes)) + spread * rng.normal(size=(size, samples, classes))
    return np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)


def logits_of(made: Arrays, of: str = "embeddings") -> np.ndarray:
    return made[of] @ made["weight"].T + made["bias"]
