"""Datasets by name or path, as uint8 tensors on the device with labels, class names and SHA-256.

A known name is looked for in the data directory as ``<name>.npz`` (Keras' keys), then as torchvision's files,
then downloaded; ``digits`` is always scikit-learn's. Any other name is the path of an .npz or of a folder of
images. The same arrays are the same dataset, with the same SHA-256, wherever they come from.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmark.data.arrays import Arrays, checked
from benchmark.data.image_data import DatasetError, ImageData
from benchmark.data.image_files import hold_out, read_npz
from benchmark.data.image_folder import Say, folder_files, read_folder
from benchmark.data.torchvision_files import read_torchvision, torchvision_files
from benchmark.experiment.dataset_name import canonical_name
from benchmark.experiment.kinds import mistaken
from benchmark.experiment.suggestions import nearest

__all__ = ["DatasetError", "ImageData", "describe", "load", "names"]


class _Known(NamedTuple):
    summary: str
    class_names: tuple[str, ...]  # empty where only the files tell


_TEN = tuple("0123456789")
_GARMENTS = "T-shirt/top, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot"
_CIFAR10 = "airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck"
_KNOWN = {
    "digits": _Known("handwritten digits, 8×8 grey, 10 classes, 1,258 + 539 images, embedded", _TEN),
    "mnist": _Known("handwritten digits, 28×28 grey, 10 classes, 60,000 + 10,000 images", _TEN),
    "fashion-mnist": _Known("garments, 28×28 grey, 10 classes, 60,000 + 10,000 images", tuple(_GARMENTS.split(", "))),
    "kmnist": _Known(
        "cursive hiragana, 28×28 grey, 10 classes, 60,000 + 10,000 images",
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    ),
    "svhn": _Known("house numbers, 32×32 colour, 10 classes, 73,257 + 26,032 images", _TEN),
    "cifar10": _Known(
        "animals and vehicles, 32×32 colour, 10 classes, 50,000 + 10,000 images", tuple(_CIFAR10.split(", "))
    ),
    "cifar100": _Known("things and beings, 32×32 colour, 100 classes, 50,000 + 10,000 images", ()),
}


def names() -> tuple[str, ...]:
    """The datasets that are known by name."""
    return tuple(_KNOWN)


def describe(name: str) -> str:
    """One line on a known dataset; its two counts are training and test images."""
    if name not in _KNOWN:
        raise _unknown(name)
    return _KNOWN[name].summary


def load(
    name_or_path: str,
    data_dir: Path = Path("data"),
    *,
    device: torch.device | str = "cpu",
    download: bool = True,
    seed_split: int = 0,
    image_size: int = 0,
    say: Say | None = None,
) -> ImageData:
    """Load a known dataset, an .npz with Keras' keys or a folder in ImageFolder layout onto ``device``.

    A known name wins over a file of that name ("./mnist" is a folder). ``seed_split`` chooses the test images
    of a folder that has no test set, and matters nowhere else. ``image_size`` is the side in pixels of the squares that
    the images of a folder are brought to, 0 for their own size; ``say`` takes a line on the memory that they need
    before they are decoded. Raises DatasetError, in one line, for what
    cannot be found, downloaded or read, and for images and labels that ``ImageData`` does not allow.
    """
    known = _KNOWN.get(name_or_path)
    path = data_dir / f"{name_or_path}.npz" if known else Path(name_or_path)
    if name_or_path == "digits":
        arrays = _digits()
    elif known and not path.exists():
        arrays = read_torchvision(name_or_path, data_dir, download=download)
    elif path.suffix == ".npz":
        arrays = read_npz(path)
    elif path.is_dir() and not _holds_results(path):
        return checked(canonical_name(name_or_path), read_folder(path, seed_split, image_size, say)).to(device)
    else:
        raise _unknown(name_or_path)
    if image_size:
        raise DatasetError(f"{name_or_path}: image_size is for a folder of images: leave it out, or at 0")
    if known and known.class_names:
        arrays = arrays._replace(class_names=known.class_names)
    return checked(canonical_name(name_or_path), arrays).to(device)


def files(name_or_path: str, data_dir: Path = Path("data"), *, seed_split: int = 0) -> list[Path] | None:
    """The files that ``load`` reads, images of a folder in their order; None for a known dataset that has none there.

    Raises DatasetError for a path at which there is no dataset.
    """
    known = name_or_path in _KNOWN
    path = data_dir / f"{name_or_path}.npz" if known else Path(name_or_path)
    if name_or_path == "digits":
        return []
    if known and not path.exists():
        return torchvision_files(name_or_path, data_dir) or None
    if path.suffix == ".npz":
        if not path.is_file():
            raise DatasetError(f"{path}: no such file")
        return [path]
    if path.is_dir() and not _holds_results(path):
        return folder_files(path, seed_split)
    raise _unknown(name_or_path)


def _holds_results(folder: Path) -> bool:
    return (folder / "experiment.json").is_file() or any(folder.glob("*/experiment.json"))


def _unknown(name: str) -> DatasetError:
    if wrong := mistaken(name, "a data set"):
        return DatasetError(wrong)
    hint = nearest(name.lower(), _KNOWN)
    known = f"known: {', '.join(_KNOWN)}; or a path to an .npz or an image folder"
    return DatasetError(f"unknown dataset {name!r}{hint} ({known})")


def _digits() -> Arrays:
    """scikit-learn's digits, their values 0…16 scaled to 0…255; 30 % of each class is the test set.

    The split is fixed: ``hold_out`` with the images' positions as keys and seed 0.
    """
    from sklearn.datasets import load_digits  # takes a second, which no other dataset need wait for

    bunch = load_digits()
    images, labels = np.rint(bunch.images * (255 / 16)).astype(np.uint8), bunch.target
    test = np.zeros(len(images), dtype=bool)
    for digit in range(10):
        members = np.flatnonzero(labels == digit)
        test[members] = hold_out([str(position) for position in members], share=0.3, seed=0)
    return Arrays("digits", images[~test], labels[~test], images[test], labels[test])
