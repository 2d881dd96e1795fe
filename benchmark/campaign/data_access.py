"""Data and what they are, without decoding them where nothing has changed since they were last read.

A small record in ``cache/datasets/`` keeps what the data were, named by everything that it depends on: size and times
of every file, the code that reads them, the published manifest. A record that is damaged is not there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import os
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from benchmark.data import datasets
from benchmark.data.datasets import DatasetError, ImageData
from benchmark.data.identity import Identity, identity_of
from benchmark.data.image_folder import Say
from benchmark.data.long_tail import long_tailed
from benchmark.data.manifest import Difference
from benchmark.experiment import Protocol
from benchmark.features.embedding import Embedding, embedded
from benchmark.results.atomic import write_atomically

_DECODERS = ("numpy", "pillow", "scikit-learn", "torchvision")  # what else the pixels depend on

_kept: dict[tuple[DataSource, str | None], ImageData] = {}  # at most one


@dataclasses.dataclass(frozen=True)
class DataSource:
    """Where a data set is read from: its name or path, the folder of known data sets, and the cache.

    For ``image_size`` and ``say`` see ``datasets.load``, for ``embedding`` see ``features.embedding``, empty for none;
    for ``imbalance`` see ``data.long_tail``. ``processes`` compute embeddings, 0 for one per core.
    """

    dataset: str
    data_dir: Path
    cache: Path
    image_size: int = 0
    say: Say | None = dataclasses.field(default=None, compare=False)
    embedding: str = ""
    imbalance: float = 1.0
    processes: int = dataclasses.field(default=0, compare=False)

    def identify(self) -> Identity | None:
        """What the data are; None for a known data set that would have to be downloaded. Raises DatasetError."""
        stamp = self._stamp()
        if stamp is None:
            return None
        return _read(self._record(stamp)) or self.load()[1]

    def load(self) -> tuple[ImageData, Identity]:
        """The data, on the CPU, and what they are; a known data set is downloaded first. Raises DatasetError."""
        stamp = self._stamp()
        data = self._decoded(stamp)
        identity = None if stamp is None else _read(self._record(stamp))
        if identity is None or identity.sha256 != data.sha256:
            identity = self._identity(data)
            if stamp is not None and stamp == self._stamp():  # nothing was changed while it was read
                with contextlib.suppress(OSError):  # it can be had again
                    write_atomically(self._record(stamp), _to_bytes(identity))
        return data, identity

    def _decoded(self, stamp: str | None) -> ImageData:
        """The data as they are under ``stamp``; kept, because a command asks for them more than once."""
        key = (self, stamp)
        if key not in _kept:
            _kept.clear()
            _kept[key] = self._embedded() if self.embedding else self._images()
        return _kept[key]

    def _embedded(self) -> ImageData:
        try:
            Embedding.parsed(self.embedding)  # before any image is read
            return embedded(self._images(), self.embedding, self.cache, self.say, self.processes)
        except ValueError as error:
            raise DatasetError(str(error)) from error

    def _images(self) -> ImageData:
        """The images that a run has, before they are embedded."""
        whole = self._whole()
        return whole if self.imbalance == 1 else long_tailed(whole, self.imbalance)

    def _whole(self) -> ImageData:
        return datasets.load(self.dataset, self.data_dir, image_size=self.image_size, say=self.say)

    def _identity(self, data: ImageData) -> Identity:
        """What ``data`` are. Embeddings and a long tail pair as the whole images do that they were made of."""
        if not self.embedding and self.imbalance == 1:
            return identity_of(data)
        of_images = identity_of(self._whole())
        return dataclasses.replace(
            of_images,
            sha256=data.sha256,
            num_train=len(data.train_labels),
            channels=data.channels,
            image_size=data.image_size,
            are_components=of_images.are_components and not self.embedding,
        )

    def _record(self, stamp: str) -> Path:
        return self.cache / "datasets" / f"{stamp[:24]}.json"

    def _stamp(self) -> str | None:
        """A digest of everything that tells, short of reading it, whether the data are as they were."""
        files = datasets.files(self.dataset, self.data_dir)
        if files is None:
            return None
        digest = hashlib.sha256(
            f"{os.path.abspath(self.dataset)}\n{self.image_size}\n{self.embedding}\n{self.imbalance}\n{_code()}\n".encode(
                errors="surrogateescape"
            )
        )
        for path in files:
            found = path.stat()
            told = f"{path.absolute()}\0{found.st_size}\0{found.st_mtime_ns}\0{found.st_ctime_ns}\n"
            digest.update(told.encode(errors="surrogateescape"))
        return digest.hexdigest()


def source_of(
    protocol: Protocol, data_dir: Path, cache: Path, say: Say | None = None, processes: int = 0
) -> DataSource:
    """Where the data of ``protocol`` are read from."""
    return DataSource(
        protocol.dataset,
        data_dir,
        cache,
        protocol.image_size,
        say,
        protocol.embedding,
        protocol.imbalance,
        processes,
    )


@lru_cache(maxsize=1)
def _code() -> str:
    """A digest of the code that reads data and of the published manifests."""
    digest = hashlib.sha256()
    package = resources.files("benchmark.data")
    sources = [entry for folder in (package, package.joinpath("manifests")) for entry in folder.iterdir()]
    for entry in sorted(sources, key=lambda entry: entry.name):
        if entry.name.endswith((".py", ".npz")):
            digest.update(entry.read_bytes())
    for library in _DECODERS:
        digest.update(importlib.metadata.version(library).encode())
    return digest.hexdigest()


def _to_bytes(identity: Identity) -> bytes:
    body = json.dumps(dataclasses.asdict(identity), sort_keys=True)
    return f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}".encode()


def _read(path: Path) -> Identity | None:
    """The record at ``path``; None where there is none, or a damaged one."""
    try:
        digest, _, body = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    if hashlib.sha256(body.encode()).hexdigest() != digest:
        return None
    fields: dict[str, Any] = json.loads(body)
    published = fields.pop("published")
    size = tuple(fields.pop("image_size"))
    return Identity(**fields, published=published and Difference(**published), image_size=size)
