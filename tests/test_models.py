"""Networks: sizes, what a forward returns, and where dropout may be."""

import pytest
import torch
from torch.nn import functional as F

from benchmark import models, seeds

SHAPES = [
    ("cnn", (8, 8), 1),
    ("cnn", (28, 28), 1),
    ("cnn", (32, 32), 3),
    ("compact", (32, 32), 3),
    ("resnet18", (32, 32), 3),
]


def build(name: str, size: tuple[int, int], channels: int, **parameters: float) -> models.Network:
    with seeds.scoped(0, "weights", 0):
        return models.build(name, parameters, channels, size, 10)


@pytest.mark.parametrize(("name", "size", "channels"), SHAPES)
def test_forward(name: str, size: tuple[int, int], channels: int) -> None:
    network = build(name, size, channels).eval()
    output = network(torch.randn(3, channels, *size))
    assert output.logits.shape == (3, 10)
    assert output.embedding.shape == (3, network.head.in_features)
    assert [stage.shape[:2] for stage in output.stages] == [(3, c) for c in network.stage_channels]
    assert torch.equal(output.logits, F.linear(output.embedding, network.head.weight, network.head.bias))
    assert [m for m in network.modules() if isinstance(m, torch.nn.Linear)][-1] is network.head


@pytest.mark.parametrize(
    ("name", "parameters", "millions"),
    [("resnet18", {}, 11.17), ("compact", {"width": 64}, 1.97), ("compact", {"width": 32}, 0.50)],
)
def test_parameter_counts(name: str, parameters: dict[str, float], millions: float) -> None:
    network = build(name, (32, 32), 3, **parameters)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


def test_resnet_keeps_the_resolution_of_the_literature() -> None:
    output = build("resnet18", (32, 32), 3).eval()(torch.randn(2, 3, 32, 32))
    assert [stage.shape[-1] for stage in output.stages] == [32, 16, 8, 4]


def test_weights_come_from_the_stream_and_leave_the_global_state_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first, second = build("cnn", (8, 8), 1), build("cnn", (8, 8), 1)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    with seeds.scoped(1, "weights", 0):
        other = models.build("cnn", {}, 1, (8, 8), 10)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_dropout_draws_from_its_own_generator_and_keeps_the_mean() -> None:
    dropout = models.Dropout(0.25, 1000).train()
    with pytest.raises(RuntimeError, match="draw_dropout_from"):
        dropout(torch.ones(2, 1000))
    dropout.generator = torch.Generator().manual_seed(3)
    before = torch.get_rng_state()
    out = dropout(torch.ones(200, 1000))
    assert torch.equal(torch.get_rng_state(), before)
    assert out.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert out.mean().item() == pytest.approx(1, abs=0.01)
    assert not torch.equal(out[0], out[1])
    assert torch.equal(dropout.eval()(torch.ones(2, 1000)), torch.ones(2, 1000))


@pytest.mark.parametrize(("name", "size", "channels"), SHAPES)
def test_no_dropout_lies_in_the_backbone(name: str, size: tuple[int, int], channels: int) -> None:
    network = build(name, size, channels, dropout=0.5)
    assert network.dropouts
    for module in network.dropouts:
        module.mask = torch.zeros(module.size)  # drops everything behind the backbone
    images = torch.randn(2, channels, *size)
    features, _ = network.eval().backbone(images)
    assert features.abs().sum() > 0
    assert torch.equal(network(images).logits, network.head.bias.expand(2, -1))


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("resnet", {}, "unknown model 'resnet'.*resnet18"),
        ("cnn", {"depth": 3}, "no parameter 'depth'.*width"),
        ("cnn", {"dropout": 1.0}, "below 1"),
        ("cnn", {"width": 0}, "at least 1"),
        ("cnn", {"width": "wide"}, "must be a number"),
        ("cnn", {"channels": 3}, "no parameter 'channels'"),
    ],
)
def test_bad_models(name: str, parameters: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.check(name, parameters)


def test_images_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 16×16, not 8×8"):
        build("compact", (8, 8), 3)
