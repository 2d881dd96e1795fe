"""MaxHerding: greedy maximisation of the generalised coverage.

With a kernel k, here exp(−‖z − z'‖² / σ²) on vectors of length 1, the coverage of the pool by the labelled images L and
the chosen ones S is

    (1/N) Σ_i max_{s ∈ L ∪ S} k(z_i, z_s),

and each next image is the one that raises it most. ProbCover is the case of a kernel that is 1 within a radius and 0
beyond; a smooth kernel has no radius to choose and no tail of images that all cover one more.

Bae, Noh & Sutherland, *Generalized Coverage for More Robust Low-Budget Active Learning*, ECCV 2024, arXiv 2407.12212.
There at most 35,000 candidates are looked at; a lazy greedy, which finds the same picks, needs no such limit. Once
nothing is left to gain, ours draws at random.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Pool, register
from strategies.components.common_departures import CANDIDATES_35000, NOTHING_TO_GAIN
from strategies.components.feature_space import FeatureSpaceStrategy, Space, filled_at_random
from strategies.kernels.lazy_greedy import covered_by, gaussian, lazy_greedy


@register("maxherding", group="low-budget", paper="bae2024", version=1)
class MaxHerding(FeatureSpaceStrategy):
    """Greedy maximum of the mean kernel similarity to the nearest labelled or chosen image.

    ``sigma`` σ is the width of the kernel; ``space`` is ``"features"``, self-supervised, or ``"embeddings"``.
    """

    cost = "O(N² D) once, O(n N D) and more for the picks"
    remarks = (
        "For few labels, with self-supervised features. It asks for representative images however much the model has "
        "learned, and so gives up to uncertainty as labels grow; UHerding is its authors' answer."
    )

    presets: ClassVar = {"authors": {"sigma": 1.0, "space": "features"}}
    departures: ClassVar = (
        CANDIDATES_35000,
        NOTHING_TO_GAIN,
    )

    def __init__(self, sigma: float = 1.0, space: Space = "features") -> None:
        super().__init__(space)
        if not sigma > 0:
            raise ValueError(f"sigma must be positive, not {sigma}")
        self.sigma = sigma

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        unlabelled, labelled = self.points(pool)
        kernel = gaussian(self.sigma)
        picks = lazy_greedy(unlabelled, n, kernel, covered=covered_by(unlabelled, labelled, kernel))
        return filled_at_random(picks, n, len(unlabelled), generator)
