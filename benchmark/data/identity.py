"""What data are, in a few words that tell them apart without decoding them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.data import manifest
from benchmark.data.image_data import DatasetError, ImageData
from benchmark.data.manifest import Difference


@dataclass(frozen=True)
class Identity:
    """A data set's name, content and kind.

    ``sha256`` and ``note`` are those of ``ImageData``, ``manifest_sha256`` is that of the manifest. ``published`` is
    the difference from the published manifest of that name, None where none is published. ``repeated`` counts the test
    examples that equal a training one, 0 where a manifest is published.
    """

    name: str
    sha256: str
    note: str
    manifest_sha256: str
    published: Difference | None
    num_train: int
    class_count: int
    channels: int
    image_size: tuple[int, int]  # height and width
    repeated: int = 0


def identity_of(data: ImageData) -> Identity:
    """The identity of a loaded data set; takes as long as its manifest."""
    own = manifest.manifest_of(data)
    published = manifest.published_manifest(data.name)
    return Identity(
        name=data.name,
        sha256=data.sha256,
        note=data.note,
        manifest_sha256=own.sha256,
        published=None if published is None else manifest.difference(own, published),
        num_train=len(data.train_labels),
        class_count=data.class_count,
        channels=data.channels,
        image_size=data.image_size,
        repeated=int(np.isin(own.test.digests, own.train.digests).sum()) if published is None else 0,
    )


def check_published(identity: Identity) -> None:
    """Raise DatasetError for data that have the name of published ones and are not those."""
    found = identity.published
    if found is not None and not found.pairs:
        raise DatasetError(
            f"'{identity.name}' is not the published data set of that name: it differs in {found}; put the official "
            "files in place, or save yours under another name and give its path (--dataset path/to/NAME.npz)"
        )
