"""Self-supervised features: SimCLR's parts against brute force, the cache, the protocol's section, and whole runs."""

from __future__ import annotations

import dataclasses
import math
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from test_leakage import leaks
from tiny import bench, plugin, run_lines
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as reference

from benchmark import datasets, models, pretrained, protocol
from benchmark.active_learning import ActiveLearningRun
from benchmark.features import Features, FeatureSource, resolved, source
from benchmark.protocol import Protocol, ProtocolError
from benchmark.setting import Setting
from benchmark.store import RunFile
from benchmark.training import simclr
from benchmark.training.batches import Images
from benchmark.training.recipe import Recipe
from strategies.base import Pool, Strategy
from strategies.registry import Spec

PLAIN = torch.tensor([1.0, 0.5, 0.5, 0.5, 0.5, 0.9, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9])  # the whole image as it is
TINY = Features(steps=5, batch_size=16)


def noise(channels: int, side: int = 12, count: int = 6) -> Tensor:
    return torch.rand((count, channels, side, side), generator=torch.Generator().manual_seed(0))


def draws_with(**values: float) -> Tensor:
    names = ("area", "ratio", "x", "y", "turn", "mirror", "brightness", "contrast", "saturation", "hue", "jitter")
    draws = PLAIN.clone()
    for name, value in values.items():
        draws[(*names, "grey").index(name)] = value
    return draws.expand(6, -1)


# --- the loss


def test_nt_xent_is_the_papers() -> None:
    projected = torch.randn((8, 5), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = [row / row.square().sum().sqrt() for row in projected]
    losses = []
    for i in range(8):
        j = (i + 4) % 8
        others = sum(math.exp(z[i] @ z[k] / 0.3) for k in range(8) if k != i)
        losses.append(-math.log(math.exp(z[i] @ z[j] / 0.3) / others))
    assert simclr.nt_xent(projected, 0.3).item() == pytest.approx(sum(losses) / 8, rel=1e-12)


# --- views


@pytest.mark.parametrize("channels", [1, 3])
def test_a_view_of_the_whole_is_the_image(channels: int) -> None:
    images = noise(channels)
    torch.testing.assert_close(simclr.view(images, draws_with(), flip=False), images, rtol=0, atol=1e-5)
    mirrored = simclr.view(images, draws_with(mirror=0.1), flip=True)
    torch.testing.assert_close(mirrored, images.flip(3), rtol=0, atol=1e-5)
    unmirrored = simclr.view(images, draws_with(mirror=0.1), flip=False)
    torch.testing.assert_close(unmirrored, images, rtol=0, atol=1e-5)


def test_a_crop_is_a_resized_part() -> None:
    images = noise(3)
    quarter = (0.25 - 0.2) / 0.8  # of the area: half of each side
    found = simclr.view(images, draws_with(area=quarter, x=1.0, y=0.0), flip=False)
    expected = F.interpolate(images[:, :, :6, 6:], (12, 12), mode="bilinear")
    # At the rims of the part its neighbours outside shine in; everywhere else it is torch's own resizing.
    torch.testing.assert_close(found[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1], rtol=0, atol=1e-5)
    wide = simclr.view(images, draws_with(ratio=1.0, y=0.5), flip=False)  # 1 : 3/4, from the middle
    rows = F.interpolate(images[:, :, 1:-1], (12, 12), mode="bilinear")
    height = math.sqrt(3 / 4) * 12
    assert 10 < height < 11
    assert (wide - rows).abs().mean() < (wide - images).abs().mean()


def test_grey_images_are_turned_and_colour_images_are_not() -> None:
    bar = torch.zeros((6, 1, 12, 12))
    bar[:, :, 1:11, 5:7] = 1
    turned = simclr.view(bar, draws_with(turn=1.0), flip=False)[0, 0]
    back = simclr.view(turned.expand_as(bar), draws_with(turn=0.0), flip=False)[0, 0]
    assert (turned[:4].argmax(1) != turned[-4:].argmax(1)).all()  # it leans
    assert ((back > 0.4) == (bar[0, 0] > 0.5)).float().mean() > 0.9
    colour = noise(3)
    torch.testing.assert_close(simclr.view(colour, draws_with(turn=1.0), flip=False), colour, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "adjust"),
    [
        ("brightness", reference.adjust_brightness),
        ("contrast", reference.adjust_contrast),
        ("saturation", reference.adjust_saturation),
    ],
)
@pytest.mark.parametrize("draw", [0.0, 0.3, 0.9])
def test_jitters_are_torchvisions(name: str, adjust: Callable[[Tensor, float], Tensor], draw: float) -> None:
    images = 0.3 + 0.4 * noise(3)
    found = simclr.view(images, draws_with(**{name: draw, "jitter": 0.1}), flip=False)
    torch.testing.assert_close(found, adjust(images, 0.6 + 0.8 * draw), rtol=0, atol=2e-3)
    torch.testing.assert_close(simclr.view(images, draws_with(**{name: draw}), flip=False), images, rtol=0, atol=1e-5)


