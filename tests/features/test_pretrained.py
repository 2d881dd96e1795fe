"""Features of pretrained networks: what they are, and what is said where they cannot be had."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from support.tiny_features import images_of, source_of
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as reference

from benchmark.data import datasets
from benchmark.experiment import FeatureSettings
from benchmark.features import pretrained


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.last: nn.Module = nn.Linear(4, 1000)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x.mean((2, 3))).relu())


def test_timms_embedding_is_the_output_without_a_classifier(
    digits: datasets.ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = Small()
    network.last = nn.Identity()

    def create(name: str, pretrained: bool, num_classes: int) -> nn.Module:
        assert (name, pretrained, num_classes) == ("small", True, 0)
        return network

    configuration = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.1), "input_size": (3, 16, 16)}
    timm: Any = ModuleType("timm")
    timm.create_model = create
    timm.list_pretrained = lambda: ["small"]
    timm.data = SimpleNamespace(resolve_model_data_config=lambda model: configuration)
    monkeypatch.setitem(sys.modules, "timm", timm)
    found = source_of(digits, tmp_path, FeatureSettings("timm:small"))()
    images = digits.train_images.permute(0, 3, 1, 2) / 255
    large = F.interpolate(images, (16, 16), mode="bicubic", antialias=True).clamp(0, 1).expand(-1, 3, -1, -1)
    scaled = (large - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor([0.2, 0.2, 0.1]).view(3, 1, 1)
    expected = network.first(scaled.mean((2, 3))).relu()
    assert found.shape == (1258, 4)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="timm has no pretrained model 'large'"):
        pretrained.check("timm:large")
    network.last = nn.Unflatten(1, (2, 2))  # as of tokens
    with pytest.raises(ValueError, match=r"no embedding of an image, but \(2, 2, 2\) numbers for 2 images"):
        pretrained.embeddings("timm:small", digits.train_images[:2])


def test_torchvisions_weights_are_downloaded_or_said_to_be_missing(
    digits: datasets.ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models import _api, shufflenet_v2_x0_5

    method = "torchvision:ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1"
    few = dataclasses.replace(images_of(digits), pixels=digits.train_images[:5])

    def offline(*_: object, **__: object) -> Any:
        raise OSError("<urlopen error\nno network>")

    monkeypatch.setattr(_api, "load_state_dict_from_url", offline)
    of_few = dataclasses.replace(source_of(digits, tmp_path, FeatureSettings(method)), images=few)
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
    with pytest.raises(ValueError, match="KINETICS400_V1' are not of a network that classifies images"):
        pretrained.check("torchvision:R3D_18_Weights.KINETICS400_V1")


def test_timm_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match="needs timm: pip install timm"):
        pretrained.check("timm:resnet18")
