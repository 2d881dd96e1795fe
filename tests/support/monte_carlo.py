"""Made-up Monte-Carlo probabilities, pools that have nothing else, and what other libraries say of some.

golden/bayesian.npz was made once, from ``probs`` (N = 40, K = 8, C = 3, float64), by
``batchbald_redux`` 2.0.5: ``get_batchbald_batch(log(probs), 5, num_samples=100000, dtype=float64)``;
``scikit-activeml`` 1.0.1: ``variation_ratios(argmax(probs, 2))`` and ``batch_bald(probs as K×N×C, batch_size=4,
n_MC_samples=200)``; ``modAL`` 0.4.2.1: ``dropout._mean_standard_deviation(probs as K×N×C)``;
``baal`` 2.1.0: ``Entropy().compute_score(probs as N×C×K)`` and ``EPIG().compute_score(the same, every fourth of it)``.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from support import made_up
from support.made_up import seeded

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "bayesian.npz")


def drawn(size: int, masks: int = 6, classes: int = 3, *, seed: int = 0) -> Tensor:
    generator = seeded(seed)
    common = torch.randn(size, 1, classes, generator=generator, dtype=torch.float64)
    return (2 * common + 1.5 * torch.randn(size, masks, classes, generator=generator, dtype=torch.float64)).softmax(2)


def pool_of(probs: Tensor, indices: Tensor | None = None) -> Any:
    """A pool that has nothing but ``probs`` (N, K, C) and indices, and fails for another number of masks."""

    def mc_probs(samples: int) -> Tensor:
        assert samples == probs.shape[1]
        return probs

    return made_up.pool_of(mc_probs=mc_probs, indices=torch.arange(len(probs)) if indices is None else indices)


def golden_pool() -> Any:
    return pool_of(torch.from_numpy(GOLDEN["probs"]))


def entropy(p: np.ndarray) -> float:
    return -sum(x * math.log(x) for x in p.flatten() if x > 0)
