"""What must hold before anything is computed: networks, strategies, device and folder, each with one line where not."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import torch
from rich.console import Console

from benchmark import learners
from benchmark.campaign.data_access import DataSource, source_of
from benchmark.campaign.tasks import told
from benchmark.data.image_folder import Say
from benchmark.experiment import Protocol, ProtocolError
from benchmark.experiment.library import experiment_name
from benchmark.experiment.protocol import is_folder_name
from benchmark.experiment.suggestions import nearest
from benchmark.features.embedding import Embedding
from benchmark.loop.pool import oracle_obstacle
from benchmark.models import factory
from benchmark.results import store
from benchmark.results.layers import Folders, Layers
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
    """The protocol with its networks by the names that they have here, a user's own loaded, and its embedding's.

    Raises ProtocolError for a network, or a network of the features, that does not exist or lacks a parameter.
    """
    model, features, embedding = protocol.model, protocol.features, protocol.embedding
    try:
        if embedding:
            embedding = Embedding.written(embedding).canonical
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
    named = dataclasses.replace(model, name=model_name)
    return dataclasses.replace(protocol, model=named, features=features, embedding=embedding)


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
            f"model '{model}' classifies embeddings, and the protocol trains on augmented images: choose another "
            "--model, or embed them with --set embedding=simclr (of embeddings of your own: recipe.augmentation=none)"
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
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also what a hook raises
            said = told(error)
            if isinstance(error, AssertionError):
                said = said.removeprefix(f"{type(error).__name__}: ")
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
        settings = {"batcher": "batcher=topk, or ", "subset": "subset=0, or "}
        instead = next((words for name, words in settings.items() if hasattr(strategy, name)), "")
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
    """The device to compute on: ``cpu``, ``cuda`` for all GPUs, or one of them, such as ``cuda:0``."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name in ("cpu", "cpu:0"):
        return "cpu"
    try:
        asked = torch.device(name)
    except RuntimeError as error:
        near = ": did you mean cuda?" if name.lower().startswith("gpu") else nearest(name, ("auto", "cpu", "cuda"))
        raise ProtocolError(f"unknown device '{name}'{near} (use auto, cpu, cuda or cuda:0)") from error
    if asked.type != "cuda":
        raise ProtocolError(f"device '{name}' is not supported: use auto, cpu, cuda or cuda:0")
    wraps = str(asked) != name  # PyTorch counts in 8 bits: cuda:256 would be cuda:0
    if wraps or (asked.index or 0) >= torch.cuda.device_count():
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


def writable(root: Path, cache: Path) -> None:
    """Raise ProtocolError unless the experiment's folder ``root`` and the cache can be written to."""
    own = [(root, "--name")] if root.exists() else []
    for place, option in [(root.parent, "--results-dir"), (cache, "--cache-dir"), *own]:
        writable_folder(place, option)


def writable_folder(place: Path, option: str) -> None:
    """Make the folder that ``option`` names, if need be. Raises ProtocolError unless it can be written to."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        why = error.strerror or error
        raise ProtocolError(f"cannot write to {place} ({why}): name another folder with {option}") from error


def could_write(place: Path, option: str) -> None:
    """As ``writable_folder``, and leave nothing behind."""
    new = [folder for folder in (place, *place.parents) if not folder.exists()]
    writable_folder(place, option)
    for folder in new:
        folder.rmdir()


def source(
    protocol: Protocol, data_dir: Path, cache: Path, console: Console, processes: int | None = None
) -> DataSource:
    """Where the protocol's data are read from; ``processes`` compute embeddings, None for one per core."""
    return source_of(protocol, data_dir, cache, said_on(console), processes or 0)


def said_on(console: Console) -> Say:
    """What prints a line as it is."""
    return lambda line: console.print(line, markup=False, soft_wrap=True)
