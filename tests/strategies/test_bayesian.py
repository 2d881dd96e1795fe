"""The Monte-Carlo dropout strategies against their definitions, written out in loops, and against other libraries."""

import itertools

import numpy as np
import pytest
import torch
from support.made_up import seeded
from support.monte_carlo import GOLDEN, drawn, entropy, golden_pool, pool_of
from torch import Tensor
from torch.nn import functional as F

from strategies import coremse
from strategies.api import Strategy
from strategies.bald import BALD
from strategies.batchbald import BatchBALD
from strategies.coremse import CoreMSE, expected_changes
from strategies.epig import EPIG, predictive_information
from strategies.kernels import mixtures
from strategies.kernels.mixtures import evenly_spaced
from strategies.mc_entropy import MCEntropy
from strategies.mean_std import MeanStd
from strategies.variation_ratio import VariationRatio

EVERY: tuple[type[Strategy], ...] = (MCEntropy, VariationRatio, MeanStd, EPIG, BatchBALD, CoreMSE)


# --- the three formulas


def test_mc_entropy_is_the_entropy_of_the_mean() -> None:
    probs = drawn(30)
    expected = [entropy(p.mean(0)) for p in probs.numpy()]
    assert MCEntropy(6).score(pool_of(probs)).tolist() == pytest.approx(expected, abs=1e-12)
    assert MCEntropy(8).score(golden_pool()).numpy() == pytest.approx(GOLDEN["baal_entropy"], abs=1e-6)


def test_variation_ratio_counts_votes() -> None:
    probs = torch.tensor([[[0.51, 0.49], [0.51, 0.49], [0.51, 0.49], [0.0, 1.0]], [[0.9, 0.1]] * 4])
    assert VariationRatio(4).score(pool_of(probs)).tolist() == [0.25, 0]  # and not 1 − max p̄, 0.38 and 0.1
    assert VariationRatio(8).score(golden_pool()).numpy() == pytest.approx(GOLDEN["skactiveml_variation_ratios"])


def test_variation_ratio_breaks_ties_at_random() -> None:
    """Files may be sorted by class: their order must not choose."""
    agreed, split, halved = [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1]
    votes = torch.tensor([halved, *([split] * 60), *([agreed] * 40)])
    pool = pool_of(F.one_hot(votes, 2).double())
    assert VariationRatio(4).select(pool, 1, seeded()).tolist() == [0]
    seen: set[int] = set()
    for seed in range(8):
        first, *tied = VariationRatio(4).select(pool, 21, seeded(seed)).tolist()
        assert first == 0
        seen |= set(tied)
    assert len(seen) > 50
    assert max(seen) <= 60
    assert sorted(VariationRatio(4).select(pool, 61, seeded()).tolist()) == list(range(61))


def test_mean_std_is_the_deviation_averaged_over_classes() -> None:
    probs = drawn(30)
    expected = [np.sqrt((p**2).mean(0) - p.mean(0) ** 2).mean() for p in probs.numpy()]
    assert MeanStd(6).score(pool_of(probs)).tolist() == pytest.approx(expected, abs=1e-12)
    assert MeanStd(8).score(golden_pool()).numpy() == pytest.approx(GOLDEN["modal_mean_std"], abs=1e-12)


def test_float16_probabilities_score_like_float32() -> None:
    probs = drawn(50).half()
    for strategy in (MCEntropy(6), MeanStd(6), EPIG(6), CoreMSE(6)):
        assert strategy.score(pool_of(probs)).equal(strategy.score(pool_of(probs.float())))


# --- EPIG


def epig(x: np.ndarray, targets: np.ndarray) -> float:
    """The mutual information of the joint distribution (C, C), in the mean over targets."""
    joints = [sum(np.outer(a, b) for a, b in zip(x, target, strict=True)) / len(x) for target in targets]
    return float(np.mean([entropy(j.sum(0)) + entropy(j.sum(1)) - entropy(j) for j in joints]))


def test_epig_is_the_mutual_information_of_the_joint() -> None:
    probs = drawn(40, classes=4)
    expected = [epig(p, probs.numpy()) for p in probs.numpy()]
    assert EPIG(6).score(pool_of(probs)).tolist() == pytest.approx(expected, abs=1e-12)
    assert EPIG(6).score(pool_of(probs.float())).tolist() == pytest.approx(expected, abs=1e-6)
    some = [epig(p, probs.numpy()[[0, 13, 26]]) for p in probs.numpy()]
    assert EPIG(6, targets=3).score(pool_of(probs)).tolist() == pytest.approx(some, abs=1e-12)