def test_the_hue_keeps_the_luma_and_grey_has_no_hue() -> None:
    images = 0.4 + 0.2 * noise(3)
    luma = torch.tensor([0.299, 0.587, 0.114])
    turned = simclr.view(images, draws_with(hue=0.9, jitter=0.1), flip=False)
    assert (turned - images).abs().max() > 0.02
    torch.testing.assert_close(luma @ turned.flatten(2), luma @ images.flatten(2), rtol=0, atol=1e-3)
    back = simclr.view(turned, draws_with(hue=0.1, jitter=0.1), flip=False)
    torch.testing.assert_close(back, images, rtol=0, atol=1e-3)
    grey = simclr.view(images, draws_with(hue=0.9, jitter=0.1, grey=0.1), flip=False)
    torch.testing.assert_close(grey, (luma @ images.flatten(2)).view(6, 1, 12, 12).expand_as(grey), rtol=0, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_view_depends_on_its_own_draws_only(channels: int) -> None:
    images, draws = noise(channels), torch.rand((6, 12), generator=torch.Generator().manual_seed(1))
    views = simclr.view(images, draws, flip=True)
    assert views.min() >= 0
    assert views.max() <= 1
    some = torch.tensor([4, 1])
    torch.testing.assert_close(simclr.view(images[some], draws[some], flip=True), views[some], rtol=0, atol=1e-6)


# --- training


@pytest.fixture(scope="module")
def digits() -> datasets.ImageData:
    return datasets.load("digits")


def images_of(data: datasets.ImageData) -> Images:
    return Images(data.train_images, data.mean, data.std)


def source_of(data: datasets.ImageData, cache: Path, settings: Features = TINY) -> FeatureSource:
    named = resolved(settings, "cnn", {"width": 4, "hidden": 16})
    return source(named, data, images_of(data), Recipe(min_steps=1, precision="float32"), cache)


def twenty_nearest(features: Tensor, labels: Tensor) -> float:
    """The share of images whose label most of their 20 nearest neighbours by the cosine have."""
    unit = F.normalize(features)
    nearest = (unit @ unit.T).fill_diagonal_(-1).topk(20).indices
    return float((F.one_hot(labels[nearest], 10).sum(1).argmax(1) == labels).float().mean())


def test_training_brings_images_of_a_class_together(digits: datasets.ImageData, tmp_path: Path) -> None:
    nothing = Features(steps=1, batch_size=2, learning_rate=1e-12)
    some = Features(steps=150, batch_size=128, learning_rate=5e-3)
    before, after = (source_of(digits, tmp_path, settings)() for settings in (nothing, some))
    assert before.shape == after.shape == (1258, 16)
    assert twenty_nearest(after, digits.train_labels) > twenty_nearest(before, digits.train_labels) + 0.02


def test_features_are_the_same_bits_and_draw_nothing_global(digits: datasets.ImageData, tmp_path: Path) -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    with torch.no_grad():  # as in a query
        found = source_of(digits, tmp_path / "a")()
    assert torch.get_rng_state().equal(state)
    torch.manual_seed(4)
    assert source_of(digits, tmp_path / "b")().equal(found)
    assert not source_of(digits, tmp_path, dataclasses.replace(TINY, seed=1))().equal(found)
    assert found.dtype == torch.float32
    assert not found.requires_grad


def test_an_interrupted_training_goes_on_with_the_same_bits(
    digits: datasets.ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simclr, "BLOCK", 2)
    through = source_of(digits, tmp_path / "through")()
    steps = 0
    real = simclr.nt_xent

    def dying(projected: Tensor, temperature: float) -> Tensor:
        nonlocal steps
        steps += 1
        if steps == 4:
            raise KeyboardInterrupt
        return real(projected, temperature)

    monkeypatch.setattr(simclr, "nt_xent", dying)
    with pytest.raises(KeyboardInterrupt):
        source_of(digits, tmp_path / "killed")()
    assert [path.suffix for path in (tmp_path / "killed" / "features").glob("*.p*")] == [".partial"]
    assert source_of(digits, tmp_path / "killed")().equal(through)
    assert steps == 4 + 3  # of five: those behind the first block
    assert [path.suffix for path in (tmp_path / "killed" / "features").glob("*.p*")] == [".pt"]


def test_every_image_comes_once_before_any_comes_again() -> None:
    order = simclr._order(10, 25, torch.Generator().manual_seed(0))
    assert len(order) == 25
    assert [len(part.unique()) for part in order.split(10)] == [10, 10, 5]


def test_a_diverged_training_is_an_error_and_leaves_nothing(digits: datasets.ImageData, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"lower features\.learning_rate"):
        source_of(digits, tmp_path, dataclasses.replace(TINY, learning_rate=1e30))()
    assert not list(tmp_path.rglob("*.pt"))


# --- the cache


def test_computed_once_by_whoever_comes_first(
    digits: datasets.ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    real = simclr.train
    monkeypatch.setattr(simclr, "train", lambda *a, **k: (calls.append(1), real(*a, **k)))
    found: list[Tensor] = []
    threads = [threading.Thread(target=lambda: found.append(source_of(digits, tmp_path)())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert found[0].equal(found[1])
    assert found[0].equal(found[2])
    assert len(calls) == 1


def test_the_cache_knows_all_that_the_numbers_depend_on(digits: datasets.ImageData, tmp_path: Path) -> None:
    one = source_of(digits, tmp_path)
    others = [
        dataclasses.replace(one, sha256="0" * 64),
        dataclasses.replace(one, flip=True),
        dataclasses.replace(one, precision="bfloat16"),
        *(
            dataclasses.replace(one, settings=dataclasses.replace(one.settings, **{name: value}))
            for name, value in {"steps": 6, "temperature": 0.4, "seed": 1, "parameters": {"width": 5}}.items()
        ),
    ]
    assert len({each._digest for each in (one, *others)}) == 1 + len(others)
    assert dataclasses.replace(one, cache=tmp_path / "elsewhere")._digest == one._digest


def test_views_are_mirrored_where_the_recipe_mirrors(digits: datasets.ImageData, tmp_path: Path) -> None:
    settings = resolved(Features(), "cnn", {})
    for name, flip in (("crop", False), ("flip-crop", True)):
        assert source(settings, digits, images_of(digits), Recipe(epochs=1, augmentation=name), tmp_path).flip is flip


# --- pretrained networks


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 1000)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x.mean((2, 3))).relu())


def test_a_pretrained_embedding_is_what_the_last_layer_takes(
    digits: datasets.ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = Small()
    configuration = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.1), "input_size": (3, 16, 16)}
    timm: Any = ModuleType("timm")
    timm.create_model = lambda name, pretrained: network
    timm.list_pretrained = lambda: ["small"]
    timm.data = SimpleNamespace(resolve_model_data_config=lambda model: configuration)
    monkeypatch.setitem(sys.modules, "timm", timm)
    found = source_of(digits, tmp_path, Features("timm:small"))()
    images = digits.train_images.permute(0, 3, 1, 2) / 255
    large = F.interpolate(images, (16, 16), mode="bicubic", antialias=True).clamp(0, 1).expand(-1, 3, -1, -1)
    scaled = (large - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor([0.2, 0.2, 0.1]).view(3, 1, 1)
    expected = network.first(scaled.mean((2, 3))).relu()
    assert found.shape == (1258, 4)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="timm has no pretrained model 'large'"):
        pretrained.check("timm:large")


