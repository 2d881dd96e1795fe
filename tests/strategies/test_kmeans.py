"""k-means and CLUE against brute force and scikit-activeml.

``golden/diversity.npz`` holds what scikit-activeml 1.0.1 chose on stored predictions and embeddings, once:
``Clue(cluster_algo_dict={"random_state": s, "n_init": 1})`` with the s that our seed 0 draws.
"""

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from support.made_up import blobs, golden, normal, pool_of, seeded

from strategies.clue import CLUE
from strategies.kmeans import KMeans


def test_kmeans_buys_the_image_nearest_to_each_mean() -> None:
    points = blobs(6, 25)
    expected = []
    for start in range(0, 150, 25):
        blob = points[start : start + 25]
        expected.append(start + int((blob - blob.mean(dim=0)).norm(dim=1).argmin()))
    assert sorted(KMeans().select(pool_of(embeddings=points), 6, seeded()).tolist()) == expected


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_clue_buys_the_image_nearest_to_each_weighted_mean(temperature: float) -> None:
    points, logits = blobs(6, 25), 5 * normal(150, 4, seed=3)
    weights = entropy((logits / temperature).softmax(dim=1).numpy(), axis=1)
    expected = []
    for start in range(0, 150, 25):
        blob, share = points[start : start + 25].numpy(), weights[start : start + 25]
        centre = np.average(blob, axis=0, weights=share)
        expected.append(start + int(np.linalg.norm(blob - centre, axis=1).argmin()))
    images = pool_of(embeddings=points, logits=logits)
    assert sorted(CLUE(temperature).select(images, 6, seeded()).tolist()) == expected
    assert sorted(KMeans().select(images, 6, seeded()).tolist()) != expected


def test_clue_is_that_of_scikit_activeml() -> None:
    stored = golden("diversity")
    images = pool_of(
        embeddings=torch.from_numpy(stored["clue_embeddings"]), logits=torch.from_numpy(stored["clue_logits"])
    )
    expected = stored["clue_picks"].tolist()
    assert CLUE().select(images, len(expected), seeded(0)).tolist() == expected


def test_clue_of_certain_images_is_kmeans() -> None:
    images = pool_of(embeddings=blobs(6, 25), logits=torch.tensor([500.0, 0, 0]).repeat(150, 1))
    assert CLUE().select(images, 6, seeded(4)).equal(KMeans().select(images, 6, seeded(4)))


def test_clue_refuses_nan_logits_and_a_temperature_of_zero() -> None:
    logits = normal(30, 4)
    logits[3, 1] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        CLUE().select(pool_of(embeddings=normal(30, 3), logits=logits), 5, seeded())
    with pytest.raises(ValueError, match="temperature must be above 0, not 0"):
        CLUE(0)
