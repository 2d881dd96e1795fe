"""Commands that are refused, and files to give them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.tiny import bench


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def mistake(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The error's line; and nothing was computed or written that another command would find."""
    capsys.readouterr()
    before = files(folder)
    assert bench(folder, *arguments, report=True) == 2
    said = capsys.readouterr()
    written = {path for path in files(folder) - before if path.parent != folder / "cache" / "datasets"}
    assert {path.name for path in written} <= {"tiny.toml", ".mnist.lock", ".svhn.lock"}
    assert "accuracy" not in said.out
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    return said.err.strip()


def images(folder: Path, size: int) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, size, size), dtype=np.uint8)
    for name, of_class in zip("ab", pixels, strict=True):
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(of_class):
            Image.fromarray(image).save(folder / name / f"{number}.png")
    return folder
