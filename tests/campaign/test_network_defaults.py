"""A network's default that is written out is no other experiment."""

from __future__ import annotations

from typing import Any

import pytest

from benchmark.campaign.heads import changed
from benchmark.experiment import ProtocolError, load, names


@pytest.mark.parametrize("parameters", [{}, {"width": 32}, {"dropout": 0.5}, {"hidden": 128, "width": 32}])
def test_the_protocols_network_stays_as_it_is_written(parameters: dict[str, Any]) -> None:
    digits = load("digits")
    found = changed(digits, {"model": {"name": "cnn", "parameters": parameters}, "seeds": [4]})
    assert (found.model, found.fingerprint, found.seeds) == (digits.model, digits.fingerprint, (4,))


def test_another_network_has_no_defaults_written_out() -> None:
    mnist = load("mnist")  # of width 16
    wider = [
        changed(mnist, changes)
        for changes in (
            {"model": {"name": "cnn", "parameters": {}}},
            {"model": {"name": "cnn", "parameters": {"width": 32, "hidden": 128}}},
            {"model.parameters.width": 32},
        )
    ]
    assert {protocol.fingerprint for protocol in wider} == {wider[0].fingerprint} != {mnist.fingerprint}
    assert wider[2].model.parameters == {}
    deeper = changed(mnist, {"model": {"name": "wide-resnet", "parameters": {"depth": 28, "width": 4}}})
    assert deeper.model.parameters == {"width": 4}


@pytest.mark.parametrize("name", names())
def test_no_protocol_of_the_suite_becomes_another(name: str) -> None:
    protocol = load(name)
    assert changed(protocol, {}) == protocol


@pytest.mark.parametrize("parameters", [{"width": True}, {"width": "32"}, {"widht": 32}])
def test_a_default_of_the_wrong_type_is_no_default(parameters: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="model 'cnn'"):
        changed(load("digits"), {"model": {"name": "cnn", "parameters": parameters}})
