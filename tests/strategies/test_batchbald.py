"""BatchBALD against the joint mutual information of all configurations, and against other libraries."""

import itertools
import math

import numpy as np
import pytest
import torch
from support.made_up import seeded
from support.monte_carlo import GOLDEN, drawn, entropy, pool_of

from strategies.bald import BALD
from strategies.batchbald import BatchBALD, joint_mutual_information
from strategies.kernels import mixtures


def joint_information(images: np.ndarray) -> float:
    """I(y_1, …, y_b; θ) of ``images`` (b, K, C) by all C^b configurations."""
    b, masks, classes = images.shape
    joint = 0.0
    for labels in itertools.product(range(classes), repeat=b):
        p = np.mean([math.prod(images[i, k, y] for i, y in enumerate(labels)) for k in range(masks)])
        joint -= p * math.log(p) if p > 0 else 0
    return joint - sum(np.mean([entropy(p) for p in image]) for image in images)


def test_batchbald_is_the_greedy_on_the_joint_information() -> None:
    probs = drawn(9, masks=5)
    expected, informations = [], []
    for _ in range(4):
        gains = [joint_information(probs.numpy()[[*expected, i]]) if i not in expected else -math.inf for i in range(9)]
        expected.append(int(np.argmax(gains)))
        informations.append(max(gains))
    picks, found = joint_mutual_information(probs, 4, 100, seeded())
    assert picks.tolist() == expected
    assert found.tolist() == pytest.approx(informations, abs=1e-12)
    assert BatchBALD(5, configurations=100).select(pool_of(probs), 4, seeded()).tolist() == expected


def test_batchbald_agrees_with_batchbald_redux_and_scikit_activeml() -> None:
    probs = torch.from_numpy(GOLDEN["probs"])
    for each, tolerance in ((probs, 1e-9), (probs.float(), 1e-5)):
        picks, informations = joint_mutual_information(each, 5, 81, seeded())
        assert picks.tolist() == GOLDEN["redux_indices"].tolist()
        assert informations.numpy() == pytest.approx(GOLDEN["redux_scores"], abs=tolerance)
        assert informations[:4].numpy() == pytest.approx(np.nanmax(GOLDEN["skactiveml_batch_bald"], 1), abs=1e-5)


def test_batchbald_by_drawn_configurations_is_right_in_the_mean() -> None:
    probs = drawn(4, masks=4, classes=8)
    exact = joint_information(probs.numpy())
    _, informations = joint_mutual_information(probs, 4, 8**3, seeded())
    assert float(informations[-1]) == pytest.approx(exact, abs=1e-12)
    generator = seeded()
    few = torch.stack([joint_mutual_information(probs, 4, 40, generator)[1][-1] for _ in range(200)])
    assert few.std() > 0
    assert float(few.mean()) == pytest.approx(exact, abs=float(4 * few.std() / 200**0.5))
    assert abs(float(few.mean()) - float(informations[-2])) > float(20 * few.std() / 200**0.5)


def test_batchbald_does_not_buy_the_same_twice() -> None:
    probs = drawn(12, classes=4).pow(8)  # so sharp that a second label of the same image tells little
    probs /= probs.sum(dim=2, keepdim=True)
    pool = pool_of(torch.cat([probs, probs, probs]))
    assert len((BALD(6).select(pool, 3, seeded()) % 12).unique()) == 1
    assert len((BatchBALD(6).select(pool, 3, seeded()) % 12).unique()) == 3


def test_batchbald_chooses_among_the_candidates_or_as_many_as_it_must() -> None:
    pool = pool_of(drawn(60))
    by_bald = BALD(6).select(pool, 60, seeded())
    assert set(BatchBALD(6, candidates=8).select(pool, 5, seeded()).tolist()) < set(by_bald[:8].tolist())
    assert set(BatchBALD(6, candidates=2).select(pool, 5, seeded()).tolist()) == set(by_bald[:5].tolist())
    everything = BatchBALD(6, candidates=60).select(pool, 5, seeded())
    assert BatchBALD(6, candidates=0).select(pool, 5, seeded()).equal(everything)
    first = [int(BatchBALD(6, candidates=c).select(pool, 4, seeded())[0]) for c in (1, 60)]
    assert first == [int(by_bald[0])] * 2


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    probs = drawn(20)
    before = joint_mutual_information(probs, 8, 300, seeded())
    monkeypatch.setattr(mixtures, "_CPU_BLOCK", 1000)
    after = joint_mutual_information(probs, 8, 300, seeded())
    assert after[0].equal(before[0])
    torch.testing.assert_close(after[1], before[1])


def test_joint_information_of_more_images_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot pick 5 of 4"):
        joint_mutual_information(drawn(4), 5, 10, seeded())
