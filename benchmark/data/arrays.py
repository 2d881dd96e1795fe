"""Data as a reader found them, and what they must be like."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import torch

from benchmark.data.image_data import DatasetError, ImageData

# Of embeddings: values that float32 can compute with, and how small a deviation may be, alone and beside the mean.
_LARGEST, _NARROWEST, _OFFSET = 1e37, 1e-30, 1e5
_ROUNDING = 1e-13  # a relative deviation that float64's own rounding makes
_FARTHEST = 1e12  # deviations of a test example from the mean


class Arrays(NamedTuple):
    """A dataset as a reader found it: images (N, H, W) or (N, H, W, C), embeddings (N, D), and labels, unchecked.

    Labels are numbers (N,) or (N, 1), strings (N,) or one-hot rows (N, C). ``source`` is what an error message calls
    it. ``class_names`` is empty where nothing gives them.
    """

    source: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...] = ()
    note: str = ""


def checked(name: str, arrays: Arrays) -> ImageData:
    """The dataset, on the CPU. Raises DatasetError, saying what is wrong, if ImageData does not allow it."""
    source = arrays.source
    train_images = _checked_images(f"{source}: the training images", arrays.train_images)
    test_images = _checked_images(f"{source}: the test images", arrays.test_images)
    if train_images.shape[1:] != test_images.shape[1:] or train_images.dtype != test_images.dtype:
        raise DatasetError(
            f"{source}: the training examples are {_kind(train_images)}, the test examples {_kind(test_images)}: they "
            "must be alike"
        )
    arrays = with_class_numbers(arrays)
    train_labels = _checked_labels(f"{source}: the training labels", arrays.train_labels, len(train_images))
    test_labels = _checked_labels(f"{source}: the test labels", arrays.test_labels, len(test_images))
    classes = np.unique(train_labels)
    if len(classes) < 2 or not np.array_equal(classes, np.arange(len(classes))):
        shown = ", ".join(map(str, classes[:5])) + ", …" * (len(classes) > 5)
        raise DatasetError(
            f"{source}: the training labels are {shown}: they must be 0…C−1, all in use and at least two; those saved "
            "with .astype(str) are names, and numbered here"
        )
    if test_labels.min() < 0 or test_labels.max() >= len(classes):
        raise DatasetError(f"{source}: the test labels must be 0…{len(classes) - 1}, like the training labels")
    class_names = arrays.class_names or tuple(map(str, range(len(classes))))
    if len(class_names) != len(classes):
        raise DatasetError(
            f"{source}: the labels have {len(classes)} classes, but the number of class names is {len(class_names)}"
        )
    if len(set(class_names)) < len(class_names):
        twice = next(class_name for class_name in class_names if class_names.count(class_name) > 1)
        raise DatasetError(f"{source}: two classes are named '{twice}': give each a name of its own")
    data = ImageData(
        name=name,
        train_images=torch.from_numpy(train_images),
        train_labels=torch.from_numpy(train_labels),
        test_images=torch.from_numpy(test_images),
        test_labels=torch.from_numpy(test_labels),
        class_names=class_names,
        sha256=_sha256(train_images, train_labels, test_images, test_labels),
        note=arrays.note,
    )
    if data.are_embeddings:
        _check_scale(source, data)
    return data


def _checked_images(what: str, images: np.ndarray) -> np.ndarray:
    """The images as (N, H, W, C), contiguous; embeddings (N, D) of real numbers as (N, 1, 1, D) float32."""
    if images.ndim == 2 and images.dtype.kind == "f":
        return _checked_embeddings(what.replace("images", "embeddings"), images)
    if images.dtype != np.uint8 or images.ndim == 2:
        raise DatasetError(
            f"{what} are {images.dtype} of shape {images.shape}: images are uint8 0–255, (N, H, W) or (N, H, W, C), "
            f"embeddings floating-point numbers, (N, D){_way_out(images)}"
        )
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        channels_first = images.ndim == 4 and images.shape[1] in (1, 3)
        way_out = ": call .transpose(0, 2, 3, 1)" if channels_first else ""
        raise DatasetError(
            f"{what} have shape {images.shape}: it must be (N, H, W) or (N, H, W, C) with C = 1 or 3{way_out}"
        )
    if images.size == 0:
        raise DatasetError(f"{what} have shape {images.shape}: there must be one, of at least one pixel")
    return np.ascontiguousarray(images)


def _way_out(images: np.ndarray) -> str:
    """How images or embeddings of another type become what they must be; empty where that is not plain."""
    kind = images.dtype.kind
    if images.ndim == 2:
        return ": call .astype(np.float32)" if kind in "biu" else ""
    if kind == "f":
        factor = "255 * x" if images.size and np.nanmax(images) <= 1 else "x"
        return f": embeddings need .reshape(len(x), -1), images ({factor}).round().astype(np.uint8)"
    if kind == "b":
        return ": call (255 * x).astype(np.uint8)"
    if kind in "iu" and images.size and images.min() >= 0:
        return f": call {'x' if images.max() <= 255 else '(x // 256)'}.astype(np.uint8)"
    return ""


def _checked_embeddings(what: str, embeddings: np.ndarray) -> np.ndarray:
    if embeddings.size == 0:
        raise DatasetError(f"{what} have shape {embeddings.shape}: there must be one, of at least one dimension")
    if len(bad := np.flatnonzero(~np.isfinite(embeddings).all(1))):
        raise DatasetError(
            f"{what} have NaN or infinite values in {len(bad):,} rows, the first {bad[0]}: leave them out"
        )
    with np.errstate(over="ignore"):
        numbers = np.ascontiguousarray(embeddings, dtype=np.float32)
    if len(bad := np.flatnonzero(~(np.abs(numbers) < _LARGEST).all(1))):
        raise DatasetError(
            f"{what} have values beyond {_LARGEST:.0e} in {len(bad):,} rows, the first {bad[0]}: divide all by one "
            "number, or leave these rows out"
        )
    if embeddings.dtype.itemsize > numbers.dtype.itemsize:
        _check_offsets(what, embeddings)
    return numbers[:, np.newaxis, np.newaxis, :]


def _check_offsets(what: str, embeddings: np.ndarray) -> None:
    """Raise DatasetError for a dimension whose values differ by less than float32 tells apart so far from 0.

    One that is constant but for float64's rounding may be.
    """
    offset, spread = np.abs(embeddings.mean(0, dtype=np.float64)), embeddings.std(0, dtype=np.float64)
    if len(lost := np.flatnonzero((offset > _OFFSET * spread) & (spread > _ROUNDING * offset))):
        one = lost[0]
        raise DatasetError(
            f"{what} have a mean of {offset[one]:.3g} and a standard deviation of {spread[one]:.3g} in dimension "
            f"{one}, which float32, in which they are kept, does not tell apart: subtract the mean of the training "
            "embeddings"
        )


def _check_scale(source: str, data: ImageData) -> None:
    """Raise DatasetError for embeddings that a head cannot compute with once they are standardised."""
    rows, mean, std = data.train_images.flatten(1), data.mean, data.std
    if len(narrow := np.flatnonzero(std.numpy() < _NARROWEST)):
        one = narrow[0]
        raise DatasetError(
            f"{source}: the training embeddings have a standard deviation of {std[one]:.3g} in dimension {one}: "
            "multiply all by one number"
        )
    varies = rows.amax(0) > rows.amin(0)
    far = ((data.test_images.flatten(1) - mean).abs_() > _FARTHEST * std)[:, varies].any(1).nonzero()
    if len(far):
        raise DatasetError(
            f"{source}: the test embeddings have values over {_FARTHEST:.0e} standard deviations from the mean in "
            f"{len(far):,} rows, the first {int(far[0])}: leave these rows out"
        )


def _kind(images: np.ndarray) -> str:
    """What checked images are, and their shape."""
    if images.dtype != np.uint8:
        return f"embeddings of {images.shape[3]} dimensions"
    _, height, width, channels = images.shape
    return f"images of {height}×{width} pixels and {channels} channel{'s' if channels > 1 else ''}"


def with_class_numbers(arrays: Arrays) -> Arrays:
    """The same with labels as class numbers, where they are strings or one-hot rows.

    Strings are numbered as ``class_names`` are, or in their sorted order, and then become the class names. Raises
    DatasetError for rows that are not one-hot, for test labels that no training image has, and for other class names.
    """
    train, test = arrays.train_labels, arrays.test_labels
    if (train.dtype.kind in "US") != (test.dtype.kind in "US"):  # one of them numbers
        raise DatasetError(
            f"{arrays.source}: the training labels are {train.dtype}, the test labels {test.dtype}: they must be alike"
        )
    if train.dtype.kind in "US" and test.dtype.kind in "US":
        train, test = _as_text(train), _as_text(test)
        found = np.unique(train)
        if not len(found):
            raise DatasetError(f"{arrays.source}: there is no training label")
        places = np.searchsorted(found, test.ravel()).clip(max=len(found) - 1)
        if len(unseen := np.flatnonzero(found[places] != test.ravel())):
            raise DatasetError(
                f"{arrays.source}: the test label {test.ravel()[unseen[0]]!s} is not among the training labels"
            )
        words = tuple(map(str, found))
        numbers = np.array(_numbers(arrays.source, words, arrays.class_names))
        mapped, of_test = numbers[np.searchsorted(found, train.ravel())], numbers[places]
        return arrays._replace(
            train_labels=mapped.reshape(train.shape),
            test_labels=of_test.reshape(test.shape),
            class_names=arrays.class_names or words,
        )
    if train.ndim == 2 and train.shape[1] > 1 and test.ndim == 2 and test.shape[1] == train.shape[1]:
        for what, rows in (("training", train), ("test", test)):
            if rows.dtype.kind not in "biuf" or not ((rows == 0) | (rows == 1)).all() or not (rows.sum(1) == 1).all():
                raise DatasetError(
                    f"{arrays.source}: the {what} labels are {rows.shape[1]} columns that are not one-hot: "
                    "each row must have one 1 and zeros"
                )
        return arrays._replace(train_labels=train.argmax(1), test_labels=test.argmax(1))
    return arrays


def _as_text(labels: np.ndarray) -> np.ndarray:
    """Labels that are strings as text; bytes that are no UTF-8 are shown as such."""
    return np.char.decode(labels, "utf-8", "backslashreplace") if labels.dtype.kind == "S" else labels


def _numbers(source: str, words: tuple[str, ...], class_names: tuple[str, ...]) -> list[int]:
    """The class numbers of the ``words``, which are sorted: those of their names, or that they are themselves.

    Raises DatasetError where the words are neither.
    """
    if not class_names:
        return list(range(len(words)))
    if set(words) <= set(class_names):
        return [class_names.index(word) for word in words]
    numbers = {str(number): number for number in range(len(class_names))}
    if set(words) <= numbers.keys():
        return [numbers[word] for word in words]
    other = next(word for word in words if word not in class_names)
    raise DatasetError(
        f"{source}: the label {other} is not among the class names ({', '.join(class_names[:5])}"
        f"{', …' * (len(class_names) > 5)}): name all classes as in the labels, or leave the names out"
    )


def _checked_labels(what: str, labels: np.ndarray, count: int) -> np.ndarray:
    """The labels as (N,) int64, contiguous."""
    if labels.shape not in ((count,), (count, 1)):
        way_out = ", or one-hot rows in both training and test" if labels.ndim == 2 else ""
        raise DatasetError(f"{what} have shape {labels.shape}: for {count} rows it must be ({count},){way_out}")
    if labels.dtype.kind == "f" and (absent := int((~np.isfinite(labels)).sum())):
        raise DatasetError(f"{what}: {absent:,} of {count:,} are NaN or infinite: leave those rows out of the data")
    if labels.dtype.kind not in "iu":
        whole = labels.dtype.kind == "b" or (labels.dtype.kind == "f" and (labels == np.trunc(labels)).all())
        way_out = ": call .astype(np.int64)" if whole else ""
        raise DatasetError(f"{what} are {labels.dtype}: labels must be integers, strings or one-hot rows{way_out}")
    return np.ascontiguousarray(labels.reshape(count), dtype=np.int64)


def _sha256(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str(array.shape).encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).data)
    return digest.hexdigest()