def test_epig_agrees_with_baal() -> None:
    assert EPIG(8, targets=10).score(golden_pool()).numpy() == pytest.approx(GOLDEN["baal_epig"], abs=1e-6)


def test_epig_buys_what_tells_about_others_and_bald_what_tells_about_itself() -> None:
    """40 images on which masks 1 and 2 oppose 3 and 4, one on which masks 1 and 3 oppose 2 and 4, more strongly."""
    shared = torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.2, 0.8], [0.2, 0.8]], dtype=torch.float64)
    private = torch.tensor([[0.99, 0.01], [0.01, 0.99], [0.99, 0.01], [0.01, 0.99]], dtype=torch.float64)
    pool = pool_of(torch.stack([*[shared] * 20, private, *[shared] * 20]))
    assert BALD(4).select(pool, 1, seeded()).tolist() == [20]
    assert EPIG(4).score(pool).argmin() == 20
    own = epig(private.numpy(), private[None].numpy())  # all it tells about, of 41 targets, is another label of its own
    assert float(EPIG(4).score(pool)[20]) == pytest.approx(own / 41)


def test_epig_notes_how_much_of_its_score_is_bias() -> None:
    """Of draws that tell nothing of each other all is; of two worlds that all images tell apart nearly nothing."""
    unrelated = torch.rand(200, 20, 10, generator=seeded(), dtype=torch.float64).pow(8)
    pool = pool_of(unrelated / unrelated.sum(2, keepdim=True))
    EPIG(20).select(pool, 5, seeded())
    assert 0.7 < pool.notes["bias"] < 1.3
    worlds = torch.randint(2, (400,), generator=seeded())
    first = 0.1 + 0.8 * worlds.double().expand(50, -1)
    pool = pool_of(torch.stack([first, 1 - first], 2))
    EPIG(400).select(pool, 5, seeded())
    assert pool.notes["bias"] < 0.05


def test_epig_of_certain_images_is_zero() -> None:
    probs = torch.zeros(4, 5, 3)
    probs[:, :, 1] = 1
    probs[3] = torch.eye(3).repeat(2, 1)[:5]
    scores = predictive_information(probs, probs)
    assert scores[:3].tolist() == pytest.approx([0, 0, 0], abs=1e-7)
    assert scores[3] > 0.2


def test_targets_are_evenly_spaced_in_the_data_set_whatever_the_pools_order() -> None:
    indices = torch.arange(100, 1100)[torch.randperm(1000, generator=seeded())]
    assert indices[evenly_spaced(indices, 4)].tolist() == [100, 350, 600, 850]
    assert indices[evenly_spaced(indices, 2000)].tolist() == list(range(100, 1100))


# --- CoreMSE


def core_scores(probs: np.ndarray) -> np.ndarray:
    """s(x, x') of all pairs, (N, N)."""
    scores = np.zeros((len(probs), len(probs)))
    for (i, x), (j, target) in itertools.product(enumerate(probs), enumerate(probs)):
        for y in range(probs.shape[2]):
            posterior = x[:, y] / x[:, y].sum()
            change = target - posterior @ target
            scores[i, j] += x[:, y].mean() * (change**2).sum(1).mean()
    return scores


def test_coremse_is_its_definition() -> None:
    probs = drawn(20, masks=5, classes=4)
    expected = core_scores(probs.numpy())
    changes, spreads = expected_changes(probs, probs)
    assert (changes + spreads).numpy() == pytest.approx(expected, abs=1e-12)
    assert CoreMSE(5).score(pool_of(probs)).tolist() == pytest.approx(expected.mean(1), abs=1e-12)
    assert CoreMSE(5).select(pool_of(probs), 1, seeded()).tolist() == [expected.mean(1).argmax()]
    few = CoreMSE(5, targets=2).score(pool_of(probs))
    assert few.tolist() == pytest.approx(expected[:, [0, 10]].mean(1), abs=1e-12)


@pytest.mark.parametrize(("masks", "least", "most"), [(20, 0.7, 1.3), (400, 0.0, 0.05)])
def test_coremse_notes_how_much_of_its_score_is_bias(masks: int, least: float, most: float) -> None:
    """Of draws that tell nothing of each other all is; of two worlds that all images tell apart nearly nothing."""
    unrelated = torch.rand(200, masks, 10, generator=seeded(), dtype=torch.float64).pow(8)
    worlds = torch.randint(2, (masks,), generator=seeded())
    alike = (0.1 + 0.8 * F.one_hot(worlds, 10).double()).expand(200, -1, -1)
    probs = unrelated if masks == 20 else alike
    pool = pool_of(probs / probs.sum(2, keepdim=True))
    CoreMSE(masks).select(pool, 5, seeded())
    assert least <= pool.notes["bias"] < most


