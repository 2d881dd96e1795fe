"""k-means, agglomerative clusters and their nearest members, against brute force and scikit-learn."""

import pytest
import torch
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score
from support.made_up import normal, pairwise, seeded
from torch import Tensor

from strategies.kernels.clusters import agglomerative, kmeans, nearest_to_centres


def blobs(count: int, size: int) -> tuple[Tensor, Tensor]:
    """``size`` points around each of ``count`` far corners, and which corner each belongs to."""
    which = torch.arange(count).repeat(size)
    corners = 100 * torch.eye(count)
    return corners[which] + normal(count * size, count, dtype=torch.float32), which


def test_nearest_to_centres_are_distinct_and_in_turn() -> None:
    points = normal(60, 3)
    centres = torch.cat([points[:5] + 0.01, points[:5] + 0.02, points[:5], normal(25, 3, seed=1)])
    distances = pairwise(centres, points)
    expected: list[int] = []
    for row in distances:
        expected.append(next(i for i in row.argsort(stable=True).tolist() if i not in expected))
    assert nearest_to_centres(points, centres).tolist() == expected
    assert expected[:5] == [0, 1, 2, 3, 4]
    assert nearest_to_centres(points, points.flip(0)).sort().values.equal(torch.arange(60))
    assert nearest_to_centres(torch.ones(3, 2), torch.zeros(3, 2)).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="61 centres cannot have distinct members among 60 points"):
        nearest_to_centres(points, normal(61, 3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_kmeans_centres_are_the_means_of_its_clusters(dtype: torch.dtype) -> None:
    points = blobs(8, 30)[0].to(dtype)
    labels, centres = kmeans(points, 8, seeded(4))
    assert labels.dtype == torch.int64
    for label in range(8):
        torch.testing.assert_close(centres[label], points[labels == label].float().mean(dim=0), rtol=1e-3, atol=1e-3)
    assert labels.equal(kmeans(points, 8, seeded(4))[0])
    assert labels.equal(pairwise(points.float(), centres).argmin(dim=1))


def test_kmeans_of_many_clusters_works_on_mini_batches() -> None:
    points, which = blobs(60, 20)
    labels, centres = kmeans(points, 60, seeded())
    assert centres.shape == (60, 60)
    assert adjusted_rand_score(which, labels) > 0.9


def test_kmeans_weights() -> None:
    points = torch.tensor([[0.0], [1.0], [10.0]])
    _, centres = kmeans(points, 2, seeded(), weights=torch.tensor([3.0, 1.0, 1.0]))
    torch.testing.assert_close(centres.sort(dim=0).values, torch.tensor([[0.25], [10.0]]))
    _, centres = kmeans(points, 2, seeded(), weights=torch.zeros(3))
    torch.testing.assert_close(centres.sort(dim=0).values, torch.tensor([[0.5], [10.0]]))
    for k in (0, 4):
        with pytest.raises(ValueError, match=f"cannot make {k} clusters of 3 points"):
            kmeans(points, k, seeded())
    with pytest.raises(ValueError, match="not finite"):
        kmeans(points / 0, 2, seeded())


@pytest.mark.parametrize("linkage", ["complete", "average", "single"])
def test_agglomerative_makes_the_clusters_of_scikit_learn(linkage: str) -> None:
    points = normal(300, 5)
    expected = AgglomerativeClustering(40, linkage=linkage).fit(points.numpy()).labels_
    labels = agglomerative(points, 40, linkage)  # type: ignore[arg-type]
    assert labels.unique().equal(torch.arange(40))
    assert adjusted_rand_score(expected, labels) == 1


def test_agglomerative_makes_as_many_clusters_as_asked() -> None:
    for k in (1, 3, 5):
        assert agglomerative(torch.ones(5, 2), k).unique().equal(torch.arange(k))
    assert agglomerative(torch.ones(1, 2), 1).tolist() == [0]
    with pytest.raises(ValueError, match="cannot make 6 clusters of 5 points"):
        agglomerative(torch.ones(5, 2), 6)
