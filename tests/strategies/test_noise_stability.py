"""Noise stability against its authors' code and against the plain greedy.

``golden/noise_stability.npz`` holds what ``source`` in it chose, once, and the outputs that it chose by.
"""

from typing import Any

import numpy as np
import pytest
import torch
from support.made_up import drawn_pool, golden, normal, pool_of, seeded
from torch import Tensor

from strategies.api import Passes, Query
from strategies.noise_stability import NoiseStability


def images_with(plain: Tensor, noisy: Tensor, scale: float = 0.001) -> Any:
    """A pool of the logits ``plain`` (N, C), and ``noisy`` (N, K, C) at ``scale``; it has nothing else."""

    def noisy_logits(samples: int, asked: float, positions: Tensor | None = None) -> Tensor:
        assert asked == 0 or (samples, asked) == (noisy.shape[1], scale)
        found = noisy if asked else plain[:, None].expand(-1, samples, -1)
        return found if positions is None else found[positions]

    return pool_of(indices=torch.arange(len(plain)), noisy_logits=noisy_logits)


def deviations_by_hand(plain: Tensor, noisy: Tensor) -> np.ndarray:
    rows = []
    for logits, drawn in zip(plain, noisy, strict=True):
        p = logits.softmax(0)
        rows.append(torch.cat([(each.softmax(0) - p) / p.square().sum().sqrt() for each in drawn]).numpy())
    return np.array(rows)


def test_noise_stability_is_that_of_its_authors() -> None:
    stored = golden("noise_stability")
    assert "lixingjian/AL-noise-stability, commit " in str(stored["source"])
    plain, noisy = torch.from_numpy(stored["logits"]), torch.from_numpy(stored["noisy"])
    strategy = NoiseStability(noisy.shape[1], subset=0)
    picks = strategy.select(images_with(plain, noisy), len(stored["picks"]), seeded())
    assert picks.tolist() == stored["order"].tolist()
    assert sorted(picks.tolist()) == stored["picks"].tolist()


def test_the_stored_picks_are_neither_the_longest_deviations_nor_those_without_0_as_a_centre() -> None:
    stored = golden("noise_stability")
    found = deviations_by_hand(torch.from_numpy(stored["logits"]), torch.from_numpy(stored["noisy"]))
    longest = np.argsort(-np.linalg.norm(found, axis=1))[: len(stored["picks"])]
    assert sorted(longest.tolist()) != stored["picks"].tolist()
    without = [int(longest[0])]
    while len(without) < len(stored["picks"]):
        nearest = np.linalg.norm(found[:, None] - found[without], axis=2).min(axis=1)
        without.append(int(nearest.argmax()))
    assert without != stored["order"].tolist()


@pytest.mark.parametrize(("samples", "scale"), [(2, 0.5), (5, 0.001)])
def test_the_farthest_from_0_and_from_all_chosen_comes_next(samples: int, scale: float) -> None:
    plain = 2 * normal(60, 4)
    noisy = plain[:, None] + scale * normal(60, samples, 4, seed=1)
    found = deviations_by_hand(plain, noisy)
    strategy = NoiseStability(samples, scale)
    images = images_with(plain, noisy, scale)
    assert strategy.deviations(images).numpy() == pytest.approx(found, rel=1e-8, abs=1e-12)
    assert strategy.select(images, 25, seeded()).tolist() == farthest(found, list(range(60)), 25)


def farthest(deviations: np.ndarray, among: list[int], n: int) -> list[int]:
    """The n of the images ``among`` that a greedy k-center chooses from 0."""
    chosen: list[int] = []
    while len(chosen) < n:
        centres = np.concatenate([np.zeros((1, deviations.shape[1])), deviations[chosen]])
        nearest = np.linalg.norm(deviations[among][:, None] - centres, axis=2).min(axis=1)
        chosen.append(among[int(nearest.argmax())])
    return chosen


@pytest.mark.parametrize("seed", [0, 1])
def test_a_batch_is_chosen_from_a_random_part_of_the_pool(seed: int) -> None:
    plain = 2 * normal(400, 4)
    noisy = plain[:, None] + 0.01 * normal(400, 3, 4, seed=1)
    part = torch.randperm(400, generator=seeded(seed))[:100].tolist()
    picks = NoiseStability(3, subset=25).select(images_with(plain, noisy), 4, seeded(seed)).tolist()
    assert picks == farthest(deviations_by_hand(plain, noisy), part, 4)
    everything = NoiseStability(3, subset=0).select(images_with(plain, noisy), 4, seeded(seed)).tolist()
    assert picks != everything
    assert NoiseStability(3, subset=100).select(images_with(plain, noisy), 4, seeded(seed)).tolist() == everything


def test_only_the_images_drawn_pass_through_the_network() -> None:
    query = Query(1, 10, 100, 5_000, 10, training_steps=1, training_images=1)
    assert NoiseStability(30).passes_in(query) == Passes(images=31 * 250)
    assert NoiseStability(30, subset=0).passes_in(query) == Passes(pool=31)
    assert NoiseStability(30, subset=500).passes_in(query) == Passes(pool=31)
    assert NoiseStability().draws_subset
    assert not NoiseStability(subset=0).draws_subset


def test_an_image_moved_like_a_chosen_one_comes_last() -> None:
    plain = normal(1, 3).expand(4, -1)
    moves = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 0.5, 0], [0, 0, 0.3]], dtype=torch.float64)
    noisy = (plain + moves)[:, None].expand(-1, 2, -1)
    assert NoiseStability(2, subset=0).select(images_with(plain, noisy), 4, seeded()).tolist()[3] == 1


def test_of_a_whole_pool_the_generator_decides_nothing() -> None:
    images, strategy = drawn_pool(50), NoiseStability(subset=0)
    assert strategy.select(images, 9, seeded(0)).equal(strategy.select(images, 9, seeded(1)))


@pytest.mark.parametrize("scale", [0, -0.1, 1.5])
def test_a_scale_is_above_0_and_at_most_1(scale: float) -> None:
    with pytest.raises(ValueError, match="scale must be above 0 and at most 1"):
        NoiseStability(scale=scale)


def test_a_subset_is_not_negative() -> None:
    with pytest.raises(ValueError, match="subset must be at least 1, or 0 for all, not -1"):
        NoiseStability(subset=-1)
