"""Features in groups, those of golden/low_budget.npz, and the plain greedy; for the tests of low budgets.

golden/low_budget.npz holds what scikit-activeml 1.0.1 says of 240 unit vectors X in four groups, the first 30 of them
unlabelled (cold) or labelled (warm): ``MaxHerding(metric_dict={"gamma": 1 / σ²}).query(X, y, batch_size=60)`` and the
largest utility of each of its steps, ``ProbCover(deltas=[0.5]).query(X, y, batch_size=15, return_utilities=True)``, the
``delta_max_`` of ``ProbCover(n_classes=4, deltas=[0.01, 0.02, …], cluster_algo_dict={"n_init": 20})``, and
``_typicality(X, range(40, 100), 7)``.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from strategies.testing import SyntheticPool
from support.made_up import golden, seeded

GOLDEN = golden("low_budget")


def grouped_pool(size: int, labelled: int, seed: int = 0, spread: float = 0.4, **parts: Any) -> SyntheticPool:
    """Features in five groups, shuffled, in float64; ``points`` are theirs too, so that the model knows the groups."""
    generator = seeded(seed)
    drawn = SyntheticPool.draw(size, labelled, width=6, dtype=torch.float64, seed=seed)
    centres = torch.randn(5, 6, dtype=torch.float64, generator=generator)
    groups = torch.randint(5, (size + labelled,), generator=generator)
    features = centres[groups] + spread * torch.randn(size + labelled, 6, dtype=torch.float64, generator=generator)
    labels = groups[drawn.labelled_indices] % drawn.class_count
    points, known = features[drawn.indices], features[drawn.labelled_indices]
    own = {"features": points, "labelled_features": known, "points": points, "labelled_points": known}
    return replace(drawn, labels=labels, **own, **parts)


def golden_pool(labelled: int) -> SyntheticPool:
    features = torch.from_numpy(GOLDEN["X"])
    order = torch.arange(len(features))
    drawn = SyntheticPool.draw(len(features) - labelled, labelled, width=8, dtype=torch.float64)
    return replace(
        drawn,
        indices=order[labelled:],
        labelled_indices=order[:labelled],
        features=features[labelled:],
        labelled_features=features[:labelled],
    )


def unit(images: SyntheticPool) -> tuple[Tensor, Tensor]:
    """The features of the unlabelled and of the labelled images, scaled to length 1."""
    return F.normalize(images.features, dim=1), F.normalize(images.labelled_features, dim=1)


def brute_greedy(s: Tensor, n: int, u: Tensor, m: Tensor, noise: float = 1e-13) -> list[int]:
    """The plain greedy on all similarities; the smallest position wins ties, and it stops once nothing is gained."""
    m, picks = m.clone(), []
    while len(picks) < n:
        gain = (u[:, None] * (s - m[:, None]).clamp(min=0)).sum(dim=0)
        gain[picks] = -1
        if gain.max() <= noise:
            break
        picks.append(int((gain >= gain.max() - noise).nonzero()[0]))
        m = torch.maximum(m, s[:, picks[-1]])
    return picks
