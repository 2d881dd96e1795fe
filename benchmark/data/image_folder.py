"""Folders of images, a folder for each class, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from benchmark.data.arrays import Arrays
from benchmark.data.image_data import DatasetError
from benchmark.data.image_files import check_memory, hold_out, in_bytes, one_line

TEST_SHARE = 0.2  # of each class in a folder without a test set
LARGEST_SIDE = 256  # pixels, of images that keep their size
LISTED = 50  # files in a message

_TRAIN = ("train", "training")
_TEST = ("test", "testing"), ("val", "valid", "validation", "eval", "evaluation", "dev")  # the first that is there
_ORIENTATION, _ON_THEIR_SIDE = 0x0112, (5, 6, 7, 8)  # EXIF: width and height change places

Classes = dict[str, list[Path]]  # each class's image files
Say = Callable[[str], None]


class _Survey(NamedTuple):
    """What the files' headers say: their modes, and their sizes (width, height) when they are upright."""

    modes: set[str]
    sizes: set[tuple[int, int]]


def read_folder(folder: Path, seed: int, image_size: int = 0, say: Say | None = None) -> Arrays:
    """Read ``train/<class>/*`` with ``test/<class>/*`` (or ``val``), or ``<class>/*`` split by ``seed``.

    A class is a folder, labelled by its place in the order of names; its images may lie in folders below it.
    ``Train``, ``training_set``, ``val2017`` and the like are read as they are meant. Hidden files and those without
    the extension of an image format are passed over. Without a test folder 20 % of each class, at least one image,
    is held out: a function of the relative paths and the seed only.

    Images are turned as their EXIF orientation says, and greyscale if all files are (Pillow's modes L and 1), else RGB.
    With ``image_size`` the shorter side becomes that many pixels (bilinear, antialiased) and the central square is
    kept; with 0 the images keep their size, which they must share. ``say`` is told how many there are and what memory
    they need before any is decoded.

    Raises DatasetError, in one line, for unreadable images (all of them), an empty class, classes that only train or
    test has, and images of several sizes or large ones where ``image_size`` is 0.
    """
    train, test, note = _find_images(folder, seed)
    files = [*_paths(train), *_paths(test)]
    survey = _survey(folder, files)
    mode = "L" if survey.modes <= {"L", "1"} else "RGB"
    if image_size:
        size = (image_size, image_size)
        if survey.sizes != {size}:
            note += "; " * bool(note) + f"images resized and cropped to {image_size}×{image_size}"
    else:
        size = _common_size(folder, len(files), survey.sizes, len(mode))
    needed = len(files) * size[0] * size[1] * len(mode)
    check_memory(str(folder), needed)
    if say is not None:
        say(f"{folder}: reading {len(files):,} images, {size[0]}×{size[1]} pixels, {in_bytes(needed)} in memory")
    train_images, test_images = (_decode(folder, _paths(classes), mode, size, files) for classes in (train, test))
    return Arrays(str(folder), train_images, _labels(train), test_images, _labels(test), tuple(train), note)


def folder_files(folder: Path, seed: int) -> list[Path]:
    """The images that ``read_folder`` reads, in its order. Raises DatasetError as it does for a layout."""
    train, test, _ = _find_images(folder, seed)
    return [*_paths(train), *_paths(test)]


def _common_size(folder: Path, count: int, sizes: set[tuple[int, int]], channels: int) -> tuple[int, int]:
    """The size of all images. Raises DatasetError, saying what to set, if they have several or are large."""
    smallest, *_, largest = sorted(sizes, key=lambda size: (size[0] * size[1], size)) * 2
    what_to_set = (
        "choose the side in pixels of the squares that they are brought to, such as --set image_size=32 "
        f"({in_bytes(count * 32 * 32 * channels)} in memory)"
    )
    if smallest != largest:
        raise DatasetError(
            f"{folder}: {count:,} images of several sizes, {smallest[0]}×{smallest[1]} to {largest[0]}×{largest[1]} "
            f"pixels: {what_to_set}"
        )
    if max(largest) > LARGEST_SIDE:
        raise DatasetError(
            f"{folder}: {count:,} images of {largest[0]}×{largest[1]} pixels, "
            f"{in_bytes(count * largest[0] * largest[1] * channels)} in memory, are too large to train on: "
            + what_to_set
        )
    return largest


def _find_images(folder: Path, seed: int) -> tuple[Classes, Classes, str]:
    """The training and the test images of each class, and a note on how they were told apart."""
    train_folder, test_folder = _split_folders(folder)
    if train_folder and test_folder:
        train, test = _find_classes(train_folder), _find_classes(test_folder)
        if odd := sorted(train.keys() ^ test.keys()):
            where = {name: train_folder.name if name in train else test_folder.name for name in odd}
            listed = ", ".join(f"{name} (only in {where[name]})" for name in odd)
            raise DatasetError(
                f"{folder}: {train_folder.name} and {test_folder.name} must have the same classes: {listed}"
            )
        return train, test, ""
    if train_folder:
        raise DatasetError(f"{folder}: has a {train_folder.name} folder but no test (or val) folder beside it: add one")
    if test_folder:
        raise DatasetError(f"{folder}: has a {test_folder.name} folder but no train folder beside it: add one")
    classes = _find_classes(folder)
    train, test = {}, {}
    for name, paths in classes.items():
        if len(paths) < 2:
            raise DatasetError(f"{folder / name}: one image cannot be both train and test: add another")
        held_out = hold_out([path.relative_to(folder).as_posix() for path in paths], TEST_SHARE, seed)
        train[name] = [path for path, out in zip(paths, held_out, strict=True) if not out]
        test[name] = [path for path, out in zip(paths, held_out, strict=True) if out]
    return train, test, f"test set: {TEST_SHARE:.0%} of each class, split seed {seed}"


