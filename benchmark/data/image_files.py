"""Images in .npz archives with Keras' keys as NumPy arrays; and what all readers of files share."""

from __future__ import annotations

import hashlib
import math
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.data.arrays import Arrays
from benchmark.data.image_data import DatasetError

NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")
MEDMNIST_KEYS = ("train_images", "train_labels", "test_images", "test_labels")
OPTIONAL_KEYS = ("class_names", "exact_train", "exact_test")


def one_line(error: Exception) -> str:
    """What ``error`` says, on one line; its type where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def hold_out(keys: Sequence[str], share: float, seed: int) -> np.ndarray:
    """Which n·``share`` (rounded, at least one) of a class's n images are its test images: (n,) bool.

    Those whose SHA-256 of "seed/key" is the smallest: no library's random numbers take part, so no version
    of one can change a split.
    """
    ranks = [hashlib.sha256(f"{seed}/{key}".encode(errors="surrogateescape")).hexdigest() for key in keys]
    chosen = np.zeros(len(keys), dtype=bool)
    chosen[np.argsort(ranks)[: max(1, round(share * len(keys)))]] = True
    return chosen


def read_npz(path: Path) -> Arrays:
    """Read x_train, y_train, x_test and y_test, and ``class_names`` where present; nothing is unpickled.

    MedMNIST's keys ``train_images`` … are read as well; its validation images are left out, which the note says.
    Boolean ``exact_train`` and ``exact_test`` say which images are bit for bit the original ones; the note
    counts them. Raises DatasetError, naming the file, if it is missing, damaged or lacks a key, or if its arrays, by
    what their headers say, do not fit into memory.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: no such file")
    try:
        check_memory(str(path), _stated_bytes(path))
        with np.load(path, allow_pickle=False) as archive:
            keys = _keys(archive.files)
            arrays = {key: archive[key] for key in (*keys, *OPTIONAL_KEYS) if key in archive}
            validation = len(archive["val_labels"]) if keys == MEDMNIST_KEYS and "val_labels" in archive else 0
    except DatasetError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise a dozen types on damaged archives
        way_out = "copy it anew, or save it again with numpy.savez"
        if "allow_pickle" in str(error):
            way_out = "save a sparse matrix as .toarray(), and labels of Python objects as .astype(str)"
        raise DatasetError(f"{path}: not an .npz of plain arrays, or damaged ({one_line(error)}): {way_out}") from error
    if missing := [key for key in keys if key not in arrays]:
        raise DatasetError(f"{path}: lacks {', '.join(missing)}: the keys are {', '.join(keys)}")
    note = f"without its {validation:,} validation images" if validation else ""
    if "exact_train" in arrays and "exact_test" in arrays:
        exact = np.concatenate([arrays["exact_train"].ravel(), arrays["exact_test"].ravel()])
        note = f"{np.count_nonzero(exact):,} of {exact.size:,} images pixel-exact"
    names = arrays["class_names"].astype(str).ravel().tolist() if "class_names" in arrays else ()
    x_train, y_train, x_test, y_test = (arrays[key] for key in keys)
    return Arrays(str(path), x_train, y_train, x_test, y_test, tuple(names), note)


def _keys(names: Sequence[str]) -> tuple[str, ...]:
    """The keys under which an .npz with these ``names`` has images and labels: MedMNIST's, or Keras'."""
    return MEDMNIST_KEYS if set(MEDMNIST_KEYS) <= set(names) and "x_train" not in names else NPZ_KEYS


def _stated_bytes(path: Path) -> int:
    """The bytes that the arrays in an .npz need in memory, by their headers; nothing else is read."""
    total = 0
    with zipfile.ZipFile(path) as archive:
        names = {name.removesuffix(".npy"): name for name in archive.namelist()}
        for key, name in names.items():
            if key in (*_keys(list(names)), *OPTIONAL_KEYS):
                with archive.open(name) as file:
                    major, _ = np.lib.format.read_magic(file)
                    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
                    shape, _, dtype = read(file)
                    total += math.prod(shape) * dtype.itemsize
    return total


def check_memory(source: str, size: int) -> None:
    """Raise DatasetError if ``size`` bytes are more than this machine's memory, as far as that is known."""
    memory = _memory()
    if memory is not None and size > memory:
        raise DatasetError(
            f"{source}: the images need {in_bytes(size)}, more than the {in_bytes(memory)} of memory here: "
            "use fewer or smaller images"
        )


def _memory() -> int | None:
    """The machine's memory in bytes; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def in_bytes(size: int) -> str:
    """A size in memory as text, such as 1.1 GB."""
    power = min(max((len(str(size)) - 1) // 3, 1), 4)
    return f"{size / 1000**power:,.1f} {('kB', 'MB', 'GB', 'TB')[power - 1]}"
