"""From what a user types to a strategy: names, groups, parameters, plugins and wrappers.

A strategy is written ``name``, ``name[key=value,…]``, ``module:Class``, ``file.py:Class`` or the name of an
entry point in the group ``acqbench.strategies``; any of these may stand inside a wrapper, as in ``power:X`` or
``power[beta=2]:X[key=value,…]``. A group (``core``, ``uncertainty``, …, ``all``) stands for its members.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from strategies.api import Strategy, declaration_error, process_state, registration
from strategies.registry import plugins
from strategies.registry.catalogue import CATALOGUE
from strategies.registry.plugins import CodeSource, UnknownStrategy
from strategies.registry.specs import (
    arguments,
    changed_parameters,
    format_spec,
    nearest,
    parse,
    parse_wrapper,
)
from strategies.registry.wrappers import WRAPPERS

_CODE = "mine.py:Mine"
_DEEPEST = 8  # wrappers around one another


@dataclass(frozen=True)
class Spec:
    """A strategy with its parameters. ``canonical`` identifies it in files: keys sorted, defaults left out.

    ``location`` is where another process finds a plugin's class, empty for the suite's own, and ``folder`` is the one
    that it is imported from; ``source_sha256`` is of all its local modules. Of a wrapped strategy, ``cls`` and
    ``parameters`` are the wrapper's and ``inner`` is what is inside.
    """

    cls: type[Strategy] = field(repr=False)
    name: str
    parameters: tuple[tuple[str, Any], ...] = field(default=(), hash=False)  # lists have no hash
    location: str = ""
    folder: str = ""
    source_sha256: str | None = None
    wrapper: str = ""
    inner: Spec | None = None

    @property
    def canonical(self) -> str:
        if self.inner is not None:
            return f"{format_spec(self.wrapper, self.parameters)}:{self.inner.canonical}"
        return format_spec(self.name, self.parameters)

    @property
    def reference(self) -> str:
        """What ``resolve`` turns into the same strategy in another process."""
        if self.inner is not None:
            return f"{format_spec(self.wrapper, self.parameters)}:{self.inner.reference}"
        return format_spec(self.location or self.name, self.parameters)

    @property
    def innermost(self) -> Spec:
        """The strategy inside of all wrappers."""
        return self if self.inner is None else self.inner.innermost

    def named(self, name: str) -> Spec:
        """The same with another name for ``innermost``."""
        if self.inner is None:
            return replace(self, name=name)
        inner = self.inner.named(name)
        return replace(self, name=f"{self.wrapper}:{inner.name}", inner=inner)

    @property
    def groups(self) -> tuple[str, ...]:
        return self.cls.groups if self.inner is None else self.build().groups

    @property
    def version(self) -> int:
        return self.cls.version if self.inner is None else self.build().version

    def build(self) -> Strategy:
        own = arguments(self.cls, self.parameters)
        return self.cls(**own) if self.inner is None else WRAPPERS[self.wrapper].around(self.inner.build(), **own)


def names() -> tuple[str, ...]:
    """All strategies with a name: the suite's in the order of its catalogue, then plugins as they registered."""
    own = [entry if isinstance(entry, str) else entry.name for entry in CATALOGUE]
    return tuple(dict.fromkeys([*own, *registration.REGISTERED]))


def groups() -> tuple[str, ...]:
    """All group names, ``all`` first."""
    return ("all", *dict.fromkeys(group for name in names() for group in _groups(name)))


def members(group: str) -> tuple[str, ...]:
    """The strategies of a group; ``all`` is every strategy in neither of the groups ``diagnostic`` and ``ensemble``.

    A diagnostic reads true labels. An ensemble asks others hundreds of times: its one run takes as long as most others
    together.
    """
    if group == "all":
        return tuple(name for name in names() if not {"diagnostic", "ensemble"} & set(_groups(name)))
    return tuple(name for name in names() if group in _groups(name))


def _groups(name: str) -> tuple[str, ...]:
    cls = registration.REGISTERED.get(name)
    return resolve(name).groups if cls is None else cls.groups


def wrapper_summaries() -> dict[str, str]:
    """The wrappers' names, each with a line that says what it makes of a strategy X."""
    return {name: wrapper.summary for name, wrapper in WRAPPERS.items()}


def installed() -> dict[str, str]:
    """The strategies that installed packages offer as entry points, as ``module:Class`` by name; none is imported."""
    return {name: value for name, value in plugins.entry_points().items() if name not in registration.REGISTERED}


def expand(texts: Iterable[str]) -> list[tuple[Spec, bool]]:
    """What ``--strategies`` names, without repetition; True where a strategy was named itself, not by a group.

    Where two sources among them claim one name, both get longer ones: see ``plugins.distinct_names``.
    """
    asked = [(spec, False) if text in groups() else (spec, True) for text in texts for spec in _named(text)]
    leaves = [spec.innermost for spec, _ in asked]
    names = plugins.distinct_names((leaf.name, leaf.folder, leaf.source_sha256) for leaf in leaves)
    found: dict[str, tuple[Spec, bool]] = {}
    for (spec, itself), leaf in zip(asked, leaves, strict=True):
        spec = spec.named(names[leaf.name, leaf.folder])
        found[spec.canonical] = (spec, itself or found.get(spec.canonical, (spec, False))[1])
    return list(found.values())


def _named(text: str) -> list[Spec]:
    """The strategies that a name or the name of a group stands for."""
    return [resolve(name) for name in members(text)] if text in groups() else [resolve(text)]


