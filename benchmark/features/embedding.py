"""Embeddings of a data set in place of its images: computed once per content, by several processes, and kept.

Of a data set that has embeddings already, ``given`` are these, or their principal components.

``cache/embeddings/`` has a file for each block of images, so that a computation that was stopped goes on where it was,
and one for principal components, in a folder named by everything that their bits depend on.
A block is computed by one thread, whatever the number of processes: they do not change its bits. ``simclr`` is trained
on the training images first, by one process; all seeds of an experiment share it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from benchmark import ENGINE_VERSION
from benchmark.data.image_data import DatasetError, ImageData
from benchmark.experiment.feature_settings import SIMCLR, FeatureSettings
from benchmark.features import pretrained, source
from benchmark.models import factory
from benchmark.models.blueprint import blueprint
from benchmark.results import environment, sealed
from benchmark.results.locks import alone
from benchmark.training.batches import Images
from benchmark.training.predict import Predictor
from strategies.registry import SpecError, format_spec, nearest, parse

BLOCK = 1_000  # images in a file
PRECISION = "bfloat16"  # of SimCLR's training, as in the protocols
GIVEN = "given"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Embedding:
    """How images become embeddings: ``method`` as in ``pretrained.embeddings``, then ``pca`` components, 0 for all.

    ``size`` is the side in pixels that images are brought to, 0 for the one that the network was trained with. The
    method ``simclr`` trains a network of ``width`` for ``steps`` steps instead (see ``features.simclr``): compact for
    colour images, cnn for grey ones. The method ``given`` takes the data set's own embeddings; with ``one_scale`` all
    dimensions are divided by one number, not each by its own standard deviation.
    """

    method: str
    size: int = 0
    pca: int = 0
    width: int = 0
    steps: int = 0
    one_scale: bool = False

    @property
    def canonical(self) -> str:
        """The text for ``parsed``, the same however it was written."""
        names = ("steps", "width", "pca") if self.method == SIMCLR else ("size", "pca", "one_scale")
        return format_spec(self.method, [(name, value) for name in names if (value := getattr(self, name))])

    @classmethod
    def parsed(cls, text: str) -> Embedding:
        """As ``written``, by a network that can be had. Raises ValueError, in one line."""
        found = cls.written(text)
        if found.method not in (GIVEN, SIMCLR):
            pretrained.check(found.method)
        return found

    @classmethod
    def written(cls, text: str) -> Embedding:
        """From such as ``method[size=96,pca=256]``, ``simclr[steps=3000,width=32]`` or ``given[one_scale=true]``.

        Raises ValueError, in one line.
        """
        try:
            method, parameters = parse(text)
        except SpecError as error:
            raise ValueError(f"embedding: {error}") from error
        if method == GIVEN:
            for key, value in parameters.items():
                if not ((key == "pca" and type(value) is int and value > 0) or (key == "one_scale" and value is True)):
                    near = nearest(key, ("pca", "one_scale")) if key not in ("pca", "one_scale") else ""
                    raise ValueError(
                        f"embedding '{text}': it has pca, a whole number, and one_scale=true, not {key}={value}{near}"
                    )
            if not parameters:
                raise ValueError(
                    f"embedding '{text}' changes nothing: leave it out, or write {GIVEN}[pca=…] or "
                    f"{GIVEN}[one_scale=true]"
                )
            return cls(method, **parameters)
        known = ("width", "steps", "pca") if method == SIMCLR else ("size", "pca")
        for key, value in parameters.items():
            if key not in known or type(value) is not int or value < 0:
                listed = f"{', '.join(known[:-1])} and {known[-1]}"
                near = "" if key in known else nearest(key, known)
                raise ValueError(f"embedding '{text}': it has {listed}, whole numbers, not {key}={value}{near}")
        if method == SIMCLR:
            parameters = {"width": 32, "steps": 3000, **parameters}
            if not (parameters["width"] and parameters["steps"]):
                raise ValueError(f"embedding '{text}': width and steps must be at least 1")
            return cls(method, **parameters)
        pretrained.check_source(method)
        found = cls(method, **parameters)
        if found.size and found.size < 32:
            raise ValueError(f"embedding '{text}': size must be at least 32 pixels")
        if (method, found.size) == (pretrained.LITE0, pretrained.LITE0_SIZE):
            return replace(found, size=0)
        return found


def embedded(data: ImageData, text: str, cache: Path, say: Say | None = None, processes: int = 0) -> ImageData:
    """``data`` with embeddings by ``text`` for its images: (N, 1, 1, D) float32, on the CPU.

    They are computed by so many ``processes``, 0 for one per core.
    Principal components are those of the standardised embeddings of the training images, with ``one_scale`` of the
    embeddings as they are. ``sha256`` becomes one of the images' and of how they were embedded, for ``simclr`` of what
    came out: its training is not the same everywhere. Raises ValueError and OSError.
    """
    how = Embedding.parsed(text)
    if data.are_embeddings != (how.method == GIVEN):
        if how.method == GIVEN:
            way_out = "has images, which are no embeddings yet: choose another, such as torchvision:<weights>"
        else:
            way_out = f"has embeddings already: leave it out, or write {GIVEN}[pca=…] or {GIVEN}[one_scale=true]"
        raise DatasetError(f"embedding '{text}': '{data.name}' {way_out}")
    if how.method == GIVEN:
        digest = hashlib.sha256(f"{data.sha256}/{how.one_scale}".encode()).hexdigest()
        own = data.train_images.flatten(1), data.test_images.flatten(1)
        found = _components(cache, digest, how.pca, lambda: own, how.one_scale)
    elif how.method == SIMCLR:
        train, test, digest = _by_simclr(data, how, cache, say)
        found = _components(cache, digest, how.pca, lambda: (train, test))
    else:
        key = {"dataset": data.sha256, "method": how.method, "size": how.size, "block": BLOCK}
        key["format"] = pretrained.format_of(how.method)
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        folder = _folder(cache, digest, pretrained.version_of(how.method))
        found = _components(cache, digest, how.pca, lambda: _by_network(data, how, folder, say, processes))
    whole = hashlib.sha256(f"{digest}/{how.pca}".encode()).hexdigest()
    first, second = map(_pixels, found)
    one_scale = bool(how.pca) or how.one_scale
    return replace(data, train_images=first, test_images=second, sha256=whole, one_scale=one_scale)


def _by_network(
    data: ImageData, how: Embedding, folder: Path, say: Say | None, processes: int
) -> tuple[Tensor, Tensor]:
    """Embeddings of the training images (N, D) and the test images (M, D) by a network that is trained already."""
    if how.pca:  # checked before minutes of work
        first = folder / "train-00000.pt"
        one = data.train_images[:1].cpu()
        known = _loaded(first) if sealed.is_there(first) else pretrained.embeddings(how.method, one, how.size)
        _check_components(how.pca, len(data.train_images), known.shape[1])
    train, test = (
        _of_images(images.cpu(), how, folder, part, say, processes)
        for part, images in (("train", data.train_images), ("test", data.test_images))
    )
    return train, test


def _components(
    cache: Path, digest: str, count: int, embeddings: Callable[[], tuple[Tensor, Tensor]], one_scale: bool = False
) -> tuple[Tensor, Tensor]:
    """The ``embeddings`` (N, D) and (M, D), or their ``count`` first components, which are kept in the cache.

    Components are those of the standardised embeddings unless all dimensions have ``one_scale``.

    ``digest`` is of what the embeddings are of. Finding the components takes eight seconds for CIFAR-10.
    """
    if not count:
        return embeddings()
    path = _folder(cache, digest) / f"pca-{count}.pt"
    kept = sealed.load(path)
    if kept is None:
        train, test = embeddings()
        mean, std = train.double().mean(0), train.double().std(0)
        std = torch.ones_like(std) if one_scale else std.where(std > 0, 1.0)
        kept = principal((train.double() - mean) / std, (test.double() - mean) / std, count)
        with contextlib.suppress(OSError):  # a cache that is full or only read: they are found again
            sealed.save(path, kept)
    return kept[0], kept[1]


def _folder(cache: Path, digest: str, *more: str) -> Path:
    """Where the cache keeps what ``digest``, ``more`` and this machine's environment decide."""
    parts = [digest, *more, environment.deciding_of_torch(torch.device("cpu"))]
    return cache / "embeddings" / hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _pixels(embeddings: Tensor) -> Tensor:
    return embeddings[:, None, None, :].contiguous()


