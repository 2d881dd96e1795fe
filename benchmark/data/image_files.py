"""Images on disk as NumPy arrays: .npz archives with Keras' keys, and folders in ImageFolder layout."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from benchmark.data.image_data import Arrays, DatasetError

NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")
OPTIONAL_KEYS = ("class_names", "exact_train", "exact_test")
COMMON_SIZE = (32, 32)  # of the images in a folder that holds several sizes
TEST_SHARE = 0.2  # of each class in a folder without a test set

Classes = dict[str, list[Path]]  # each class's image files


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

    Boolean ``exact_train`` and ``exact_test`` say which images are bit for bit the original ones; the note
    counts them. Raises DatasetError, naming the file, if it is missing, damaged or lacks a key.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in (*NPZ_KEYS, *OPTIONAL_KEYS) if key in archive}
    except Exception as error:  # zipfile, zlib and NumPy raise a dozen types on damaged archives
        raise DatasetError(
            f"{path}: not an .npz of plain arrays, or damaged ({one_line(error)}): "
            "copy it anew, or save it again with numpy.savez"
        ) from error
    if missing := [key for key in NPZ_KEYS if key not in arrays]:
        raise DatasetError(f"{path}: lacks {', '.join(missing)}: the keys are {', '.join(NPZ_KEYS)}")
    note = ""
    if "exact_train" in arrays and "exact_test" in arrays:
        exact = np.concatenate([arrays["exact_train"].ravel(), arrays["exact_test"].ravel()])
        note = f"{np.count_nonzero(exact):,} of {exact.size:,} images pixel-exact"
    names = arrays["class_names"].astype(str).ravel().tolist() if "class_names" in arrays else ()
    x_train, y_train, x_test, y_test = (arrays[key] for key in NPZ_KEYS)
    return Arrays(str(path), x_train, y_train, x_test, y_test, tuple(names), note)


def read_folder(folder: Path, seed: int) -> Arrays:
    """Read ``train/<class>/*`` with ``test/<class>/*`` (or ``val``), or ``<class>/*`` split by ``seed``.

    A class is a folder, labelled by its place in the order of names; its images may lie in folders below it.
    Hidden files and those without the extension of an image format are passed over. Without a test folder
    20 % of each class, at least one image, is held out: a function of the relative paths and the seed only.
    Images are greyscale if all files are (Pillow's modes L and 1), else RGB. They keep their size if they
    share one; otherwise the shorter side becomes 32 (bilinear, antialiased) and the central 32×32 is kept.

    Raises DatasetError for an unreadable image, an empty class, and classes that only train or test has.
    """
    train, test, note = _find_images(folder, seed)
    modes, sizes = _survey([*_paths(train), *_paths(test)])
    mode = "L" if modes <= {"L", "1"} else "RGB"
    size = COMMON_SIZE
    if len(sizes) == 1:
        size = sizes.pop()
    else:
        note += "; " * bool(note) + "images of several sizes, resized and cropped to {}×{}".format(*size)
    train_images, test_images = (_decode(_paths(classes), mode, size) for classes in (train, test))
    return Arrays(str(folder), train_images, _labels(train), test_images, _labels(test), tuple(train), note)


def folder_files(folder: Path, seed: int) -> list[Path]:
    """The images that ``read_folder`` reads, in its order. Raises DatasetError as it does for a layout."""
    train, test, _ = _find_images(folder, seed)
    return [*_paths(train), *_paths(test)]


def _find_images(folder: Path, seed: int) -> tuple[Classes, Classes, str]:
    """The training and the test images of each class, and a note on how they were told apart."""
    train_folder = folder / "train"
    test_folder = next((path for path in (folder / "test", folder / "val") if path.is_dir()), None)
    if train_folder.is_dir() and test_folder:
        train, test = _find_classes(train_folder), _find_classes(test_folder)
        if odd := sorted(train.keys() ^ test.keys()):
            where = {name: train_folder.name if name in train else test_folder.name for name in odd}
            listed = ", ".join(f"{name} (only in {where[name]})" for name in odd)
            raise DatasetError(f"{folder}: train and {test_folder.name} must have the same classes: {listed}")
        return train, test, ""
    if train_folder.is_dir() and any(path.is_dir() for path in train_folder.iterdir()):
        raise DatasetError(f"{folder}: has a train folder but no test (or val) folder beside it: add one")
    classes = _find_classes(folder)
    train, test = {}, {}
    for name, paths in classes.items():
        if len(paths) < 2:
            raise DatasetError(f"{folder / name}: one image cannot be both train and test: add another")
        held_out = hold_out([path.relative_to(folder).as_posix() for path in paths], TEST_SHARE, seed)
        train[name] = [path for path, out in zip(paths, held_out, strict=True) if not out]
        test[name] = [path for path, out in zip(paths, held_out, strict=True) if out]
    return train, test, f"test set: {TEST_SHARE:.0%} of each class, split seed {seed}"


def _find_classes(folder: Path) -> Classes:
    """The image files of each class folder; classes and files in the order of their names' code points."""
    extensions = {key for key, kind in Image.registered_extensions().items() if kind in Image.OPEN}

    def is_image(path: Path) -> bool:
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        return not hidden and path.suffix.lower() in extensions and path.is_file()

    classes: Classes = {}
    for name in sorted(path.name for path in folder.iterdir() if path.is_dir()):
        if not name.startswith("."):
            classes[name] = sorted(filter(is_image, (folder / name).rglob("*")), key=Path.as_posix)
            if not classes[name]:
                raise DatasetError(f"{folder / name}: no images in this class folder: add some or remove it")
    if not classes:
        raise DatasetError(f"{folder}: no class folders: images belong in {folder}/<class>/")
    return classes


def _paths(classes: Classes) -> list[Path]:
    return [path for paths in classes.values() for path in paths]


def _labels(classes: Classes) -> np.ndarray:
    return np.repeat(np.arange(len(classes)), [len(paths) for paths in classes.values()])


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The image at ``path``; what goes wrong while it is read becomes a DatasetError that names the file."""
    try:
        with Image.open(path) as image:
            yield image
    except Exception as error:  # each of Pillow's decoders raises types of its own
        reason = one_line(error)
        raise DatasetError(f"{path}: not a readable image ({reason}): replace or remove it") from error


def _survey(files: list[Path]) -> tuple[set[str], set[tuple[int, int]]]:
    """The modes and sizes (width, height) that occur, from the files' headers."""
    modes, sizes = set(), set()
    for path in files:
        with _opened(path) as image:
            mode, size = image.mode, image.size
        if mode.startswith(("I", "F")):  # Pillow would clip them to 255, not scale them
            raise DatasetError(f"{path}: has more than 8 bits per channel (mode {mode}): save it with 8 bits")
        modes.add(mode)
        sizes.add(size)
    return modes, sizes


def _decode(files: list[Path], mode: str, size: tuple[int, int]) -> np.ndarray:
    """All images in one mode and size (width, height): (N, H, W) for mode L, (N, H, W, 3) for RGB; uint8."""

    def pixels(path: Path) -> np.ndarray:
        with _opened(path) as image:
            converted = image.convert(mode)
            if converted.size != size:  # fit scales the largest centred box of the right shape
                converted = ImageOps.fit(converted, size, Image.Resampling.BILINEAR)
            return np.asarray(converted)

    with ThreadPoolExecutor() as threads:  # Pillow decodes outside the interpreter's lock
        return np.stack(list(threads.map(pixels, files)))
