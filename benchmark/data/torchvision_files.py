"""torchvision's datasets as NumPy arrays, from their files in a data directory or downloaded into it."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from benchmark.data.arrays import Arrays
from benchmark.data.image_data import DatasetError
from benchmark.data.image_files import NPZ_KEYS, one_line

LOADERS = {
    "mnist": "MNIST",
    "fashion-mnist": "FashionMNIST",
    "kmnist": "KMNIST",
    "svhn": "SVHN",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
}

_PATTERNS = {  # of each data set's files; torchvision takes seconds to import
    "mnist": "MNIST/raw/*",
    "fashion-mnist": "FashionMNIST/raw/*",
    "kmnist": "KMNIST/raw/*",
    "svhn": "*_32x32.mat",
    "cifar10": "cifar-10-batches-py/*",
    "cifar100": "cifar-100-python/*",
}


def torchvision_files(name: str, data_dir: Path) -> list[Path]:
    """torchvision's files of the data set ``name`` that are in ``data_dir``, sorted; perhaps more than it reads."""
    return sorted(path for path in data_dir.glob(_PATTERNS[name]) if path.is_file())


def read_torchvision(name: str, data_dir: Path, *, download: bool) -> Arrays:
    """Read the dataset ``name`` of LOADERS; if it is not in ``data_dir``, download it there first.

    Only a download writes or locks anything, so a read-only directory that holds the files will do. Raises
    DatasetError if there are no files and no download, naming those that are damaged.
    """
    from torchvision import datasets  # a second to import, which an .npz need not wait for

    loader = getattr(datasets, LOADERS[name])
    try:
        return _read(loader, data_dir, download=False)
    except Exception as error:  # torchvision says neither what is wrong nor in which file, or by which type
        if not download:
            raise _failure(name, loader, data_dir, "downloading is off", error) from error
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(data_dir / f".{name}.lock"):  # who waited here finds the files of who came first
            return _read(loader, data_dir, download=True)
    except Exception as error:
        raise _failure(name, loader, data_dir, f"the download failed: {one_line(error)}", error) from error


def _read(loader: Any, data_dir: Path, *, download: bool) -> Arrays:
    source = f"torchvision's {loader.__name__} in {data_dir}"
    if hasattr(loader, "split_list"):  # SVHN: (N, C, H, W), and other names for everything
        train, test = (loader(data_dir, split=split, download=download) for split in ("train", "test"))
        train_images, test_images = (part.data.transpose(0, 2, 3, 1) for part in (train, test))
        return Arrays(source, train_images, train.labels, test_images, test.labels)
    train, test = (loader(data_dir, train=is_train, download=download) for is_train in (True, False))
    return Arrays(
        source,
        np.asarray(train.data),
        np.asarray(train.targets),
        np.asarray(test.data),
        np.asarray(test.targets),
        tuple(train.classes),
    )


def _failure(name: str, loader: Any, data_dir: Path, no_download: str, error: Exception) -> DatasetError:
    """What to say when neither the files nor the network gave the dataset."""
    npz = f"{data_dir / name}.npz (keys {', '.join(NPZ_KEYS)})"
    files = _files(loader, data_dir)
    if missing := [path for path in files if not path.exists()]:
        more = f" and {len(missing) - 1} more" * (len(missing) > 1)
        return DatasetError(
            f"{name}: not in {data_dir}: add {npz} or torchvision's files ({missing[0]}{more}); {no_download}"
        )
    damaged = [str(path) for path, md5 in files.items() if not _is_whole(path, md5)]
    culprit = ", ".join(damaged) or f"torchvision's copy in {data_dir}"
    return DatasetError(
        f"{name}: cannot use {culprit}: it is damaged or unreadable ({one_line(error)}): "
        f"delete it to download it again, or add {npz}"
    )


def _files(loader: Any, data_dir: Path) -> dict[Path, str | None]:
    """The files that torchvision reads, with their MD5 sums where it knows them."""
    if hasattr(loader, "split_list"):
        listed = [loader.split_list[split] for split in ("train", "test")]
        return {data_dir / file: md5 for _, file, md5 in listed}
    if hasattr(loader, "base_folder"):
        listed = [*loader.train_list, *loader.test_list, (loader.meta["filename"], loader.meta["md5"])]
        return {data_dir / loader.base_folder / file: md5 for file, md5 in listed}
    return {data_dir / loader.__name__ / "raw" / Path(file).stem: None for file, _ in loader.resources}


def _is_whole(path: Path, md5: str | None) -> bool:
    """Whether the file has its checksum or, for MNIST and its kin, the length that its IDX header states."""
    from torchvision.datasets.utils import check_integrity

    if not os.access(path, os.R_OK):
        return False
    if md5:
        return check_integrity(path, md5)
    with path.open("rb") as file:
        head = file.read(16)  # two zeros, the type, the number of dimensions; then the dimensions
    dimensions = [int.from_bytes(head[i : i + 4]) for i in range(4, 4 + 4 * sum(head[3:4]), 4)]
    return path.stat().st_size == 4 + 4 * len(dimensions) + math.prod(dimensions)