def test_torchvisions_weights_are_downloaded_or_said_to_be_missing(
    digits: datasets.ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models import _api, shufflenet_v2_x0_5

    method = "torchvision:ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1"
    few = dataclasses.replace(images_of(digits), pixels=digits.train_images[:5])

    def offline(*_: object, **__: object) -> Any:
        raise OSError("<urlopen error\nno network>")

    monkeypatch.setattr(_api, "load_state_dict_from_url", offline)
    of_few = dataclasses.replace(source_of(digits, tmp_path, Features(method)), images=few)
    with pytest.raises(ValueError, match=f"^features: the weights of '{method}' cannot be downloaded: .* no network>$"):
        of_few()
    network = shufflenet_v2_x0_5()
    monkeypatch.setattr(_api, "load_state_dict_from_url", lambda *_, **__: network.state_dict())
    found = of_few()
    assert found.shape == (5, 1024)
    scores: Tensor = nn.functional.linear(found, network.fc.weight, network.fc.bias)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    images = few.pixels.permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
    large = reference.resize(images, [256, 256], antialias=True)[:, :, 16:240, 16:240] / 255
    torch.testing.assert_close(network.eval()((large - mean) / std), scores, rtol=1e-2, atol=1e-2)
    with pytest.raises(ValueError, match=r"torchvision has no weights 'ResNet18_Weights\.None'"):
        pretrained.check("torchvision:ResNet18_Weights.None")


def test_timm_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match="needs timm: pip install timm"):
        pretrained.check("timm:resnet18")


