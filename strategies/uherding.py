"""UHerding: MaxHerding in which each image counts by the model's uncertainty about it.

Each next image is the one that raises

    (1/N) Σ_i u_i max_{s ∈ L ∪ S} k(z_i, z_s)

most, where u = 1 − (p_(1) − p_(2)) with p = softmax(logits / T), and k(z, z') = exp(−‖z − z'‖² / σ²) on vectors of
length 1. Two parameters follow the labels. T minimises the expected calibration error on 30 % of the labelled images,
by a model trained on the other 70 %: with few labels it is high, all images count about alike, and this is MaxHerding.
σ is the smallest distance between labelled images: with many labels it is small, an image covers none but itself, and
this is margin sampling.

Bae, Oliveira & Sutherland, *Uncertainty Herding: One Active Learning Method for All Label Budgets*, ICLR 2025,
arXiv 2412.20644. Without labels all u are 1. Ours: T = 1 with fewer than 2 C labels; σ is the smallest *positive*
distance, 1 where there is none; once nothing is left to gain, images are drawn at random.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from strategies.api import Departure, Passes, Pool, register
from strategies.components.common_departures import CANDIDATES_35000, NOTHING_TO_GAIN
from strategies.components.feature_space import FeatureSpaceStrategy, Space, filled_at_random
from strategies.kernels.distances import Points, squared_distances
from strategies.kernels.lazy_greedy import covered_by, gaussian, lazy_greedy
from strategies.kernels.margins import margin_uncertainty, tempered_probs

_HELD_OUT = 0.3  # share of the labelled images that the temperature is fitted on
_BLOCK = 512


@register("uherding", group=("hybrid", "low-budget"), paper="bae2025", version=2)
class UHerding(FeatureSpaceStrategy):
    """Greedy maximum of the uncertainty-weighted kernel similarity to the nearest labelled or chosen image.

    ``space`` is ``"features"``, self-supervised, or ``"embeddings"``.
    """

    needs = frozenset({"features", "cross_fit"})
    cost = "O(N² D) once, O(n N D) and more for the picks; a second training on 70 % of the labels"
    remarks = (
        "Made for all budgets alike, from representative to uncertain images as labels grow. Its temperature costs a "
        "training of its own in every round."
    )

    presets: ClassVar = {"authors": {"space": "features"}}
    departures: ClassVar = (
        Departure(
            "few labels",
            "30 % of fewer than two labels a class calibrate nothing",
            "no such rule: few labels give a high temperature, with which all images count about alike",
            "the temperature is 1 with fewer than 2 C labels, so that the first batch goes by uncertainty, too",
        ),
        Departure(
            "calibration set",
            "those acquired last are the images that the model was least sure of",
            "the last 30 % of the labelled images in the order of their acquisition",
            "a random 30 %",
        ),
        CANDIDATES_35000,
        NOTHING_TO_GAIN,
    )

    def __init__(self, space: Space = "features") -> None:
        super().__init__(space)
        self.forward_passes = Passes(pool=1, labelled=int(space == "embeddings"), cross_fit=_HELD_OUT)

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        points = self.points(pool)
        return self.chosen(pool, points, n, generator, *self.scales(pool, points[1]))

    def scales(self, pool: Pool, labelled: Points) -> tuple[float, float | None]:
        """σ and T, which follow from the labelled images alone; no T without a model or labels."""
        width = smallest_distance(labelled)
        pool.note(radius=width)
        if not len(labelled) or not pool.has_model:
            return width, None
        held_out = pool.cross_fit(_HELD_OUT)
        temperature = calibrated(*held_out) if held_out else 1.0
        pool.note(temperature=temperature)
        return width, temperature

    def chosen(
        self,
        pool: Pool,
        points: tuple[Points, Points],
        n: int,
        generator: torch.Generator,
        width: float,
        temperature: float | None,
    ) -> Tensor:
        """The batch, (n,), with these σ and T; all u are 1 without T. ``points`` are those of ``pool``."""
        unlabelled, labelled = points
        kernel = gaussian(width)
        weights = None
        if temperature is not None:
            weights = margin_uncertainty(tempered_probs(pool.logits, temperature))
        covered = covered_by(unlabelled, labelled, kernel)
        picks = lazy_greedy(unlabelled, n, kernel, weights=weights, covered=covered)
        return filled_at_random(picks, n, len(unlabelled), generator)


def smallest_distance(points: Points) -> float:
    """The smallest positive distance between two of L ``points``; 1 where there is none. O(L² D), memory O(L)."""
    blocks = (squared_distances(points[start : start + _BLOCK], points) for start in range(0, len(points), _BLOCK))
    least = [squared.masked_fill_(squared == 0, torch.inf).min() for squared in blocks]
    smallest = float(torch.stack(least).min()) if least else torch.inf
    return smallest**0.5 if smallest < torch.inf else 1.0


def calibrated(logits: Tensor, labels: Tensor) -> float:
    """The temperature among 1, 1.1, …, 20 that calibrates ``logits`` (M, C) best; the lowest of equals."""
    logits, labels = logits.cpu(), labels.cpu()  # a few hundred rows: one wait in place of one for each temperature
    temperatures = [tenths / 10 for tenths in range(10, 201)]
    return min(temperatures, key=lambda t: calibration_error((logits.double() / t).softmax(dim=1), labels))


def calibration_error(probs: Tensor, labels: Tensor) -> float:
    """Expected calibration error of ``probs`` (M, C): Σ |accuracy − confidence| over C bins, by their shares.

    As many bins as classes, as in the authors' code.
    """
    count = probs.shape[1]
    confidence, predicted = probs.max(dim=1)
    bins = (confidence * count).ceil().long().clamp_(1, count) - 1
    gaps = torch.zeros(count, dtype=probs.dtype)
    gaps.index_add_(0, bins, (predicted == labels).to(probs.dtype) - confidence)
    return float(gaps.abs().sum()) / len(labels)
