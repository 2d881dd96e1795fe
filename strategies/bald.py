"""BALD: Bayesian active learning by disagreement, by Monte-Carlo dropout."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor

from strategies.api import Passes, Pool, ScoreStrategy, register
from strategies.components.common_departures import POOL_OF_2000
from strategies.components.monte_carlo import check_samples
from strategies.kernels.mixtures import mutual_information


@register("bald", group=("core", "bayesian"), paper="houlsby2011", version=2)
class BALD(ScoreStrategy):
    """Mutual information of label and weights, I = H(p̄) − (1/K) Σ_k H(p^k), in nats.

    p^k is the softmax under the k-th dropout mask, p̄ their mean over ``samples`` masks. Houlsby et al., 2011
    (arXiv 1112.5745); with Monte-Carlo dropout, Gal et al., ICML 2017 (arXiv 1703.02910), whose code has 100 masks.
    """

    needs = frozenset({"dropout"})
    cost = "K forward passes, O(N K C)"
    remarks = (
        "Passes over images that are uncertain for every dropout mask alike. Its n highest are often alike, which "
        "batchbald was made for (Kirsch et al., 2019)."
    )

    presets: ClassVar = {"authors": {"samples": 100}}
    departures: ClassVar = (POOL_OF_2000,)

    def __init__(self, samples: int = 100) -> None:
        check_samples(samples)
        self.samples = samples
        self.forward_passes = Passes(masks=samples)

    def score(self, pool: Pool) -> Tensor:
        scores = mutual_information(pool.mc_probs(self.samples))
        if scores.isfinite().all():
            pool.note(information=scores.max() / math.log(self.samples))
        return scores