def principal(train: Tensor, test: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Both projected on the ``count`` first principal components of ``train`` (N, D), their signs fixed; float32.

    A component points to where its element of largest size is positive. Raises ValueError for more than there are.
    """
    _check_components(count, *train.shape)
    mean = train.double().mean(0)
    centred = train.double() - mean
    _, vectors = torch.linalg.eigh(centred.T @ centred / len(train))
    axes = vectors.flip(1)[:, :count]
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    axes = axes * largest.sign()
    return tuple(((x.double() - mean) @ axes).float() for x in (train, test))


def _check_components(count: int, examples: int, dimensions: int) -> None:
    """Raise ValueError for more components than so many examples have, whose mean is subtracted."""
    if count > (available := min(examples - 1, dimensions)):
        raise ValueError(f"embedding: there are {available} principal components, not {count}")


def _by_simclr(data: ImageData, how: Embedding, cache: Path, say: Say | None) -> tuple[Tensor, Tensor, str]:
    """Embeddings of the training images (N, D) and the test images (M, D), and the SHA-256 of both."""
    settings = _simclr_settings(data, how)
    if how.pca:  # checked before the training
        _check_components(how.pca, len(data.train_images), _dimensions(data, settings))
    key = dataclasses.asdict(replace(how, pca=0)) | {"dataset": data.sha256, "engine": ENGINE_VERSION}
    path = _folder(cache, hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()) / "simclr.pt"
    with alone(path.with_suffix(".lock")):
        found = sealed.load(path)
        if found is None:
            if say is not None:
                say(f"training simclr for {how.steps:,} steps on {len(data.train_images):,} images")
            found = _trained(data.to("cpu"), settings, path.with_suffix(".partial"))
            sealed.save(path, found)
            path.with_suffix(".partial").unlink(missing_ok=True)
    content = hashlib.sha256(b"".join(part.numpy().tobytes() for part in found)).hexdigest()
    return found[0], found[1], content


def _simclr_settings(data: ImageData, how: Embedding) -> FeatureSettings:
    model = "compact" if data.channels == 3 else "cnn"
    return FeatureSettings(model=model, parameters={"width": how.width, "dropout": 0.0}, steps=how.steps)


def _dimensions(data: ImageData, settings: FeatureSettings) -> int:
    """Those of the embeddings by the network of the ``settings``."""
    with torch.device("meta"):
        network = factory.build(settings.model, settings.parameters, data.channels, data.image_size, data.class_count)
    return network.head.in_features


def _trained(data: ImageData, settings: FeatureSettings, partial: Path) -> tuple[Tensor, Tensor]:
    """Embeddings of the training and the test images by a network trained on the former; ``partial`` keeps its state.

    Colour images are mirrored in the views; grey ones, often characters, are not.
    """
    colour = data.channels == 3
    train, test = (Images(pixels, data.mean, data.std) for pixels in (data.train_images, data.test_images))
    plan = blueprint(settings.model, settings.parameters, data)
    network = source.trained(settings, plan, train, colour, PRECISION, 0, partial)
    predictor = Predictor(network, None, PRECISION)
    first, second = (predictor.predict(x, torch.arange(len(x.pixels))).embeddings for x in (train, test))
    return first, second


def _of_images(images: Tensor, how: Embedding, folder: Path, part: str, say: Say | None, processes: int) -> Tensor:
    """The embeddings (M, D) of uint8 ``images`` (M, H, W, c): the blocks on disk, and those that are missing."""
    paths = [folder / f"{part}-{i:05d}.pt" for i in range(-(-len(images) // BLOCK))]
    missing = [i for i, path in enumerate(paths) if not sealed.is_there(path)]
    if missing:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        processes = min(len(missing), processes or cores)
        if say is not None:
            say(f"embedding {len(images):,} {part} images by {how.method}, {processes} at a time")
        context = multiprocessing.get_context("spawn")
        pool = futures.ProcessPoolExecutor(processes, mp_context=context, initializer=_end_with_parent)
        try:
            blocks = images.split(BLOCK)
            jobs = [pool.submit(_compute, how, blocks[i].clone(), paths[i]) for i in missing]
            for job in jobs:
                job.result()
        except BrokenProcessPool as error:
            raise OSError(
                f"embedding by {how.method}: a process was killed, perhaps for want of memory: repeat the command with "
                "fewer --workers"
            ) from error
        finally:  # when interrupted, after the blocks in hand
            pool.shutdown(cancel_futures=True)
    return torch.cat([_loaded(path) for path in paths])


def _loaded(path: Path) -> Tensor:
    block = sealed.load(path)
    if block is None:
        raise OSError(f"{path} is damaged: repeat the command to compute it again")
    return Tensor(block)


def _end_with_parent() -> None:
    """In a worker: leave Ctrl-C and SIGHUP to the parent, and end when it is no more, however it ended."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)

    def wait() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _compute(how: Embedding, images: Tensor, path: Path) -> None:
    torch.set_num_threads(1)
    with alone(path.with_suffix(".lock")):
        if not sealed.is_there(path):  # nor computed by another command meanwhile
            sealed.save(path, pretrained.embeddings(how.method, images, how.size))
