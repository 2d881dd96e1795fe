"""What data are, in a few words that tell them apart without decoding them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from benchmark.data import manifest
from benchmark.data.image_data import DatasetError, ImageData
from benchmark.data.manifest import Difference

_LOOKED_AT = 10_000  # examples that tell whether dimensions correlate


@dataclass(frozen=True)
class Identity:
    """A data set's name, content and kind.

    ``sha256`` and ``note`` are those of ``ImageData``, ``manifest_sha256`` is that of the manifest. ``published`` is
    the difference from the published manifest of that name, None where none is published. ``repeated`` counts the test
    examples that equal a training one, 0 where a manifest is published. ``are_components`` are embeddings that look
    like principal components: no two dimensions are correlated, and their standard deviations differ.
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
    are_components: bool = False


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
        are_components=data.are_embeddings and not data.one_scale and _uncorrelated(data.train_images.flatten(1)),
    )


def _uncorrelated(values: Tensor) -> bool:
    """Whether no dimensions of N ``values`` (N, D) correlate, and the standard deviations differ by a factor of 2.

    Among N values, those that are uncorrelated elsewhere have correlations of about N^-1/2, embeddings of 0.1 or more.
    """
    some = values[:: -(-len(values) // _LOOKED_AT)].double()
    std, centred = some.std(0, correction=0), some - some.mean(0)
    varies = std > 0
    if varies.sum() < 2 or std[varies].max() < 2 * std[varies].min():
        return False
    scaled = centred[:, varies] / std[varies]
    correlations = (scaled.T @ scaled / len(some)).fill_diagonal_(0)
    pairs = len(correlations) * (len(correlations) - 1)
    return float((correlations.square().sum() / pairs).sqrt()) < min(0.05, 2 / len(some) ** 0.5)


def check_published(identity: Identity) -> None:
    """Raise DatasetError for data that have the name of published ones and are not those."""
    found = identity.published
    if found is not None and not found.pairs:
        raise DatasetError(
            f"'{identity.name}' is not the published data set of that name: it differs in {found}; put the official "
            "files in place, or save yours under another name and give its path (--dataset path/to/NAME.npz)"
        )
