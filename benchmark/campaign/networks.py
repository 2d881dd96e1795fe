"""Networks as they identify an experiment: however their parameters are written, the same network is the same one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from benchmark.experiment import Protocol, ProtocolError
from benchmark.models import factory


def settled(asked: Protocol, base: Protocol) -> Protocol:
    """``asked``, which was made from ``base`` by changing fields, with the networks that it has changed written alike.

    A parameter at its default is left out. A network that is the base's after all is written as there: protocols, and
    with them the fingerprints of recorded runs, may write defaults out. Raises ProtocolError for a network that does
    not exist or lacks a parameter.
    """
    model, features = asked.model, asked.features
    if model != base.model:
        parameters = _settled(model.name, model.parameters, base.model.name, base.model.parameters)
        model = dataclasses.replace(model, parameters=parameters)
    if features is not None and features.model and features != base.features:
        of_base = ("", {}) if base.features is None else (base.features.model, base.features.parameters)
        parameters = _settled(features.model, features.parameters, *of_base)
        features = dataclasses.replace(features, parameters=parameters)
    return dataclasses.replace(asked, model=model, features=features)


def _settled(name: str, parameters: Mapping[str, Any], other: str, written: Mapping[str, Any]) -> dict[str, Any]:
    """See ``factory.settled``; ``written`` are the parameters of the base's network ``other``."""
    try:
        (known,) = factory.named([name])
        return factory.settled(known, parameters, written if other in (name, known) else {})
    except ValueError as error:
        raise ProtocolError(str(error)) from error