# --- the protocol


def test_the_section_belongs_to_the_fingerprint() -> None:
    digits = protocol.load("digits")
    assert digits.features is not None
    without = digits.override(features=None)
    assert without.features is None
    assert len({digits.fingerprint, without.fingerprint, digits.override(**{"features.steps": 7}).fingerprint}) == 3
    assert protocol.from_dict(digits.to_dict()) == digits
    assert protocol.from_dict(without.to_dict()) == without
    plain = protocol.load("cifar10-ll4al")
    made = plain.override(**{"features.method": "simclr"})
    assert plain.features is None
    assert made.features == Features()
    assert made.fingerprint != plain.fingerprint


def test_no_dropout_and_the_protocols_own_network_unless_another_is_named() -> None:
    plain = protocol.load("cifar10-ll4al").override(**{"features.method": "simclr", "model.parameters.width": 32})
    assert plain.resolved_features == Features(model="resnet18", parameters={"width": 32, "dropout": 0.0})
    other = plain.override(features={"model": "compact", "parameters": {"width": 8}})
    assert other.resolved_features == Features(model="compact", parameters={"width": 8, "dropout": 0.0})


@pytest.mark.parametrize("name", ["mnist", "cifar10", "digits"])
def test_the_suites_protocols_have_features(name: str) -> None:
    own = protocol.load(name)
    assert own.resolved_features is not None
    models.check(own.resolved_features.model, own.resolved_features.parameters)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("method", "simlcr", "features.method is simclr, torchvision:<weights> or timm:<model>, not 'simlcr'"),
        ("method", "timm:", "features.method is simclr, torchvision:<weights> or timm:<model>, not 'timm:'"),
        ("model", "cmn", "unknown model 'cmn'"),
        ("parameters.width", 4, "features.parameters are those of features.model: name one"),
        ("steps", 0, "features.steps must be positive, not 0"),
        ("steps", 1.5, "'features.steps' must be of type int, not 1.5"),
        ("batch_size", 1, "features.batch_size must be at least 2, not 1"),
        ("learning_rate", 0, "features.learning_rate must be positive, not 0.0"),
        ("temperature", -1.0, "features.temperature must be positive, not -1.0"),
        ("seed", -1, "features.seed must not be negative, not -1"),
        ("stesp", 5, "the protocol has no field 'features.stesp': did you mean features.steps"),
    ],
)
def test_a_mistake_is_one_line(field: str, value: Any, message: str) -> None:
    plain = protocol.load("cifar10-ll4al")
    with pytest.raises(ProtocolError) as caught:
        plain.override(**{f"features.{field}": value})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# --- runs

NEEDS = """\
class Mine(Strategy):
    def __init__(self, reads: bool = True):
        self.reads = reads
        self.needs = frozenset({"features"} if reads else set())

    def select(self, pool, n, generator):
        if not self.reads:
            return torch.randperm(len(pool.indices), generator=generator)[:n]
        return pool.features[pool.indices].sum(1).argsort(stable=True)[:n]
"""
SECTION = ("features.steps=4", "features.batch_size=16")


