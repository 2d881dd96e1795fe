"""Names of strategies, and the way from what a user types to an object."""

from strategies.registry.registry import (
    Spec,
    UnknownStrategy,
    bracket,
    expand,
    given,
    groups,
    installed,
    members,
    names,
    nearest,
    parameter_defaults,
    parse,
    register,
    register_wrapper,
    resolve,
    wrappers,
)

__all__ = [
    "Spec",
    "UnknownStrategy",
    "bracket",
    "expand",
    "given",
    "groups",
    "installed",
    "members",
    "names",
    "nearest",
    "parameter_defaults",
    "parse",
    "register",
    "register_wrapper",
    "resolve",
    "wrappers",
]
