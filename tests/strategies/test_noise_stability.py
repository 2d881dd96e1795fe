"""Noise stability against its authors' code and against the plain greedy.

``golden/noise_stability.npz`` holds what ``source`` in it chose, once, and the outputs that it chose by.
"""

from typing import Any

import numpy as np
import pytest
import torch
from support.made_up import drawn_pool, golden, normal, pool_of, seeded
from torch import Tensor

from strategies.noise_stability import NoiseStability


def images_with(plain: Tensor, noisy: Tensor, scale: float = 0.001) -> Any:
    """A pool of the logits ``plain`` (N, C), and ``noisy`` (N, K, C) at ``scale``; it has nothing else."""

    def noisy_logits(samples: int, asked: float) -> Tensor:
        if not asked:
            return plain[:, None].expand(-1, samples, -1)
        assert (samples, asked) == (noisy.shape[1], scale)
        return noisy

    return pool_of(noisy_logits=noisy_logits)


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
    picks = NoiseStability(noisy.shape[1]).select(images_with(plain, noisy), len(stored["picks"]), seeded())
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
    expected: list[int] = []
    while len(expected) < 25:
        centres = np.concatenate([np.zeros((1, found.shape[1])), found[expected]])
        expected.append(int(np.linalg.norm(found[:, None] - centres, axis=2).min(axis=1).argmax()))
    assert strategy.select(images, 25, seeded()).tolist() == expected


def test_an_image_moved_like_a_chosen_one_comes_last() -> None:
    plain = normal(1, 3).expand(4, -1)
    moves = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 0.5, 0], [0, 0, 0.3]], dtype=torch.float64)
    noisy = (plain + moves)[:, None].expand(-1, 2, -1)
    assert NoiseStability(2).select(images_with(plain, noisy), 4, seeded()).tolist()[3] == 1


def test_what_is_drawn_is_the_pools_and_the_generator_decides_nothing() -> None:
    images = drawn_pool(50)
    assert NoiseStability().select(images, 9, seeded(0)).equal(NoiseStability().select(images, 9, seeded(1)))


@pytest.mark.parametrize("scale", [0, -0.1, 1.5])
def test_a_scale_is_above_0_and_at_most_1(scale: float) -> None:
    with pytest.raises(ValueError, match="scale must be above 0 and at most 1"):
        NoiseStability(scale=scale)
