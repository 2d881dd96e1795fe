"""From parsed arguments to a request: which protocol, with which fields changed."""

from __future__ import annotations

import argparse
import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.campaign.data_access import DataSource
from benchmark.campaign.heads import with_training
from benchmark.campaign.networks import settled
from benchmark.data.image_folder import Say
from benchmark.experiment import Protocol, ProtocolError, load, names
from benchmark.experiment.dataset_name import canonical_name
from benchmark.experiment.fingerprint import continues
from benchmark.experiment.plain_data import shown
from benchmark.experiment.protocol import OPTIONS, from_dict
from benchmark.results import editions
from benchmark.results.store import read_description
from strategies import registry

SHARES = 50  # a data set without a protocol of its own: 2 %, 4 %, … 20 % of its training images


def requested(arguments: argparse.Namespace, say: Say | None = None) -> Protocol:
    """The protocol that the arguments name, with every other argument in its field; ``say``: see ``datasets.load``."""
    changed = changes(arguments)
    protocol = base(arguments, changed.get("image_size", 0), say)
    asked = settled(protocol.override(**with_training(protocol, changed)), protocol)
    if asked.replay:
        raise ProtocolError(f"{arguments.protocol} is of a replay: say with --replay what it replays")
    if say is not None and (line := other_steps(asked.ladder, asked.budgets)):
        say(line)
    return asked


def other_steps(ladder: Sequence[int], budgets: Sequence[int]) -> str:
    """That runs of ``ladder`` do not go on to the label counts ``budgets`` beyond it; empty where they do."""
    if len(ladder) < 2 or tuple(budgets[: len(ladder)]) != tuple(ladder) or continues(ladder, budgets):
        return ""
    last, step = ladder[-1], ladder[-1] - ladder[-2]
    return (
        f"label counts beyond {last} are not in steps of {step}: runs to {last} labels do not go on to them, and all "
        f"rounds are computed anew; {last + step} {last + 2 * step} … would go on"
    )


def changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of the protocol that the arguments change, by their dotted names."""
    changes: dict[str, Any] = {}
    for flag, field in (
        ("strategies", "strategies"),
        ("learner", "learners"),
        ("seeds", "seeds"),
        ("budgets", "budgets"),
    ):
        if getattr(arguments, flag) is not None:
            changes[field] = getattr(arguments, flag)
    for field in ("strategies", "learners"):
        if field in changes:
            asked, changes[field] = changes[field], editions.older(changes[field])[0]
            if not changes[field]:
                raise ProtocolError(f"{field}: '{asked[0]}' is not computed any more; --report DIR shows its runs")
    of_model: list[str] = []
    if arguments.model is not None:
        name, parameters = registry.parse(arguments.model)
        changes["model"] = {"name": name, "parameters": parameters}
        of_model = ["model.name", *(f"model.parameters.{parameter}" for parameter in parameters)]
    return {**changes, **set_fields(arguments.set, of_model)}


def set_fields(items: Sequence[str], of_model: Sequence[str]) -> dict[str, Any]:
    """The fields that ``--set`` gives, by their dotted names; ``of_model`` are those that ``--model`` gives.

    Raises ProtocolError where two give the same field, or one that is a part of the other, and for a field that an
    option of its own sets.
    """
    found: dict[str, Any] = {}
    for item in items:
        field, equals, text = item.partition("=")
        if not equals:
            raise ProtocolError(f"--set takes FIELD=VALUE, not '{item}'")
        if instead := OPTIONS.get(field.partition(".")[0]):
            raise ProtocolError(f"--set does not take '{field}': use {instead}")
        if field in found:
            raise ProtocolError(f"--set gives '{field}' twice: leave one out")
        if other := next((one for one in found if _overlap(one, field)), ""):
            raise ProtocolError(f"--set gives '{other}' and '{field}', one of which is in the other: leave one out")
        if other := next((one for one in of_model if _overlap(one, field)), ""):
            raise ProtocolError(f"--model gives {other}, and so does --set {field}=…: leave one out")
        found[field] = value(text)
    model = found.get("model", {})
    if not isinstance(model, Mapping):
        name = model if isinstance(model, str) and model else "NAME"
        raise ProtocolError(f"'model' must be a table, not {shown(model)}: use --model {name[:80]}")
    return found


def _overlap(one: str, other: str) -> bool:
    """Whether one of two dotted names is the other, or a part of it."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def base(arguments: argparse.Namespace, image_size: Any, say: Say | None) -> Protocol:
    """The protocol before any field is changed; ``image_size``, yet unchecked, is that of the user's own images."""
    dataset = arguments.dataset
    if arguments.protocol is not None:
        protocol = recorded(arguments.protocol) if arguments.protocol.endswith(".json") else load(arguments.protocol)
        return protocol.override(dataset=dataset) if dataset is not None else protocol
    if dataset is None:
        return load("digits")
    if dataset in names():
        return load(dataset)
    if not dataset:
        raise ProtocolError("--dataset takes a name or a path, not nothing")
    size = image_size if isinstance(image_size, int) else 0
    source = DataSource(dataset, arguments.data_dir, arguments.cache_dir, size, say)
    data = source.identify() or source.load()[1]
    step = max(data.class_count, data.num_train // SHARES)
    if data.image_size == (1, 1):  # of embeddings
        like = load("cifar10-embeddings").override(embedding="")
    else:
        like = load("cifar10-short" if min(data.image_size) >= 16 and data.channels == 3 else "mnist")
    ladder = tuple(step * i for i in range(1, 11) if step * i <= data.num_train)
    shares = "2 % to 20 % of the training examples" if arguments.budgets is None else "label counts as asked for"
    return dataclasses.replace(
        like,
        name=canonical_name(dataset),
        dataset=dataset,
        budgets=ladder,
        ladder=ladder,
        description=f"{dataset}: {shares}, otherwise as {like.name}.",
        notes="",  # they are on the data of that protocol
        papers=(),
    )


def recorded(path: str) -> Protocol:
    """The protocol of an experiment, from its ``experiment.json``. Raises ProtocolError, StoreError."""
    description = read_description(Path(path).parent) if Path(path).name == "experiment.json" else None
    if description is None:
        raise ProtocolError(f"--protocol takes a name, a .toml file, or an experiment.json, which '{path}' is not")
    try:
        return from_dict(description.protocol)
    except ProtocolError as error:
        raise ProtocolError(f"{path}: {error}") from error


def value(text: str) -> Any:
    """A TOML value, or the text itself. Raises ProtocolError for a number or nesting beyond what Python reads."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    except (ValueError, RecursionError) as error:  # a number of over 4,300 digits, or lists nested without end
        raise ProtocolError(f"--set cannot take a value of {len(text):,} characters: {error}") from error
