"""Networks: sizes, what a forward returns, and where dropout may be."""

import pytest
import torch
import torchvision
from torch.nn import functional as F

from benchmark.experiment import seeds
from benchmark.models import factory
from benchmark.models.masks import Masks
from benchmark.models.network import Dropout, Network, StochasticDepth

SHAPES = [
    ("cnn", (8, 8), 1),
    ("cnn", (28, 28), 1),
    ("cnn", (32, 32), 3),
    ("compact", (32, 32), 3),
    ("resnet18", (32, 32), 3),
    ("wide-resnet", (8, 8), 1),
    ("wide-resnet", (32, 32), 3),
    ("densenet121", (32, 32), 3),
    ("densenet121-cifar", (8, 8), 1),
]


def build(name: str, size: tuple[int, int], channels: int, **parameters: float) -> Network:
    with seeds.scoped(0, "weights", 0):
        return factory.build(name, parameters, channels, size, 10)


@pytest.mark.parametrize(("name", "size", "channels"), SHAPES)
def test_forward(name: str, size: tuple[int, int], channels: int) -> None:
    network = build(name, size, channels).eval()
    output = network(torch.randn(3, channels, *size))
    assert output.logits.shape == (3, 10)
    assert output.embedding.shape == (3, network.head.in_features)
    assert [stage.shape[:2] for stage in output.stages] == [(3, c) for c in network.attachment_channels]
    assert torch.equal(output.logits, F.linear(output.embedding, network.head.weight, network.head.bias))
    assert [m for m in network.modules() if isinstance(m, torch.nn.Linear)][-1] is network.head


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("name", "size", "channels"), SHAPES)
def test_the_stages_end_with_the_embedding(name: str, size: tuple[int, int], channels: int, training: bool) -> None:
    """The last stage, pooled, is what the classifier reads: a module on the stages sees all that the classifier sees.

    And its gradient reaches what the embedding is computed from.
    """
    network = build(name, size, channels, dropout=0.3).train(training)
    network.draw_dropout_from(Masks(0))
    output = network(torch.randn(4, channels, *size))
    assert output.stages[-1].mean((2, 3)).equal(output.embedding)
    assert [stage.shape[:2] for stage in output.stages] == [(4, c) for c in network.attachment_channels]
    assert not any(
        stage.mean((2, 3)).shape == output.embedding.shape and torch.allclose(stage.mean((2, 3)), output.embedding)
        for stage in output.stages[:-1]
    )
    output.stages[-1].sum().backward()
    reached = {part.split(".")[0] for part, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached == {part.split(".")[0] for part, p in network.named_parameters() if p.requires_grad} - {"head"}


@pytest.mark.parametrize(
    ("name", "parameters", "millions"),
    [
        ("resnet18", {}, 11.17),
        ("compact", {"width": 64}, 1.97),
        ("compact", {"width": 32}, 0.50),
        ("wide-resnet", {}, 1.468),
        ("densenet121", {}, 6.96),
        ("densenet121-cifar", {}, 6.96),
    ],
)
def test_parameter_counts(name: str, parameters: dict[str, float], millions: float) -> None:
    network = build(name, (32, 32), 3, **parameters)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


def test_resnet_keeps_the_resolution_of_the_literature() -> None:
    output = build("resnet18", (32, 32), 3).eval()(torch.randn(2, 3, 32, 32))
    assert [stage.shape[-1] for stage in output.stages] == [32, 16, 8, 4]


def test_densenet_is_torchvisions() -> None:
    """The same numbers from the same weights; and with the other stem an image of eight times the resolution."""
    ours = build("densenet121", (32, 32), 3).eval()
    theirs = torchvision.models.densenet121(weights=None, num_classes=10).eval()
    theirs.load_state_dict({k.replace("head.", "classifier."): v for k, v in ours.state_dict().items()})
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours(images).logits, theirs(images))
    assert [stage.shape[-1] for stage in ours(images).stages] == [4, 2, 1, 1]
    cifar = build("densenet121-cifar", (32, 32), 3, width=8).eval()
    assert [stage.shape[-1] for stage in cifar(images).stages] == [16, 8, 4, 4]


