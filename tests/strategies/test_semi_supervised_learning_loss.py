"""Semi-supervised learning loss: who is held out, and what is bought."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from sklearn.cluster import AgglomerativeClustering
from support.made_up import seeded

from strategies.api import Labelled
from strategies.kernels.batchers import first_of_each
from strategies.kernels.clusters import kmeans
from strategies.registry import resolve
from strategies.semi_supervised_learning_loss import SemiSupervisedLearningLoss

# --- hold-out


def labelled(old: int, bought: int, *, seed: int = 0) -> tuple[Labelled, Labelled]:
    """Random dataset indices and losses, some of them equal; before the first round (``old`` = 0) no losses."""
    count = old + bought
    indices = torch.randperm(10_000, generator=seeded(seed))[:count]
    labels = torch.zeros(count, dtype=torch.int64)
    losses = torch.randint(50, (count,), generator=seeded(seed)).float() if old else None
    first, second = slice(0, old), slice(old, None)
    return (
        Labelled(indices[first], labels[first], None if losses is None else losses[first]),
        Labelled(indices[second], labels[second], None if losses is None else losses[second]),
    )


def easiest(group: Labelled, count: int) -> list[int]:
    """The ``count`` images of the lowest loss, the earlier one first where losses are equal."""
    assert group.losses is not None
    order = sorted(range(len(group.indices)), key=lambda i: (float(group.losses[i]), i))  # type: ignore[index]
    return [int(group.indices[i]) for i in order[:count]]


@pytest.mark.parametrize(
    ("old", "bought", "count"),
    [(20, 20, 2), (20, 40, 2), (60, 20, 4), (1000, 1000, 100), (1500, 500, 100), (1019, 1000, 100), (30, 9, 0)],
)
def test_the_easiest_old_and_the_easiest_new_sit_out(old: int, bought: int, count: int) -> None:
    before, new = labelled(old, bought)
    held_out = SemiSupervisedLearningLoss().hold_out(before, new).tolist()
    assert len(held_out) == count
    assert sorted(held_out) == sorted(easiest(before, count // 2) + easiest(new, count // 2))


@pytest.mark.parametrize(("count", "expected"), [(39, 0), (40, 2), (79, 2), (80, 4), (1000, 50), (1, 0)])
def test_before_the_first_round_the_last_drawn_sit_out(count: int, expected: int) -> None:
    before, new = labelled(0, count)
    held_out = SemiSupervisedLearningLoss().hold_out(before, new).tolist()
    assert held_out == new.indices.tolist()[count - expected :]


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.01, 2), (0.1, 20), (0.333, 66)])
def test_the_share_is_a_parameter(share: float, count: int) -> None:
    assert len(SemiSupervisedLearningLoss(hold_out=share).hold_out(*labelled(100, 100))) == count
    assert len(SemiSupervisedLearningLoss(hold_out=share).hold_out(*labelled(0, 200))) == count


@pytest.mark.parametrize(
    ("old", "bought", "fresh", "count"),
    [(380, 20, 10, 20), (980, 20, 10, 50), (400, 3, 1, 20), (60, 1, 0, 2), (90, 2, 1, 4)],
)
def test_no_more_than_half_of_a_small_batch_sits_out(old: int, bought: int, fresh: int, count: int) -> None:
    before, new = labelled(old, bought)
    held_out = SemiSupervisedLearningLoss().hold_out(before, new).tolist()
    assert sorted(held_out) == sorted(easiest(before, count - fresh) + easiest(new, fresh))


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.05, 124), (0.2, 500)])
def test_a_share_beside_the_authors_preset_wins(share: float, count: int) -> None:
    strategy = resolve(f"semi-supervised-learning-loss[preset=authors,hold_out={share}]").build()
    assert len(strategy.hold_out(*labelled(5000, 2500))) == count


@pytest.mark.parametrize(("bought", "count"), [(2500, 24), (1000, 10), (300, 2), (199, 0), (20, 0)])
def test_the_authors_hold_out_a_hundredth_of_the_first_labels(bought: int, count: int) -> None:
    official = resolve("semi-supervised-learning-loss[preset=authors]").build()
    assert isinstance(official, SemiSupervisedLearningLoss)
    for old in (0, bought, 3 * bought):
        before, new = labelled(old, bought)
        held_out = official.hold_out(before, new).tolist()
        assert len(held_out) == count
        if old:
            assert sorted(held_out) == sorted(easiest(before, count // 2) + easiest(new, count // 2))
    assert official.spares_last_round
    assert not SemiSupervisedLearningLoss().spares_last_round


# --- purchase


def pool_of(size: int, *, distinct: int | None = None, seed: int = 0) -> Any:
    """Images in a few clumps, with predicted losses that have ties; nothing but what the strategy may read."""
    which = torch.randint(distinct or size, (size,), generator=seeded(seed))
    points = torch.randn(distinct or size, 5, generator=seeded(seed))[which]
    scores = torch.randint(size // 2, (size,), generator=seeded(seed + 1)).float()
    return SimpleNamespace(embeddings=points, attachment_output=scores, indices=torch.arange(size) + 1000)


def ranked(pool: Any) -> list[int]:
    return sorted(range(len(pool.indices)), key=lambda i: (-float(pool.attachment_output[i]), i))


def highest_of_each(candidates: list[int], clusters: list[int], n: int) -> list[int]:
    """From each cluster the candidate that comes first, then the best of the others; in the candidates' order."""
    best = [candidates[clusters.index(cluster)] for cluster in sorted(set(clusters))]
    best = sorted(best, key=candidates.index)
    return best + [i for i in candidates if i not in best][: n - len(best)]


