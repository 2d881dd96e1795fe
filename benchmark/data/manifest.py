"""The identity of a data set by content: a digest of every image, with the labels.

Copies of a public data set may differ in a few pixels (a re-encoded mirror), and no number depends on them beyond the
noise. So data pair with the published manifest of their name if all labels agree and at most 0.25 % of the images of
each split differ; how many do is reported beside every number. Anything else is another data set. What must be exact
(a resumed run, cached features, a shared first round) goes by ``ImageData.sha256`` instead.

The manifests in ``manifests/`` are those of the data that the published runs were computed on. ``tools/manifest.py``
writes one.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

import numpy as np

from benchmark.data.image_data import ImageData
from benchmark.experiment.dataset_name import few

_DIGEST_BYTES = 8


@dataclass(frozen=True, eq=False)
class Split:
    """Digests (N,) uint64 of the images, in order, and their labels (N,) int64."""

    digests: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Manifest:
    """What identifies a data set: the digests and labels of its training and test images."""

    train: Split
    test: Split

    @cached_property
    def sha256(self) -> str:
        """SHA-256, in hex, of all digests and labels."""
        total = hashlib.sha256()
        for split in (self.train, self.test):
            total.update(str(len(split)).encode())
            total.update(split.digests.astype("<u8").tobytes())
            total.update(split.labels.astype("<i8").tobytes())
        return total.hexdigest()

    def to_bytes(self) -> bytes:
        """The manifest as an .npz; the same manifest gives the same bytes."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            train_digests=self.train.digests,
            train_labels=self.train.labels.astype(np.int16),
            test_digests=self.test.digests,
            test_labels=self.test.labels.astype(np.int16),
        )
        return buffer.getvalue()


@dataclass(frozen=True)
class Difference:
    """In how many images and labels two manifests differ; ``sizes`` where a split has another number of images."""

    train_images: int = 0
    test_images: int = 0
    labels: int = 0
    train_size: int = 0
    test_size: int = 0
    sizes: str = ""

    @property
    def pairs(self) -> bool:
        """Whether runs on the two may be compared."""
        return (
            not self.sizes
            and self.labels == 0
            and few(self.train_images, self.train_size)
            and few(self.test_images, self.test_size)
        )

    @property
    def exact(self) -> bool:
        """Whether nothing differs."""
        return not (self.sizes or self.labels or self.train_images or self.test_images)

    def __str__(self) -> str:
        if self.sizes:
            return self.sizes
        parts = [
            f"{count:,} of {size:,} {split} images"
            for count, size, split in (
                (self.train_images, self.train_size, "training"),
                (self.test_images, self.test_size, "test"),
            )
            if count
        ]
        if self.labels:
            parts.append(f"{self.labels:,} label{'s' * (self.labels != 1)}")
        return " and ".join(parts) or "nothing"


def manifest_of(data: ImageData) -> Manifest:
    """The manifest of a loaded data set; about a second for 60,000 small images."""
    return Manifest(
        Split(_digests(data.train_images.cpu().numpy()), data.train_labels.cpu().numpy()),
        Split(_digests(data.test_images.cpu().numpy()), data.test_labels.cpu().numpy()),
    )


def published_manifest(name: str) -> Manifest | None:
    """The manifest of the data behind the published runs on the data set ``name``; None where there are none."""
    file = resources.files("benchmark.data").joinpath("manifests", f"{name}.npz")
    return read_manifest(io.BytesIO(file.read_bytes())) if file.is_file() else None


def read_manifest(source: io.BytesIO | Path) -> Manifest:
    """A manifest as ``Manifest.to_bytes`` wrote it."""
    with np.load(source, allow_pickle=False) as arrays:
        train, test = (
            Split(arrays[f"{split}_digests"], arrays[f"{split}_labels"].astype(np.int64)) for split in ("train", "test")
        )
    return Manifest(train, test)


def difference(one: Manifest, other: Manifest) -> Difference:
    """How two manifests differ."""
    sizes = [(len(manifest.train), len(manifest.test)) for manifest in (one, other)]
    if sizes[0] != sizes[1]:
        (train, test), (other_train, other_test) = sizes
        return Difference(
            sizes=f"the number of images: {train:,} + {test:,} instead of {other_train:,} + {other_test:,}"
        )
    return Difference(
        train_images=int((one.train.digests != other.train.digests).sum()),
        test_images=int((one.test.digests != other.test.digests).sum()),
        labels=int((one.train.labels != other.train.labels).sum() + (one.test.labels != other.test.labels).sum()),
        train_size=len(one.train),
        test_size=len(one.test),
    )


def _digests(images: np.ndarray) -> np.ndarray:
    """A digest of the bytes of each of ``images`` (N, H, W, C) uint8, with its shape: (N,) uint64."""
    shape = str(images.shape[1:]).encode()
    flat = np.ascontiguousarray(images).reshape(len(images), -1)
    digests = b"".join(
        hashlib.blake2b(row.data, digest_size=_DIGEST_BYTES, key=shape).digest()
        for row in flat  # keyed by the shape
    )
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)
