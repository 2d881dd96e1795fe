#!/usr/bin/env python3
"""Put together what ``pack.py`` has cut into pieces; carried along with them, it needs NumPy and Pillow alone.

    python unpack.py acqbench                     # the pieces that lie beside this file, into the folder acqbench
    python unpack.py acqbench --from carried/     # those in another folder

Pieces may come one at a time: a file is written when all its parts are there and its content has the SHA-256 that was
packed; parts of others wait in ``acqbench/.pack``. What is there already is left alone, so that results which have
grown meanwhile stay. Exit status: 0, also where pieces are still to come; 1 for a damaged piece; 2 bad usage.

A piece is a tar file. It begins with ``manifest.json``, the same in all, which lists the files with their contents in
parts; the parts follow. A content is a file, an array of an .npz, or a tar archive of many small files. Its form is
``xz``, the compressed content cut into parts, or ``webp``, whose parts are lossless images of its pixels.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import lzma
import os
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

MANIFEST, PIECES, STATE = "manifest.json", "piece-*.tar", ".pack"
ARCHIVE = "archive"  # the ``kind`` of what is a tar archive to extract; its path is a title


class PieceError(ValueError):
    """A piece that is damaged, or not of the others' pack."""


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("target", type=Path, metavar="DIR")
    p.add_argument("--from", dest="source", type=Path, default=Path(__file__).resolve().parent, metavar="FOLDER")
    options = p.parse_args()
    pieces = sorted(options.source.glob(PIECES))
    if not pieces:
        p.error(f"there is no {PIECES} in {options.source}")
    try:
        written, waiting = unpack(pieces, options.target)
    except (PieceError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path in written:
        print(f"unpacked: {path}")
    for path, (here, of) in waiting.items():
        print(f"{path}: {here} of {of} parts are here; the others are in another piece")
    return 0


def unpack(pieces: Iterable[Path], target: Path) -> tuple[list[str], dict[str, tuple[int, int]]]:
    """Write to ``target`` the files whose parts are all there, in these pieces or earlier ones.

    Returns what was written, and how many of how many parts are there of what is still incomplete. Raises PieceError
    for a damaged piece, and for one of another pack than that which ``target`` has.
    """
    state = target / STATE
    parts, done = state / "parts", state / "done"
    for folder in (parts, done):
        folder.mkdir(parents=True, exist_ok=True)
    for piece in pieces:
        _take(piece, state)
    written, waiting = [], {}
    for number, file in enumerate(read_manifest(state)["files"]):
        if (done / str(number)).exists():
            continue
        names = [name for content in file["contents"] for name in content["parts"]]
        here = [name for name in names if (parts / name).exists()]
        if len(here) < len(names):
            waiting[file["path"]] = len(here), len(names)
            continue
        _assemble(file, parts, target)
        (done / str(number)).touch()
        for name in names:
            (parts / name).unlink()
        written.append(file["path"])
    return written, waiting


def read_manifest(state: Path) -> dict[str, Any]:
    """The manifest of what was unpacked, by the folder ``.pack``."""
    found: dict[str, Any] = json.loads((state / MANIFEST).read_text(encoding="utf-8"))
    return found


def _take(piece: Path, state: Path) -> None:
    """Keep a piece's manifest and those of its parts that are still needed."""
    try:
        with tarfile.open(piece, "r:") as tar:
            manifest = b""
            for member in tar:
                file = tar.extractfile(member)
                data = b"" if file is None else file.read()
                if member.name == MANIFEST:
                    manifest = data
                    _same_pack(manifest, state, piece)
                    needed = set(_needed(state))
                elif not manifest or "/" in member.name:
                    raise PieceError(f"{piece} is not a piece of a pack")
                elif member.name in needed:
                    write(state / "parts" / member.name, data)
            if not manifest:
                raise PieceError(f"{piece} is not a piece of a pack")
    except tarfile.TarError as error:
        raise PieceError(f"{piece} is damaged: {error}") from error


def _same_pack(manifest: bytes, state: Path, piece: Path) -> None:
    kept = state / MANIFEST
    if not kept.exists():
        write(kept, manifest)
    elif kept.read_bytes() != manifest:
        raise PieceError(f"{piece} is of another pack than {state.parent}: unpack it into another folder")


def _needed(state: Path) -> Iterator[str]:
    for number, file in enumerate(read_manifest(state)["files"]):
        if not (state / "done" / str(number)).exists():
            for content in file["contents"]:
                yield from content["parts"]


def _assemble(file: dict[str, Any], parts: Path, target: Path) -> None:
    path = target / file["path"]
    contents = [_content(content, parts, file["path"]) for content in file["contents"]]
    if file["kind"] == ARCHIVE:
        with tarfile.open(fileobj=io.BytesIO(contents[0])) as tar:
            tar.extractall(target, filter="data")
    elif path.suffix == ".npz" and "array" in file["contents"][0]:
        import numpy as np

        arrays = {
            content["array"]: np.frombuffer(data, np.dtype(content["dtype"])).reshape(content["shape"])
            for content, data in zip(file["contents"], contents, strict=True)
        }
        packed = io.BytesIO()
        np.savez(packed, **arrays)
        write(path, packed.getvalue())
    else:
        write(path, contents[0])


def _content(content: dict[str, Any], parts: Path, path: str) -> bytes:
    try:
        data = decoded(content["form"], [(parts / name).read_bytes() for name in content["parts"]])
    except (lzma.LZMAError, OSError) as error:
        raise PieceError(f"{path} is damaged: {error}") from error
    if hashlib.sha256(data).hexdigest() != content["sha256"]:
        raise PieceError(f"{path} is damaged: its content is not what was packed")
    return data


def decoded(form: str, parts: list[bytes]) -> bytes:
    """The content whose parts these are."""
    if form == "webp":
        from PIL import Image

        return b"".join(Image.open(io.BytesIO(part)).convert("RGB").tobytes() for part in parts)
    return lzma.decompress(b"".join(parts))


def write(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_bytes(data)
    os.replace(partial, path)


if __name__ == "__main__":
    sys.exit(main())
