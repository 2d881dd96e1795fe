"""What must hold before anything is computed: strategies, device, folder and data, each with one line where not."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import torch
from rich.console import Console

from benchmark import learners
from benchmark.campaign.data_access import DataSource, source_of
from benchmark.data.identity import Identity, check_published
from benchmark.data.image_folder import Say
from benchmark.experiment import Protocol, ProtocolError
from benchmark.experiment.library import experiment_name
from benchmark.experiment.protocol import is_folder_name
from benchmark.features import source as features
from benchmark.loop.pool import oracle_obstacle
from benchmark.models import factory
from benchmark.models.contract import contract_error
from benchmark.results import store
from benchmark.results.layers import Folders, Layers
from benchmark.results.records import DatasetRecord, DifferingRecord
from strategies.registry import Spec, expand, parse
from strategies.testing import check_strategy


def with_learners(protocol: Protocol) -> Protocol:
    """The protocol with its learners in canonical form. Raises ProtocolError where one is unknown, or named twice."""
    try:
        names = tuple(learner.canonical for learner in learners.named(protocol.learners))
    except ValueError as error:
        raise ProtocolError(str(error)) from error
    return dataclasses.replace(protocol, learners=names)


def with_networks(protocol: Protocol) -> Protocol:
    """The protocol with its networks by the names that they have here, a user's own loaded.

    Raises ProtocolError for a network, or a network of the features, that does not exist or lacks a parameter.
    """
    model, features = protocol.model, protocol.features
    try:
        if features is not None and features.model:
            model_name, own = factory.named([model.name, features.model])
            factory.check(own, features.parameters)
            features = dataclasses.replace(features, model=own)
        else:
            (model_name,) = factory.named([model.name])
        factory.check(model_name, model.parameters)
    except ValueError as error:
        raise ProtocolError(str(error)) from error
    _suits_embeddings(protocol, model_name)
    return dataclasses.replace(protocol, model=dataclasses.replace(model, name=model_name), features=features)


def _suits_embeddings(protocol: Protocol, model: str) -> None:
    """Raise ProtocolError for what has no meaning with a network of embeddings, or with one that is solved."""
    network = factory.class_of(model)
    if protocol.embedding and not network.of_embeddings:
        raise ProtocolError(
            f"model '{model}' takes images, and the protocol has embeddings: choose --model linear or mlp, or --set "
            "embedding= for the images themselves"
        )
    if not network.of_embeddings:
        return
    chosen = {name: learners.build(name) for name in protocol.learners}
    for name, learner in chosen.items():
        if learner.augments:
            raise ProtocolError(
                f"learner '{name}' learns from augmented views of images, and model '{model}' classifies embeddings, "
                "which have none: choose --learner supervised, self-training or pseudo-label"
            )
    if protocol.recipe.augmentation != "none":
        raise ProtocolError(
            f"model '{model}' classifies embeddings, which are not augmented: choose another --model for images, or "
            "--set recipe.augmentation=none for embeddings"
        )
    if not network.solved:
        return
    for name, learner in chosen.items():
        if not learner.solves:
            raise ProtocolError(f"learner '{name}' trains in steps, and model '{model}' is solved: choose --model mlp")
        if idle := learner.of_steps & parse(learner.canonical)[1].keys():
            raise ProtocolError(
                f"learner '{name}': {', '.join(sorted(idle))} is of a training in steps, and model '{model}' is "
                "solved: leave it out, or choose --model mlp"
            )
    if protocol.warm_start:
        raise ProtocolError(f"model '{model}' is solved, whatever it starts from: --set warm_start=false")


def runnable(protocol: Protocol, console: Console) -> list[Spec]:
    """The requested strategies; members of a group that cannot run are left out, with a line of output each."""
    specs = []
    for spec, named in expand(protocol.strategies):
        obstacle = _obstacle(protocol, spec)
        if obstacle and named:
            raise ProtocolError(f"strategy '{spec.canonical}' cannot run here: {obstacle}")
        if obstacle:
            console.print(f"left out: {spec.canonical}: {obstacle}", markup=False, soft_wrap=True)
        else:
            specs.append(spec)
    if not specs:
        raise ProtocolError("none of the strategies can run on this protocol")
    return specs


def plugins(specs: Iterable[Spec]) -> dict[str, str]:
    """The verdicts of ``check_strategy`` on the plugins among ``specs``, by canonical name; a second or two for each.

    Raises ProtocolError with what is wrong and how to see it in full.
    """
    verdicts: dict[str, str] = {}
    for spec in specs:
        if spec.source_sha256 is None or spec.canonical in verdicts:
            continue
        try:
            check_strategy(spec.build())
        except Exception as error:  # also what a hook raises
            said = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            raise ProtocolError(
                f"strategy '{spec.canonical}' cannot run here: check_strategy refuses it: {said} (in full: python -c "
                f"\"from strategies.testing import check_strategy; check_strategy('{spec.reference}')\")"
            ) from error
        verdicts[spec.canonical] = "passed"
    return verdicts


def _obstacle(protocol: Protocol, spec: Spec) -> str:
    """Why the protocol cannot run a strategy; empty where it can. What it needs may depend on its parameters."""
    strategy = spec.build()
    needs = strategy.needs
    if "oracle" in needs:
        if protocol.oracle == "person":
            return "it reads the true labels, which are unknown where a person labels"
        if obstacle := oracle_obstacle(strategy):
            return obstacle
    network = factory.class_of(protocol.model.name)
    if network.solved and "attach" in strategy.hooks:
        return f"it trains a module along with the network, and model '{protocol.model.name}' is solved, not trained"
    if "refits" in needs and not network.solved:
        return (
            f"it fits the last layer many times, and model '{protocol.model.name}' is trained in steps (use --model "
            "linear, on embeddings)"
        )
    if (
        "dropout" in needs
        and not network.solved
        and factory.dropout_of(protocol.model.name, protocol.model.parameters) == 0
    ):
        return f"it needs dropout, and model '{protocol.model.name}' has none (set model.parameters.dropout above 0)"
    starts = protocol.initial == "strategy" and strategy.cold_start
    if ("features" in needs or starts) and protocol.features is None and not network.of_embeddings:
        return "it needs self-supervised features, which this protocol does not have (set features.method=simclr)"
    if protocol.candidates and strategy.draws_subset:
        instead = "batcher=topk, or " if hasattr(strategy, "batcher") else ""
        return (
            f"it draws a random subset of the pool, and so does the protocol (candidates={protocol.candidates}): "
            f"write {instead}--set candidates=0"
        )
    batches = [b - a for a, b in pairwise(protocol.budgets)]
    largest = max([*batches, protocol.budgets[0] if starts else 0])
    if strategy.max_batch is not None and strategy.max_batch < largest:
        return (
            f"it queries at most {strategy.max_batch} images at a time and the largest batch is {largest} "
            "(take smaller steps in --budgets)"
        )
    return ""


def device(name: str) -> str:
    """The device to compute on, ``auto`` resolved."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        asked = torch.device(name)
    except RuntimeError as error:
        raise ProtocolError(f"unknown device '{name}': use auto, cpu, cuda or cuda:0") from error
    if asked.type not in ("cpu", "cuda"):
        raise ProtocolError(f"device '{name}' is not supported: use auto, cpu, cuda or cuda:0")
    if asked.type == "cuda" and (asked.index or 0) >= torch.cuda.device_count():
        raise ProtocolError(f"device '{name}' is not available: PyTorch finds {torch.cuda.device_count()} GPUs")
    return name


