"""Names and groups of strategies, and the way from what a user types to an object.

A strategy is written ``name``, ``name[key=value,…]``, ``module:Class``, ``file.py:Class`` or the name of an
entry point in the group ``acqbench.strategies``; any of these may stand inside a wrapper, as in ``power:X`` or
``power[beta=2]:X[key=value,…]``. A group (``core``, ``uncertainty``, …, ``all``) stands for its members.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from strategies.api.base import Strategy
from strategies.registry import plugins
from strategies.registry.plugins import UnknownStrategy, nearest

Wrap = Callable[[Strategy], type[Strategy]]

_registered: dict[str, type[Strategy]] = {}
_wrappers: dict[str, tuple[Wrap, str]] = {}  # and a summary
S = TypeVar("S", bound=type[Strategy])


def register(name: str, *, group: str | tuple[str, ...], paper: str = "") -> Callable[[S], S]:
    """Enter a strategy class under ``name``; ``group`` is one or more groups, ``paper`` a key of strategies.bib."""

    def enter(cls: S) -> S:
        if name in _registered and plugins.source(_registered[name]) != plugins.source(cls):
            raise ValueError(f"two strategies are named '{name}'")
        cls.name = name
        cls.groups = (group,) if isinstance(group, str) else tuple(group)
        cls.paper = paper
        cls.summary = _first_line(cls)
        _registered[name] = cls
        return cls

    return enter


def register_wrapper(name: str, wrap: Wrap, summary: str) -> None:
    """Let ``name:X`` stand for the class that ``wrap`` makes for a strategy X: the same class for the same X.

    The class's constructor takes X's parameters in a mapping, by position, and the wrapper's own by keyword. ``wrap``
    raises ValueError, in one line, for an X that it cannot wrap.
    """
    _wrappers[name] = (wrap, summary)


@dataclass(frozen=True)
class Spec:
    """A strategy with its parameters. ``canonical`` identifies it in files: keys sorted, defaults left out."""

    cls: type[Strategy] = field(repr=False)
    name: str
    parameters: tuple[tuple[str, Any], ...] = ()
    location: str = ""  # where another process finds a plugin's class; empty for the suite's own
    source_sha256: str | None = None  # of a plugin's file
    wrapper: str = ""  # what stands around ``inner``; the parameters are then the wrapper's own
    inner: Spec | None = None

    @property
    def canonical(self) -> str:
        if self.inner is not None:
            return f"{self.wrapper}{self._bracket}:{self.inner.canonical}"
        return self.name + self._bracket

    @property
    def reference(self) -> str:
        """What ``resolve`` turns into the same strategy in another process."""
        if self.inner is not None:
            return f"{self.wrapper}{self._bracket}:{self.inner.reference}"
        return (self.location or self.name) + self._bracket

    @property
    def _bracket(self) -> str:
        return bracket(self.parameters)

    def build(self) -> Strategy:
        if self.inner is not None:
            return self.cls(dict(self.inner.parameters), **dict(self.parameters))  # type: ignore[call-arg]
        return self.cls(**dict(self.parameters))


def names() -> tuple[str, ...]:
    """All registered names, in the order of registration."""
    return tuple(_registered)


def groups() -> tuple[str, ...]:
    """All group names, ``all`` first."""
    return ("all", *dict.fromkeys(group for cls in _registered.values() for group in cls.groups))


def wrappers() -> dict[str, str]:
    """The wrappers' names, each with a line that says what it makes of a strategy X."""
    return {name: summary for name, (_, summary) in _wrappers.items()}


def installed() -> dict[str, str]:
    """Names of the strategies that installed packages offer as entry points, and where they lie; none is imported."""
    return {name: value for name, value in plugins.installed().items() if name not in _registered}


def members(group: str) -> tuple[str, ...]:
    """The strategies of a group; ``all`` is every strategy that does not cheat."""
    if group == "all":
        return tuple(name for name, cls in _registered.items() if "cheating" not in cls.groups)
    return tuple(name for name, cls in _registered.items() if group in cls.groups)


def expand(texts: Iterable[str]) -> list[tuple[Spec, bool]]:
    """What ``--strategies`` names, without repetition; True where a strategy was named itself, not by a group."""
    found: dict[str, tuple[Spec, bool]] = {}
    for text in texts:
        if text in groups():
            for name in members(text):
                spec = resolve(name)
                found.setdefault(spec.canonical, (spec, False))
        else:
            spec = resolve(text)
            found[spec.canonical] = (spec, True)
    return list(found.values())