def test_coremse_of_impossible_classes_is_finite() -> None:
    probs = torch.zeros(5, 4, 3)
    probs[:, :, 0] = 1
    probs[4, 2:] = torch.tensor([0.0, 1.0, 0.0])
    assert CoreMSE(4).score(pool_of(probs)).tolist() == pytest.approx([0.1] * 4 + [0.2])


def opposed() -> Tensor:
    """Two kinds of 20 images, on which masks 1 and 2 oppose 3 and 4, or 1 and 3 oppose 2 and 4, and 20 certain ones.

    Every image of the first kind scores higher than any of the second.
    """
    probs = torch.full((60, 4, 2), 0.5, dtype=torch.float64)
    strength = 0.4 + 0.01 * torch.rand(40, 1, generator=seeded(), dtype=torch.float64)
    strength[20:] -= 0.05
    signs = torch.tensor([[1.0, 1, -1, -1], [1, -1, 1, -1]], dtype=torch.float64).repeat_interleave(20, dim=0)
    probs[:40, :, 0] += strength * signs
    probs[:40, :, 1] -= strength * signs
    return probs


def test_a_batch_of_coremse_has_an_image_of_each_kind_and_the_top_scores_one_kind() -> None:
    pool = pool_of(opposed())
    strategy = CoreMSE(4, top_share=0.7)
    assert strategy.score(pool).sort(descending=True).indices[:20].max() < 20
    for seed in range(2):
        first, second = strategy.select(pool, 2, seeded(seed)).tolist()
        assert first < 20 <= second < 40


def test_coremse_buys_from_the_top_share() -> None:
    pool = pool_of(drawn(60))
    best = CoreMSE(6).score(pool).sort(descending=True).indices
    assert set(CoreMSE(6).select(pool, 10, seeded()).tolist()) < set(best[:30].tolist())
    assert set(CoreMSE(6, top_share=0.2).select(pool, 12, seeded()).tolist()) == set(best[:12].tolist())
    assert len(CoreMSE(6, top_share=0.01).select(pool, 25, seeded()).unique()) == 25


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    probs = drawn(20)
    before = EPIG(6).score(pool_of(probs))
    monkeypatch.setattr(mixtures, "_CPU_BLOCK", 1000)
    monkeypatch.setattr(coremse, "_BLOCK", 7)
    torch.testing.assert_close(EPIG(6).score(pool_of(probs)), before)
    torch.testing.assert_close(CoreMSE(6).score(pool_of(probs)), torch.tensor(core_scores(probs.numpy()).mean(1)))


# --- all of them


@pytest.mark.parametrize("cls", EVERY)
def test_the_order_of_the_pool_does_not_matter(cls: type[Strategy]) -> None:
    probs, indices = drawn(80), torch.arange(0, 400, 5)
    order = torch.randperm(80, generator=seeded(1))
    strategy = cls(6)  # type: ignore[call-arg]
    bought = indices[strategy.select(pool_of(probs, indices), 12, seeded())]
    permuted = indices[order][strategy.select(pool_of(probs[order], indices[order]), 12, seeded())]
    if cls is VariationRatio:  # ties
        scores = VariationRatio(6).score(pool_of(probs))
        assert scores[permuted // 5].equal(scores[bought // 5])
    else:
        assert permuted.equal(bought)


@pytest.mark.parametrize("cls", EVERY)
def test_nan_is_refused(cls: type[Strategy]) -> None:
    probs = drawn(30)
    probs[7, 2, 1] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        cls(6).select(pool_of(probs), 5, seeded())  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("cls", "parameters"),
    [
        *((cls, {"samples": 1}) for cls in EVERY),
        (EPIG, {"targets": 0}),
        (BatchBALD, {"candidates": -1}),
        (BatchBALD, {"configurations": 0}),
        (CoreMSE, {"targets": 0}),
        (CoreMSE, {"top_share": 0.0}),
        (CoreMSE, {"top_share": 1.5}),
    ],
)
def test_parameters_out_of_range_are_refused(cls: type[Strategy], parameters: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(parameters))):
        cls(**parameters)
