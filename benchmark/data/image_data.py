"""What a dataset is once it is loaded (ImageData), and what it must be like (``checked``)."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

_CHUNK = 500  # images at once for the patches
# Of embeddings: values that float32 can compute with, and how small a deviation may be, alone and beside the mean.
_LARGEST, _NARROWEST, _OFFSET = 1e37, 1e-30, 1e5
_ROUNDING = 1e-13  # a relative deviation that float64's own rounding makes
_FARTHEST = 1e12  # deviations of a test example from the mean


class DatasetError(ValueError):
    """A dataset that cannot be found, read or used; the message is one line that says what to change."""


@dataclass(frozen=True, eq=False)
class ImageData:
    """A classification dataset of N training and M test images, all on one device.

    Images are (N, H, W, C) and (M, H, W, C) uint8 with one channel or three, labels (N,) and (M,) int64 in
    0…class_count−1; every class has a training image. Embeddings of D dimensions are images of one pixel with D
    channels, (N, 1, 1, D) float32; where they have ``one_scale``, such as principal components, normalising must not
    change their proportions. ``sha256`` is that of, in this order, the training
    images, training labels, test images and test labels, each as its shape (as text, "(60000, 28, 28, 1)")
    followed by its elements, labels as little-endian int64. ``note`` says what a published table should.
    """

    name: str
    train_images: Tensor = field(repr=False)
    train_labels: Tensor = field(repr=False)
    test_images: Tensor = field(repr=False)
    test_labels: Tensor = field(repr=False)
    class_names: tuple[str, ...]
    sha256: str
    note: str = ""
    one_scale: bool = False

    @property
    def class_count(self) -> int:
        return len(self.class_names)

    @property
    def channels(self) -> int:
        return self.train_images.shape[3]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width."""
        return self.train_images.shape[1], self.train_images.shape[2]

    @property
    def are_embeddings(self) -> bool:
        """Whether these are embeddings, not images."""
        return self.train_images.is_floating_point()

    @cached_property
    def mean(self) -> Tensor:
        """Each channel's mean over all training images, of images in [0, 1]: (C,) float32, the same bits everywhere."""
        return self._moments[0]

    @cached_property
    def std(self) -> Tensor:
        """Each channel's standard deviation over all training images, in the units of ``mean``: (C,) float32.

        The same bits everywhere. A constant channel has 1, so that normalising it gives 0 and not NaN.
        """
        return self._moments[1]

    @cached_property
    def _moments(self) -> Tensor:
        """Mean and standard deviation, (2, C).

        Of images by exact integers: how often each of the 256 values occurs. Of embeddings in float64, rounded.
        """
        if self.are_embeddings:
            values = self.train_images.flatten(0, 2).cpu().numpy()
            mean, std = values.mean(0, dtype=np.float64), values.std(0, dtype=np.float64)
            if self.one_scale:
                std[:] = np.sqrt(np.square(std).mean())
            std[values.max(0) == values.min(0)] = 1.0
            both = torch.from_numpy(np.stack([mean, std]).astype(np.float32))
            return both.to(self.train_images.device)
        moments = []
        for channel in self.train_images.unbind(3):
            counts = torch.bincount(channel.flatten(), minlength=256).tolist()
            n = sum(counts)
            first = sum(count * value for value, count in enumerate(counts))
            second = sum(count * value**2 for value, count in enumerate(counts))
            moments.append([first / (255 * n), math.sqrt(n * second - first**2) / (255 * n) or 1.0])
        return torch.tensor(moments, dtype=torch.float32, device=self.train_images.device).T.contiguous()

    @cached_property
    def patch_covariance(self) -> Tensor:
        """Covariance of 2×2 patches of the normalised training images: (4 C, 4 C) float64, on the CPU.

        All patches that do not overlap, from all images; one is (C, 2, 2), as a convolution's weights are. Their
        mean is taken as 0, which it is but for the rims.
        """
        total = torch.zeros((4 * self.channels,) * 2, dtype=torch.float64)
        count = 0
        mean, std = self.mean.cpu(), self.std.cpu()
        for pixels in self.train_images.split(_CHUNK):
            images = ((pixels.cpu() / 255 - mean) / std).permute(0, 3, 1, 2)
            patches = F.unfold(images, 2, stride=2).transpose(0, 1).flatten(1)
            total += patches @ patches.T
            count += patches.shape[1]
        return total / count

    def to(self, device: torch.device | str) -> ImageData:
        """The same data on another device; what was derived from it is not derived again."""
        wanted = torch.device(device)
        here = self.train_images.device
        if here.type == wanted.type and (wanted.index is None or here.index == wanted.index):
            return self
        moved = replace(
            self,
            train_images=self.train_images.to(device),
            train_labels=self.train_labels.to(device),
            test_images=self.test_images.to(device),
            test_labels=self.test_labels.to(device),
        )
        if "patch_covariance" in self.__dict__:
            moved.__dict__["patch_covariance"] = self.patch_covariance
        return moved


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
            f"{source}: the labels have {len(classes)} classes, but there are {len(class_names)} class names"
        )
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
        way_out = ": call .astype(np.float32)" if images.ndim == 2 and images.dtype.kind in "biu" else ""
        if images.dtype.kind == "f" and images.ndim != 2:
            factor = "255 * x" if images.size and np.nanmax(images) <= 1 else "x"
            way_out = f": embeddings need .reshape(len(x), -1), images ({factor}).round().astype(np.uint8)"
        raise DatasetError(
            f"{what} are {images.dtype} of shape {images.shape}: images are uint8 0–255, (N, H, W) or (N, H, W, C), "
            f"embeddings floating-point numbers, (N, D){way_out}"
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

    Strings are numbered in their sorted order, and become the class names. Raises DatasetError for rows that are not
    one-hot, and for test labels that no training image has.
    """
    train, test = arrays.train_labels, arrays.test_labels
    if (train.dtype.kind in "US") != (test.dtype.kind in "US"):
        raise DatasetError(
            f"{arrays.source}: the training labels are {train.dtype}, the test labels {test.dtype}: they must be alike"
        )
    if train.dtype.kind in "US" and test.dtype.kind in "US":
        names = np.unique(train)
        numbers = np.searchsorted(names, test.ravel()).clip(max=len(names) - 1)
        if len(unseen := np.flatnonzero(names[numbers] != test.ravel())):
            raise DatasetError(
                f"{arrays.source}: the test label {test.ravel()[unseen[0]]!s} is not among the training labels"
            )
        words = tuple(name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in names)
        mapped = np.searchsorted(names, train.ravel())
        return arrays._replace(train_labels=mapped, test_labels=numbers, class_names=arrays.class_names or words)
    if train.ndim == 2 and train.shape[1] > 1 and test.ndim == 2 and test.shape[1] == train.shape[1]:
        for what, rows in (("training", train), ("test", test)):
            if rows.dtype.kind not in "biuf" or not ((rows == 0) | (rows == 1)).all() or not (rows.sum(1) == 1).all():
                raise DatasetError(
                    f"{arrays.source}: the {what} labels are {rows.shape[1]} columns that are not one-hot: "
                    "each row must have one 1 and zeros"
                )
        return arrays._replace(train_labels=train.argmax(1), test_labels=test.argmax(1))
    return arrays


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