@pytest.mark.parametrize(("size", "n", "oversample"), [(300, 8, 10), (300, 20, 3), (40, 15, 10), (60, 1, 10)])
def test_the_highest_predicted_loss_of_each_agglomerative_cluster_is_bought(size: int, n: int, oversample: int) -> None:
    pool = pool_of(size)
    candidates = ranked(pool)[: n * oversample]
    clusters = [0] * len(candidates)
    if n > 1:
        clustering = AgglomerativeClustering(n, linkage="complete")
        clusters = clustering.fit_predict(pool.embeddings[candidates].double().numpy()).tolist()
    expected = highest_of_each(candidates, clusters, n)
    assert len(set(clusters)) == n
    chosen = SemiSupervisedLearningLoss(oversample=oversample).select(pool, n, seeded())
    assert chosen.tolist() == expected
    assert expected != ranked(pool)[:n] or n == 1


def test_the_highest_predicted_loss_of_each_kmeans_cluster_is_bought() -> None:
    pool = pool_of(300)
    candidates = ranked(pool)[:80]
    clusters, _ = kmeans(pool.embeddings[candidates], 8, seeded(3))
    chosen = SemiSupervisedLearningLoss(batcher="kmeans").select(pool, 8, seeded(3))
    assert chosen.tolist() == highest_of_each(candidates, clusters.tolist(), 8)


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("seed", range(3))
def test_missing_clusters_are_filled_with_the_highest_others(seed: int) -> None:
    pool = pool_of(60, distinct=3, seed=seed)
    candidates = ranked(pool)
    same = [pool.embeddings.unique(dim=0).tolist().index(point) for point in pool.embeddings[candidates].tolist()]
    chosen = SemiSupervisedLearningLoss(batcher="kmeans").select(pool, 10, seeded())
    assert chosen.tolist() == highest_of_each(candidates, same, 10)


def test_first_of_each() -> None:
    clusters = torch.tensor([2, 2, 0, 2, 1, 0])
    assert first_of_each(clusters, 3).tolist() == [0, 2, 4]
    assert first_of_each(clusters, 5).tolist() == [0, 2, 4, 1, 3]
    assert first_of_each(clusters, 2).tolist() == [0, 2]
    assert first_of_each(clusters, 6).tolist() == [0, 2, 4, 1, 3, 5]


def test_topk_buys_the_highest_of_all_and_subset_those_of_a_random_tenfold() -> None:
    pool = pool_of(500)
    assert SemiSupervisedLearningLoss(batcher="topk").select(pool, 20, seeded()).tolist() == ranked(pool)[:20]
    by_subset = SemiSupervisedLearningLoss(batcher="subset")
    scores = pool.attachment_output
    shares = []
    for seed in range(200):
        chosen = by_subset.select(pool, 10, seeded(seed))
        assert (scores[chosen].diff() <= 0).all()
        shares.append(len(set(chosen.tolist()) & set(ranked(pool)[:50])) / 10)
    # Of the 50 highest a random fifth lies in the subset: about ten, which are the subset's highest.
    assert 0.8 < sum(shares) / len(shares) < 1
    everything = by_subset.select(pool, 50, seeded())
    assert sorted(scores[everything].tolist()) == sorted(scores[ranked(pool)[:50]].tolist())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"batcher": "greedy"}, "batcher is one of agglomerative, kmeans, topk, subset, not 'greedy'"),
        ({"tuning": "yes"}, "tuning is one of"),
        ({"pseudo_target": "both"}, "pseudo_target is one of"),
        ({"hold_out": 0.5}, "below 0.5"),
        ({"hold_out": -0.1}, "at least 0"),
        ({"oversample": 0}, "at least 1, not 0"),
        ({"ranking": "mse"}, "hinge or ranknet"),
    ],
)
def test_bad_parameters_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SemiSupervisedLearningLoss(**parameters)