def test_a_strategy_that_needs_features_needs_the_section(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = plugin(tmp_path, NEEDS)
    assert bench(tmp_path, "--strategies", mine, "--seeds", "0") == 2
    assert "needs self-supervised features" in capsys.readouterr().err
    assert bench(tmp_path, "--strategies", f"{mine}[reads=False]", "--seeds", "0") == 0  # its parameter decides
    assert not (tmp_path / "cache" / "features").exists()


def test_what_cannot_serve_the_data_is_said_before_anything_is_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = plugin(tmp_path, NEEDS)
    named = ("--set", "features.model=compact")
    assert bench(tmp_path, "--strategies", mine, "--seeds", "0", *named) == 2
    assert "model 'compact' takes images of at least 16×16" in capsys.readouterr().err
    assert bench(tmp_path, "--strategies", f"{mine}[reads=False]", "--seeds", "0", *named) == 0
    assert bench(tmp_path, "--strategies", mine, "--set", "features.method=torchvision:Nothing") == 2
    assert "torchvision has no weights 'Nothing'" in capsys.readouterr().err


def test_runs_share_features_choose_the_first_labels_by_them_and_resume(tmp_path: Path) -> None:
    arguments = ("--strategies", plugin(tmp_path, NEEDS), "--set", "initial=strategy", *SECTION)
    through, resumed = tmp_path / "through", tmp_path / "resumed"
    for folder in (through, resumed):
        folder.mkdir()
    assert bench(through, *arguments) == 0
    assert len(list((through / "cache" / "features").glob("*.pt"))) == 1
    (features,) = (torch.load(path) for path in (through / "cache" / "features").glob("*.pt"))
    runs = list(run_lines(through).values())
    assert len(runs) == 2
    for header, *rounds in runs:
        bought = [*header["initial"]["indices"], *(index for line in rounds for index in line["bought"])]
        assert bought == features.sum(1).argsort(stable=True)[:30].tolist()
    assert bench(resumed, *arguments, "--budgets", "10", "20") == 0
    for path in (resumed / "cache" / "features").glob("*"):
        path.unlink()
    assert bench(resumed, *arguments) == 0
    assert {run: {line.get("round"): line for line in lines} for run, lines in run_lines(resumed).items()} == {
        run: {line.get("round"): line for line in lines} for run, lines in run_lines(through).items()
    }


def test_features_are_computed_only_for_those_who_read_them(tmp_path: Path) -> None:
    assert bench(tmp_path, "--strategies", "margin", "--seeds", "0", "--set", *SECTION) == 0
    assert not (tmp_path / "cache" / "features").exists()


def test_nothing_leads_from_the_pool_to_a_label(digits: datasets.ImageData, tmp_path: Path) -> None:
    found: list[str] = []

    class Spy(Strategy):
        needs = frozenset({"features", "cross_fit"})

        def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
            assert len(pool.features) == len(digits.train_labels)
            if pool.has_model:
                assert pool.cross_fit(0.3) is not None
            secrets = [digits.train_labels, digits.train_labels[pool.indices]]
            found.extend(leaks(pool, secrets, memory=[digits.test_images, digits.test_labels]))
            return torch.arange(n)

    tiny = protocol.load("digits").override(
        budgets=[30, 40], initial="strategy", **{"recipe.min_steps": 3, "features.steps": 2}
    )
    setting = Setting(tiny, Spec(Spy, "spy"), "supervised", 0, tmp_path / "cache")
    with RunFile(tmp_path / "results" / "runs" / "spy" / "supervised-seed0.jsonl", wait=False) as file:
        assert ActiveLearningRun(setting, digits, file).execute(lambda line: True)
    assert found == []


def test_the_features_streams_are_the_protocols(digits: datasets.ImageData, tmp_path: Path) -> None:
    """Runs of all seeds read the same features."""
    tiny: Protocol = protocol.load("digits").override(**{"features.steps": 2})
    digests = set()
    for seed in (0, 1):
        setting = Setting(tiny, Spec(Strategy, "spy"), "supervised", seed, tmp_path / "cache")
        with RunFile(tmp_path / "results" / "runs" / "spy" / f"supervised-seed{seed}.jsonl", wait=False) as file:
            made = ActiveLearningRun(setting, digits, file).features
        assert made is not None
        digests.add(made._digest)
    assert len(digests) == 1