def resolve(text: str) -> Spec:
    """The strategy that ``text`` names. Raises SpecError with one line that says what to change."""
    head = re.split(r"[:\[]", text, maxsplit=1)[0]
    if head in WRAPPERS:
        _innermost(text)
        return _wrapped(text, head)
    name, parameters = parse(text)
    cls = registration.REGISTERED.get(name)
    location = name if cls is None else plugins.place(cls)
    if cls is not None and not location:
        return _checked(Spec(cls, name, changed_parameters(cls, name, parameters)))
    plugin = _load(location) if ":" in location else plugins.load_entry_point(name)
    if plugin is not None:
        return _plugin(name, plugin, parameters)
    if name.endswith(".py"):
        raise UnknownStrategy(f"'{name}' is a file: name the class in it, as in {name}:Mine")
    if Path(name).exists():
        what = "folder" if Path(name).is_dir() else "file"
        raise UnknownStrategy(f"'{name}' is a {what}, not a strategy: data are for --dataset, code is named as {_CODE}")
    known = [*(own for own in names() if ":" not in own), *groups(), *WRAPPERS, *installed()]
    raise UnknownStrategy(f"unknown strategy '{name}'{nearest(name, known)} (--list shows all)")


def resolve_own(text: str) -> Spec:
    """The strategy of the suite's own that ``text`` names, in wrappers or not; imports nothing.

    For names from files, which anybody may have written. Raises SpecError.
    """
    name = _innermost(text)
    cls = registration.REGISTERED.get(name)
    if cls is None or plugins.place(cls):
        raise UnknownStrategy(f"'{text}' is none of the suite's own: name it with --strategies, as file.py:Class")
    return resolve(text)


def code_named(text: str) -> CodeSource | None:
    """The code of a user's own that a strategy's text names, by its source alone: nothing is imported.

    None for a name without ``:``, and for the suite's modules. Raises SpecError where there is no such source.
    """
    name = _innermost(text)
    return plugins.code_named(name, "strategy") if ":" in name else None


def _innermost(text: str) -> str:
    """The name inside of all wrappers. Raises SpecError for more than ``_DEEPEST`` of them."""
    inside = text
    for _ in range(_DEEPEST + 1):
        head = re.split(r"[:\[]", inside, maxsplit=1)[0]
        if head not in WRAPPERS:
            return parse(inside)[0]
        inside = parse_wrapper(inside, head)[1]
    raise UnknownStrategy(f"'{text[:40]}…' has more than {_DEEPEST} wrappers around one another")


def _load(text: str) -> plugins.Plugin[Strategy]:
    try:
        return plugins.load(text, Strategy, "strategy", UnknownStrategy)
    except UnknownStrategy as error:
        head, _, rest = text.partition(":")
        meant = difflib.get_close_matches(head, WRAPPERS, n=1, cutoff=0.75)
        if meant and isinstance(error.__cause__, ModuleNotFoundError) and head not in sys.modules:
            raise UnknownStrategy(
                f"no wrapper and no module is named '{head}': did you mean {meant[0]}:{rest}?"
            ) from error
        raise


def _plugin(typed: str, plugin: plugins.Plugin[Strategy], parameters: dict[str, Any]) -> Spec:
    cls = plugin.cls
    if "name" not in cls.__dict__:
        cls.name = plugin.name
        cls.summary = registration.first_line(cls)
    holder = registration.REGISTERED.get(cls.name, cls)
    if holder is not cls and not plugins.place(holder):
        raise UnknownStrategy(f"strategy '{typed}': the name '{cls.name}' is taken; give the class another")
    name = cls.name if ":" in plugin.location else plugin.name  # an entry point's name holds, whatever the class's is
    if name.partition(":")[0] in WRAPPERS:
        raise UnknownStrategy(f"strategy '{typed}': '{name}' begins with the name of a wrapper; give it another name")
    location = plugin.location if plugin.source_sha256 is not None else ""
    chosen = changed_parameters(cls, name, parameters)
    return _checked(Spec(cls, name, chosen, location, plugin.folder, plugin.source_sha256))


def _wrapped(text: str, wrapper: str) -> Spec:
    """``wrapper:X`` or ``wrapper[key=value,…]:X``, X being whatever ``resolve`` takes."""
    parameters, inside = parse_wrapper(text, wrapper)
    if not inside:
        raise UnknownStrategy(f"'{text}': {wrapper} goes around a strategy; write {wrapper}:margin")
    if inside not in registration.REGISTERED and inside in groups():
        raise UnknownStrategy(f"'{text}': {wrapper} goes around one strategy, and '{inside}' is a group")
    inner = resolve(inside)
    cls = WRAPPERS[wrapper].cls
    chosen = changed_parameters(cls, wrapper, parameters)
    name = f"{wrapper}:{inner.name}"
    return _checked(Spec(cls, name, chosen, source_sha256=inner.source_sha256, wrapper=wrapper, inner=inner))


def _checked(spec: Spec) -> Spec:
    """The spec, once it is sure that it builds a strategy whose declarations hold."""
    try:
        with process_state.unchanged("it", "in its constructor"):
            error = declaration_error(spec.build())
    except Exception as raised:  # whatever a plugin's constructor raises
        raise UnknownStrategy(f"'{spec.canonical}': {str(raised) or type(raised).__name__}") from raised
    if error:
        raise UnknownStrategy(f"'{spec.canonical}': {error}")
    return spec
