#!/usr/bin/env python3
"""Pack what a block of time on an offline machine needs into pieces of a size: source, results, wheels, data.

    python tools/gpu/pack.py --max-piece 60M                         # MNIST and CIFAR-10, into .carry/
    python tools/gpu/pack.py --data mnist --wheels wheels/*.whl
    python tools/gpu/pack.py --rehearse                              # made-up images, for a rehearsal on the CPU

Writes ``piece-01.tar``, ``piece-02.tar``, … and ``unpack.py`` into ``--output``. The first piece begins with the
source: the tracked files of this checkout as they are, without ``results/``, and the commit for the headers of runs.
Then come the runs of the experiments that ``campaign.py`` goes on with, so that nothing is computed twice and runs that
were begun in an earlier block go on; then wheels, pure Python alone, from which the kit imports what is not installed;
then the data from ``--data-dir``, colour images as lossless WebP, which is 0.55 of CIFAR-10's size.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from benchmark.data import datasets
from benchmark.results import environment
from benchmark.results.layers import RESULTS
from tools.gpu.pieces import Contents, size
from tools.gpu.places import MADE_UP, REHEARSAL, ROOT, experiments_asked_for, kept

UNPACK = Path(__file__).with_name("unpack.py")


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--max-piece", default="60M", metavar="SIZE", help="of a piece; M is a million bytes (default: 60M)")
    p.add_argument(
        "--data", nargs="*", default=["mnist", "cifar10"], metavar="NAME", help="data sets, first ones first"
    )
    p.add_argument("--data-dir", type=Path, default=ROOT / "data", metavar="DIR")
    p.add_argument("--wheels", nargs="+", type=Path, default=[], metavar="FILE", help="wheels of pure Python")
    p.add_argument("--output", type=Path, default=ROOT / ".carry", metavar="DIR")
    p.add_argument("--rehearse", action="store_true", help="made-up images in place of the data")
    options = p.parse_args()
    try:
        for path in pack(options):
            print(f"{path}: {path.stat().st_size:,} bytes")
    except (ValueError, OSError) as error:
        p.error(" ".join(str(error).split()))
    print(f"carry the pieces, one at a time or together, with {options.output / UNPACK.name}")
    return 0


def pack(options: argparse.Namespace) -> list[Path]:
    """Write the pieces that the command line asks for. Raises ValueError in one line for what cannot be packed."""
    limit = size(options.max_piece)
    contents = Contents()
    contents.add_archive("the source", source())
    folder = ROOT / (REHEARSAL if options.rehearse else RESULTS)
    taken = {str(path.relative_to(ROOT)): path.read_bytes() for path in results(folder, options.rehearse)}
    if taken:
        contents.add_archive("results", ((name, data, False) for name, data in taken.items()))
    for wheel in options.wheels:
        if not wheel.name.endswith("-none-any.whl"):
            raise ValueError(f"{wheel}: not a wheel of pure Python (its name ends in -none-any.whl)")
        contents.add_file(f"wheels/{wheel.name}", wheel.read_bytes())
    if options.rehearse:
        contents.add_arrays(MADE_UP, made_up())
    else:
        for name in options.data:
            add_data(contents, name, options.data_dir)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in taken.items()}
    paths = contents.write(options.output, limit, results=digests)
    shutil.copy(UNPACK, options.output / UNPACK.name)
    return paths


def source() -> Iterator[tuple[str, bytes, bool]]:
    """The tracked files without results, and the commit they are of. Raises ValueError outside of a checkout."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False)
    commit = environment.commit(ROOT)
    if listed.returncode or commit is None:
        raise ValueError(f"{ROOT} is no git checkout: clone the repository")
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and not name.startswith("results/") and path.is_file():
            yield name, path.read_bytes(), bool(path.stat().st_mode & 0o100)
    yield environment.PACKED_COMMIT, f"{commit}\n".encode(), False
    yield "results/.keep", b"", False  # a checkout has this folder


def results(folder: Path, rehearsal: bool) -> Iterator[Path]:
    """The records of the experiments that campaigns go on with."""
    for name in experiments_asked_for(rehearsal):
        yield from kept(folder / name)


def add_data(contents: Contents, name: str, data_dir: Path) -> None:
    """The files of a known data set. Raises DatasetError or ValueError where they are not there."""
    files = datasets.files(name, data_dir)
    if files is None:
        raise ValueError(f"'{name}' is not in {data_dir}: download it first (python run_benchmark.py --dataset {name})")
    for path in files:
        carried = f"data/{path.relative_to(data_dir)}"
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                contents.add_arrays(carried, dict(arrays))
        else:
            contents.add_file(carried, path.read_bytes())


def made_up() -> dict[str, np.ndarray]:
    """Images of four classes, told apart by their colour and gradient, for a rehearsal."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 600), ("test", 200)):
        labels = np.arange(count) % 4
        ramp = np.linspace(0, 80, 16)
        base = np.where(labels[:, None, None] % 2, ramp[None, :, None], ramp[None, None, :])[..., None]
        colour = np.where(labels[:, None] < 2, [60, 20, 0], [0, 20, 60])[:, None, None, :]
        noise = rng.integers(0, 60, (count, 16, 16, 3))
        arrays[f"x_{split}"] = (base + colour + noise).clip(0, 255).astype(np.uint8)
        arrays[f"y_{split}"] = labels.astype(np.uint8)
    return arrays


if __name__ == "__main__":
    sys.exit(main())