def folders(protocol: Protocol, name: str | None, layers: Layers) -> Folders:
    """The experiment's folders, once it is sure that they are the protocol's. Raises ProtocolError or StoreError."""
    chosen = experiment_name(protocol) if name is None else name
    if not is_folder_name(chosen):
        raise ProtocolError(f"--name is the name of a folder in {layers.own}, which '{chosen}' cannot be")
    found = layers.folders(chosen)
    for root in found.read:
        store.check_description(root, protocol.fingerprint)
    return found


def memory_of(device: str) -> int:
    """The memory of a device in bytes, all of it; 2^63 where the system does not tell."""
    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(torch.device(device)).total_memory)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 2**63


def writable(root: Path, cache: Path) -> None:
    """Raise ProtocolError unless the experiment's folder ``root`` and the cache can be written to."""
    for place in (root.parent, cache, *([root] if root.exists() else [])):
        try:
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError as error:
            raise ProtocolError(f"cannot write to {place}: {error.strerror or error}") from error


def source(protocol: Protocol, data_dir: Path, cache: Path, console: Console) -> DataSource:
    """Where the protocol's data are read from."""
    return source_of(protocol, data_dir, cache, said_on(console))


def said_on(console: Console) -> Say:
    """What prints a line as it is."""
    return lambda line: console.print(line, markup=False, soft_wrap=True)


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


def data(protocol: Protocol, specs: list[Spec], folders: Folders, identity: Identity, device: str) -> None:
    """Make sure that the protocol can run on the data, and that they pair with those of the runs in ``folders``."""
    if protocol.budgets[-1] > identity.num_train:
        raise ProtocolError(
            f"budgets go up to {protocol.budgets[-1]}, but '{identity.name}' has {identity.num_train} training images"
        )
    check_pairs(protocol, folders, identity)
    _buildable(protocol, identity, memory_of(device))
    _takes_half_size(protocol, identity)
    if protocol.features is not None and any("features" in spec.build().needs for spec in specs):
        settings = features.resolved(protocol.features, protocol.model.name, protocol.model.parameters)
        try:
            features.check(settings, identity.channels, identity.image_size, memory_of(device))
        except ValueError as error:
            raise ProtocolError(
                f"'{identity.name}': {error}; choose another features.method or features.model"
            ) from error


def repeated(identity: Identity) -> list[str]:
    """A line on test examples that equal a training one, where there are any."""
    if not identity.repeated:
        return []
    some = "example equals" if identity.repeated == 1 else "examples equal"
    said = f"'{identity.name}': {identity.repeated:,} test {some} a training example"
    return [f"{said}: accuracies are too high once that is labelled"]


def _buildable(protocol: Protocol, identity: Identity, memory: int) -> None:
    """Raise ProtocolError unless the network fits into ``memory`` bytes; a user's own must hold its contract."""
    model, shape = protocol.model, (identity.channels, identity.image_size, identity.class_count)
    try:
        factory.check_size(model.name, model.parameters, *shape, memory)
    except Exception as error:  # whatever a user's own code raises
        other = "--model linear or mlp" if identity.image_size == (1, 1) else "another --model"
        raise ProtocolError(f"'{identity.name}': {error}; choose {other}".replace("\n", " ")) from error
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


def check_pairs(protocol: Protocol, folders: Folders, identity: Identity) -> None:
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
        check_pairs(protocol, folders, identity)
    else:
        console.print(
            f"'{protocol.dataset}' is not in {source.data_dir}: runs are shown as recorded, "
            "not checked against the data",
            markup=False,
            soft_wrap=True,
        )
