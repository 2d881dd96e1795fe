"""TCM: TypiClust while labels are few, margin sampling from then on.

Typical images first, to learn what there is; uncertain ones once the model knows enough to doubt. The switch comes at a
number of labels a class, or after a number of batches.

Doucet, Estermann, Aczel & Wattenhofer, *Bridging Diversity and Uncertainty in Active Learning with Self-Supervised
Pre-Training*, ICLR 2024 Workshop on Practical ML for Low Resource Settings, arXiv 2403.03728. We know of no code of
its authors; that of github.com/dhuseljic/dal-toolbox (publications/cleaning_the_pool) switches after three batches.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Departure, Passes, Pool, Query, register
from strategies.components.feature_space import FeatureSpaceStrategy, Space
from strategies.margin import Margin
from strategies.typiclust import TypiClust


@register("tcm", group="low-budget", paper="doucet2024", version=1)
class TCM(FeatureSpaceStrategy):
    """TypiClust while there are fewer than ``labels_per_class`` · C labels, margin sampling from then on.

    With ``batches`` above 0 TypiClust selects that many batches instead, counted in labels: it does while there are
    fewer than (``batches`` + 1) · n, the first n of which are the initial ones.
    ``space``, TypiClust's, is ``"features"``, self-supervised, or ``"embeddings"``.
    """

    cost = "that of typiclust, and O(N C) later"
    remarks = (
        "Two simple strategies, each where it is good. The best moment to switch depends on the data and on the model: "
        "up to 20 labels a class it selects as typiclust does, and from there on as margin; budgets that lie on one "
        "side of that show one of the two alone."
    )

    presets: ClassVar = {"authors": {"space": "features"}, "dal-toolbox": {"batches": 3}}
    departures: ClassVar = (
        Departure(
            "labels_per_class",
            "without their code the number of batches cannot be checked, and a batch has 20 images here, 1,000 there",
            "a number of batches that depends on how many labels there will be",
            "20 labels a class, whatever the batch",
        ),
        Departure(
            "batches",
            "it is the rule of the preset `dal-toolbox`",
            "three in the public re-implementation",
            "0: the rule above holds",
        ),
    )

    def __init__(self, labels_per_class: float = 20.0, batches: int = 0, space: Space = "features") -> None:
        super().__init__(space)
        if batches < 0:
            raise ValueError(f"batches must be at least 0, not {batches}")
        if not labels_per_class >= 0:
            raise ValueError(f"labels_per_class must be at least 0, not {labels_per_class}")
        self.labels_per_class, self.batches = labels_per_class, batches

    def passes_in(self, query: Query) -> Passes | None:
        early = query.labelled < self.switch(query.n, query.class_count)
        return self.forward_passes if early else Passes(pool=1)

    def switch(self, n: int, class_count: int) -> float:
        """The number of labels from which on margin selects, in batches of ``n``."""
        return (self.batches + 1) * n if self.batches else self.labels_per_class * class_count

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        early = not pool.has_model or len(pool.labels) < self.switch(n, pool.class_count)
        pool.note(margin_phase=not early)
        if early:
            return TypiClust(space=self.space).select(pool, n, generator)
        return Margin().select(pool, n, generator)
