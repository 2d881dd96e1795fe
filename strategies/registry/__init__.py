"""Names of strategies, and the way from what a user types to an object.

``catalogue``: the suite's strategies in order · ``specs``: the language ``name[key=value,…]`` · ``resolution``: from a
text to a ``Spec`` · ``plugins``: classes from elsewhere, with their modules' ``sources`` and ``loading`` ·
``wrappers``: ``power:``, ``softmax:``, ``softrank:`` and ``subset:``.
"""

from strategies.registry.plugins import CodeSource, Loaded, UnknownStrategy
from strategies.registry.resolution import (
    Spec,
    code_named,
    expand,
    groups,
    installed,
    members,
    names,
    resolve,
    resolve_own,
    wrapper_summaries,
)
from strategies.registry.specs import (
    SpecError,
    changed_parameters,
    format_spec,
    nearest,
    parameter_defaults,
    parse,
    presets_of,
)

__all__ = [
    "CodeSource",
    "Loaded",
    "Spec",
    "SpecError",
    "UnknownStrategy",
    "changed_parameters",
    "code_named",
    "expand",
    "format_spec",
    "groups",
    "installed",
    "members",
    "names",
    "nearest",
    "parameter_defaults",
    "parse",
    "presets_of",
    "resolve",
    "resolve_own",
    "wrapper_summaries",
]
