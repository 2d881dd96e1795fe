"""TCM: TypiClust while labels are few, margin sampling from then on.

Typical images first, to learn what there is; uncertain ones once the model knows enough to doubt. The switch comes at a
fixed number of labels.

Doucet, Estermann, Aczel & Wattenhofer, *Bridging Diversity and Uncertainty in Active Learning with Self-Supervised
Pre-Training*, ICLR 2024 Workshop on Practical ML for Low Resource Settings, arXiv 2403.03728. The rule of 20 labels a
class is ours.
"""

from __future__ import annotations

import torch
from torch import Tensor

from strategies.api import Pool, register
from strategies.components.feature_space import FeatureSpaceStrategy, Space
from strategies.margin import Margin
from strategies.typiclust import TypiClust


@register("tcm", group="low-budget", paper="doucet2024", version=1)
class TCM(FeatureSpaceStrategy):
    """TypiClust while there are fewer than ``labels_per_class`` · C labels, margin sampling from then on.

    ``space``, TypiClust's, is ``"features"``, self-supervised, or ``"embeddings"``.
    """

    cost = "that of typiclust, and O(N C) later"
    remarks = (
        "Two simple strategies, each where it is good. The best moment to switch depends on the data and on the model."
    )

    def __init__(self, labels_per_class: float = 20.0, space: Space = "features") -> None:
        super().__init__(space)
        if not labels_per_class >= 0:
            raise ValueError(f"labels_per_class must be at least 0, not {labels_per_class}")
        self.labels_per_class = labels_per_class

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        if not pool.has_model or len(pool.labels) < self.labels_per_class * pool.class_count:
            return TypiClust(space=self.space).select(pool, n, generator)
        return Margin().select(pool, n, generator)
