"""TypiClust and TCM against their definitions and scikit-activeml."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.grouped_pools import GOLDEN, grouped_pool, unit
from support.made_up import seeded
from torch import Tensor

from strategies.kernels.clusters import kmeans
from strategies.kernels.nearest_neighbours import nearest_neighbours
from strategies.margin import Margin
from strategies.registry import resolve
from strategies.tcm import TCM
from strategies.testing import SyntheticPool
from strategies.typiclust import TypiClust


def test_typicality_is_that_of_scikit_activeml() -> None:
    squared, _ = nearest_neighbours(torch.from_numpy(GOLDEN["X"])[40:100], 7)
    sums = squared.sqrt().sum(dim=1)
    assert ((sums + 1e-7) / 7).reciprocal().numpy() == pytest.approx(GOLDEN["typicality"], rel=1e-9)


def brute_typiclust(images: SyntheticPool, n: int, most: int, power: int, clusters: Tensor) -> list[int]:
    x, _ = unit(images)
    of_unlabelled, of_labelled = clusters[: len(x)].tolist(), clusters[len(x) :].tolist()
    everything = of_unlabelled + of_labelled
    free = {c: [i for i, each in enumerate(of_unlabelled) if each == c] for c in set(everything)}
    order = sorted(free, key=lambda c: (of_labelled.count(c), -everything.count(c), c))
    picks: list[int] = []
    for turn in ([c for c in order if everything.count(c) > 5], [c for c in order if everything.count(c) <= 5]):
        while any(free[c] for c in turn):
            for c in turn:
                if not free[c]:
                    continue
                k = max(1, min(most, len(free[c]) // 2))
                scores = []
                for i in free[c]:
                    lengths = sorted(float((x[i] - x[j]).norm()) ** power for j in free[c] if j != i)[:k]
                    scores.append(1 / (sum(lengths) / k + 1e-5) if lengths else 0)
                picks.append(free[c].pop(int(np.argmax(scores))))
    return picks[:n]


@pytest.mark.parametrize(("distance", "power"), [("euclidean", 1), ("squared", 2)])
@pytest.mark.parametrize(("labelled", "n"), [(0, 6), (9, 8), (3, 60), (40, 12)])
def test_typiclust_is_its_definition(
    monkeypatch: pytest.MonkeyPatch, labelled: int, n: int, distance: str, power: int
) -> None:
    monkeypatch.setattr("strategies.typiclust._MOST_CLUSTERS", 14)
    images = grouped_pool(90, labelled, spread=0.8)
    clusters, _ = kmeans(torch.cat(unit(images)), min(labelled + n, 14), seeded(5))
    found = TypiClust(neighbours=6, distance=distance).select(images, n, seeded(5))  # type: ignore[arg-type]
    assert found.tolist() == brute_typiclust(images, n, 6, power, clusters)


def test_typiclust_passes_over_clusters_that_are_small_or_empty() -> None:
    """Three groups: one large, one of five images, one that is labelled but for two images."""
    centres = torch.eye(3).repeat_interleave(torch.tensor([60, 5, 22]), dim=0)
    features = centres + 0.01 * torch.randn(87, 3, generator=seeded())
    drawn = SyntheticPool.draw(67, 20, width=3)
    images = replace(drawn, features=features[:67], labelled_features=features[67:])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("strategies.typiclust._MOST_CLUSTERS", 3)
        picks = TypiClust().select(images, 67, seeded()).tolist()
    groups = [0 if pick < 60 else 1 if pick < 65 else 2 for pick in picks]
    assert groups == [0, 2, 0, 2, *[0] * 58, *[1] * 5]


def test_typiclust_prefers_clusters_without_labels() -> None:
    images = grouped_pool(200, 5, spread=0.05)
    groups, _ = kmeans(torch.cat([images.features, images.labelled_features]), 5, seeded())
    known = groups[200]  # the group of the first labelled image
    others = (groups[:200] != known).nonzero().squeeze(1)
    one_label = replace(
        images,
        indices=images.indices[others],
        features=images.features[others],
        labelled_indices=images.labelled_indices[:1],
        labelled_features=images.labelled_features[:1],
        labels=images.labels[:1],
    )
    picks = others[TypiClust().select(one_label, 4, seeded())]
    assert len(set(groups[picks].tolist())) == 4


def test_tcm_turns_from_typical_to_uncertain_images() -> None:
    for labelled, strategy in ((19, TypiClust()), (20, Margin())):
        images = grouped_pool(100, labelled)
        assert TCM(labels_per_class=5).select(images, 9, seeded()).equal(strategy.select(images, 9, seeded()))
    for labelled, strategy in ((9, TypiClust()), (35, TypiClust()), (36, Margin())):  # the initial 9 and three batches
        images = grouped_pool(100, labelled)
        tcm = resolve("tcm[preset=dal-toolbox]").build()
        assert tcm.select(images, 9, seeded()).equal(strategy.select(images, 9, seeded()))
    first = replace(grouped_pool(100, 0), has_model=False)
    assert TCM(labels_per_class=0).select(first, 9, seeded()).equal(TypiClust().select(first, 9, seeded()))
