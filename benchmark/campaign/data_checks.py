"""What must hold of the data before anything is computed, each with one line where it does not."""

from __future__ import annotations

import dataclasses
import os

import torch
from rich.console import Console

from benchmark import learners
from benchmark.campaign.data_access import DataSource
from benchmark.data.identity import Identity, check_published
from benchmark.experiment import Protocol, ProtocolError, seeds
from benchmark.experiment.protocol import NOT_SHOWN
from benchmark.features import source as features
from benchmark.models import factory
from benchmark.models.contract import contract_error
from benchmark.results import store
from benchmark.results.layers import Folders
from benchmark.results.records import DatasetRecord, DifferingRecord
from strategies.registry import Spec


def dataset_record(identity: Identity) -> DatasetRecord:
    """What the headers of runs on the data say of them. Raises DatasetError for data that are not the published ones.

    That is for data with the name of published ones of which more images differ than may.
    """
    check_published(identity)
    found = identity.published
    differing = (
        None
        if found is None
        else DifferingRecord(found.train_images, found.train_size, found.test_images, found.test_size)
    )
    return DatasetRecord(identity.name, identity.sha256, identity.note, identity.manifest_sha256, differing)


def runnable(protocol: Protocol, specs: list[Spec], folders: Folders, identity: Identity, device: str) -> None:
    """Make sure that the protocol can run on the data, and that they pair with those of the runs in ``folders``."""
    _enough(protocol, identity)
    if protocol.oracle == "person" and identity.image_size == (1, 1) and not protocol.replay:
        raise ProtocolError(f"{NOT_SHOWN}, which '{identity.name}' has: leave out oracle=person")
    _check_pairs(protocol, folders, identity)
    _buildable(protocol, identity, _memory_of(device))
    _takes_half_size(protocol, identity)
    _trainable(protocol, identity)
    needing = [] if protocol.replay else [spec for spec in specs if "features" in spec.build().needs]
    if protocol.features is not None and needing:
        settings = features.resolved(protocol.features, protocol.model.name, protocol.model.parameters)
        try:
            features.check(settings, identity.channels, identity.image_size, _memory_of(device))
        except ValueError as error:
            raise ProtocolError(
                f"'{identity.name}': {error}; choose another features.method or features.model"
            ) from error


def embeddable(protocol: Protocol, source: DataSource) -> None:
    """What ``runnable`` finds of images that are here, before they are embedded, which may take hours."""
    images = dataclasses.replace(source, embedding="").identify() if protocol.embedding else None
    if images is not None:
        _enough(protocol, images)


def _enough(protocol: Protocol, identity: Identity) -> None:
    if protocol.budgets[-1] > identity.num_train:
        raise ProtocolError(
            f"budgets go up to {protocol.budgets[-1]}, but '{identity.name}' has {identity.num_train} training images"
        )


def notes(identity: Identity) -> list[str]:
    """A line each on test examples that equal a training one and on principal components, where there are any."""
    found = []
    if identity.repeated:
        some = "example equals" if identity.repeated == 1 else "examples equal"
        said = f"'{identity.name}': {identity.repeated:,} test {some} a training example"
        found.append(f"{said}: accuracies are too high once that is labelled")
    if identity.are_components:
        found.append(
            f"'{identity.name}': no two dimensions are correlated, as of principal components; if they are such, "
            '--set "embedding=given[one_scale=true]" keeps their proportions, which can be far more accurate'
        )
    return found


def _buildable(protocol: Protocol, identity: Identity, memory: int) -> None:
    """Raise ProtocolError unless the network fits into ``memory`` bytes; a user's own must hold its contract."""
    model, shape = protocol.model, (identity.channels, identity.image_size, identity.class_count)
    are_embeddings = identity.image_size == (1, 1)
    if model.name in factory.MODELS and are_embeddings != factory.class_of(model.name).of_embeddings:
        here, takes = ("embeddings", "images") if are_embeddings else ("images", "embeddings")
        way_out = (
            "--model linear or mlp" if are_embeddings else "another --model, or embed them: --set embedding=simclr"
        )
        raise ProtocolError(f"'{identity.name}' has {here}, and model '{model.name}' takes {takes}: choose {way_out}")
    try:
        factory.check_size(model.name, model.parameters, *shape, memory)
    except Exception as error:  # whatever a user's own code raises
        raise ProtocolError(f"'{identity.name}': {error}; choose another --model".replace("\n", " ")) from error
    if model.name in factory.PLUGINS:
        broken = contract_error(lambda: factory.build(model.name, model.parameters, *shape), *shape)
        if broken:
            raise ProtocolError(f"model '{model.name}': {broken}")


def _takes_half_size(protocol: Protocol, identity: Identity) -> None:
    """Raise ProtocolError if the recipe trains on images of half the size and the network does not take these."""
    if protocol.recipe.half_size_until == 0:
        return
    model, (height, width) = protocol.model, identity.image_size
    with torch.device("meta"):
        network = factory.build(
            model.name, model.parameters, identity.channels, identity.image_size, identity.class_count
        ).eval()
        try:
            if min(height, width) // 2 < network.smallest:
                raise RuntimeError(f"it takes images of at least {network.smallest}×{network.smallest}")
            network.embed(network.backbone(torch.zeros(2, identity.channels, height // 2, width // 2))[0])
        except RuntimeError as error:
            raise ProtocolError(
                f"recipe.half_size_until needs a network that takes images of {height // 2}×{width // 2} beside "
                f"{height}×{width}, and '{model.name}' does not: choose another --model or leave it 0"
            ) from error


def _trainable(protocol: Protocol, identity: Identity) -> None:
    """Raise ProtocolError if a learner cannot train the network."""
    model, shape = protocol.model, (identity.channels, identity.image_size, identity.class_count)
    for name in protocol.learners:
        with seeds.scoped(0, "weights", 0):
            network = factory.build(model.name, model.parameters, *shape)
        learner = learners.build(name)
        if obstacle := learner.obstacle(network, torch.zeros(1, identity.channels, *identity.image_size)):
            raise ProtocolError(
                f"learner '{name}' cannot train model '{model.name}': {obstacle}; choose another --model or --learner"
            )


def _check_pairs(protocol: Protocol, folders: Folders, identity: Identity) -> None:
    """Raise ProtocolError unless all runs in ``folders`` are on data that pair with these; DatasetError as above."""
    here = dataset_record(identity)
    for root in folders.read:
        for dataset in store.datasets(root, protocol.fingerprint):
            if not dataset.pairs_with(here):
                raise ProtocolError(
                    f"'{protocol.dataset}' is not the data that the runs in {root} were computed on "
                    f"(SHA-256 {here.sha256[:12]}, not {dataset.sha256[:12]}): put the same data in place "
                    "or choose another --name"
                )


def same_data(protocol: Protocol, folders: Folders, source: DataSource, console: Console) -> None:
    """Make sure that the runs in ``folders``, all there, are on the data that were asked for.

    A known data set of which no file is there would have to be downloaded; its runs are shown, and that is said.
    """
    identity = source.identify()
    if identity is not None:
        _check_pairs(protocol, folders, identity)
    else:
        console.print(
            f"'{protocol.dataset}' is not in {source.data_dir}: runs are shown as recorded, "
            "not checked against the data",
            markup=False,
            soft_wrap=True,
        )


def _memory_of(device: str) -> int:
    """The memory of a device in bytes, all of it; 2^63 where the system does not tell."""
    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(torch.device(device)).total_memory)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 2**63
