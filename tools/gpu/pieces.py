"""Cutting files into pieces of a size, for ``unpack`` to put together; see there for what is in a piece."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features

from tools.gpu.unpack import ARCHIVE, MANIFEST, PIECES, decoded

SLICE = 1_000_000  # bytes of a compressed content in a part
STRIP = 500  # images in a part
_HEADER, _END = 512, 10_240  # bytes of a tar file for each member, and at most at its end


@dataclass
class Contents:
    """Files to carry, in order of importance: those added first are in the first piece."""

    files: list[dict[str, Any]] = field(default_factory=list)
    parts: list[tuple[str, bytes]] = field(default_factory=list)

    def add_file(self, path: str, data: bytes) -> None:
        """A file, by its path below the folder that it is unpacked into."""
        self.files.append({"path": path, "kind": "file", "contents": [self._content(data)]})

    def add_archive(self, title: str, members: Iterable[tuple[str, bytes, bool]]) -> None:
        """Many small files: path, content, and whether it can be executed."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name, data, is_executable in members:
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(data), 0o755 if is_executable else 0o644
                tar.addfile(info, io.BytesIO(data))
        self.files.append({"path": title, "kind": ARCHIVE, "contents": [self._content(packed.getvalue())]})

    def add_arrays(self, path: str, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        """An .npz; images in colour take the least space, as lossless WebP."""
        contents = []
        for name, array in arrays.items():
            said = {"array": name, "dtype": array.dtype.str, "shape": list(array.shape)}
            whole = np.ascontiguousarray(array)
            contents.append({**said, **self._content(whole.tobytes(), whole if _is_pictures(array) else None)})
        self.files.append({"path": path, "kind": "file", "contents": contents})

    def _content(self, data: bytes, pictures: np.ndarray[Any, Any] | None = None) -> dict[str, Any]:
        if pictures is not None:
            form, cut = "webp", [_webp(pictures[begin : begin + STRIP]) for begin in range(0, len(pictures), STRIP)]
        else:
            packed = lzma.compress(data)
            form, cut = "xz", [packed[begin : begin + SLICE] for begin in range(0, len(packed), SLICE)]
        names = [f"{number:05d}" for number in range(len(self.parts), len(self.parts) + len(cut))]
        self.parts += zip(names, cut, strict=True)
        return {"form": form, "sha256": hashlib.sha256(data).hexdigest(), "parts": names}

    def write(self, folder: Path, max_piece: int, **said: object) -> list[Path]:
        """Write the pieces, none above ``max_piece`` bytes, and return their paths; ``said`` goes into the manifest.

        Raises ValueError where a part does not fit into a piece.
        """
        manifest = json.dumps({"version": 1, **said, "files": self.files}, sort_keys=True).encode()
        first = _room(manifest) + _END
        pieces: list[list[tuple[str, bytes]]] = []
        left = 0
        for name, data in self.parts:
            if first + _room(data) > max_piece:
                raise ValueError(f"a piece of {max_piece:,} bytes is too small: {first + _room(data):,} are needed")
            if _room(data) > left:
                pieces.append([(MANIFEST, manifest)])
                left = max_piece - first
            pieces[-1].append((name, data))
            left -= _room(data)
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(PIECES):
            old.unlink()
        paths = [folder / PIECES.replace("*", f"{number:02d}") for number in range(1, len(pieces) + 1)]
        for path, members in zip(paths, pieces, strict=True):
            with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
                for name, data in members:
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        return paths


def size(text: str) -> int:
    """``60M``, ``500k`` or a number of bytes; M is a million. Raises ValueError for anything else."""
    match = re.fullmatch(r"([0-9]{1,12})([kMG]?)", text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"'{text}' is no size: write 60M")
    return int(match[1]) * {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}[match[2]]


def _is_pictures(array: np.ndarray[Any, Any]) -> bool:
    """Whether these are images that a WebP strip of at most 16,383 pixels' height holds."""
    return bool(
        array.dtype == np.uint8
        and array.ndim == 4
        and array.shape[3] == 3
        and 0 < array.shape[1] * min(STRIP, len(array)) <= 16_383
        and 0 < array.shape[2] <= 16_383
        and features.check("webp")
    )


def _webp(images: np.ndarray[Any, Any]) -> bytes:
    """Images (N, H, W, 3) below one another. Raises ValueError where this Pillow does not give them back."""
    packed = io.BytesIO()
    picture = Image.fromarray(images.reshape(-1, images.shape[2], 3))
    picture.save(packed, "WEBP", lossless=True, method=2, exact=True)
    if decoded("webp", [packed.getvalue()]) != images.tobytes():
        raise ValueError("this Pillow does not write lossless WebP images")
    return packed.getvalue()


def _room(data: bytes) -> int:
    return _HEADER + -(-len(data) // 512) * 512