def resolve(text: str) -> Spec:
    """The strategy that ``text`` names. Raises UnknownStrategy with one line that says what to change."""
    wrapper = re.split(r"[:\[]", text, maxsplit=1)[0]
    if wrapper in _wrappers:
        return _wrapped(text, wrapper)
    name, parameters = parse(text)
    if name in _registered:
        return _spec(_registered[name], name, parameters, *plugins.origin(_registered[name]))
    plugin = plugins.load(name) if ":" in name else plugins.load_installed(name)
    if plugin is not None:
        return _plugin(name, plugin, parameters)
    known = [*(own for own in names() if ":" not in own), *groups(), *_wrappers, *installed()]
    raise UnknownStrategy(f"unknown strategy '{name}'{nearest(name, known)}; --list shows all")


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """Split ``name[key=value,…]``; values are Python literals, anything else is a string."""
    name, bracket, rest = text.partition("[")
    if not bracket:
        return name, {}
    if not rest.endswith("]"):
        raise UnknownStrategy(f"'{text}': the bracket is not closed; write name[key=value,…]")
    parameters: dict[str, Any] = {}
    for item in filter(None, rest[:-1].split(",")):
        key, equals, value = item.partition("=")
        if not equals:
            raise UnknownStrategy(f"'{text}': '{item}' is not key=value")
        try:
            parameters[key.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            parameters[key.strip()] = {"true": True, "false": False}.get(value.strip(), value.strip())
    return name, parameters


def bracket(parameters: tuple[tuple[str, Any], ...]) -> str:
    """Parameters as they stand behind a name, ``[key=value,…]``; nothing for none."""
    return f"[{','.join(f'{key}={value}' for key, value in parameters)}]" if parameters else ""


def _spec(
    cls: type[Strategy], name: str, parameters: dict[str, Any], location: str = "", sha256: str | None = None
) -> Spec:
    return _built(Spec(cls, name, given(cls, name, parameters), location, sha256))


def _plugin(typed: str, plugin: plugins.Plugin, parameters: dict[str, Any]) -> Spec:
    cls = plugin.cls
    if "name" not in cls.__dict__:
        cls.name = plugin.name
        cls.summary = _first_line(cls)
    if cls.name in _registered and _registered[cls.name] is not cls:
        raise UnknownStrategy(f"strategy '{typed}': the name '{cls.name}' is taken; give the class another")
    name = cls.name if ":" in typed else plugin.name  # an entry point's name holds, whatever the class's is
    return _spec(cls, name, parameters, plugin.location, plugin.source_sha256)


def _wrapped(text: str, wrapper: str) -> Spec:
    """``wrapper:X`` or ``wrapper[key=value,…]:X``, X being whatever ``resolve`` takes."""
    own, separator, inside = text.partition("]:" if text[len(wrapper) :].startswith("[") else ":")
    if not inside:
        parse(text)  # a bracket that is not closed has a line of its own
        raise UnknownStrategy(f"'{text}': {wrapper} goes around a strategy; write {wrapper}:margin")
    if inside in groups():
        raise UnknownStrategy(f"'{text}': {wrapper} goes around one strategy, and '{inside}' is a group")
    inner = resolve(inside)
    try:
        cls = _wrappers[wrapper][0](inner.build())
    except ValueError as error:
        raise UnknownStrategy(f"'{text}': {error}") from error
    chosen = given(cls, wrapper, parse(own + separator.rstrip(":"))[1])
    return _built(
        Spec(cls, f"{wrapper}:{inner.name}", chosen, source_sha256=inner.source_sha256, wrapper=wrapper, inner=inner)
    )


def given(cls: type, name: str, parameters: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The parameters of a class that differ from their defaults, typed as these are, sorted.

    Raises UnknownStrategy, naming ``name``, for one that the constructor does not have or that is of another type.
    """
    defaults = parameter_defaults(cls)
    for key in parameters:
        if key not in defaults:
            accepted = ", ".join(defaults) or "none"
            raise UnknownStrategy(f"'{name}' has no parameter '{key}'{nearest(key, defaults)} (it has: {accepted})")
    typed = {key: _like(value, defaults[key], f"'{name}': {key}") for key, value in parameters.items()}
    return tuple(sorted((key, value) for key, value in typed.items() if value != defaults[key]))


def parameter_defaults(cls: type) -> dict[str, Any]:
    """A class's parameters with their defaults; of a wrapped one the wrapper's own."""
    accepted = inspect.signature(cls).parameters.items()
    return {key: p.default for key, p in accepted if p.kind is not p.POSITIONAL_ONLY}


def _built(spec: Spec) -> Spec:
    try:
        spec.build()
    except Exception as error:  # whatever a plugin's constructor raises
        raise UnknownStrategy(f"'{spec.canonical}': {str(error) or type(error).__name__}") from error
    return spec


def _like(value: Any, default: Any, what: str) -> Any:
    """A value in its default's type, so that 2 and 2.0 are one strategy; a number or a truth value must be one."""
    numbers = (int, float)
    if isinstance(default, bool) and value in (0, 1):
        return bool(value)
    if isinstance(default, (bool, *numbers)) and (
        isinstance(default, bool) or isinstance(value, bool) or not isinstance(value, numbers)
    ):
        raise UnknownStrategy(f"{what} must be a value like {default}, not {value!r}")
    if isinstance(default, float):
        return float(value)
    whole = isinstance(default, int) and isinstance(value, float) and value.is_integer()
    return int(value) if whole else value


def _first_line(cls: type) -> str:
    return (inspect.getdoc(cls) or "").split("\n")[0]