def test_the_wide_resnet_by_hand() -> None:
    """Another way to write the same network: depth 10, one block a stage."""
    network = build("wide-resnet", (8, 8), 3, depth=10, width=1).eval()
    images = torch.randn(4, 3, 8, 8)
    x = F.conv2d(images, network.conv.weight, padding=1)
    for s, (block,) in enumerate(network.stages):
        stride = 1 if s == 0 else 2
        y = F.leaky_relu(block.bn1(x), 0.1)
        z = F.conv2d(y, block.conv1.weight, stride=stride, padding=1)
        z = F.conv2d(F.leaky_relu(block.bn2(z), 0.1), block.conv2.weight, padding=1)
        same = isinstance(block.shortcut, torch.nn.Identity)
        assert same == (s == 0)
        x = z + ((y if s == 0 else x) if same else F.conv2d(x, block.shortcut.weight, stride=stride))
    expected = network.head(F.leaky_relu(network.bn(x), 0.1).mean((2, 3)))
    torch.testing.assert_close(network(images).logits, expected)
    assert [len(stage) for stage in build("wide-resnet", (8, 8), 3).stages] == [4, 4, 4]


@pytest.mark.parametrize(("name", "blocks"), [("resnet18", 8), ("wide-resnet", 12)])
def test_stochastic_depth_rises_linearly_and_is_for_training_alone(name: str, blocks: int) -> None:
    network = build(name, (8, 8), 3, width=2, stochastic_depth=0.2)
    assert [m.probability for m in network.stochastic_depths] == pytest.approx(
        [0.2 * i / blocks for i in range(1, blocks + 1)]
    )
    images = torch.randn(3, 3, 8, 8)
    plain = build(name, (8, 8), 3, width=2)
    assert plain.stochastic_depths == []
    assert torch.equal(network.eval()(images).logits, plain.eval()(images).logits)
    with pytest.raises(RuntimeError, match="draw_dropout_from"):
        network.train()(images)
    before = torch.get_rng_state()
    network.draw_dropout_from(Masks(0))
    assert not torch.equal(network(images).logits, plain.train()(images).logits)
    assert torch.equal(torch.get_rng_state(), before)


def test_stochastic_depth_keeps_the_mean_and_spares_the_last() -> None:
    depth = StochasticDepth(0.25).train()
    depth.masks = Masks(3)
    out = depth(torch.ones(4000, 2, 1))
    assert out.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert torch.equal(out[:, 0], out[:, 1])  # an image's branch as a whole
    assert out.mean().item() == pytest.approx(1, abs=0.03)
    depth.spared = 1000
    assert torch.equal(depth(torch.ones(4000, 2, 1))[3000:], torch.ones(1000, 2, 1))


def test_weights_come_from_the_stream_and_leave_the_global_state_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first, second = build("cnn", (8, 8), 1), build("cnn", (8, 8), 1)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    with seeds.scoped(1, "weights", 0):
        other = factory.build("cnn", {}, 1, (8, 8), 10)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_dropout_draws_from_its_own_generator_and_keeps_the_mean() -> None:
    dropout = Dropout(0.25, 1000).train()
    with pytest.raises(RuntimeError, match="draw_dropout_from"):
        dropout(torch.ones(2, 1000))
    dropout.masks = Masks(3)
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
        ("wide-resnet", {"stochastic_depth": 1.0}, "stochastic_depth must be at least 0 and below 1"),
        ("wide-resnet", {"bn_momentum": 0.0}, "bn_momentum must be above 0 and at most 1"),
        ("wide-resnet", {"bn_momentum": 1.5}, "bn_momentum must be above 0 and at most 1"),
        ("cnn", {"width": "wide"}, "must be a number"),
        ("cnn", {"channels": 3}, "no parameter 'channels'"),
    ],
)
def test_bad_models(name: str, parameters: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        factory.check(name, parameters)


@pytest.mark.parametrize(
    ("name", "size", "parameters", "message"),
    [
        ("compact", (8, 8), {}, "at least 16×16, not 8×8"),
        ("wide-resnet", (7, 8), {}, "at least 8×8, not 7×8"),
        ("wide-resnet", (8, 8), {"depth": 27}, "depth must be 10, 16, 22, 28, …, not 27"),
        ("densenet121", (28, 28), {}, "at least 32×32, not 28×28"),
        ("densenet121-cifar", (7, 7), {}, "at least 8×8, not 7×7"),
        ("densenet121", (32, 32), {"width": 7}, "width must be even, not 7"),
    ],
)
def test_what_a_network_cannot_take_is_refused(
    name: str, size: tuple[int, int], parameters: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(name, size, 3, **parameters)