def _split_folders(folder: Path) -> tuple[Path | None, Path | None]:
    """The folders of the training and of the test set, as far as they are there: those that hold class folders."""

    def find(meanings: tuple[str, ...]) -> Path | None:
        found = [
            path
            for path in sorted(folder.iterdir())
            if _meaning(path.name) in meanings and path.is_dir() and any(below.is_dir() for below in path.iterdir())
        ]
        if len(found) > 1:
            names = " and ".join(path.name for path in found)
            raise DatasetError(f"{folder}: {names} may each be the {meanings[0]} set: rename all but one")
        return found[0] if found else None

    tests = (path for path in map(find, _TEST) if path is not None)
    return find(_TRAIN), next(tests, None)


def _meaning(name: str) -> str:
    """What a folder is called but for case, digits, separators and the word set: ``Training_Set`` is training."""
    return "".join(filter(str.isalpha, name.lower())).removesuffix("set").removesuffix("data")


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


class _Unreadable(Exception):
    """A file is not a readable image."""


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The image at ``path``; what goes wrong while it is read becomes _Unreadable."""
    try:
        with Image.open(path) as image:
            yield image
    except Exception as error:  # each of Pillow's decoders raises types of its own
        raise _Unreadable(one_line(error)) from error


def _survey(folder: Path, files: list[Path]) -> _Survey:
    """What the headers of the files say."""
    survey = _Survey(set(), set())
    deep = []
    for path in files:
        try:
            with _opened(path) as image:
                mode, (width, height), turned = image.mode, image.size, _on_its_side(image)
        except _Unreadable as error:
            raise _all_unreadable(folder, files) from error
        if mode.startswith(("I", "F")):  # Pillow would clip them to 255, not scale them
            deep.append(f"{path}: has more than 8 bits per channel (mode {mode})")
        survey.modes.add(mode)
        survey.sizes.add((height, width) if turned else (width, height))
    if deep:
        more = f", and {len(deep) - 1} more" * (len(deep) > 1)
        raise DatasetError(f"{deep[0]}{more}: save {'them' if more else 'it'} with 8 bits")
    return survey


def _on_its_side(image: Image.Image) -> bool:
    """Whether an image of an opened file, by its EXIF orientation, lies on its side; without decoding it."""
    if image.format == "TIFF" or "exif" not in image.info:  # Pillow turns TIFF itself
        return False
    try:
        return image.getexif().get(_ORIENTATION) in _ON_THEIR_SIDE
    except Exception:  # damaged EXIF; the pixels may be whole
        return False


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as the EXIF orientation in its header says."""
    stated = "exif" in image.info
    image.load()
    try:
        return ImageOps.exif_transpose(image) if stated else image
    except Exception:  # damaged EXIF; the pixels are whole
        return image


def _all_unreadable(folder: Path, files: list[Path]) -> DatasetError:
    """What to say when one image cannot be read: which ones cannot, so that all can be mended at once."""

    def reason(path: Path) -> str:
        try:
            with _opened(path) as image:
                image.load()
        except _Unreadable as error:
            return str(error)
        return ""

    with ThreadPoolExecutor() as threads:
        reasons = dict(zip(files, threads.map(reason, files), strict=True))
    bad = [f"{path} ({why})" for path, why in reasons.items() if why]
    if len(bad) == 1:
        path, why = next((path, why) for path, why in reasons.items() if why)
        return DatasetError(f"{path}: not a readable image ({why}): replace or remove it")
    listed = ", ".join(bad[:LISTED]) + f" and {len(bad) - LISTED:,} more" * (len(bad) > LISTED)
    return DatasetError(f"{folder}: {len(bad)} files are not readable images: {listed}: replace or remove them")


def _decode(folder: Path, files: list[Path], mode: str, size: tuple[int, int], all_files: list[Path]) -> np.ndarray:
    """The images in one mode and size (width, height): (N, H, W) for mode L, (N, H, W, 3) for RGB; uint8."""
    width, height = size
    pixels = np.empty((len(files), height, width, *([3] if mode == "RGB" else [])), dtype=np.uint8)

    def decode(number: int) -> None:
        with _opened(files[number]) as image:
            converted = _upright(image).convert(mode)
            if converted.size != size:  # fit scales the largest centred box of the right shape
                converted = ImageOps.fit(converted, size, Image.Resampling.BILINEAR)
            pixels[number] = np.asarray(converted)

    try:
        with ThreadPoolExecutor() as threads:  # Pillow decodes outside the interpreter's lock
            list(threads.map(decode, range(len(files))))
    except _Unreadable as error:
        raise _all_unreadable(folder, all_files) from error
    return pixels
