"""Who answers."""

from __future__ import annotations

import torch

from benchmark.experiment import seeds
from benchmark.loop.oracles import SimulatedOracle

LABELS = torch.arange(20_000) % 5


def oracle(noise: float, seed: int = 0) -> SimulatedOracle:
    return SimulatedOracle(LABELS, 5, noise, seeds.generator(seed, "oracle", 0))


def test_without_noise_the_answers_are_the_labels() -> None:
    indices = torch.tensor([19_999, 3, 3, 0])
    assert oracle(0).answer(indices).tolist() == LABELS[indices].tolist()


def test_noise_is_the_share_of_wrong_answers_evenly_over_the_other_classes() -> None:
    answers = oracle(0.3).answer(torch.arange(20_000))
    wrong = answers != LABELS
    assert abs(wrong.double().mean() - 0.3) < 0.02  # 6 standard deviations
    shift = ((answers - LABELS) % 5)[wrong]
    shares = torch.bincount(shift, minlength=5) / len(shift)
    assert shares[0] == 0
    assert (shares[1:] - 0.25).abs().max() < 0.03


def test_an_answer_does_not_depend_on_when_and_how_often_one_asks() -> None:
    annotator = oracle(0.5)
    order = torch.randperm(20_000, generator=torch.Generator().manual_seed(1))
    pieces = torch.cat([annotator.answer(part) for part in order.split(7)])
    assert torch.equal(pieces, annotator.answer(order))
    assert torch.equal(pieces, oracle(0.5).answer(torch.arange(20_000))[order])


def test_another_seed_makes_other_mistakes() -> None:
    everything = torch.arange(20_000)
    assert not torch.equal(oracle(0.5).answer(everything), oracle(0.5, seed=1).answer(everything))


def test_a_noisy_oracle_leaves_the_dataset_alone() -> None:
    before = LABELS.clone()
    answers = oracle(0.9).answer(torch.arange(20_000))
    answers.zero_()
    assert torch.equal(LABELS, before)


def test_two_classes_are_flipped() -> None:
    labels = torch.tensor([0, 1] * 500)
    noisy = SimulatedOracle(labels, 2, 0.999, seeds.generator(0, "oracle", 0)).answer(torch.arange(1000))
    assert (noisy == 1 - labels).double().mean() > 0.98
